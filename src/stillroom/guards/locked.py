"""``@cache.locked(...)``: one caller at a time, or so many, for all processes on one store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lock import Lock, LockSettings

if TYPE_CHECKING:
    from ..protocols import Clock
    from .guard import Way

__all__ = ["Locked"]


class Locked:
    """Lets no more callers through than may hold a lock; the others wait.

    Args:
        name: what the guarded function is called.
        settings: those of the lock.
        clock: tells the time.
    """

    word = "locked"
    looks_back = True

    def __init__(self, name: str, settings: LockSettings, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock

    async def enter(self, way: Way, key: str) -> Lock:
        """Take the lock, or wait for it; see `Guard.enter`.

        Raises:
            LockTimeout: it was not free in time.
        """
        lock = Lock(f"{self._name}:{key}", self._settings, self._clock, lambda: way, lambda: way)
        await lock.acquire(way)
        return lock

    async def leave(self, way: Way, key: str, ticket: Lock, error: BaseException | None) -> None:
        """Give the lock back."""
        await ticket.release()
