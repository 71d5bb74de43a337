"""The eviction policy S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023).

New nodes enter a small queue. Those that are used there move on to the main queue; the others leave soon, and only the ghost
remembers their keys. A key that comes back while the ghost remembers it enters the main queue at once. The main queue gives
nodes that were used another round.

A hit does nothing but count, in the node, without a lock. The policy looks at the counts only when it needs a victim. Nodes are
linked into the queues by themselves, so that any of them can be taken out in one step.
"""

from __future__ import annotations

import math
from typing import Final, cast

from .ghost import Ghost
from .node import Link, Node

__all__ = ["Queue", "S3Fifo"]

_SMALL_SHARE: Final = 0.1
_GHOST_SHARE: Final = 0.9
_WORTHY: Final = 2  # uses in the small queue that earn a place in the main queue
_MOST: Final = 3  # a node earns no more rounds in the main queue than this
_PATIENCE: Final = 64
"""How many nodes one eviction spares before it takes the next, whatever its uses. Without a bound a cache in which everything
is in use would look at everything three times for one insertion. On real traces this changes the hit rate by less than 0.1
points."""


class Queue:
    """A queue of nodes, linked in a ring: after the ring itself comes the oldest node, before it the newest."""

    __slots__ = ("ring", "size", "weight")

    def __init__(self) -> None:
        self.ring = cast(Node, Link())  # the one place in the ring that is not a node
        self.ring.prev = self.ring.next = self.ring
        self.size = 0
        self.weight = 0

    def append(self, node: Node, after: Node | None = None) -> None:
        """Link a node in as the newest, or behind another."""
        before = after or self.ring.prev
        node.prev, node.next = before, before.next
        before.next.prev = before.next = node
        node.queue = self
        self.size += 1
        self.weight += node.weight

    def remove(self, node: Node) -> None:
        """Unlink a node; its links go, so that reference counting frees it."""
        node.prev.next, node.next.prev = node.next, node.prev
        del node.prev, node.next
        node.queue = None
        self.size -= 1
        self.weight -= node.weight

    def replace(self, old: Node, new: Node) -> None:
        """Put a node in the place of another."""
        new.prev, new.next = old.prev, old.next
        new.prev.next = new.next.prev = new
        del old.prev, old.next
        old.queue, new.queue = None, self
        self.weight += new.weight - old.weight

    def dissolve(self) -> None:
        """Unlink everything for good, one node at a time, so that reference counting frees it."""
        ring = self.ring
        node = ring.next
        while node is not ring:
            following = node.next
            del node.prev, node.next
            node.queue = None
            node = following
        del ring.prev, ring.next


class S3Fifo:
    """The queues, and who has to leave them. Whoever inserts sees to it that there is room.

    Args:
        max_entries: how many nodes there will be at most.
        max_weight: how much they will weigh together at most.

    Attributes:
        size: how many nodes there are.
        weight: how much they weigh together.
        small: the queue that they enter.
        main: the queue of those that proved their worth.
    """

    def __init__(self, max_entries: int, max_weight: float = math.inf) -> None:
        self._small_entries = max(1, int(max_entries * _SMALL_SHARE))
        self._small_weight = max_weight * _SMALL_SHARE
        self.size = 0
        self.weight = 0
        self.small = Queue()
        self.main = Queue()
        self._ghost = Ghost()
        self._hand: Node = self.small.ring

    def insert(self, node: Node) -> None:
        """Let a node in."""
        queue = self.main if self._ghost.forget(_fingerprint(node)) else self.small
        queue.append(node)
        self.size += 1
        self.weight += node.weight

    def replace(self, old: Node, new: Node) -> None:
        """Put a node in the place of another; the uses that keep the old one here keep the new one."""
        assert old.queue is not None
        old.queue.replace(old, new)
        self.weight += new.weight - old.weight
        new.seen = new.hits + new.uses - min(old.hits + old.uses - old.seen, _MOST)
        if self._hand is old:
            self._hand = new

    def remove(self, node: Node) -> None:
        """Take a node out."""
        self._unlink(node)
        self.size -= 1
        self.weight -= node.weight

    def evict(self) -> Node:
        """Take out the node that is the first to go; there must be one."""
        patience = _PATIENCE
        while self._small_is_due():
            node = self.small.ring.next
            reads = node.hits + node.uses
            if reads - node.seen < _WORTHY or not patience:
                window = int(self.size * _GHOST_SHARE)
                self.remove(node)
                self._ghost.remember(_fingerprint(node), window)
                return node
            self._move_to_main(node, reads)
            patience -= 1
        return self._evict_from_main(patience)

    def next_in_turn(self) -> Node | None:
        """Return the node after the one returned before, through both queues and round again; ``None`` between the queues."""
        node = self._hand
        if node is self.small.ring:
            self._hand = self.main.ring.next
        elif node is self.main.ring:
            self._hand = self.small.ring.next
        else:
            self._hand = node.next
            return node
        return None

    def dissolve(self) -> None:
        """Let go of all nodes for good."""
        self._hand = self.small.ring
        self.small.dissolve()
        self.main.dissolve()

    def _small_is_due(self) -> bool:
        small = self.small
        return small.size >= self._small_entries or small.weight >= self._small_weight or not self.main.size

    def _evict_from_main(self, patience: int) -> Node:
        while True:
            node = self.main.ring.next
            reads = node.hits + node.uses
            uses = min(reads - node.seen, _MOST)
            if not uses or not patience:
                self.remove(node)
                return node
            self._move_to_main(node, reads - uses + 1)
            patience -= 1

    def _unlink(self, node: Node) -> None:
        assert node.queue is not None
        if self._hand is node:
            self._hand = node.next
        node.queue.remove(node)

    def _move_to_main(self, node: Node, seen: int) -> None:
        self._unlink(node)
        self.main.append(node)
        node.seen = seen


def _fingerprint(node: Node) -> int:
    return hash((id(node.home), node.key))
