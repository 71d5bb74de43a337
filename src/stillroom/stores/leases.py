"""Leases of the memory store.

All who load one key at a time share one standing lease. It stands as long as it is the one in its partition's table, so
voiding it is taking it out. The last holder to give it back takes it out too: nothing is left behind.

A holder keeps the standing lease, and that the table's own copy of the key, until the holder itself is freed: not under the
store's lock, where freeing a part of a key might run code of the user.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any

from ..entry import MISSING, Entry, Generations
from ..protocols import Reading
from .generations import in_force

if TYPE_CHECKING:
    from .generations import Generations as Registry
    from .node import Node
    from .partition import Partition

__all__ = ["MemoryLease", "Standing"]


class Standing:
    """The lease on one key that its holders share.

    Attributes:
        key: the local key.
        holders: how many there are.
    """

    __slots__ = ("holders", "key")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.holders = 0


class MemoryLease:
    """One holder's part in the lease on a key.

    Attributes:
        reading: the key's state at the moment the lease was given.
        home: the partition that the key belongs to.
        standing: the shared lease; ``None`` if the store was closed already.
        owner: the function that is to fill the key, see `Lookup.owner`.
        is_held: whether it has not been given back yet.
    """

    __slots__ = ("_generations", "_since", "home", "is_held", "owner", "reading", "standing")
    is_granted = True  # nobody but this process fills the store

    def __init__(
        self, home: Partition, reading: Reading, standing: Standing | None, owner: str | None, generations: Registry
    ) -> None:
        self._generations = generations
        self._since = generations.number
        self.owner = owner
        self.home = home
        self.reading = reading
        self.standing = standing
        self.is_held = standing is not None

    def give_back(self) -> bool:
        """Give the lease back, once, and tell whether it still stood."""
        standing, table, was_held = self.standing, self.home.leases, self.is_held
        self.is_held = False
        if standing is None or not was_held or table.get(standing.key) is not standing:
            return False
        standing.holders -= 1
        if not standing.holders:
            table.pop(standing.key, None)
        return True

    @property
    def stands(self) -> bool:
        """Whether it could still be filled."""
        standing = self.standing
        return standing is not None and self.home.leases.get(standing.key) is standing and in_force(self.reading.generations)

    def admits(self, entry: Entry[Any]) -> bool:
        """Tell whether an entry may be stored under it."""
        tags_last = not entry.tags or self.is_untouched([name for name, _ in entry.tags])
        return tags_last and self.covers(entry.generations) and not self.is_overtaken(entry)

    def is_untouched(self, tags: Iterable[str]) -> bool:
        """Tell whether none of these generations was invalidated since it was given; false if that is not known any more."""
        return self.standing is not None and self._generations.lasted(tags, self._since)

    def tagged(self, node: Node, entry: Entry[Any]) -> Node:
        """Let the node of an entry carry the tags that its load has added, and return it."""
        if entry.tags:
            node.generations += tuple([self._generations.of_name(name) for name, _ in entry.tags])
        return node

    def is_overtaken(self, entry: Entry[Any]) -> bool:
        """Tell whether an entry is the one that was known, put off since a refresh has failed, while another took its place."""
        known = self.reading.entry
        if known is MISSING or entry.retry_at <= known.retry_at or self.standing is None:
            return False
        node = self.home.entries.get(self.standing.key)
        return node is None or node.stamp != self.reading.stamp

    def covers(self, generations: Generations) -> bool:
        """Tell whether the generations that were in force when it was given, and these, still are."""
        own = self.reading.generations
        return in_force(own) and (generations is own or in_force(generations))
