"""How a call is answered: read, judge, serve or load, store.

There is one engine, for every freshness setting, every store and both colours. Two things make invalidation win here:

- A load begins only after `Store.lease`, which reads the generations in force at that moment; `Store.fill` stores its value
  only if lease and generations still stand.
- A caller shares a flight only if its load has not begun yet, or began under the generations that the caller has just read;
  and an invalidated key's flight is off the table before the invalidation returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from ..entry import MISSING
from ..observe.outcome import Outcome
from ..stores.bulk import bulk
from .call import Answer, Call, Purpose, served
from .containment import Containment
from .loading import LOST, Loader, Look
from .take import Take
from .verdict import Verdict, is_spared, judge, rescues

if TYPE_CHECKING:
    from .._runtime.flights import Flight, Flights
    from .._runtime.runtime import Runtime
    from ..protocols import Reading, Store

__all__ = ["Engine", "Reporter", "brought"]


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
    """Answers calls of one colour from one store.

    Args:
        store: where entries live.
        runtime: what the callers wait with.
        flights: the loads in progress.
        now: the time on the clock of the store's entries.
        draw: returns a random number from (0, 1].
        reporter: hears of everything that happens.
        raises: let callers see the failures of the store.
    """

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        flights: Flights,
        now: Callable[[], float],
        draw: Callable[[], float],
        reporter: Reporter,
        raises: bool = False,
    ) -> None:
        self.store = store
        self.runtime = runtime
        self.flights = flights
        self.now = now
        self._draw = draw
        self.reporter = reporter
        self.bulk = bulk(store)
        self.contain = Containment(store, reporter, raises)
        self.loader = Loader(store, runtime, flights, now, draw, reporter, self.contain)

    def retire(self) -> None:
        """Start nothing any more by itself: another engine takes over."""
        self.loader.retire()

    def cool(self) -> None:
        """Keep nothing warm of what has been loaded so far."""
        self.loader.cool()

    async def fetch(self, call: Call, look: Look | None = None) -> Answer:
        """Answer a call from the store, or from a load; a caller that has looked into the store already says what it found."""
        has_looked_again = False
        while True:
            look = look or await self._look(call)
            answer = None if look[0].entry is MISSING else self._from_store(call, look)
            if answer is None and not has_looked_again and self.flights.is_missed(call.lookup.key, look[0].generations):
                has_looked_again, look = True, None
                continue
            if answer is None:
                answer = await self._from_flight(call, look)
            if answer is not None:
                self.reporter.answered(call, answer)
                return answer
            look = None  # the flight was abandoned: look once more before loading

    async def fetch_many(self, calls: Sequence[Call]) -> list[Answer]:
        """Answer calls of different keys: one read for all of them, one load for each miss."""
        landings = self.flights.landings
        try:
            readings = await self.store.read([call.lookup for call in calls])
        except Exception as error:
            self.contain("read", error)
            readings = [LOST] * len(calls)
        return await self.fetch_all([(call, (one, landings)) for call, one in zip(calls, readings, strict=True)])

    async def fetch_all(self, looks: Sequence[tuple[Call, Look | None]]) -> list[Answer]:
        """Answer calls of different keys whose callers have looked into the store already."""
        return await self.runtime.gather([self.fetch(call, look) for call, look in looks])

    async def recall(self, call: Call) -> Answer | None:
        """Answer a call from the store; ``None`` if that takes a load."""
        answer = self._from_store(call, await self._look(call))
        if answer is not None:
            self.reporter.answered(call, answer)
        return answer

    async def take(self, call: Call) -> Take:
        """Begin a load whose value comes in pieces."""
        return await self.loader.take(call)

    async def refresh(self, call: Call) -> Answer:
        """Load now, whatever is stored, and store the value; loads that began earlier no longer count."""
        reading, _ = await self._look(call)
        flight = self.flights.start(call.key, reading.generations, replace=True)
        assert flight is not None  # replace=True always starts one
        try:
            await self.runtime.lead(flight, self.loader.load(call, flight, None, Purpose.RENEW))
        finally:
            if flight.result is None:
                await self.leave(flight)
        answer = brought(flight, leads=True)
        if answer is None:
            return await self.fetch(call)
        if answer.outcome is Outcome.MISS:
            answer = answer._replace(outcome=Outcome.REFRESH)
        self.reporter.answered(call, answer)
        return answer

    async def _look(self, call: Call) -> Look:
        landings = self.flights.landings
        try:
            return (await self.store.read((call.lookup,)))[0], landings
        except Exception as error:
            self.contain("read", error)
            return LOST, landings

    def _from_store(self, call: Call, look: Look) -> Answer | None:
        """Return the answer that needs no load; a refresh that is due is started behind."""
        answer, is_due = self.judged(call, look[0])
        if is_due:
            flight = self.flights.start(call.key, look[0].generations)
            if flight is not None:  # otherwise somebody is at it already
                self._spawn(flight, call, look, Purpose.REFRESH_BEHIND)
        return answer

    def judged(self, call: Call, reading: Reading) -> tuple[Answer | None, bool]:
        """Return the answer that needs no load, and whether a refresh is due."""
        entry, policy, now = reading.entry, call.source.policy, self.now()
        if entry is MISSING:
            return None, False
        if policy.keep_warm:
            self.loader.note_read(call.key, now)
        draw = self._draw() if policy.refresh_ahead == "xfetch" else 1.0
        verdict = judge(entry, policy, now, reading.uses, draw)
        if verdict is Verdict.EXPIRED:
            spared = is_spared(entry, now) and rescues(entry, policy, now)
            return served(entry, Outcome.STALE) if spared else None, False
        is_due = verdict is not Verdict.FRESH and not is_spared(entry, now)
        return served(entry, Outcome.STALE if verdict is Verdict.STALE else Outcome.HIT), is_due

    async def _from_flight(self, call: Call, look: Look) -> Answer | None:
        """Return what a flight brings, or the stale value if that takes too long.

        ``None`` says that there is nothing for this caller: the flight was abandoned, or brought what only one can use.
        """
        reading, policy = look[0], call.source.policy
        flight, leads = self.board(call, reading)
        if not leads and flight.has_begun and not await self._still_counts(flight):
            return None
        joined, is_late = not leads, not leads and flight.has_begun
        if policy.soft_timeout is not None and rescues(reading.entry, policy, self.now()):
            return await self._impatiently(flight, leads, is_late, call, look)
        try:
            if leads or not flight.claimed:
                leads = await self.runtime.lead(flight, self.loader.load(call, flight, look))
            else:
                await self.runtime.wait(flight, None)
        finally:
            if joined or flight.result is None:  # of a flight that nobody joined, and that has ended, nothing is left to leave
                await self.leave(flight)
        return brought(flight, leads) if not is_late or await self.is_untouched(flight) else None

    def board(self, call: Call, reading: Reading) -> tuple[Flight, bool]:
        """Join the flight of a call, or start one; return it, and whether the call leads it."""
        if reading is LOST or not call.source.policy.shares_loads:  # without tokens, nobody can tell what is from before what
            return self.flights.solo(call.lookup.key, reading.generations), True
        return self.flights.board(call.lookup.key, reading.generations, self.runtime.blocking)

    async def is_untouched(self, flight: Flight) -> bool:
        """Tell whether what a flight brought may be served to somebody who has boarded it while its load was running.

        Nobody knew then of the tags that the load has added. That call may have begun after an invalidation of one of them.
        """
        if not flight.tags:
            return True
        try:
            return flight.lease is not None and await self.store.untouched(flight.lease, flight.tags)
        except Exception as error:
            self.contain("read", error)
            return False

    async def _still_counts(self, flight: Flight) -> bool:
        """Tell whether what a flight brings may be served to somebody who has boarded it while its load was running.

        Another process may have deleted the key since: that changes no generation, but voids the lease.
        """
        stands = False
        try:
            stands = flight.lease is not None and await self.store.stands(flight.lease)
        except Exception as error:
            self.contain("read", error)
        finally:
            if not stands:
                self.flights.remove(flight)
                await self.leave(flight)
        return stands

    async def leave(self, flight: Flight) -> None:
        """Stop waiting; the last to leave before the end calls the load off."""
        if self.flights.leave(flight):
            await self.runtime.called_off(flight)

    async def _impatiently(self, flight: Flight, leads: bool, is_late: bool, call: Call, look: Look) -> Answer | None:
        """Wait for a flight no longer than ``soft_timeout``; then serve the stale value, while the load goes on behind."""
        entry, patience = look[0].entry, call.source.policy.soft_timeout
        assert entry is not MISSING
        assert patience is not None
        flight.stays = True
        if leads and not self._spawn(flight, call, look, Purpose.ANSWER):
            return served(entry, Outcome.STALE)
        try:
            await self.runtime.wait(flight, self.now() + patience)
        finally:
            self.flights.leave(flight)
        if flight.result is None:
            return served(entry, Outcome.STALE)
        return brought(flight, leads) if not is_late or await self.is_untouched(flight) else None

    def _spawn(self, flight: Flight, call: Call, look: Look, purpose: Purpose) -> bool:
        flight.stays = True
        if self.runtime.spawn(flight, lambda: self.loader.load(call, flight, look, purpose)):
            return True
        self.flights.abandon(flight)
        self.reporter.refresh_refused(call)
        return False


def brought(flight: Flight, leads: bool) -> Answer | None:
    """Return what a flight brought for one of its callers, if anything."""
    answer: Answer | None = flight.answer
    return answer if answer is None or leads or not (answer.is_private or flight.is_lone) else None
