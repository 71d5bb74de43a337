"""A real Redis Cluster: three primaries, each with a replica, to be failed over and resharded, and healed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from redis.crc import key_slot
from tests.servers.layout import Part, is_at_ease, layout, open_moves
from tests.servers.processes import HOST
from tests.servers.server import Server
from tests.servers.waiting import eventually, holds

PRIMARIES = 3
SHARES = ((0, 5460), (5461, 10922), (10923, 16383))
NODE_TIMEOUT = 1000
"""Milliseconds for which a node is silent before the others take it for dead. Less is too short for a busy machine."""
FORMING = 15.0
TAKING_OVER = 15.0
TAKING_BACK = 3.0
MIGRATING = 5000

CONFIG = {
    "cluster-enabled": "yes",
    "cluster-config-file": "nodes.conf",
    "cluster-node-timeout": str(NODE_TIMEOUT),
    "cluster-announce-ip": HOST,
    "cluster-replica-validity-factor": "0",  # a replica always stands for election
    "cluster-migration-barrier": "100",  # replicas stay with their primaries
}
ENCRYPTED = {"tls-cluster": "yes", "tls-replication": "yes"}


class Cluster:
    """Six nodes; the first three are the primaries when all is well, and the others their replicas, in the same order."""

    def __init__(self, *, tls: bool = False, config: Mapping[str, str] | None = None) -> None:
        settings = {**CONFIG, **(ENCRYPTED if tls else {}), **(config or {})}
        first = Server(bus=True, tls=tls, config=settings)
        others = [Server(bus=True, tls=first.certificates or False, config=settings) for _ in range(2 * PRIMARIES - 1)]
        self.nodes = [first, *others]

    @property
    def processes(self) -> list[Server]:
        """All nodes."""
        return self.nodes

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all nodes, form the cluster, and wait until every node sees all of it."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait_until_ready()
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER SET-CONFIG-EPOCH", number + 1)
            for other in self.nodes[:number]:
                node.ask("CLUSTER MEET", HOST, other.port)
        for node, (first, last) in zip(self.nodes, SHARES, strict=False):
            node.ask("CLUSTER ADDSLOTS", *range(first, last + 1))
        for node, primary in zip(self.nodes[PRIMARIES:], self.nodes, strict=False):
            _follow(node, primary)
        eventually(self.is_clean, FORMING, self._told)
        self.reset_stats()

    def stop(self) -> None:
        """End all nodes for good."""
        for node in self.nodes:
            node.stop()

    # How to reach it

    @property
    def url(self) -> str:
        """The URL of the cluster: all its nodes."""
        scheme = "rediss" if self.nodes[0].certificates else "redis"
        return f"{scheme}+cluster://{','.join(f'{HOST}:{node.port}' for node in self.nodes)}"

    @property
    def options(self) -> dict[str, Any]:
        """What redis-py must be told besides the URL."""
        return self.nodes[0].options

    def living(self) -> list[Server]:
        """Return the nodes that are up and not paused."""
        return [node for node in self.nodes if node.is_up and not node.is_paused]

    def primaries(self) -> list[Server]:
        """Return the living nodes that own slots."""
        seen = layout(self.living()[0])
        return [node for node in self.living() if seen[node.port].slots]

    def primary_of(self, key: str | bytes) -> Server:
        """Return the node that owns a key."""
        return self.owner(slot_of(key))

    def owner(self, slot: int) -> Server:
        """Return the node that owns a slot."""
        return self._at(next(port for port, part in layout(self.living()[0]).items() if part.owns(slot)))

    def replica_of(self, node: Server) -> Server:
        """Return the living replica of a node."""
        seen = layout(self.living()[0])
        return next(other for other in self.living() if seen[other.port].follows == node.port)

    def _at(self, port: int) -> Server:
        return next(node for node in self.nodes if node.port == port)

    # What goes wrong

    def fail_over(self, which: str | bytes | Server, how: Literal["kill", "pause", "ask"] = "kill") -> Server:
        """Get rid of the primary (of a key), or ask it to step down; return what was its replica once all others obey that."""
        old = which if isinstance(which, Server) else self.primary_of(which)
        new = self.replica_of(old)
        slots = layout(new)[old.port].slots
        if how == "kill":
            old.kill()
        elif how == "pause":
            old.pause()
        else:
            new.ask("CLUSTER FAILOVER")
        eventually(lambda: self._all_see({new: Part(None, slots)}), TAKING_OVER, self._told)
        if how == "ask":
            eventually(lambda: self._all_see({old: Part(new.port, ())}), TAKING_OVER, self._told)
        return new

    def revive(self, node: Server) -> None:
        """Bring back a node that was killed or paused; wait until it has its part: if it was replaced, that of a replica."""
        if node.is_up:
            node.resume()
        else:
            node.start()
        eventually(lambda: self._has_its_part(node), FORMING, self._told)

    def move_slot(self, slot: int, target: Server) -> None:
        """Move a slot and its keys to another primary."""
        self.begin_move(slot, target).finish()

    def begin_move(self, slot: int, target: Server) -> Move:
        """Begin to move a slot. Until that is finished, the slot's owner answers ASK for keys that it has not (any more)."""
        source = self.owner(slot)
        target.ask("CLUSTER SETSLOT", slot, "IMPORTING", _name(source))
        source.ask("CLUSTER SETSLOT", slot, "MIGRATING", _name(target))
        return Move(self, slot, source, target)

    def _all_see(self, expected: Mapping[Server, Part]) -> bool:
        return all(
            is_at_ease(node) and all(layout(node).get(other.port) == part for other, part in expected.items())
            for node in self.living()
        )

    def _has_its_part(self, node: Server) -> bool:
        part = layout(node)[node.port]
        return bool(part.slots or part.follows) and self._all_see({node: part})

    def _told(self) -> str:
        return "\n\n".join(node.ask("CLUSTER NODES").decode() for node in self.living())

    # Well again

    def is_clean(self) -> bool:
        """Tell whether all nodes are up, play the parts that they began with, and agree on that."""
        return self.living() == self.nodes and self._all_see(self._first_parts()) and not any(map(open_moves, self.nodes))

    def heal(self) -> None:
        """Bring the cluster back to how it started, whatever was done to it, on the same ports; its keys may be lost."""
        for node in self.nodes:
            if node.is_paused:
                node.resume()
        if not (holds(self.is_clean) or self._takes_slots_back()):
            for node in self.nodes:
                node.kill()
                node.forget()
            self.start()

    def clean(self) -> None:
        """Heal the cluster, and forget all keys, scripts and counts."""
        self.heal()
        self.flush()
        for node in self.nodes:
            node.ask("SCRIPT FLUSH")
        self.reset_stats()

    def flush(self) -> None:
        """Forget all keys."""
        for node in self.primaries():
            node.flush()

    def reset_stats(self) -> None:
        """Count from zero."""
        for node in self.living():
            node.reset_stats()

    def commandstats(self, nodes: list[Server] | None = None) -> Counter[str]:
        """Return how often each command ran on all primaries, or on some nodes. A replica also counts what it replicates."""
        return sum((node.commandstats() for node in nodes or self.primaries()), Counter())

    def _first_parts(self) -> dict[Server, Part]:
        primaries, replicas = self.nodes[:PRIMARIES], self.nodes[PRIMARIES:]
        parts = {node: Part(None, (share,)) for node, share in zip(primaries, SHARES, strict=True)}
        return parts | {node: Part(primary.port, ()) for node, primary in zip(replicas, primaries, strict=True)}

    def _takes_slots_back(self) -> bool:
        """Undo moves of slots, which is quick; tell whether all is well then."""
        if self.living() != self.nodes or not holds(lambda: self.primaries() == self.nodes[:PRIMARIES]):
            return False
        self.flush()
        for node in self.primaries():
            for slot in open_moves(node):
                node.ask("CLUSTER SETSLOT", slot, "STABLE")
        for node, part in self._first_parts().items():
            for first, last in part.slots:
                seen = layout(node)[node.port]
                for slot in range(first, last + 1):
                    if not seen.owns(slot):
                        self.move_slot(slot, node)
        try:
            return eventually(self.is_clean, TAKING_BACK)
        except AssertionError:
            return False


