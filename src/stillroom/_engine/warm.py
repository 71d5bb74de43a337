"""Keys that are kept warm: refreshed on expiry without being asked.

A warm key has a timer. When it goes off, the key is refreshed behind if it has been read lately, and let go otherwise, or
when its entry is gone: evicted or invalidated.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from ..entry import MISSING, Entry
from .call import Purpose
from .verdict import is_idle, warm_at

if TYPE_CHECKING:
    from .._runtime.flights import Flight, Flights
    from .._runtime.runtime import Runtime
    from ..protocols import Key, Store, Timer
    from .call import Call

__all__ = ["Warmer"]

LIMIT: Final = 10_000
"""How many keys a cache keeps warm at most. Beyond that, the one that was loaded longest ago is let go."""


class Warmer:
    """Keeps keys warm."""

    def __init__(
        self,
        store: Store,
        flights: Flights,
        now: Callable[[], float],
        load: Callable[..., Coroutine[Any, Any, None]],
    ) -> None:
        self._store = store
        self._flights = flights
        self._now = now
        self._load = load
        self._read_at: dict[Key, float] = {}
        self._timers: dict[Key, Timer] = {}

    def keep(self, call: Call, entry: Entry[Any], runtime: Runtime, read_at: float | None) -> None:
        """Refresh a key when its entry is about to expire.

        Args:
            call: what to load.
            entry: what has just been stored.
            runtime: the one to load on.
            read_at: when a caller asked for the key; ``None`` if nobody did this time.
        """
        key = call.key
        if read_at is not None:
            self._read_at[key] = read_at
        timer = runtime.later(warm_at(entry, self._now()), lambda: self._wake(call, runtime))
        former = self._timers.pop(key, None)
        if former is not None:
            former.cancel()
        self._timers[key] = timer
        if len(self._timers) > LIMIT:
            self._let_go(next(iter(self._timers)))

    def _let_go(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        self._read_at.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _wake(self, call: Call, runtime: Runtime) -> None:
        flight = self._flights.solo(call.key, ())
        if not runtime.spawn(flight, lambda: self._refresh(call, flight, runtime)):
            self._let_go(call.key)

    async def _refresh(self, call: Call, errand: Flight, runtime: Runtime) -> None:
        """Refresh one key; the errand is the flight that this runs as, the load gets a flight of its own."""
        key = call.key
        timer = self._timers.get(key)
        try:
            await self._refresh_if_wanted(call, runtime)
        finally:
            if self._timers.get(key) is timer:  # nothing was stored that would have set the next one
                self._let_go(key)
            self._flights.abandon(errand)

    async def _refresh_if_wanted(self, call: Call, runtime: Runtime) -> None:
        (reading,) = await self._store.read((call.lookup,), count=False)
        read_at = max(self._read_at.get(call.key, 0.0), reading.read_at)
        self._read_at[call.key] = read_at
        if reading.entry is MISSING or is_idle(reading.entry, call.source.policy, read_at, self._now()):
            return
        flight = self._flights.start(call.key, reading.generations)
        if flight is not None:  # otherwise somebody loads it now, and will set the next timer
            flight.stays = True
            flight.claim()
            await self._load(call, flight, runtime, (reading, 0), Purpose.REFRESH_BEHIND)
