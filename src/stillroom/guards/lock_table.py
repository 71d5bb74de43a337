"""The locks that are held in this process.

A lock that is let go while others wait is theirs for a moment: who let it go, and wants it again at once, has to wait as well.
"""

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
        waiters: those who wait, by the same.
        promised_until: until when, on the clock, nobody but they may take it.
        flight: ends when one of the holders lets go; there is one as soon as somebody waits.
    """

    __slots__ = ("flight", "holds", "promised_until", "waiters")

    def __init__(self) -> None:
        self.flight: Flight | None = None
        self.holds: dict[int, tuple[float, weakref.ref[Claim]]] = {}
        self.waiters: set[int] = set()
        self.promised_until = 0.0

    def is_promised(self, claim: Claim, now: float) -> bool:
        """Tell whether it is for others to take."""
        return now < self.promised_until and bool(self.waiters) and id(claim) not in self.waiters


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
            if place.is_promised(claim, now):
                return None
            place.waiters.discard(id(claim))
            place.holds[id(claim)] = (now + claim.ttl, weakref.ref(claim))
            claim.held_until = math.inf
            return next(self._numbers)

    async def let_go(self, claim: Claim) -> None:
        """Give a lock back; see `Locks.let_go`."""
        with self._lock:
            place = self._places.get(claim.name)
            if place is None:
                return
            place.waiters.discard(id(claim))
            held = place.holds.get(id(claim))
            is_held = held is not None and held[1]() is claim
            if is_held:
                del place.holds[id(claim)]
            if not place.holds and not place.waiters:
                del self._places[claim.name]
            if not is_held:
                return
            if place.waiters:
                place.promised_until = self.clock.now() + _GRACE
            flight, place.flight = place.flight, None
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
            place.waiters.add(id(claim))
            flight, now = place.flight, self.clock.now()
            # A holder may vanish without a word: look again when the ttl of the first is over, and every so often after that.
            looks = [max(ends_at, now + _TURN) for ends_at, _ in place.holds.values()]
            soonest = min(looks) if len(looks) >= claim.limit else max(place.promised_until, now)
        await runtime.wait(flight, soonest if until is None else min(soonest, until))

    def before_fork(self) -> None:
        """Take the lock, so that the child's copy is whole."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Give the lock back; whoever holds anything is in the parent."""
        for _, holder in [hold for place in self._places.values() for hold in place.holds.values()]:
            claim = holder()
            if claim is not None:
                claim.disown()
        self._places.clear()
        self._lock.release()


_GRACE = 0.1
"""For how many seconds a lock is promised to those who wait: longer than it takes to wake one, unless its loop stands still."""
_TURN = 1.0
"""Seconds between two looks at whether a holder has vanished that has outlived its ttl."""
