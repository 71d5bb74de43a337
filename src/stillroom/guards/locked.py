"""``@cache.locked(...)``: one caller at a time, or so many, for all processes on one store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lock import LockSettings, give_back, take

if TYPE_CHECKING:
    from ..protocols import Clock
    from .guard import Way
    from .lock import Claim, Locks

__all__ = ["Locked"]


class Locked:
    """Lets no more callers through than may hold a lock; the others wait.

    Args:
        name: what the names of its locks begin with.
        settings: those of the lock.
        clock: tells the time.
    """

    word = "locked"
    looks_back = True

    def __init__(self, name: str, settings: LockSettings, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._now = clock.now

    async def enter(self, way: Way, key: str) -> tuple[Locks, Claim]:
        """Take the lock, or wait for it; see `Guard.enter`.

        Raises:
            LockTimeout: it was not free in time.
        """
        claim = self._settings.claim(self._name + key)
        await take(way, claim, self._settings.wait, self._now)
        return way.locks, claim

    async def leave(self, way: Way, key: str, ticket: tuple[Locks, Claim], error: BaseException | None) -> None:
        """Give the lock back."""
        locks, claim = ticket
        await give_back(way.runtime, locks, claim)
