"""Locks by name: one holder at a time, or so many.

A holder keeps its lock until it lets it go: it is renewed for as long as the holder is there. Of a holder that was killed, or
that vanished without a word, it ends after its ttl. Only the holder can let it go: one that has lost its lock neither raises
nor takes it from whoever has it now.

A process that was stopped for longer than the ttl may go on without knowing that the lock is another's by now. Against that
each holder has a number, higher than those of all before: whoever is asked to change something can refuse a lower number than
the last one it has seen (the fencing token of Kleppmann, "How to do distributed locking", 2016).
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from .._runtime.runtime import drive
from ..durations import Duration
from ..errors import ConfigurationError, LockTimeout, StillroomError
from ..settings import count, span

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._runtime.runtime import Runtime
    from ..protocols import Clock
    from .guard import Way

__all__ = ["Claim", "Lock", "LockSettings", "Locks", "give_back", "take"]

_SHORTEST = 0.01
"""For how many seconds a lock has to be given at least."""


class Claim:
    """What one holder wants: to hold a lock. It is held for as long as this lives, or until it is given up.

    Attributes:
        name: which lock.
        ttl: how many seconds it outlives a holder that has vanished.
        limit: how many may hold it at a time.
        held_until: until when, on the clock, it is certain that the lock is held; ``inf`` if nothing but letting go ends that.
        waits: it was not free when first asked for.
        turn: what a waiter holds while it is the one of its process who asks whether the lock is free.
    """

    __slots__ = ("__weakref__", "_token", "held_until", "limit", "name", "ttl", "turn", "waits")

    def __init__(self, name: str, ttl: float, limit: int) -> None:
        self.name = name
        self.ttl = ttl
        self.limit = limit
        self.held_until = 0.0
        self.waits = False
        self.turn: Claim | None = None
        self._token = b""

    @property
    def token(self) -> bytes:
        """What tells this holder from all others, in all processes."""
        if not self._token:
            self._token = os.urandom(16)
        return self._token

    def disown(self) -> None:
        """Forget what tells this holder from others: in a forked child, who holds the lock is the parent."""
        self.held_until = 0.0
        self._token = b""


class Locks(Protocol):
    """Where locks are held."""

    async def take(self, claim: Claim) -> int | None:
        """Take a lock if it is free; return its holder's number, zero if it has none, or ``None`` if it is not free."""
        ...

    async def let_go(self, claim: Claim) -> None:
        """Give a lock back, if it is still held."""
        ...

    async def wait(self, claim: Claim, runtime: Runtime, until: float | None) -> None:
        """Return when a lock may be free, or at a time on the clock."""
        ...


class LockSettings:
    """The settings of a lock.

    Args:
        ttl: how long it outlives a holder that has vanished.
        wait: how long to wait for it; ``None`` for as long as it takes.
        limit: how many may hold it at a time.

    Raises:
        ConfigurationError: one of them makes no sense.
    """

    __slots__ = ("limit", "ttl", "wait")

    def __init__(self, ttl: Duration, wait: Duration | None, limit: int) -> None:
        self.ttl = span(ttl, "ttl")
        if self.ttl < _SHORTEST:
            raise ConfigurationError(
                f"ttl must be {_SHORTEST:g} seconds at least, or the lock would be over before it is renewed, not {ttl!r}",
                setting="ttl",
                given=ttl,
            )
        self.wait = None if wait is None else span(wait, "wait")
        self.limit = count(limit, "limit")

    def claim(self, name: str) -> Claim:
        """Return what somebody wants who is about to take the lock."""
        return Claim(name, self.ttl, self.limit)


async def take(way: Way, claim: Claim, wait: float | None, now: Callable[[], float]) -> int:
    """Take a lock, or wait for it; return its holder's number, zero if it has none.

    Raises:
        LockTimeout: it was not free in time.
    """
    locks = way.locks
    began = until = None
    try:
        while True:
            fence = await locks.take(claim)
            if fence is not None:
                return fence
            if began is None:
                began, claim.waits = now(), True
                until = None if wait is None else began + wait
            elif until is not None and wait is not None and now() >= until:
                raise LockTimeout(
                    f"the lock {claim.name!r} was not free within {wait:g} s", name=claim.name, waited=now() - began
                )
            await locks.wait(claim, way.runtime, until)
    except BaseException:  # such as a cancellation after the lock was taken and before that was known
        await give_back(way.runtime, locks, claim)
        raise


async def give_back(runtime: Runtime, locks: Locks, claim: Claim) -> None:
    """Give a lock back: all the way, though the caller is cancelled meanwhile, since others wait for it."""
    try:
        await locks.let_go(claim)
    except GeneratorExit:  # thrown away: nothing can be waited for any more
        raise
    except BaseException:
        await runtime.to_the_end(locks.let_go(claim))
        raise


class Lock:
    """A lock to hold for the length of a block, with ``with`` or ``async with``.

    Args:
        name: which lock.
        settings: its settings.
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
        self, name: str, settings: LockSettings, clock: Clock, blocking: Callable[[], Way], tasks: Callable[[], Way]
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"name must be a text that is not empty, not {name!r}", setting="name", given=name)
        self.name = name
        self.fence: int | None = None
        self._settings = settings
        self._clock = clock
        self._blocking = blocking
        self._tasks = tasks
        self._holding: tuple[Runtime, Locks, Claim] | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock now, as far as it can know."""
        return self._holding is not None and self._clock.now() < self._holding[2].held_until

    def __enter__(self) -> Lock:
        drive(self.acquire(self._blocking()))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        drive(self.release())

    async def __aenter__(self) -> Lock:
        await self.acquire(self._tasks())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.release()

    async def acquire(self, way: Way) -> None:
        """Take the lock, or wait for it.

        Raises:
            LockTimeout: it was not free in time.
        """
        if self._holding is not None:
            raise StillroomError(f"this object holds the lock {self.name!r} already; make one for each block")
        claim = self._settings.claim(self.name)
        fence = await take(way, claim, self._settings.wait, self._clock.now)
        self.fence, self._holding = fence or None, (way.runtime, way.locks, claim)

    async def release(self) -> None:
        """Give the lock back, if it is held."""
        holding, self._holding, self.fence = self._holding, None, None
        if holding is not None:
            await give_back(*holding)
