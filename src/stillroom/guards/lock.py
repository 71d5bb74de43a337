"""Locks by name: one holder at a time, for a bounded time.

A lock ends when its holder lets it go, or after its ttl, whatever became of the holder. Only the holder can let it go: one
that has lost its lock to its ttl neither raises nor takes the lock from whoever has it now.

A holder who was stopped for longer than the ttl may go on without knowing that the lock is another's by now. Against that each
holder has a number, higher than those of all before: whoever is asked to change something can refuse a lower number than the
last one it has seen (the fencing token of Kleppmann, "How to do distributed locking", 2016).
"""

from __future__ import annotations

import itertools
import os
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from .._runtime.flights import Flight, Result
from .._runtime.forks import on_fork
from .._runtime.runtime import Runtime, drive
from ..durations import Duration, seconds
from ..errors import ConfigurationError, LockTimeout, StillroomError
from ..protocols import Clock, Key, Keyspace

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Lock", "LockTable", "Locks"]


class Locks(Protocol):
    """Where locks are held."""

    async def take(self, name: str, owner: bytes, ttl: float) -> int | None:
        """Take a lock if it is free; return its holder's number, zero if it has none, or ``None`` if somebody else holds it."""
        ...

    async def let_go(self, name: str, owner: bytes) -> None:
        """Give a lock back, if it is still the owner's."""
        ...

    async def wait(self, name: str, runtime: Runtime, until: float | None) -> None:
        """Return when a lock may be free, or at a time on the clock."""
        ...


class _Hold:
    """One holder's time with a lock. Whoever waits, waits for its flight to end."""

    __slots__ = ("ends_at", "flight", "owner")

    def __init__(self, flight: Flight, owner: bytes, ends_at: float) -> None:
        self.flight = flight
        self.owner = owner
        self.ends_at = ends_at


class LockTable:
    """The locks that are held in this process."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._space = Keyspace("", "lock:", str)
        self._lock = threading.RLock()
        self._held: dict[str, _Hold] = {}
        self._numbers = itertools.count(1)
        on_fork(self)

    def __len__(self) -> int:
        return len(self._held)

    async def take(self, name: str, owner: bytes, ttl: float) -> int | None:
        """Take a lock if it is free; see `Locks.take`."""
        now = self.clock.now()
        mine = _Hold(Flight(Key(self._space, name), (), threading.RLock()), owner, now + ttl)
        with self._lock:
            held = self._held.get(name)
            if held is not None and now < held.ends_at:
                return None
            self._held[name] = mine
            return next(self._numbers)

    async def let_go(self, name: str, owner: bytes) -> None:
        """Give a lock back; see `Locks.let_go`."""
        with self._lock:
            held = self._held.get(name)
            if held is None or held.owner != owner:
                return
            del self._held[name]
        held.flight.end(Result.LANDED)

    async def wait(self, name: str, runtime: Runtime, until: float | None) -> None:
        """Return when a lock may be free; see `Locks.wait`."""
        held = self._held.get(name)
        if held is not None:
            await runtime.wait(held.flight, held.ends_at if until is None else min(held.ends_at, until))

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
        name: which lock.
        ttl: after how long it ends by itself.
        wait: how long to wait for it; ``None`` for as long as it takes.
        clock: tells the time.
        blocking: returns where ``with`` takes it, and what it waits with.
        tasks: the same for ``async with``.

    Attributes:
        fence: while the lock is held, a number that is higher than those of all former holders; ``None`` otherwise, and for a
            lock taken while a shared store is out of reach, where nobody knows the others' numbers.

    Raises:
        LockTimeout: on entering, if the lock was not free in time.
    """

    def __init__(
        self,
        name: str,
        ttl: Duration,
        wait: Duration | None,
        clock: Clock,
        blocking: Callable[[], tuple[Locks, Runtime]],
        tasks: Callable[[], tuple[Locks, Runtime]],
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"name must be a text that is not empty, not {name!r}", setting="name", given=name)
        self.name = name
        self.fence: int | None = None
        self._ttl = seconds(ttl, "ttl")
        self._wait = None if wait is None else seconds(wait, "wait")
        self._clock = clock
        self._blocking = blocking
        self._tasks = tasks
        self._holding: tuple[Locks, bytes, float] | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock now."""
        return self._holding is not None and self._clock.now() < self._holding[2]

    def __enter__(self) -> Lock:
        drive(self._acquire(*self._blocking()))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        drive(self._release())

    async def __aenter__(self) -> Lock:
        await self._acquire(*self._tasks())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._release()

    async def _acquire(self, locks: Locks, runtime: Runtime) -> None:
        if self._holding is not None:
            raise StillroomError(f"this object holds the lock {self.name!r} already; make one for each block")
        owner = os.urandom(16)
        began = self._clock.now()
        until = None if self._wait is None else began + self._wait
        try:
            while True:
                asked_at = self._clock.now()  # the lock ends no later than this tells, however long the answer takes
                fence = await locks.take(self.name, owner, self._ttl)
                if fence is not None:
                    self.fence, self._holding = fence or None, (locks, owner, asked_at + self._ttl)
                    return
                now = self._clock.now()
                if until is not None and now >= until:
                    raise LockTimeout(
                        f"the lock {self.name!r} was not free within {self._wait} s", name=self.name, waited=now - began
                    )
                await locks.wait(self.name, runtime, until)
        except BaseException:  # such as a cancellation after the lock was taken and before that was known
            await locks.let_go(self.name, owner)
            raise

    async def _release(self) -> None:
        holding, self._holding, self.fence = self._holding, None, None
        if holding is not None:
            locks, owner, _ = holding
            await locks.let_go(self.name, owner)
