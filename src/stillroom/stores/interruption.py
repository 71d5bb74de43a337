"""What becomes of calls that come in the middle of a change, from the very thread that is making it.

Signal handlers, and finalizers that the garbage collector runs, come between any two steps, also under the store's lock,
which is reentrant so that they do not hang. The structures are not whole then. So such a call finds nothing and stores
nothing; what it invalidates stops counting at once, by single assignments, and is taken out as soon as the change is made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Iterable
from typing import Any

from .._runtime.runtime import drive
from ..entry import MISSING
from ..protocols import Reading
from .partition import NEVER, Partition

__all__ = ["Interruptions", "nothing_known"]


def nothing_known() -> Reading:
    """Return a reading that says nothing, under a token of its own, so that nobody shares a load on the strength of it."""
    return Reading(MISSING, (object(),))


class Interruptions:
    """What was asked for in the middle of a change and is still to be done, in the order of asking."""

    def __init__(self) -> None:
        self.pending: deque[Callable[[], Coroutine[Any, Any, Any]]] = deque()

    def delete(self, placed: Iterable[tuple[Partition, Hashable]], work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Let entries and leases count no more, and delete them later."""
        for home, local in placed:
            home.leases.pop(local, None)
            node = home.entries.get(local)
            if node is not None:
                node.plain_until = node.expires_at = NEVER
        self.pending.append(work)

    def invalidate(self, partitions: Iterable[Partition], work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Let nobody pass by the plain path until the invalidation is done."""
        for partition in partitions:
            partition.shut()
        self.pending.append(work)

    def catch_up(self) -> None:
        """Do what is still to be done."""
        while self.pending:
            drive(self.pending.popleft()())
