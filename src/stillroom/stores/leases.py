"""Leases of the memory store.

All who load one key at a time share one standing lease. It stands as long as it is the one in its partition's table, so
voiding it is taking it out. The last holder to give it back takes it out too: nothing is left behind.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from ..entry import Generations
from ..protocols import Reading
from .generations import in_force

if TYPE_CHECKING:
    from .partition import Partition

__all__ = ["MemoryLease", "Standing"]


class Standing:
    """The lease on one key that its holders share; `holders` says how many there are."""

    __slots__ = ("holders",)

    def __init__(self) -> None:
        self.holders = 0


class MemoryLease:
    """One holder's part in the lease on a key.

    Attributes:
        reading: the key's state at the moment the lease was given.
        home: the partition that the key belongs to.
        standing: the shared lease; ``None`` once given back.
    """

    __slots__ = ("home", "reading", "standing")

    def __init__(self, home: Partition, reading: Reading, standing: Standing | None) -> None:
        self.home = home
        self.reading = reading
        self.standing = standing

    def give_back(self, local: Hashable) -> bool:
        """Give the lease back, once, and tell whether it still stood."""
        table, standing = self.home.leases, self.standing
        self.standing = None
        if standing is None or table.get(local) is not standing:
            return False
        standing.holders -= 1
        if not standing.holders:
            del table[local]
        return True

    def covers(self, generations: Generations) -> bool:
        """Tell whether the generations that were in force when it was given, and these, still are."""
        own = self.reading.generations
        return in_force(own) and (generations is own or in_force(generations))
