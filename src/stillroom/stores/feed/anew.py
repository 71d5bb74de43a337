"""A lock for what a forked child begins anew."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakMethod

from ..._runtime.forks import ForkSafeLock

__all__ = ["AnewLock"]


class AnewLock(ForkSafeLock):
    """A lock that a forked child finds free, and upon which it begins anew what the lock guards.

    That comes after all stores have got their locks back, so that they may be used.

    Args:
        begin: a method of the lock's owner; called in the child, unless the owner is gone.
    """

    def __init__(self, begin: Callable[[], object]) -> None:
        self._begin = WeakMethod(begin)
        super().__init__()

    def after_fork_in_child(self) -> None:
        """Give the lock back, and begin anew."""
        super().after_fork_in_child()
        begin = self._begin()
        if begin is not None:
            begin()
