"""Brings commands to the nodes that they belong to, and their replies back.

Written once: what differs between blocking callers and event loops is behind `Links`, what differs between a single server,
one found through Sentinel and a Cluster is in `Topology`. Everything that goes to one node leaves in one batch, and the batches
of several nodes side by side.

Redirections are followed here, not by redis-py, so that both colours and the hit path go by one map of slots, and so that all
of it together takes no longer than one operation may.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import StoreError
from ..resp import ReplyError, pack
from .client import Node
from .commands import Command
from .layout import RedisKey
from .links import Batch, Links, OutOfMemory
from .topology import Topology

__all__ = ["Wire"]

_ROUNDS = 6
"""How often a command is redirected or sent again before it counts as failed."""
_FOR_REPLICAS = 0.4
"""The part of an operation's time that it waits for a replica at most."""
_TRY_AGAIN = ("TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY")
_ASKING = pack(b"ASKING")
_PING = pack(b"PING")
_CLUSTER_INFO = pack(b"CLUSTER", b"INFO")


class _Errand:
    """A command on its way."""

    __slots__ = ("command", "index", "is_asking", "node")

    def __init__(self, index: int, command: Command) -> None:
        self.index = index
        self.command = command
        self.node: Node | None = None
        self.is_asking = False


class Wire:
    """The servers, as callers of one colour reach them.

    Args:
        links: the connections of that colour.
        topology: knows which node has which keys; both colours share it.

    Attributes:
        links: the connections.
        patience: for how many seconds an operation waits.
    """

    def __init__(self, links: Links, topology: Topology) -> None:
        self.links = links
        self.topology = topology
        self.patience = links.timeout

    async def values(self, keys: Sequence[RedisKey]) -> list[bytes | None]:
        """Return the values of keys: in one command on a single server, in one batch for each node of a cluster.

        Raises:
            StoreError: they could not be read.
        """
        topology = self.topology
        node = topology.only_node
        if node is not None:
            outcome = await self.links.values(node, keys)
            if isinstance(outcome, StoreError):
                self.topology.suspect(node)
                raise outcome
            if len(outcome) == len(keys) and not isinstance(outcome[0], ReplyError):
                return outcome
        return await self.run([Command(key, b"*2\r\n$3\r\nGET\r\n" + key.bulk) for key in keys])

    async def run(self, commands: Sequence[Command], *, is_repeatable: bool = True, is_lasting: bool = False) -> list[Any]:
        """Run commands and return their replies.

        Args:
            commands: what to run.
            is_repeatable: to run them twice does no harm.
            is_lasting: wait, for part of the time that an operation may take, until a replica has heard of it too: it must not
                be undone when the replica takes over.

        Raises:
            StoreError: a node could not be reached, or refused a command.
        """
        until = self.links.deadline()
        await self._ready(until)
        replies: list[Any] = [None] * len(commands)
        errands = [_Errand(index, one) for index, one in enumerate(commands)]
        for turn in range(_ROUNDS):
            errands = await self._round(errands, replies, until, is_repeatable, is_lasting)
            if not errands:
                return replies
            if turn:
                await self.links.pause(0.01 * turn)
            await self._ready(until)
        raise StoreError("the cluster sends commands from node to node", store="redis", operation="run")

    async def _round(
        self, errands: list[_Errand], replies: list[Any], until: float, is_repeatable: bool, is_lasting: bool
    ) -> list[_Errand]:
        """Send commands to where they belong; return those that have to be sent again."""
        homes: dict[Node, list[_Errand]] = {}
        for errand in errands:
            homes.setdefault(errand.node or self.topology.node_of(errand.command.key.slot), []).append(errand)
        replicated = [node for node in homes if is_lasting and self.topology.has_replica(node)]
        batches = [_batch(node, given, is_repeatable) for node, given in homes.items()]
        batches = [self._awaiting_replica(one) if one.node in replicated else one for one in batches]
        again: list[_Errand] = []
        failure: StoreError | None = None
        for (node, given), outcome in zip(homes.items(), await self.links.exchange(batches, until), strict=True):
            if isinstance(outcome, StoreError):
                self.topology.suspect(node)
                failure = failure or outcome
                continue
            answers = iter(outcome)
            for errand in given:
                if errand.is_asking:
                    next(answers)
                reply = next(answers)
                replies[errand.index] = reply
                if _is_error(reply) and self._is_to_go_again(errand, node, str(reply)):
                    again.append(errand)
                elif node in replicated and outcome[-1] == 0:
                    self.topology.unconfirmed.add(node, errand.command)
        if failure is not None:
            raise failure
        return again

    def _awaiting_replica(self, batch: Batch) -> Batch:
        wait = pack(b"WAIT", 1, int(self.patience * 1000 * _FOR_REPLICAS) or 1)
        return batch._replace(data=batch.data + wait, replies=batch.replies + 1)

    def _is_to_go_again(self, errand: _Errand, node: Node, error: str) -> bool:
        kind, _, rest = error.partition(" ")
        errand.node, errand.is_asking = None, False
        if kind == "MOVED":
            self.topology.moved(*_place(rest, node))
        elif kind == "ASK":
            errand.node, errand.is_asking = _place(rest, node)[1], True
        elif kind == "NOSCRIPT" and errand.command.script is not None:
            errand.command = errand.command.whole()
        elif kind in _TRY_AGAIN:
            self.topology.suspect(node)
        else:
            refusal = OutOfMemory if kind == "OOM" or "-OOM" in error else StoreError
            raise refusal(f"{node} refused a command: {error}", store="redis", operation="run")
        return True

    async def _ready(self, until: float) -> None:
        topology = self.topology
        if topology.is_known:
            return
        await topology.learn(self.links, until)
        lost = topology.unconfirmed.lost(topology.node_of)
        errands = [_Errand(index, command) for index, (_, _, command) in enumerate(lost)]
        for _ in range(_ROUNDS):
            if not errands:
                break
            errands = await self._round(errands, [None] * len(lost), until, True, True)
        if errands:
            raise StoreError("a new master could not be told what is outdated", store="redis", operation="route")
        topology.unconfirmed.forget(lost)
        topology.trust()

    async def on_all(self, commands: Sequence[bytes]) -> dict[Node, list[Any]]:
        """Run commands on every primary.

        Raises:
            StoreError: one of them could not be reached, or refused.
        """
        until = self.links.deadline()
        await self._ready(until)
        nodes = self.topology.primaries()
        batches = [Batch(node, b"".join(commands), len(commands)) for node in nodes]
        found: dict[Node, list[Any]] = {}
        for node, outcome in zip(nodes, await self.links.exchange(batches, until), strict=True):
            if isinstance(outcome, StoreError):
                self.topology.suspect(node)
                raise outcome
            refused = next((reply for reply in outcome if _is_error(reply)), None)
            if refused is not None:
                self.topology.suspect(node)
                raise StoreError(f"{node} refused a command: {refused}", store="redis", operation="run")
            found[node] = outcome
        return found

    async def nodes(self) -> list[Node]:
        """Return all nodes that have keys."""
        await self._ready(self.links.deadline())
        return self.topology.primaries()

    async def ping(self) -> None:
        """Return if every node that has keys answers.

        Raises:
            StoreError: one of them does not, or the cluster is not whole.
        """
        question = _CLUSTER_INFO if self.topology.is_cluster else _PING
        for node, (reply,) in (await self.on_all([question])).items():
            if self.topology.is_cluster and b"cluster_state:ok" not in reply:
                raise StoreError(f"{node} says that the cluster is not whole", store="redis", operation="ping")

    async def on_one(self, node: Node, data: bytes) -> Any:
        """Run a command on one node.

        Raises:
            StoreError: it could not be reached, or refused.
        """
        (outcome,) = await self.links.exchange([Batch(node, data, 1)], self.links.deadline())
        if isinstance(outcome, StoreError):
            self.topology.suspect(node)
            raise outcome
        if _is_error(outcome[0]):
            raise StoreError(f"{node} refused a command: {outcome[0]}", store="redis", operation="run")
        return outcome[0]

    async def close(self) -> None:
        """Close all connections."""
        await self.links.close()


def _batch(node: Node, errands: list[_Errand], is_repeatable: bool) -> Batch:
    data = [(_ASKING if errand.is_asking else b"") + errand.command.data for errand in errands]
    return Batch(node, b"".join(data), len(errands) + sum(errand.is_asking for errand in errands), is_repeatable)


def _is_error(reply: object) -> bool:
    return isinstance(reply, ReplyError)


def _place(rest: str, asked: Node) -> tuple[int, Node]:
    """Return slot and node from ``"3999 127.0.0.1:6381"``; a node that does not know its own name leaves the host out."""
    slot, _, address = rest.partition(" ")
    host, _, port = address.rpartition(":")
    return int(slot), Node(host or asked.host, int(port))
