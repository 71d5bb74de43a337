"""Keeps leases alive while their holders are at work.

A lease is short, so that one whose holder was killed delays others but little; a load that takes longer has it prolonged from
here. One thread does this for all that a process holds, with the connections of blocking callers, so that neither a busy event
loop nor a load that never looks up can lose what it holds.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Final

from ..._runtime.forks import on_fork
from ..._runtime.runtime import drive
from ...errors import StoreError
from .commands import Command
from .wire import Wire

__all__ = ["Renewal"]

_IDLE_ROUNDS: Final = 3


class Renewal:
    """Prolongs what is registered, three times within its length.

    Args:
        wire: how to reach the servers; that of blocking callers.
        length: how many seconds a lease is given.
    """

    def __init__(self, wire: Wire, length: float) -> None:
        self._wire = wire
        self._interval = length / 3
        self._lock = threading.RLock()  # a signal handler or a finalizer may come between any two steps
        self._wake = threading.Condition(self._lock)
        self._held: dict[Hashable, tuple[Command, float]] = {}
        self._is_running = False
        self._is_closed = False
        on_fork(self)

    def add(self, token: Hashable, prolong: Command) -> None:
        """Prolong something from now on, by a command."""
        with self._lock:
            self._held[token] = (prolong, time.monotonic())
            start = not self._is_running and not self._is_closed
            self._is_running = self._is_running or start
        if start:
            self._start()

    def discard(self, token: Hashable) -> None:
        """Prolong something no longer."""
        with self._lock:
            self._held.pop(token, None)

    def close(self) -> None:
        """Prolong nothing any more."""
        with self._wake:
            self._is_closed = True
            self._held.clear()
            self._wake.notify_all()

    def _start(self) -> None:
        me = weakref.ref(self)
        try:
            threading.Thread(target=_serve, args=(me,), name="stillroom-renewal", daemon=True).start()
        except RuntimeError:  # too many threads, or the interpreter is about to exit
            with self._lock:
                self._is_running = False

    def wait(self, idle: int) -> tuple[Sequence[Command], int] | None:
        """Wait for the next round; return what to prolong and how many rounds there has been nothing, ``None`` at the end."""
        with self._wake:
            self._wake.wait(self._interval)
            idle = 0 if self._held else idle + 1
            if self._is_closed or idle >= _IDLE_ROUNDS:
                self._is_running = False
                return None
            due = time.monotonic() - self._interval / 2
            return [prolong for prolong, since in self._held.values() if since <= due], idle

    def prolong(self, commands: Sequence[Command]) -> None:
        """Send what prolongs; what fails is tried again in the next round."""
        try:
            drive(self._wire.run(commands))
        except StoreError:
            pass

    def before_fork(self) -> None:
        """Take the lock, so that the child's copy is whole."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Start afresh: what the parent holds, the parent prolongs."""
        self._lock = threading.RLock()  # a signal handler or a finalizer may come between any two steps
        self._wake = threading.Condition(self._lock)
        self._held = {}
        self._is_running = False


def _serve(renewal: Callable[[], Renewal | None]) -> None:
    idle = 0
    while True:
        alive = renewal()
        turn = None if alive is None else alive.wait(idle)
        if alive is None or turn is None:
            return
        commands, idle = turn
        if commands:
            alive.prolong(commands)
        del alive
