"""Locks by name: one holder at a time, for a bounded time.

A lock ends when its holder lets it go, or after its ttl, whatever became of the holder. Only the holder can let it go: one
that has lost its lock to its ttl neither raises nor takes the lock from whoever has it now.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING

from .._runtime.flights import Flight, Result
from .._runtime.forks import on_fork
from .._runtime.runtime import Runtime, drive
from ..durations import Duration, seconds
from ..errors import ConfigurationError, LockTimeout, StillroomError
from ..protocols import Clock, Key, Keyspace

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Lock", "LockTable"]


class _Hold:
    """One holder's time with a lock. Whoever waits, waits for its flight to end."""

    __slots__ = ("ends_at", "flight")

    def __init__(self, flight: Flight, ends_at: float) -> None:
        self.flight = flight
        self.ends_at = ends_at


class LockTable:
    """The locks of this process that are held."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._space = Keyspace("", "lock:", str)
        self._lock = threading.RLock()
        self._held: dict[str, _Hold] = {}
        on_fork(self)

    def __len__(self) -> int:
        return len(self._held)

    def take(self, name: str, ttl: float) -> tuple[_Hold, bool]:
        """Take a lock if it is free; return who holds it now, and whether that is the caller."""
        now = self.clock.now()
        mine = _Hold(Flight(Key(self._space, name), (), threading.RLock()), now + ttl)
        with self._lock:
            held = self._held.get(name)
            if held is not None and now < held.ends_at:
                return held, False
            self._held[name] = mine
            return mine, True

    def let_go(self, name: str, mine: _Hold) -> None:
        """Give a lock back, if it is still the caller's."""
        with self._lock:
            if self._held.get(name) is mine:
                del self._held[name]
        mine.flight.end(Result.LANDED)

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        self._held.clear()  # their holders are in the parent
        self._lock.release()


class Lock:
    """A lock to hold for the length of a block, with ``with`` or ``async with``.

    Args:
        table: the locks of the cache.
        name: which lock.
        ttl: after how long it ends by itself.
        wait: how long to wait for it; ``None`` for as long as it takes.
        blocking: the runtime of ``with``.
        tasks: returns the runtime of ``async with``.

    Raises:
        LockTimeout: on entering, if the lock was not free in time.
    """

    def __init__(
        self,
        table: LockTable,
        name: str,
        ttl: Duration,
        wait: Duration | None,
        blocking: Runtime,
        tasks: Callable[[], Runtime],
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"name must be a text that is not empty, not {name!r}", setting="name", given=name)
        self.name = name
        self._table = table
        self._ttl = seconds(ttl, "ttl")
        self._wait = None if wait is None else seconds(wait, "wait")
        self._blocking = blocking
        self._tasks = tasks
        self._hold: _Hold | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock now."""
        return self._hold is not None and self._table.clock.now() < self._hold.ends_at

    def __enter__(self) -> Lock:
        drive(self._acquire(self._blocking))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._release()

    async def __aenter__(self) -> Lock:
        await self._acquire(self._tasks())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    async def _acquire(self, runtime: Runtime) -> None:
        if self._hold is not None:
            raise StillroomError(f"this object holds the lock {self.name!r} already; make one for each block")
        began = self._table.clock.now()
        until = None if self._wait is None else began + self._wait
        while True:
            hold, is_mine = self._table.take(self.name, self._ttl)
            if is_mine:
                self._hold = hold
                return
            now = self._table.clock.now()
            if until is not None and now >= until:
                raise LockTimeout(
                    f"the lock {self.name!r} was not free within {self._wait} s", name=self.name, waited=now - began
                )
            await runtime.wait(hold.flight, hold.ends_at if until is None else min(hold.ends_at, until))

    def _release(self) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            self._table.let_go(self.name, hold)
