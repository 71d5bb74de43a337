"""The eviction policy LRU: whoever was neither read nor written for longest leaves first.

A hit moves nobody, as with S3-FIFO; it counts, and where the time is taken anyhow it leaves the time. So nodes find their place
when one of them has to leave: the first in the queue goes back to where its last use belongs, and the first that was not used
since leaves. Plain hits leave no time, so what they have used counts as used just now.
"""

from __future__ import annotations

import math
from typing import Final

from .node import Node
from .s3fifo import S3Fifo

__all__ = ["Lru"]

_PATIENCE: Final = 64
"""How many nodes one eviction looks at. If everything is in use it takes one of those that come first."""


class Lru(S3Fifo):
    """One queue, in the order of the last use as far as it is known."""

    def insert(self, node: Node) -> None:
        """Let a node in."""
        self.main.append(node)
        self.size += 1
        self.weight += node.weight

    def replace(self, old: Node, new: Node) -> None:
        """Put a node in the place of another; to be written is to be used."""
        super().replace(old, new)
        new.seen = new.hits + new.uses - 1

    def evict(self) -> Node:
        """Take out the node that is the first to go; there must be one."""
        ring = self.main.ring
        patience = _PATIENCE
        while (node := ring.next).hits + node.uses != node.seen and patience > 0:
            used_at = math.inf if node.hits else _used_at(node)
            after = ring.prev
            while after is not node and _used_at(after) > used_at and patience > 0:
                after = after.prev
                patience -= 1
            patience -= 1
            self._unlink(node)
            self.main.append(node, after if after is not node else ring)
            node.seen = node.hits + node.uses
        self.remove(node)
        return node


def _used_at(node: Node) -> float:
    return max(node.read_at, node.loaded_at)
