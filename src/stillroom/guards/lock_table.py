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


class _Place:
    """One lock.

    Attributes:
        holds: who holds it: from what a claim is told by to when its ttl is over, and the claim, which may be gone.
        flight: ends when one of them lets go; there is one as soon as somebody waits.
    """

    __slots__ = ("flight", "holds")

    def __init__(self) -> None:
        self.flight: Flight | None = None
        self.holds: dict[int, tuple[float, weakref.ref[Claim]]] = {}


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
            place = self._places.get(claim.name)
            if place is None:
                place = self._places[claim.name] = _Place()
            elif len(place.holds) >= claim.limit:
                vanished = [one for one, (ends_at, holder) in place.holds.items() if now >= ends_at and holder() is None]
                for one in vanished:
                    del place.holds[one]
                if len(place.holds) >= claim.limit:
                    return None
            place.holds[id(claim)] = (now + claim.ttl, weakref.ref(claim))
            claim.held_until = math.inf
            return next(self._numbers)

    async def let_go(self, claim: Claim) -> None:
        """Give a lock back; see `Locks.let_go`."""
        with self._lock:
            place = self._places.get(claim.name)
            held = None if place is None else place.holds.get(id(claim))
            if place is None or held is None or held[1]() is not claim:
                return
            del place.holds[id(claim)]
            flight, place.flight = place.flight, None
            if not place.holds:
                del self._places[claim.name]
        claim.held_until = 0.0
        if flight is not None:
            flight.end(Result.LANDED)

    async def wait(self, claim: Claim, runtime: Runtime, until: float | None) -> None:
        """Return when a lock may be free; see `Locks.wait`."""
        with self._lock:
            place = self._places.get(claim.name)
            if place is None:
                return
            if place.flight is None:
                place.flight = Flight(Key(self._space, claim.name), (), threading.RLock())
            flight, now = place.flight, self.clock.now()
            # A holder may vanish without a word: look again when the ttl of the first is over, and every so often after that.
            soonest = min([max(ends_at, now + _TURN) for ends_at, _ in place.holds.values()], default=now)
        await runtime.wait(flight, soonest if until is None else min(soonest, until))

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
