"""What a forked child must not inherit: held locks, threads, and work that only the parent will finish.

Whoever owns such things registers here, weakly. Before a fork all registered locks are taken, so that the child's copy of
what they guard is whole; afterwards both sides let go, and the child starts afresh.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

__all__ = ["ForkSafeLock", "Forkable", "on_fork"]


class Forkable(Protocol):
    """Something that takes part in a fork."""

    def before_fork(self) -> None:
        """Take the lock, so that no other thread is in the middle of a change."""

    def after_fork_in_parent(self) -> None:
        """Give the lock back."""

    def after_fork_in_child(self) -> None:
        """Give the lock back, and forget whatever only the parent can finish."""


class ForkSafeLock:
    """A lock under which others may be taken, and which a forked child finds free and what it guards whole."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _outer.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        self._lock.release()


_outer: weakref.WeakSet[Forkable] = weakref.WeakSet()
_owners: weakref.WeakSet[Forkable] = weakref.WeakSet()
_taken: list[Forkable] = []
_forking = threading.Lock()


def on_fork(owner: Forkable) -> None:
    """Let an owner take part in every fork, for as long as it lives. Under its lock it must not take another."""
    _owners.add(owner)


def _before() -> None:
    _forking.acquire()  # one thread at a time, or two of them could take the locks below in different orders
    for owner in [*_outer, *_owners]:  # in the order in which they are taken elsewhere
        owner.before_fork()
        _taken.append(owner)


def _in_parent() -> None:
    while _taken:
        _taken.pop().after_fork_in_parent()
    _forking.release()


def _in_child() -> None:
    while _taken:
        _taken.pop().after_fork_in_child()
    _forking.release()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
