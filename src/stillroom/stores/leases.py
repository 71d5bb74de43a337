"""Leases of the memory store.

All who load one key at a time share one standing lease. It stands as long as it is the one in its partition's table, so voiding it is
taking it out. The last holder to give it back takes it out too: nothing is left behind.
"""

from __future__ import annotations

from collections.abc import Hashable

from ..protocols import Reading

__all__ = ["MemoryLease", "Standing", "give_back", "take"]


class Standing:
    """The lease on one key that its holders share."""

    __slots__ = ("holders",)

    def __init__(self) -> None:
        self.holders = 0


class MemoryLease:
    """One holder's part in the lease on a key.

    Attributes:
        reading: the key's state at the moment the lease was given.
    """

    __slots__ = ("reading", "standing")

    def __init__(self, reading: Reading, standing: Standing | None) -> None:
        self.reading = reading
        self.standing = standing


def take(table: dict[Hashable, Standing], local: Hashable, reading: Reading) -> MemoryLease:
    """Join the standing lease on a key, or make one."""
    standing = table.get(local)
    if standing is None:
        standing = table[local] = Standing()
    standing.holders += 1
    return MemoryLease(reading, standing)


def give_back(table: dict[Hashable, Standing], local: Hashable, lease: MemoryLease) -> bool:
    """Take a lease back, once, and tell whether it still stood."""
    standing, lease.standing = lease.standing, None
    if standing is None or table.get(local) is not standing:
        return False
    standing.holders -= 1
    if not standing.holders:
        del table[local]
    return True
