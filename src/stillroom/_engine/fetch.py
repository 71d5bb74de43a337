"""How a call is answered: read, judge, serve or load, store.

There is one engine, for every freshness setting, every store and both colours. Two things make invalidation win here:

- A load begins only after `Store.lease`, which reads the generations in force at that moment; `Store.fill` stores its value only if
  lease and generations still stand.
- A caller shares a flight only if the generations it has just read are those under which the flight started, and an invalidated key's
  flight is off the table before the invalidation returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..entry import MISSING, Entry, Missing
from ..observe.events import Outcome
from .call import Answer, Call, served
from .loading import Loader
from .take import Take
from .verdict import Verdict, is_spared, judge, rescues

if TYPE_CHECKING:
    from .._runtime.flights import Flight, Flights
    from .._runtime.runtime import Runtime
    from ..protocols import Reading, Store

__all__ = ["Engine", "Reporter"]


class Reporter(Protocol):
    """What the engine tells of a call."""

    def answered(self, call: Call, answer: Answer) -> None:
        """A call was answered."""

    def load_finished(self, call: Call, seconds: float, stored: bool) -> None:
        """A load ended well."""

    def load_failed(self, call: Call, error: Exception, *, rescued: bool, behind: bool) -> None:
        """A load raised."""

    def result_refused(self, call: Call, reason: str) -> None:
        """A value cannot be stored."""

    def refresh_refused(self, call: Call) -> None:
        """There is no room for one more background load."""

    def store_failed(self, store: Store, operation: str, error: Exception) -> None:
        """A store raised."""


class Engine:
    """Answers calls from one store.

    Args:
        store: where entries live.
        flights: the loads in progress.
        now: the time on the clock of the store's entries.
        draw: returns a random number from (0, 1].
        reporter: hears of everything that happens.
    """

    def __init__(
        self, store: Store, flights: Flights, now: Callable[[], float], draw: Callable[[], float], reporter: Reporter
    ) -> None:
        self.store = store
        self.flights = flights
        self.now = now
        self._draw = draw
        self.reporter = reporter
        self._loader = Loader(store, flights, now, draw, reporter)

    async def fetch(self, call: Call, runtime: Runtime) -> Answer:
        """Answer a call from the store, or from a load."""
        reading = await self._read(call)
        return await self.answer(call, reading, runtime)

    async def answer(self, call: Call, reading: Reading | None, runtime: Runtime) -> Answer:
        """Answer a call whose key has been read already; ``None`` says that the store failed."""
        while True:
            answer = self._from_store(call, reading, runtime) if reading is not None else None
            if answer is None:
                answer = await self._from_flight(call, reading, runtime)
            if answer is not None:
                self.reporter.answered(call, answer)
                return answer
            reading = await self._read(call)  # the flight was abandoned: look once more before loading

    async def fetch_many(self, calls: Sequence[Call], runtime: Runtime) -> list[Answer]:
        """Answer calls of different keys: one read for all of them, one load for each miss."""
        try:
            readings: Sequence[Reading | None] = await self.store.read([call.lookup for call in calls])
        except Exception as error:
            self.reporter.store_failed(self.store, "read", error)
            readings = [None] * len(calls)
        return await runtime.gather(
            [self.answer(call, reading, runtime) for call, reading in zip(calls, readings, strict=True)]
        )

    async def recall(self, call: Call, runtime: Runtime) -> Answer | None:
        """Answer a call from the store; ``None`` if that takes a load."""
        reading = await self._read(call)
        answer = self._from_store(call, reading, runtime) if reading is not None else None
        if answer is not None:
            self.reporter.answered(call, answer)
        return answer

    async def take(self, call: Call) -> Take:
        """Begin a load whose value comes in pieces."""
        return await self._loader.take(call)

    async def refresh(self, call: Call, runtime: Runtime) -> Answer:
        """Load now, whatever is stored, and store the value; loads that began earlier no longer count."""
        reading = await self._read(call)
        generations = reading.generations if reading is not None else ()
        flight = self.flights.start(call.key, generations, replace=True)
        assert flight is not None  # replace=True always starts one
        await self._fly(flight, runtime, self._loader.load(call, flight, runtime, MISSING, renew=True))
        answer = flight.answer if isinstance(flight.answer, Answer) else await self.fetch(call, runtime)
        if answer.outcome is Outcome.MISS:
            answer = answer._replace(outcome=Outcome.REFRESH)
        self.reporter.answered(call, answer)
        return answer

    def refresh_behind(self, call: Call, reading: Reading, runtime: Runtime) -> None:
        """Refresh a key in the background, unless somebody is at it already."""
        flight = self.flights.start(call.key, reading.generations)
        if flight is None:
            return
        flight.stays = True
        if not runtime.spawn(flight, lambda: self._loader.load(call, flight, runtime, reading.entry, behind=True)):
            self._give_up(flight, call)

    async def _read(self, call: Call) -> Reading | None:
        try:
            return (await self.store.read((call.lookup,)))[0]
        except Exception as error:
            self.reporter.store_failed(self.store, "read", error)
            return None

    def _from_store(self, call: Call, reading: Reading, runtime: Runtime) -> Answer | None:
        entry, policy, now = reading.entry, call.source.policy, self.now()
        if entry is MISSING:
            return None
        draw = self._draw() if policy.refresh_ahead == "xfetch" else 1.0
        verdict = judge(entry, policy, now, reading.uses, draw)
        if verdict is Verdict.EXPIRED:
            spared = is_spared(entry, now) and rescues(entry, policy, now)
            return served(entry, Outcome.STALE) if spared else None
        if verdict is not Verdict.FRESH and not is_spared(entry, now):
            self.refresh_behind(call, reading, runtime)
        return served(entry, Outcome.STALE if verdict is Verdict.STALE else Outcome.HIT)

    async def _from_flight(self, call: Call, reading: Reading | None, runtime: Runtime) -> Answer | None:
        """Return what a flight brings, the stale value if that takes too long, or ``None`` if the flight was abandoned."""
        policy, now = call.source.policy, self.now()
        entry: Entry[Any] | Missing = reading.entry if reading is not None else MISSING
        generations = reading.generations if reading is not None else ()
        patience = policy.soft_timeout if rescues(entry, policy, now) else None
        if policy.shares_loads:
            flight, leads = self.flights.board(call.key, generations, blocking=runtime.blocking)
        else:
            flight, leads = self.flights.solo(call.key, generations), True
        if patience is not None:
            return await self._impatiently(flight, leads, call, entry, runtime, now + patience)
        leads = leads or (runtime.blocking and not flight.claimed)
        await self._fly(flight, runtime, self._loader.load(call, flight, runtime, entry) if leads else None)
        return flight.answer if isinstance(flight.answer, Answer) else None

    async def _impatiently(
        self, flight: Flight, leads: bool, call: Call, entry: Entry[Any] | Missing, runtime: Runtime, until: float
    ) -> Answer | None:
        flight.stays = True
        if leads and not runtime.spawn(flight, lambda: self._loader.load(call, flight, runtime, entry)):
            self._give_up(flight, call)
        else:
            try:
                await runtime.wait(flight, until)
            finally:
                self.flights.leave(flight)
            if flight.result is not None:
                return flight.answer if isinstance(flight.answer, Answer) else None
        assert entry is not MISSING  # or there would be no patience to lose
        return served(entry, Outcome.STALE)

    async def _fly(self, flight: Flight, runtime: Runtime, load: Any) -> None:
        """Lead a flight, or be a passenger where there is no load to run; the last to leave early calls the load off."""
        try:
            if load is not None:
                await runtime.lead(flight, load)
            else:
                await runtime.wait(flight, None)
        finally:
            if self.flights.leave(flight):
                await runtime.called_off(flight)

    def _give_up(self, flight: Flight, call: Call) -> None:
        self.flights.abandon(flight)
        self.reporter.refresh_refused(call)

