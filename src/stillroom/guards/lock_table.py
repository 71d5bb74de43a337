"""The locks that are held in this process."""

from __future__ import annotations

import itertools
import math
import threading
import weakref
from typing import TYPE_CHECKING

from .._runtime.flights import Flight, Result
from .._runtime.forks import on_fork
from ..protocols import Key, Keyspace

if TYPE_CHECKING:
    from .._runtime.runtime import Runtime
    from ..protocols import Clock
    from .lock import Claim

__all__ = ["LockTable"]


class _Hold:
    """One holder's time with a lock: as long as its claim lives, and at least until its ttl is over."""

    __slots__ = ("claim", "ends_at")

    def __init__(self, claim: Claim, ends_at: float) -> None:
        self.claim = weakref.ref(claim)
        self.ends_at = ends_at

    def lasts(self, now: float) -> bool:
        return now < self.ends_at or self.claim() is not None


class _Place:
    """One lock: who holds it, and the flight that ends when one of them lets go, for those who wait."""

    __slots__ = ("flight", "holds")

    def __init__(self, flight: Flight) -> None:
        self.flight = flight
        self.holds: dict[bytes, _Hold] = {}


class LockTable:
    """The locks that are held in this process.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._space = Keyspace("", "lock:", str)
        self._lock = threading.RLock()
        self._places: dict[str, _Place] = {}
        self._numbers = itertools.count(1)
        on_fork(self)

    def __len__(self) -> int:
        return len(self._places)

    async def take(self, claim: Claim) -> int | None:
        """Take a lock if it is free; see `Locks.take`."""
        now = self.clock.now()
        with self._lock:
            place = self._places.get(claim.name) or self._places.setdefault(claim.name, _Place(self._flight(claim.name)))
            for token in [token for token, hold in place.holds.items() if not hold.lasts(now)]:
                del place.holds[token]
            if len(place.holds) >= claim.limit:
                return None
            place.holds[claim.token] = _Hold(claim, now + claim.ttl)
            claim.held_until = math.inf
            return next(self._numbers)

    async def let_go(self, claim: Claim) -> None:
        """Give a lock back; see `Locks.let_go`."""
        with self._lock:
            place = self._places.get(claim.name)
            if place is None or place.holds.pop(claim.token, None) is None:
                return
            left, place.flight = place.flight, self._flight(claim.name)
            if not place.holds:
                del self._places[claim.name]
        claim.held_until = 0.0
        left.end(Result.LANDED)

    async def wait(self, name: str, runtime: Runtime, until: float | None) -> None:
        """Return when a lock may be free; see `Locks.wait`."""
        with self._lock:
            place = self._places.get(name)
            if place is None:
                return
            flight, now = place.flight, self.clock.now()
            # A holder may vanish without a word: look again when the ttl of the first is over, and every so often after that.
            soonest = min([max(hold.ends_at, now + _TURN) for hold in place.holds.values()], default=now)
        await runtime.wait(flight, soonest if until is None else min(soonest, until))

    def _flight(self, name: str) -> Flight:
        return Flight(Key(self._space, name), (), threading.RLock())

    def before_fork(self) -> None:
        """Take the lock, so that the child's copy is whole."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Give the lock back; whoever holds anything is in the parent."""
        self._places.clear()
        self._lock.release()


_TURN = 1.0
"""Seconds between two looks at whether a holder has vanished that has outlived its ttl."""
