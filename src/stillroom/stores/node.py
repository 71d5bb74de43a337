"""Nodes: how the memory store keeps an entry.

A node never changes as regards its value: a refill makes a new node and puts it into the dict in one step. So whoever reads
without a lock sees a value and a deadline that belong together.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from ..entry import Entry, Generations
from ..protocols import Reading
from .generations import in_force

if TYPE_CHECKING:
    from .partition import Partition
    from .s3fifo import Queue

__all__ = ["Link", "Node"]


class Link:
    """A place in a ring; unlinked places have neither neighbour."""

    __slots__ = ("next", "prev")

    prev: Node
    next: Node


class Node(Link):
    """A stored entry, with its place in the eviction queues.

    It holds the parts of the entry instead of the entry, which saves a quarter of the memory that the store spends on it.

    Attributes:
        value: the entry's value.
        plain_until: until when the plain hit path may serve the value.
        hits: how often the plain hit path has.
        epoch: the store's epoch at a moment when all generations were in force.
        key: the local key.
        home: the partition.
        uses: how often the entry was read otherwise.
        seen: the hits and uses that the eviction policy has dealt with.
        queue: the queue it is linked into.
        weight: its share of ``max_bytes``.
        owner: the function that loaded it under a name, by its generation; ``None`` if a verb stored it.
        read_at: when it was last read, zero if it has not been; the plain hit path notes this only for functions that need it.

    The others are those of the entry.
    """

    __slots__ = (
        "cost",
        "epoch",
        "expires_at",
        "fresh_until",
        "generations",
        "hits",
        "home",
        "is_error",
        "key",
        "loaded_at",
        "owner",
        "plain_until",
        "queue",
        "read_at",
        "retry_at",
        "seen",
        "uses",
        "value",
        "weight",
    )

    def __init__(
        self,
        home: Partition,
        key: Hashable,
        entry: Entry[Any],
        generations: Generations,
        weight: int = 0,
        owner: str | None = None,
    ) -> None:
        self.hits = self.uses = self.seen = 0
        self.home = home
        self.owner = owner
        self.key = key
        self.value = entry.value
        self.loaded_at = entry.loaded_at
        self.read_at = 0.0
        self.fresh_until = entry.fresh_until
        self.expires_at = entry.expires_at
        self.cost = entry.cost
        self.generations = generations
        self.is_error = entry.is_error
        self.retry_at = entry.retry_at
        self.plain_until = entry.plain_until
        self.epoch: object = None
        self.weight = weight
        self.queue: Queue | None = None

    def __del__(self) -> None:
        # Whoever reads without a lock may hold a node for a moment after its removal, and still count a hit. This runs when
        # the last holder lets go, so no hit is lost. Nor is one between the load and the store of `+=` on a slot: CPython
        # hands its global lock over only at calls and backward jumps.
        self.home.plain_hits += self.hits

    def counts(self, now: float) -> bool:
        """Tell whether it has not expired, and all of its generations are in force."""
        # The usual generations are in force by construction: when one of them ends, the partition gets others.
        return now < self.expires_at and (self.generations is self.home.usual or in_force(self.generations))

    @property
    def stamp(self) -> object:
        """What tells the entry from others under its key, for as long as somebody holds its value.

        Not the node itself: whoever kept that would keep the hits that it has counted from being added up.
        """
        return self.loaded_at, id(self.value)

    def reading(self, asked: Generations) -> Reading:
        """Return what is known of its key, for somebody who goes by these generations."""
        own: tuple[Any, ...] = self.generations
        carries = () if own is asked or own == asked else tuple([one.name for one in own[2:]])
        return Reading(self.entry, asked, self.hits + self.uses, self.read_at, self.stamp, carries)

    @property
    def entry(self) -> Entry[Any]:
        """The entry, made anew."""
        return Entry(
            self.value,
            self.loaded_at,
            self.fresh_until,
            self.expires_at,
            self.cost,
            self.generations,
            self.is_error,
            self.retry_at,
            self.plain_until,
        )
