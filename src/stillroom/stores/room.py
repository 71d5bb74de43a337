"""The room that a memory store has: what goes in, what has to go out, and in which order.

The dead go first: entries of invalidated or vanished partitions lie in graves, and every insertion clears a few of them away.
Then the expired: every insertion looks at two nodes, in turn. Only then does the eviction policy choose.

Nothing that leaves is freed in here, because freeing a value may run code of the user, and the store holds its lock: what
leaves is kept until the store has released the lock and asks for it.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from ..errors import ConfigurationError
from ..settings import choice
from .lru import Lru
from .node import Node
from .partition import Partition
from .partitions import Over
from .s3fifo import S3Fifo

__all__ = ["POLICIES", "Room"]

POLICIES: Final = {"s3-fifo": S3Fifo, "lru": Lru}

_CLEARED: Final = 4  # nodes that an insertion takes from graves
_LOOKED_AT: Final = 2  # nodes that an insertion checks for expiry, if there are no graves


class Room:
    """The nodes of all partitions, within bounds.

    Args:
        max_entries: how many nodes there may be.
        max_weight: how much they may weigh together; ``None`` for no bound.
        eviction: the policy, one of `POLICIES`.

    Attributes:
        max_entries: how many nodes there may be.
        max_weight: how much the nodes may weigh together.
        evictions: how many entries made room for others.
        dropped: what has left and is to be freed.
        evicted: those of them that made room for others.
    """

    def __init__(self, max_entries: int, max_weight: int | None = None, eviction: str = "s3-fifo") -> None:
        _check_bound(max_entries, "max_entries")
        if max_weight is not None:
            _check_bound(max_weight, "max_bytes")
        self.max_entries = max_entries
        self.max_weight = math.inf if max_weight is None else max_weight
        self.evictions = 0
        self.dropped: list[object] = []
        self.evicted: list[Node] = []
        self._policy = POLICIES[choice(eviction, tuple(POLICIES), "eviction")]
        self._queues = self._policy(max_entries, self.max_weight)
        self._bereaved: deque[Partition] = deque()  # partitions that have graves

    @property
    def size(self) -> int:
        """How many nodes there are, the dead and the expired included."""
        return self._queues.size

    @property
    def weight(self) -> int:
        """How much they weigh together."""
        return self._queues.weight

    def put(self, node: Node, now: float) -> None:
        """Let a node in, in the place of the one with the same key if there is one; whoever has to leave for it, leaves."""
        queues, entries = self._queues, node.home.entries
        old = entries.get(node.key)
        self._tidy(now)
        if old is None or old.queue is None:  # never there, or just tidied away
            while queues.size >= self.max_entries or queues.weight + node.weight > self.max_weight:
                self._make_room(now)
            queues.insert(node)
            entries[node.key] = node
            return
        node.read_at = max(node.read_at, old.read_at)
        if node.retry_at > old.retry_at:  # the same value after a refresh that failed: its uses go on counting
            node.uses = old.hits + old.uses
        node.key = old.key  # the very object in the dict, so that it is freed with its node and not before
        queues.replace(old, node)
        entries[node.key] = node
        self.dropped.append(old)
        while queues.weight > self.max_weight:
            self._make_room(now)

    def remove(self, node: Node) -> None:
        """Take out a node that its partition still holds."""
        self._queues.remove(node)
        self._forget(node)

    def bury(self, over: Over) -> None:
        """Take over entries that are dead as a whole, without a look at each."""
        for partition, entries in over:
            if entries:
                partition.graves.append(entries)
                self._bereaved.append(partition)

    def clear(self, over: Over) -> S3Fifo:
        """Let go of everything; return the queues, which the caller must dissolve once it has released the lock."""
        self.dropped += [entries for _, entries in over]
        for partition in self._bereaved:
            self.dropped += partition.graves
            partition.graves = []
        self._bereaved.clear()
        former, self._queues = self._queues, self._policy(self.max_entries, self.max_weight)
        return former

    def hand_over(self) -> tuple[list[object], list[Node]]:
        """Return what was dropped and what was evicted since the last time."""
        dropped, evicted = self.dropped, self.evicted
        self.dropped, self.evicted = [], []
        return dropped, evicted

    def _tidy(self, now: float) -> None:
        if self._bereaved:
            for _ in range(_CLEARED):
                if self._bereaved:
                    self._clear_one()
            return
        for _ in range(_LOOKED_AT):
            node = self._queues.next_in_turn()
            if node is not None and not node.counts(now):
                self.remove(node)

    def _make_room(self, now: float) -> None:
        if self._bereaved:
            self._clear_one()
            return
        node = self._queues.evict()
        self._forget(node)
        if node.counts(now):
            self.evictions += 1
            node.home.evictions += 1
            self.evicted.append(node)

    def _forget(self, node: Node) -> None:
        del node.home.entries[node.key]
        self.dropped.append(node)

    def _clear_one(self) -> None:
        partition = self._bereaved[0]
        grave = partition.graves[-1]
        _, node = grave.popitem()
        self._queues.remove(node)
        self.dropped.append(node)
        if not grave:
            partition.graves.pop()
            self._bereaved.popleft()


def _check_bound(bound: object, setting: str) -> None:
    """Refuse what cannot be a bound.

    Raises:
        ConfigurationError: it is no whole number above zero.
    """
    if not isinstance(bound, int) or isinstance(bound, bool) or bound < 1:
        raise ConfigurationError(f"{setting} must be a whole number above zero, not {bound!r}", setting=setting, given=bound)
