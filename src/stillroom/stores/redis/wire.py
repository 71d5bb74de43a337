"""Brings commands to the nodes that they belong to, and their replies back.

Written once: what differs between blocking callers and event loops is behind `Links`, what differs between a single server,
one found through Sentinel and a Cluster is in `Topology`. Everything that goes to one node leaves in one batch, and the batches
of several nodes side by side.

Redirections are followed here, not by redis-py, so that both colours and the hit path go by one map of slots, and so that all
of it together takes no longer than one operation may.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...errors import StoreError
from ..resp import ReplyError, pack
from .client import Node
from .commands import Command, value_of
from .layout import RedisKey
from .links import Batch, Links, Outcome, OutOfMemory
from .picture import Picture
from .senseless import SENSELESS
from .topology import Topology
from .unconfirmed import kept_of

__all__ = ["Wire"]

_ROUNDS = 6
"""How often a command is redirected or sent again before it counts as failed."""
_FOR_REPLICAS = 0.1
"""The part of an operation's time for which it asks a server to wait for replicas; the server may take a tenth of a second more
to find that it is over."""
_SETTLING = 0.15
"""For how many seconds nothing is read from a new master: others who have something to tell it find it within this time."""
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


class _Trip(NamedTuple):
    """Commands that are brought to their nodes together.

    Attributes:
        replies: the replies, as far as they have come.
        until: when it must end.
        is_repeatable: to run the commands twice does no harm.
        is_lasting: all replicas are to hear of them.
        missed: the commands of which a replica has not.
    """

    replies: list[Any]
    until: float
    is_repeatable: bool
    is_lasting: bool
    missed: list[Command]


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
        return await self.run([value_of(key) for key in keys])

    async def run(self, commands: Sequence[Command], *, is_repeatable: bool = True, is_lasting: bool = False) -> list[Any]:
        """Run commands and return their replies.

        Args:
            commands: what to run.
            is_repeatable: to run them twice does no harm.
            is_lasting: wait, for part of the time that an operation may take, until the replicas have heard of it too: it must
                not be undone when one of them takes over.

        Raises:
            StoreError: a node could not be reached, or refused a command.
        """
        trip = _Trip([None] * len(commands), self.links.deadline(), is_repeatable, is_lasting, [])
        await self._ready(trip.until)
        errands = [_Errand(index, one) for index, one in enumerate(commands)]
        for turn in range(_ROUNDS):
            errands = await self._round(errands, trip, self.topology.picture)
            if not errands:
                break
            if turn:
                await self.links.pause(0.01 * turn)
            await self._ready(trip.until)
        else:
            raise StoreError("the cluster sends commands from node to node", store="redis", operation="run")
        if trip.missed:
            await self._look_for_successors(trip.until)
        return trip.replies

    async def _round(self, errands: list[_Errand], trip: _Trip, picture: Picture) -> list[_Errand]:
        """Send commands to where they belong; return those that have to be sent again."""
        homes: dict[Node, list[_Errand]] = {}
        for errand in errands:
            slot = errand.command.key.slot
            homes.setdefault(errand.node or picture.node_of(slot) or self.topology.node_of(slot), []).append(errand)
        replicas = dict(picture.replicas) if trip.is_lasting else {}
        batches = [self._batch(node, given, trip, replicas.get(node) or 0) for node, given in homes.items()]
        echo = self._echo(errands) if trip.is_lasting else []
        outcomes = await self.links.exchange([*batches, *echo], trip.until)
        again: list[_Errand] = []
        failure: StoreError | None = None
        for (node, given), outcome in zip(homes.items(), outcomes, strict=False):
            if isinstance(outcome, StoreError):
                self.topology.suspect(node)
                failure = failure or outcome
            else:
                again += self._sort(node, given, outcome, trip, replicas.get(node))
        self._heed_echo(echo, outcomes[len(batches) :])
        if failure is not None:
            raise failure
        return again

    def _batch(self, node: Node, errands: list[_Errand], trip: _Trip, replicas: int) -> Batch:
        data = [(_ASKING if errand.is_asking else b"") + errand.command.data for errand in errands]
        if replicas:
            data.append(pack(b"WAIT", replicas, int(self.patience * 1000 * _FOR_REPLICAS) or 1))
        count = len(data) + sum(errand.is_asking for errand in errands)
        return Batch(node, b"".join(data), count, trip.is_repeatable)

    def _sort(self, node: Node, errands: list[_Errand], outcome: list[Any], trip: _Trip, replicas: int | None) -> list[_Errand]:
        """Put the replies of a node into their places; return what has to be sent again."""
        again: list[_Errand] = []
        is_missed = replicas is not None and (not replicas or outcome[-1] != replicas)
        answers = iter(outcome)
        for errand in errands:
            if errand.is_asking:
                next(answers)
            reply = trip.replies[errand.index] = _read(errand.command, next(answers))
            if _is_error(reply) and self._is_to_go_again(errand, node, str(reply)):
                again.append(errand)
            elif is_missed:
                self.topology.unconfirmed.add(node, errand.command)
                trip.missed.append(errand.command)
        return again

    def _echo(self, errands: list[_Errand]) -> list[Batch]:
        """Return what to tell a former master, from which others may still read."""
        former = self.topology.former()
        told = [kept.data for errand in errands if (kept := kept_of(errand.command)) is not None]
        return [Batch(former, b"".join(told), len(told))] if former is not None and told else []

    def _heed_echo(self, echo: list[Batch], outcomes: list[Outcome]) -> None:
        for batch, outcome in zip(echo, outcomes, strict=True):
            if isinstance(outcome, StoreError) or any(map(_is_error, outcome)):  # it is gone, or a replica by now
                self.topology.dismiss(batch.node)

    def _is_to_go_again(self, errand: _Errand, node: Node, error: str) -> bool:
        kind, _, rest = error.partition(" ")
        errand.node, errand.is_asking = None, False
        if kind == "MOVED":
            slot, new = _place(rest, node)
            self.topology.moved(slot, node, new)
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
        if not self.topology.is_known:
            await self.settle(until)

    async def settle(self, until: float) -> None:
        """Draw the picture anew, and have it published when whoever is new in it has heard all that it must know.

        Raises:
            StoreError: nobody could tell, or a new master could not be told.
        """
        draft = await self.topology.learn(self.links, until)
        await self._tell(draft.picture, until)
        if draft.is_succession:
            await self.links.pause(min(_SETTLING, max(until - time.monotonic(), 0.0) / 2))
            await self._tell(draft.picture, until)  # what others of this process have told the former one meanwhile
        self.topology.publish(draft)

    async def _tell(self, picture: Picture, until: float) -> None:
        lost = self.topology.unconfirmed.lost(picture)
        errands = [_Errand(index, command) for index, (_, _, command) in enumerate(lost)]
        trip = _Trip([None] * len(lost), until, True, True, [])
        for _ in range(_ROUNDS):
            if not errands:
                break
            errands = await self._round(errands, trip, picture)
        if errands:
            raise StoreError("a new master could not be told what is outdated", store="redis", operation="route")
        self.topology.unconfirmed.forget(lost)

    async def _look_for_successors(self, until: float) -> None:
        """See whether another node has taken over from one whose replicas have not heard what it was told."""
        try:
            await self.settle(until)
        except (StoreError, *SENSELESS):  # what was asked for has been done; who may have to hear of it is looked for behind
            pass

    async def on_all(self, commands: Sequence[bytes]) -> dict[Node, list[Any]]:
        """Run commands on every primary.

        Raises:
            StoreError: one of them could not be reached, or refused.
        """
        until = self.links.deadline()
        await self._ready(until)
        nodes = self.topology.picture.primaries()
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
        return self.topology.picture.primaries()

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


def _is_error(reply: object) -> bool:
    return isinstance(reply, ReplyError)


def _read(command: Command, reply: Any) -> Any:
    """Return a reply, or ``None`` where a value was to be read and something else is."""
    is_other = command.reads and _is_error(reply) and str(reply).startswith("WRONGTYPE")
    return None if is_other else reply


def _place(rest: str, asked: Node) -> tuple[int, Node]:
    """Return slot and node from ``"3999 127.0.0.1:6381"``; a node that does not know its own name leaves the host out."""
    slot, _, address = rest.partition(" ")
    host, _, port = address.rpartition(":")
    return int(slot), Node(host or asked.host, int(port))
