"""Keeps leases and locks alive while their holders are at work.

What is held is given for a short time, so that a holder who was killed delays others but little; what is held for longer is
prolonged from here. One thread does this for all that a process holds, with the connections of blocking callers, so that
neither a busy event loop nor a load that never looks up can lose what it holds.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeAlias

from ..._runtime.forks import on_fork
from ..._runtime.runtime import drive
from ...errors import StoreError
from .commands import Command
from .senseless import SENSELESS
from .wire import Wire

__all__ = ["Renewal"]

_IDLE: Final = 6.0
"""For how many seconds the thread stays when there is nothing to prolong."""

Noting: TypeAlias = "Callable[[float, object], None]"
"""Is told how many seconds ago it was asked for, and what the server replied."""


class _Held:
    """Something that is held."""

    __slots__ = ("due", "interval", "note", "prolong")

    def __init__(self, prolong: Command, interval: float, note: Noting | None) -> None:
        self.prolong = prolong
        self.interval = interval
        self.note = note
        self.due = time.monotonic() + interval


class Renewal:
    """Prolongs what is registered, three times within its length.

    Args:
        wire: how to reach the servers; that of blocking callers.
        length: for how many seconds things are held that say nothing else.
    """

    def __init__(self, wire: Wire, length: float) -> None:
        self._wire = wire
        self._length = length
        self._lock = threading.RLock()  # a signal handler or a finalizer may come between any two steps
        self._wake = threading.Condition(self._lock)
        self._held: dict[Hashable, _Held] = {}
        self._looks_at = 0.0
        self._is_running = False
        self._is_closed = False
        on_fork(self)

    def add(self, token: Hashable, prolong: Command, length: float | None = None, note: Noting | None = None) -> None:
        """Prolong something from now on, by a command.

        Args:
            token: what it is known by.
            prolong: the command.
            length: for how many seconds it is held each time.
            note: is told what came of it.
        """
        held = _Held(prolong, (length or self._length) / 3, note)
        with self._wake:
            self._held[token] = held
            start = not self._is_running and not self._is_closed
            self._is_running = self._is_running or start
            if held.due < self._looks_at:
                self._wake.notify_all()
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

    def wait(self, idle_since: float) -> tuple[Sequence[_Held], float] | None:
        """Wait for the next round; return what to prolong and since when there has been nothing, ``None`` at the end."""
        with self._wake:
            now = time.monotonic()
            self._looks_at = min([held.due for held in self._held.values()], default=now + _IDLE / 2)
            self._wake.wait(max(self._looks_at - now, 0.0))
            now = time.monotonic()
            if self._held:
                idle_since = now
            if self._is_closed or now - idle_since >= _IDLE:
                self._is_running = False
                return None
            # Together with what is due, what soon will be: one round trip does for all.
            return [held for held in self._held.values() if held.due - now <= held.interval / 2], idle_since

    def prolong(self, held: Sequence[_Held]) -> None:
        """Send what prolongs; what fails is tried again in the next round."""
        began = time.monotonic()
        for one in held:
            one.due = began + one.interval
        try:
            replies = drive(self._wire.run([one.prolong for one in held]))
        except (StoreError, *SENSELESS):
            return
        ago = time.monotonic() - began
        for one, reply in zip(held, replies, strict=True):
            if one.note is not None:
                one.note(ago, reply)

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
    idle_since = time.monotonic()
    while True:
        alive = renewal()
        turn = None if alive is None else alive.wait(idle_since)
        if alive is None or turn is None:
            return
        held, idle_since = turn
        if held:
            alive.prolong(held)
        del alive, held, turn
