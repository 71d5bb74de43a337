"""Keys that are kept warm: refreshed on expiry without being asked.

A warm key has a timer. When it goes off, the key is refreshed behind if it has been read lately, and let go otherwise, or
when its entry is gone: evicted or invalidated.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from .._runtime.forks import ForkSafeLock
from ..entry import MISSING, Entry
from ..keys import Held
from .call import Purpose
from .verdict import is_idle, warm_at

if TYPE_CHECKING:
    from .._runtime.flights import Flight, Flights
    from .._runtime.runtime import Runtime
    from ..protocols import Key, Store, Timer
    from .call import Call
    from .containment import Containment

__all__ = ["Warmer"]

LIMIT: Final = 10_000
"""How many keys a cache keeps warm at most. Beyond that, the one that was loaded longest ago is let go."""


class Warmer:
    """Keeps keys warm."""

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        flights: Flights,
        now: Callable[[], float],
        load: Callable[..., Coroutine[Any, Any, None]],
        contain: Containment,
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._flights = flights
        self._now = now
        self._load = load
        self._contain = contain
        self._lock = ForkSafeLock()
        self._read_at: dict[Key, float] = {}
        self._timers: dict[Key, Timer] = {}
        self._is_retired = False

    def keep(self, call: Call, entry: Entry[Any], read_at: float | None) -> None:
        """Refresh a key when its entry is about to expire.

        Args:
            call: what to load.
            entry: what has just been stored.
            read_at: when a caller asked for the key; ``None`` if nobody did this time.
        """
        self._wake_at(warm_at(entry, self._now()), call, read_at)

    def note_read(self, key: Key, now: float) -> None:
        """Take note that a key was read, if it is kept warm."""
        if key in self._read_at:
            self._read_at[key] = now

    def cool(self) -> None:
        """Let all keys go; what is loaded from now on is kept warm again."""
        with self._lock:
            timers = list(self._timers.values())
            self._timers.clear()
            self._read_at.clear()
        for timer in timers:
            timer.cancel()

    def retire(self) -> None:
        """Let all keys go, for good."""
        with self._lock:
            self._is_retired = True
        self.cool()

    def _wake_at(self, when: float, call: Call, read_at: float | None) -> None:
        held = Held()  # the timer goes off in a context of its own
        timer = self._runtime.later(when, lambda: self._wake(call, held))
        with self._lock:
            former = self._timers.pop(call.key, None)
            if self._is_retired:
                former = timer
            else:
                self._timers[call.key] = timer
                if read_at is not None:
                    self._read_at[call.key] = read_at
            surplus = next(iter(self._timers)) if len(self._timers) > LIMIT else None
        if former is not None:
            former.cancel()
        if surplus is not None:
            self._let_go(surplus)

    def _let_go(self, key: Key) -> None:
        with self._lock:
            timer = self._timers.pop(key, None)
            self._read_at.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _wake(self, call: Call, held: Held) -> None:
        flight = self._flights.solo(call.key, ())
        with held:
            has_room = self._runtime.spawn(flight, lambda: self._refresh(call, flight))
        if not has_room:
            self._let_go(call.key)

    async def _refresh(self, call: Call, errand: Flight) -> None:
        """Refresh one key; the errand is the flight that this runs as, the load gets a flight of its own."""
        timer = self._timers.get(call.key)
        try:
            await self._refresh_if_wanted(call)
        finally:
            if self._timers.get(call.key) is timer:  # nothing was stored that would have set the next one
                self._let_go(call.key)
            self._flights.abandon(errand)

    async def _refresh_if_wanted(self, call: Call) -> None:
        policy, now = call.source.policy, self._now()
        try:
            (reading,) = await self._store.read((call.lookup,), count=False)
        except Exception as error:
            self._contain("read", error)
            self._wake_at(now + policy.retry_after, call, None)
            return
        read_at = max(self._read_at.get(call.key, 0.0), reading.read_at)
        self._read_at[call.key] = read_at
        if reading.entry is MISSING or is_idle(reading.entry, policy, read_at, now):
            return
        flight = self._flights.start(call.key, reading.generations)
        if flight is not None:  # otherwise somebody loads it now, and will set the next timer
            flight.stays = True
            flight.claim()
            await self._load(call, flight, (reading, 0), Purpose.REFRESH_BEHIND)
