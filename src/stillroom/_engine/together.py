"""How calls are answered whose misses are loaded together: by one run of a function that takes many items at once.

Each item has its key, its flight, its lease and its entry, exactly as if it had been asked for alone. So single calls, other
batches and invalidations meet it there, and nothing can tell how it was loaded. What is shared is the way: one read for all,
one step for all leases, one run of the function, one step for all that is stored.

Rules that this file keeps:

- **What the caller is to load itself is loaded before it waits for what others load**: so two batches that want each other's
  items wait for each other's loads, and never for each other's waiting.
- **No lease is waited for while others are held that somebody could wait for**: what other processes are loading is asked for
  again when the rest has been loaded.
- **A run of the function is called off when nobody waits any more for any of its items** (`Flights.carry`).
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from ..observe.outcome import Outcome
from .call import Answer, Call, Purpose
from .fetch import brought
from .joint import Joint, JointLoader, Seat
from .loading import LOST, Look

if TYPE_CHECKING:
    from .._runtime.flights import Flight
    from ..protocols import Key
    from .fetch import Engine

__all__ = ["Together"]


class Together:
    """Answers calls of different keys whose misses are loaded together.

    Args:
        engine: what answers single calls from the same store.
        joint: loads calls together.
        seen: what the caller has found already, by key.
    """

    def __init__(self, engine: Engine, joint: Joint, seen: dict[Key, Look] | None = None) -> None:
        self._engine = engine
        self._seen = seen or {}
        self._flights = engine.flights
        self._runtime = engine.runtime
        self._loader = JointLoader(engine, joint)

    async def fetch(self, calls: Sequence[Call]) -> list[Answer]:
        """Answer calls from the store, or from a load of all that are not there."""
        answers: dict[Key, Answer] = {}
        pending: list[Call] = list(calls)
        while pending:
            seats: list[Seat] = []
            try:
                answers.update(await self._landed(await self._begin_all(pending, answers, seats)))
            finally:
                await self._leave([seat.flight for seat in seats])
            pending = [call for call in pending if call.key not in answers]  # of flights that were abandoned: look once more
        for call in calls:
            self._engine.reporter.answered(call, answers[call.key])
        return [answers[call.key] for call in calls]

    async def refresh(self, calls: Sequence[Call]) -> list[Answer]:
        """Load now, whatever is stored, and store the values; loads that began earlier no longer count."""
        seats: list[Seat] = []
        answers: dict[Key, Answer] = {}
        looks = await self._looks(calls)
        try:
            for call, look in looks:
                flight = self._flights.start(call.key, look[0].generations, replace=True)
                assert flight is not None  # replace=True always starts one
                seats.append(Seat(call, look, flight))
            others = await self._lead(seats, answers, Purpose.RENEW)
            answers.update(await self._landed(others))
        finally:
            await self._leave([seat.flight for seat in seats])
        lost = [call for call in calls if call.key not in answers]
        found = dict(zip([call.key for call in lost], await self.fetch(lost), strict=True)) if lost else {}
        for call in calls:
            answer = answers.get(call.key)
            if answer is not None:
                outcome = Outcome.REFRESH if answer.outcome is Outcome.MISS else answer.outcome
                found[call.key] = answer._replace(outcome=outcome)
                self._engine.reporter.answered(call, found[call.key])
        return [found[call.key] for call in calls]

    async def _begin_all(self, pending: list[Call], answers: dict[Key, Answer], seats: list[Seat]) -> list[Seat]:
        """Answer what the store has, load what nobody loads yet, and return the calls that wait for the loads of others.

        Args:
            pending: the calls.
            answers: where the answers go.
            seats: where all that is boarded goes, and has to be left in the end.
        """
        waiting: list[Seat] = []
        overtaken: set[Key] = set()
        while pending:
            boarded, begun = self._board(self._missed(await self._looks(pending), answers), overtaken)
            seats += boarded
            over = await self._over(begun) if begun else ()
            others = await self._lead([seat for seat in boarded if id(seat.flight) not in over], answers, Purpose.ANSWER)
            waiting += others
            waited_for = {seat.call.key for seat in waiting}
            pending = [call for call in pending if call.key not in answers and call.key not in waited_for]
        return waiting

    async def _landed(self, seats: Sequence[Seat]) -> dict[Key, Answer]:
        """Wait for the loads of others, and return what they have brought for these calls."""
        for seat in seats:
            await self._runtime.wait(seat.flight, None)
        found: dict[Key, Answer] = {}
        for seat in seats:
            answer = brought(seat.flight, leads=False)
            if answer is not None and (not seat.is_late or await self._engine.is_untouched(seat.flight)):
                found[seat.call.key] = answer
        return found

    # What is there

    async def _looks(self, calls: Sequence[Call]) -> list[tuple[Call, Look]]:
        looks = await self._read(calls)
        missed = self._flights.is_missed
        again = [at for at, (call, (reading, _)) in enumerate(looks) if missed(call.key, reading.generations)]
        if again:  # a generation may have been made since, see `Flights.is_missed`
            for at, look in zip(again, await self._read([calls[at] for at in again]), strict=True):
                looks[at] = look
        return looks

    async def _read(self, calls: Sequence[Call]) -> list[tuple[Call, Look]]:
        seen, self._seen = self._seen, {}  # it counts once: whoever looks again wants to know what has become of it
        unseen = [call for call in calls if call.key not in seen]
        landings = self._flights.landings
        try:
            readings = await self._engine.store.read([call.lookup for call in unseen]) if unseen else []
        except Exception as error:
            self._engine.contain("read", error)
            readings = [LOST] * len(unseen)
        seen.update({call.key: (reading, landings) for call, reading in zip(unseen, readings, strict=True)})
        return [(call, seen[call.key]) for call in calls]

    # Flights

    def _missed(self, looks: Sequence[tuple[Call, Look]], answers: dict[Key, Answer]) -> list[tuple[Call, Look]]:
        """Return the calls that take a load; the others are answered, and what is stale is refreshed behind."""
        missed: list[tuple[Call, Look]] = []
        due: list[tuple[Call, Look]] = []
        for call, look in looks:
            answer, is_due = self._engine.judged(call, look[0])
            if answer is None:
                missed.append((call, look))
            else:
                answers[call.key] = answer
            if is_due:
                due.append((call, look))
        self._refresh_behind(due)
        return missed

    def _board(self, missed: Sequence[tuple[Call, Look]], overtaken: set[Key]) -> tuple[list[Seat], list[Seat]]:
        """Join the flights of calls, or start them; return all, and those of others whose loads have begun.

        A key whose load has begun since the store was read is left for another look, once; it is noted as overtaken.
        """
        seats: list[Seat] = []
        begun: list[Seat] = []
        for call, look in missed:
            with self._flights.as_one:
                if call.key not in overtaken and self._flights.is_missed(call.key, look[0].generations):
                    overtaken.add(call.key)
                    continue
                flight, leads = self._engine.board(call, look[0])
            seats.append(Seat(call, look, flight, is_late=not leads and flight.has_begun))
            if seats[-1].is_late:
                begun.append(seats[-1])
        return seats, begun

    async def _lead(self, seats: Sequence[Seat], answers: dict[Key, Answer], purpose: Purpose) -> list[Seat]:
        """Load what nobody loads yet, and return the calls whose loads are those of others."""
        own = [seat for seat in seats if seat.flight.claim()]
        if own:
            carrier = self._flights.carrier(own[0].call.key)
            self._flights.carry(carrier, [seat.flight for seat in own])
            await self._runtime.lead(carrier, self._loader.load(carrier, own, purpose))
        for seat in own:
            answer = brought(seat.flight, leads=True)
            if answer is not None:
                answers[seat.call.key] = answer
        mine = {id(seat.flight) for seat in own}
        return [seat for seat in seats if id(seat.flight) not in mine]

    async def _over(self, begun: Sequence[Seat]) -> set[int]:
        """Return which flights, of those whose loads had begun when this call came, bring what no longer counts.

        Another process may have deleted the key since: that changes no generation, but voids the lease.
        """
        leased = [(seat, seat.flight.lease) for seat in begun if seat.flight.lease is not None]
        stand: list[bool] = []
        try:
            stand = await self._engine.bulk.stand([lease for _, lease in leased]) if leased else []
        except Exception as error:
            self._engine.contain("read", error)
        standing = {id(seat.flight) for (seat, _), stands in zip(leased, stand, strict=False) if stands}
        over = [seat.flight for seat in begun if id(seat.flight) not in standing]
        for flight in over:
            self._flights.remove(flight)
        return set(map(id, over))

    async def _leave(self, flights: list[Flight]) -> None:
        """Stop waiting for flights; all of them, whatever happens meanwhile."""
        remaining = list(flights)
        try:
            while remaining:
                await self._engine.leave(remaining.pop())
        finally:
            if remaining:
                await self._leave(remaining)

    def _refresh_behind(self, due: Sequence[tuple[Call, Look]]) -> None:
        """Start one load behind for all stale calls that nobody is loading."""
        seats: list[Seat] = []
        for call, look in due:
            flight = self._flights.start(call.key, look[0].generations)
            if flight is not None:
                flight.stays = True
                seats.append(Seat(call, look, flight))
        if not seats:
            return
        carrier = self._flights.carrier(seats[0].call.key)
        carrier.stays = True

        def begin() -> Coroutine[Any, Any, None]:
            own = [seat for seat in seats if seat.flight.claim()]  # others may have been faster by now
            self._flights.carry(carrier, [seat.flight for seat in own])
            return self._loader.load(carrier, own, Purpose.REFRESH_BEHIND)

        if not self._runtime.spawn(carrier, begin):
            for seat in seats:
                self._flights.abandon(seat.flight)
                self._engine.reporter.refresh_refused(seat.call)