class Move(NamedTuple):
    """A slot on its way from one primary to another."""

    cluster: Cluster
    slot: int
    source: Server
    target: Server

    def carry(self, *keys: str | bytes) -> None:
        """Move some keys of the slot."""
        self.source.ask("MIGRATE", HOST, self.target.port, "", 0, MIGRATING, "KEYS", *keys)

    def finish(self) -> None:
        """Move all keys that are left, and hand the slot over; every node knows afterwards."""
        while keys := self.source.ask("CLUSTER GETKEYSINSLOT", self.slot, 100):
            self.carry(*keys)
        for node in {self.target: 0, self.source: 0} | dict.fromkeys(self.cluster.primaries(), 0):  # the target first
            node.ask("CLUSTER SETSLOT", self.slot, "NODE", _name(self.target))
        port = self.target.port
        eventually(lambda: all(layout(node)[port].owns(self.slot) for node in self.cluster.living()), TAKING_OVER)


def slot_of(key: str | bytes) -> int:
    """Return the slot of a key."""
    return key_slot(key.encode() if isinstance(key, str) else key)


def _follow(node: Server, primary: Server) -> None:
    name = _name(primary)
    eventually(lambda: node.ask("CLUSTER REPLICATE", name), FORMING)  # refused until the nodes have met


def _name(node: Server) -> str:
    name: bytes = node.ask("CLUSTER MYID")
    return name.decode()
