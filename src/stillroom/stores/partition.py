"""Partitions: the entries and leases of one keyspace, and the gates through which plain hit paths reach the entries.

Invalidating a whole partition replaces its dict, so plain hits need not look at generations: what they find in the current
dict was not invalidated. Nothing in here takes a lock: the store does. Plain hit paths read ``gate.entries`` without one.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any
from weakref import ref

from ..entry import Generations
from ..protocols import Keyspace
from .leases import Standing

if TYPE_CHECKING:
    from .node import Node

__all__ = ["Gate", "Nowhere", "Partition"]

NEVER = -math.inf


class Nowhere:
    """What a gate leads to while it is attached to no store; it vouches for no entry."""

    epoch = object()


class Gate:
    """What the plain hit path of one function reads.

    Attributes:
        entries: the nodes that it may serve by local key; empty while the gate is closed. Nobody but the store writes into it.
        store: the store they are in, whose ``epoch`` vouches for entries with tags.
        hits: plain hits, for functions that share their entries with others and therefore count here.
        home: the partition, while attached.
        owner: the generation of the function that it is for; entries of names may belong to another function.
        is_open: whether the plain hit path may be taken; changed by `MemoryStore.plain` only.
    """

    __slots__ = ("__weakref__", "entries", "hits", "home", "is_open", "owner", "store")

    def __init__(self, owner: str | None = None) -> None:
        self.entries: dict[Hashable, Node] = {}
        self.owner = owner
        self.store: Any = Nowhere
        self.hits = 0
        self.home: Partition | None = None
        self.is_open = True

    def open(self, is_open: bool) -> None:
        """Let the plain hit path be taken, or not."""
        self.is_open = is_open
        if self.home is not None:
            self.home.show()

    def leave(self) -> None:
        """Lead nowhere."""
        self.store = Nowhere
        if self.home is not None:
            self.home.dismiss(self)


class Partition:
    """The entries of one keyspace.

    Attributes:
        space: the keyspace, weakly: its entries vanish with it.
        namespace: the keyspace's namespace.
        function: the keyspace's function, if it has one.
        entries: the nodes by local key.
        names: the names of the generations that all its entries carry besides those of everything and of the namespace.
        leases: the leases that stand, by local key.
        graves: former dicts of entries that have not been cleared away yet.
        usual: the generations that all its entries carry.
        checked: whoever reads the plain path compares epochs, so entries with further generations may take it.
        plain_hits: hits on the plain path of entries that are gone.
        evictions: how many entries made room for others.
    """

    __slots__ = (
        "_gates",
        "checked",
        "entries",
        "evictions",
        "function",
        "graves",
        "leases",
        "names",
        "namespace",
        "plain_hits",
        "space",
        "usual",
    )

    def __init__(self, space: ref[Keyspace], namespace: str, function: str | None, usual: Generations) -> None:
        self.space = space
        self.namespace = namespace
        self.function = function
        self.names = () if function is None else (function,)
        self.usual = usual
        self.entries: dict[Hashable, Node] = {}
        self.leases: dict[Hashable, Standing] = {}
        self.graves: list[dict[Hashable, Node]] = []
        self.checked = function is None
        self.plain_hits = self.evictions = 0
        self._gates: list[ref[Gate]] = []

    def count_hits(self) -> int:
        """Return how many hits the plain path has answered; exact whenever no other thread is at work on the partition."""
        # Nodes go from the entries to the graves and out of existence. Counted in the reverse order, none is counted twice.
        count = self.plain_hits
        for entries in [*self.graves, self.entries]:
            count += sum(node.hits for node in list(entries.values()))
        return count

    def bars(self, node: Node) -> bool:
        """Tell whether the plain path must not serve a node, because nobody there would notice that a generation has ended."""
        return not self.checked and len(node.generations) > len(self.usual)

    def renew(self) -> dict[Hashable, Node]:
        """Start with a new dict of entries, void all leases, and return the former dict."""
        former, self.entries, self.leases = self.entries, {}, {}
        self.show()
        return former

    def admit(self, gate: Gate, checked: bool) -> None:
        """Attach a gate; one that does not check bars the plain path for entries with further generations."""
        if gate.home is not None:
            gate.home.dismiss(gate)
        self._gates = [other for other in self._gates if other() is not None]
        self.checked = checked and (self.checked or not self._gates)
        if not checked:
            for node in filter(self.bars, self.entries.values()):
                node.plain_until = NEVER
        self._gates.append(ref(gate))
        gate.home = self
        self.show()

    def dismiss(self, gate: Gate) -> None:
        """Detach a gate."""
        self._gates = [other for other in self._gates if other() not in (None, gate)]
        gate.home, gate.entries = None, {}

    def shut(self) -> None:
        """Let all gates lead nowhere until `show` is called again."""
        for weak in self._gates:
            gate = weak()
            if gate is not None:
                gate.entries = {}

    def show(self) -> None:
        """Let open gates lead to the entries, and closed ones nowhere."""
        for weak in self._gates:
            gate = weak()
            if gate is not None:
                gate.entries = self.entries if gate.is_open else {}
