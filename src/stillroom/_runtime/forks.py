"""What a forked child must not inherit: held locks, threads, and work that only the parent will finish.

Whoever owns such things registers here, weakly. Before a fork all registered locks are taken, so that the child's copy of
what they guard is whole; afterwards both sides let go, and the child starts afresh.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import weakref
from typing import Protocol

__all__ = ["ForkSafeLock", "Forkable", "imported_late", "on_fork"]


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
        self._lock = threading.RLock()
        with _forking:
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


_forking = threading.RLock()
"""Held from before a fork until after it: one thread forks at a time, and nobody registers meanwhile."""
_outer: weakref.WeakSet[Forkable] = weakref.WeakSet()
_owners: weakref.WeakSet[Forkable] = weakref.WeakSet()
_taken: list[Forkable] = []
_late: dict[str, str | None] = {}


def on_fork(owner: Forkable) -> None:
    """Let an owner take part in every fork, for as long as it lives. Under its lock it must not take another."""
    with _forking:
        _owners.add(owner)


def imported_late(module: str, *, with_: str | None = None) -> None:
    """Have a module that is imported only when needed be whole before a fork.

    What another thread is half-way through importing would stay half-imported, and locked, in the child.

    Args:
        module: its full name.
        with_: a module without which this one is not needed.
    """
    _late[module] = with_


def _before() -> None:
    for module, other in list(_late.items()):
        if other is None or other in sys.modules:
            importlib.import_module(module)
    _forking.acquire()
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
