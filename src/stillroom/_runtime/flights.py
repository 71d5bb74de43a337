"""Flights: loads in progress that other callers of the same key share.

One table with one short lock. A flight has a leader, who runs the load, and passengers, who wait for it. Threads and tasks,
on any number of event loops, board the same flight.

Rules that this file keeps:

- A caller boards a flight whose load has begun only if the generations it has just read are those that it began under.
- An invalidation takes the flight off the table, so that whoever comes later starts afresh.
- Nobody waits for a flight that waits, directly or through others, for something that the caller itself is loading; nor does a
  blocking caller wait for a load that runs on its own thread. Such callers fly solo: they load without waiting.
- A load is called off when the last passenger has left, unless it is to go on behind.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import partial
from types import MappingProxyType
from typing import Any, Final, cast

from ..entry import Generations
from ..protocols import Key, Lease
from .forks import on_fork

__all__ = ["LOADING", "LOOK_EVERY", "Flight", "Flights", "Result"]

LOOK_EVERY: Final = 1.0
"""Every so many seconds, whoever waits for a flight asks whether its event loop still runs."""


class Result(enum.Enum):
    """How a flight ended."""

    LANDED = enum.auto()
    ABANDONED = enum.auto()


class Flight:
    """A load in progress.

    Attributes:
        key: what is being loaded.
        generations: the tokens that its load began under, or before that those that its leader had read.
        lease: what its load runs under, once it has begun; ``None`` if the store gave none.
        has_begun: whether the load has, so that what is invalidated from now on may be in it.
        is_lone: what it brought is for its leader only.
        tags: generations that its load has added to those that it began under.
        result: how the flight ended; ``None`` while it is in the air.
        answer: what it brought; ``None`` until it has landed.
        thread: the thread that the load runs on, once it runs.
        claimed: whether somebody has begun the load.
        kept_for: the thread that alone may begin it; ``None`` for any.
        stays: the load goes on though nobody waits for it.
        call_off: cancels the load; ``None`` where a load cannot be cancelled.
        is_lost: tells whether the load stands still since its event loop does not run; ``None`` where there is no loop.
        loop: the event loop that the load runs on, if any.
        carried: flights whose loads are parts of this one's, by their identity.
        passengers: how many callers wait, the leader included.
        waits_for: flights that the load of this one is waiting for.
    """

    # Class attributes, so that a flight that nobody joins, which is nearly every one, is made by setting three.
    result: Result | None = None
    answer: Any = None
    thread: int | None = None
    claimed = False
    kept_for: int | None = None
    has_begun = False
    lease: Lease | None = None
    is_lone = False
    tags: tuple[str, ...] = ()
    stays = False
    call_off: Callable[[], None] | None = None
    is_lost: Callable[[], bool] | None = None
    loop: object = None
    passengers = 1
    waits_for: tuple[Flight, ...] = ()
    carried: Mapping[int, Flight] = MappingProxyType({})
    _wakers: tuple[Callable[[], None], ...] = ()

    def __init__(self, key: Key, generations: Generations, lock: threading.RLock) -> None:
        self.key = key
        self.generations = generations
        self._lock = lock

    def claim(self) -> bool:
        """Become the one who runs the load; false if somebody else is, or is to be."""
        me = threading.get_ident()
        with self._lock:
            if self.claimed or self.result is not None or self.kept_for not in (None, me):
                return False
            self.claimed = True
            self.thread = me
            return True

    def begin(self, generations: Generations, lease: Lease | None = None) -> None:
        """Say under which generations, and which lease, the load begins now."""
        self.generations = generations
        self.lease = lease
        self.has_begun = True  # last, since others look at this first, and without the lock taken here

    def on_end(self, wake: Callable[[], None]) -> bool:
        """Have ``wake`` called, in any thread, when the flight has ended; false if it has already."""
        with self._lock:
            if self.result is None:
                self._wakers = (*self._wakers, wake)
            return self.result is None

    def no_longer(self, wake: Callable[[], None]) -> None:
        """Take back what was asked with `on_end`."""
        with self._lock:
            self._wakers = tuple([one for one in self._wakers if one is not wake])

    def end(self, result: Result, answer: Any = None) -> None:
        """Tell everybody who waits how the flight ended; only the first call counts."""
        with self._lock:
            wakers = self.settle(result, answer)
        for wake in wakers:
            wake()

    def is_under_way(self, generations: Generations) -> bool:
        """Tell whether the flight may still bring something that counts for a caller who has read these generations."""
        if self.result is not None or (self.has_begun and self.generations != generations):
            return False
        return self.is_lost is None or not self.is_lost()

    def end_if_lost(self) -> None:
        """Abandon the flight if its event loop does not run any more."""
        if self.is_lost is not None and self.is_lost():
            self.end(Result.ABANDONED)

    def settle(self, result: Result, answer: Any) -> tuple[Callable[[], None], ...]:
        """Note how the flight ended, under the lock; return whom to wake once it is released."""
        if self.result is not None:
            return ()
        wakers, self._wakers = self._wakers, ()
        self.answer = answer
        self.result = result
        return wakers


LOADING: Final[ContextVar[tuple[Flight, ...]]] = ContextVar("stillroom_loading", default=())
"""The flights whose loads this context is running, outermost first."""


class Flights:
    """All flights of a cache in this process.

    Attributes:
        landings: how many flights have landed so far.
    """

    def __init__(self) -> None:
        self.landings = 0
        # Reentrant, since a finalizer that the garbage collector runs while this thread is in here may call the cache.
        self._lock = threading.RLock()
        self._table: dict[Key, Flight] = {}
        self._blocked: dict[int, tuple[Flight, ...]] = {}  # by thread: the flights that hold it up
        on_fork(self)

    def __len__(self) -> int:
        return len(self._table)

    def is_missed(self, key: Key, generations: Generations) -> bool:
        """Tell whether a load is under way that a caller who has read these generations may not share, or not yet.

        A generation that nobody had needed so far is made when a load begins. Whoever looked before that has read ``None``, as
        if it had been invalidated, and has to look again to tell the one from the other.
        """
        flight = self._table.get(key)
        return flight is not None and flight.has_begun and None in generations and flight.generations != generations

    @property
    def as_one(self) -> AbstractContextManager[object]:
        """Below this, nobody else boards or ends a flight."""
        return self._lock

    def board(self, key: Key, generations: Generations, blocking: bool) -> tuple[Flight, bool]:
        """Join the flight of a key, or start one.

        Returns:
            The flight, and whether the caller leads it. A passenger must `leave` in the end.
        """
        loading = LOADING.get()
        with self._lock:
            flight = self._table.get(key)
            if flight is None or not flight.is_under_way(generations):
                flight = self._table[key] = Flight(key, generations, self._lock)
                return flight, True
            me = threading.get_ident() if blocking else None
            if self._would_hang(flight, loading, me):
                return self.solo(key, generations), True
            flight.passengers += 1
            for mine in loading:
                mine.waits_for = (*mine.waits_for, flight)
            if me is not None:
                self._blocked[me] = (*self._blocked.get(me, ()), flight)
            return flight, False

    def start(self, key: Key, generations: Generations, *, replace: bool = False) -> Flight | None:
        """Start a flight; ``None`` if there is one under these generations already and it is not to be replaced.

        One that replaces another is for its caller to lead, who must begin at once: it voids loads that began earlier, which a
        passenger who was faster would not do.
        """
        with self._lock:
            present = self._table.get(key)
            if present is not None and present.is_under_way(generations) and not replace:
                return None
            flight = Flight(key, generations, self._lock)
            if replace:
                flight.kept_for = threading.get_ident()
            self._table[key] = flight
            return flight

    def solo(self, key: Key, generations: Generations) -> Flight:
        """Return a flight that nobody else can board."""
        flight = Flight(key, generations, self._lock)
        flight.is_lone = True
        return flight

    def carrier(self, key: Key) -> Flight:
        """Return a flight that nobody can board, for a load that is to bring several others."""
        return self.solo(key, ())

    def carry(self, carrier: Flight, flights: Sequence[Flight]) -> None:
        """Let a carrier bring flights that its leader has claimed: they end with it, and it is called off with the last."""
        carried = carrier.carried = {id(flight): flight for flight in flights}
        for flight in flights:
            flight.call_off = partial(self._call_off_carried, carrier, carried, flight)
        carrier.on_end(partial(self._abandon_all, carried))

    def land_carried(self, carrier: Flight, flight: Flight, answer: object) -> None:
        """End a flight with what its carrier brought for it."""
        self.land(flight, answer)
        with self._lock:
            cast("dict[int, Flight]", carrier.carried).pop(id(flight), None)

    def _call_off_carried(self, carrier: Flight, carried: dict[int, Flight], flight: Flight) -> None:
        with self._lock:
            carried.pop(id(flight), None)
            is_last = not carried
        if not is_last or carrier.call_off is None:
            flight.end(Result.ABANDONED)  # the load goes on, for others if there are any
        elif carrier.on_end(partial(flight.end, Result.ABANDONED)):  # whoever calls it off waits until the load has ended
            carrier.call_off()
        else:
            flight.end(Result.ABANDONED)

    def _abandon_all(self, carried: dict[int, Flight]) -> None:
        with self._lock:
            left = list(carried.values())
        for flight in left:
            self.abandon(flight)

    def leave(self, flight: Flight) -> bool:
        """Stop waiting for a flight; true if the load should be called off because nobody waits any more."""
        me = threading.get_ident()
        with self._lock:
            for mine in LOADING.get():
                mine.waits_for = _without(flight, mine.waits_for)
            if me in self._blocked:
                self._blocked[me] = _without(flight, self._blocked[me])
                if not self._blocked[me]:
                    del self._blocked[me]
            flight.passengers -= 1
            if flight.passengers or flight.stays or flight.result is not None:
                return False
            self._remove(flight)
            return True

    def remove(self, flight: Flight) -> None:
        """Take a flight off the table, if it is still there."""
        with self._lock:
            self._remove(flight)

    def land(self, flight: Flight, answer: object) -> None:
        """End a flight with what it brought."""
        with self._lock:
            self._remove(flight)
            self.landings += 1
            wakers = flight.settle(Result.LANDED, answer)
        for wake in wakers:
            wake()

    def abandon(self, flight: Flight) -> None:
        """End a flight without an answer, so that those who wait look elsewhere."""
        self.remove(flight)
        flight.end(Result.ABANDONED)

    def drop(self, key: Key) -> None:
        """Take whatever flight there is for a key off the table: what it brings is out of date."""
        with self._lock:
            self._table.pop(key, None)

    def clear(self) -> None:
        """Take all flights off the table."""
        with self._lock:
            self._table.clear()

    def _remove(self, flight: Flight) -> None:
        if self._table.get(flight.key) is flight:
            del self._table[flight.key]

    def _would_hang(self, flight: Flight, loading: tuple[Flight, ...], me: int | None) -> bool:
        """Tell whether a flight waits, directly or through others, for its would-be passenger.

        Args:
            flight: the flight.
            loading: what the caller is loading.
            me: the caller's thread, if waiting would hold it up, and with it all loads of an event loop that it runs.
        """
        seen: set[int] = set()
        ahead = [flight]
        while ahead:
            one = ahead.pop()
            if one.result is not None:  # whoever was waiting for it goes on, or is about to
                continue
            if (me is not None and one.thread == me) or any(one is mine for mine in loading):
                return True
            if id(one) not in seen:
                seen.add(id(one))
                ahead.extend(one.waits_for)
                if one.thread is not None:
                    ahead.extend(self._blocked.get(one.thread, ()))
        return False

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        self._table.clear()  # their leaders are threads and tasks of the parent
        self._blocked.clear()
        self._lock.release()


def _without(flight: Flight, flights: tuple[Flight, ...]) -> tuple[Flight, ...]:
    """Take one occurrence of a flight out: a load may wait for the same flight more than once."""
    for index, one in enumerate(flights):
        if one is flight:
            return flights[:index] + flights[index + 1 :]
    return flights
