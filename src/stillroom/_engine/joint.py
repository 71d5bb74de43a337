"""One load for several calls: under a lease for each, from one run of the user's function into the store.

What `stillroom._engine.loading` does for one call is done here for many, side by side: the entries and answers are made there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from .._runtime.flights import LOADING, Flight, Result
from ..entry import MISSING, Entry
from ..observe.outcome import Outcome
from .call import Answer, Call, Purpose
from .loading import LOOK_AGAIN, LOST, TURN, Look
from .run import Run
from .verdict import is_over

if TYPE_CHECKING:
    from ..load import Said
    from ..protocols import Key, Lease
    from .fetch import Engine

__all__ = ["Brought", "Joint", "JointLoader", "Seat"]


class Brought(NamedTuple):
    """What a run of the function has brought for one call.

    Attributes:
        value: the value; `ABSENT` if there is none.
        error: what the function has raised.
        said: what it has said of its values, of all alike.
    """

    value: Any
    error: Exception | None
    said: Said


class Joint(NamedTuple):
    """How several calls are loaded together.

    Attributes:
        run: returns what is brought for each call, in their order, or an awaitable of these; it raises nothing.
        at_most: for how many calls at a time; ``None`` for any number.
    """

    run: Callable[[Sequence[Call]], Any]
    at_most: int | None = None


class Seat(NamedTuple):
    """A call on its flight.

    Attributes:
        call: the call.
        look: what was found before.
        flight: the flight.
        is_late: the call has boarded it while its load was running.
    """

    call: Call
    look: Look
    flight: Flight
    is_late: bool = False


_Settled: TypeAlias = "tuple[Seat, Lease | None, Entry[Any] | None, Answer]"
"""What has become of a call's load: the entry to store, if any, and the answer."""

_NOTHING = Answer(None, None, Outcome.MISS)


class JointLoader:
    """Loads calls together, and stores what that brings.

    Args:
        engine: what answers single calls from the same store.
        joint: runs the function.
    """

    def __init__(self, engine: Engine, joint: Joint) -> None:
        self._engine = engine
        self._flights = engine.flights
        self._runtime = engine.runtime
        self._joint = joint

    async def load(self, carrier: Flight, seats: Sequence[Seat], purpose: Purpose) -> None:
        """Run the load of flights to its end, whatever that is."""
        flights = [seat.flight for seat in seats]
        loading = LOADING.set((*(() if purpose is Purpose.REFRESH_BEHIND else LOADING.get()), *flights))
        try:
            await self._turns(carrier, seats, purpose)
        except BaseException:  # cancelled, or the process is to end: other callers take over
            carrier.end(Result.ABANDONED)
            raise
        finally:
            try:
                LOADING.reset(loading)
            except ValueError:  # a coroutine whose loop was closed ends in the context of whoever collects it
                pass
        carrier.end(Result.LANDED)

    async def _turns(self, carrier: Flight, seats: Sequence[Seat], purpose: Purpose) -> None:
        """Load what may be loaded now, then look again for what other processes are loading."""
        waiting, turns = list(seats), 0
        known = {id(seat): self._known(seat, purpose) for seat in seats}
        while waiting:
            refused = await self._deal(carrier, await self._leases(waiting, known, purpose), purpose)
            waiting = [seat for seat, _ in refused]
            if waiting:
                await self._runtime.pause(TURN)
                turns += 1
                known = {id(seat): lease.reading if turns % LOOK_AGAIN else None for seat, lease in refused}

    def _known(self, seat: Seat, purpose: Purpose) -> Any:
        """Return what the store may take for the state of things; see `Store.lease`."""
        reading, landings = seat.look
        is_known = purpose is not Purpose.RENEW and reading.entry is MISSING and reading is not LOST
        return reading if is_known and landings == self._flights.landings else None

    async def _leases(self, seats: list[Seat], known: dict[int, Any], purpose: Purpose) -> list[tuple[Seat, Lease | None]]:
        renew = purpose is Purpose.RENEW
        alone = seats[0].call.source.policy.waits_its_turn and not renew
        try:
            wanted = [(seat.call.lookup, known[id(seat)]) for seat in seats]
            return list(zip(seats, await self._engine.bulk.lease_many(wanted, renew=renew, alone=alone), strict=True))
        except Exception as error:
            self._engine.contain("lease", error)
            return [(seat, None) for seat in seats]

    async def _deal(
        self, carrier: Flight, leases: Sequence[tuple[Seat, Lease | None]], purpose: Purpose
    ) -> list[tuple[Seat, Lease]]:
        """Load what there are leases for, store it, and end its flights; return what has to wait for other processes."""
        faster: list[_Settled] = []
        left: list[tuple[Seat, Lease | None]] = []
        refused: list[tuple[Seat, Lease]] = []
        for seat, lease in leases:
            look = None if purpose is Purpose.RENEW else seat.look
            found = None if lease is None else self._engine.loader.found_meanwhile(seat.call, lease.reading, look)
            if lease is not None and found is not None:
                seat.flight.is_lone = True  # others may have boarded after something that this entry has not seen
                faster.append((seat, lease, None, found))
            elif lease is None or lease.is_granted:
                left.append((seat, lease))
            else:
                refused.append((seat, lease))
        try:
            await self._settle(carrier, faster)
            settled = await self._run(left, purpose) if left else []
        except BaseException:
            await self._give_back([(seat, lease, None, _NOTHING) for seat, lease in left])
            raise
        await self._settle(carrier, settled)
        return refused

    async def _run(self, leases: Sequence[tuple[Seat, Lease | None]], purpose: Purpose) -> list[_Settled]:
        """Run the function, as often as it takes, and return what has become of each call."""
        with self._flights.as_one:
            self._note_begin(leases)
        settled: list[_Settled] = []
        size = self._joint.at_most or len(leases)
        for at in range(0, len(leases), size):
            settled += await self._run_once(leases[at : at + size], purpose)
        return settled

    @staticmethod
    def _note_begin(leases: Sequence[tuple[Seat, Lease | None]]) -> None:
        for seat, lease in leases:
            seat.flight.begin((object(),) if lease is None else lease.reading.generations, lease)

    async def _run_once(self, leases: Sequence[tuple[Seat, Lease | None]], purpose: Purpose) -> list[_Settled]:
        source, began = leases[0][0].call.source, self._engine.now()
        source.ledger.loads += 1
        brought = self._joint.run([seat.call for seat, _ in leases])
        brought = await brought if source.awaits else brought
        source.ledger.load_seconds += self._engine.now() - began
        behind = purpose is Purpose.REFRESH_BEHIND
        return [
            self._loaded(seat, Run(seat.call, lease, began), one, behind)
            for (seat, lease), one in zip(leases, brought, strict=True)
        ]

    def _loaded(self, seat: Seat, run: Run, brought: Brought, behind: bool) -> _Settled:
        run.repeat(brought.said)
        loader, error = self._engine.loader, brought.error
        entry, answer = None, _NOTHING
        if error is None:
            try:
                entry, answer = loader.loaded(run, brought.value)
            except Exception as raised:  # by a rule of the user's
                error = raised
        if error is not None:
            entry, answer = loader.failed(run, error, behind=behind)
        if run.tags:
            seat.flight.tags = run.tags
        if run.uses_former and answer.error is None:
            seat.flight.is_lone = True  # others may have boarded after that was over
        return seat, run.lease, entry, answer

    async def _settle(self, carrier: Flight, settled: Sequence[_Settled]) -> None:
        """Give leases back, filled where there is something to store, and end the flights."""
        await self._give_back(settled)
        for seat, _, _, answer in settled:
            self._flights.land_carried(carrier, seat.flight, answer)

    async def _give_back(self, settled: Sequence[_Settled]) -> None:
        held = [(seat.call, entry, lease) for seat, lease, entry, _ in settled if lease is not None]
        if not held:
            return
        kept = [(call.key, None if entry is None or is_over(entry) else entry, lease) for call, entry, lease in held]
        gone = [call.key for call, entry, _ in held if entry is not None and is_over(entry)]
        try:
            await self._settle_all(held, kept, gone)
        except GeneratorExit:  # thrown away: nothing can be waited for any more
            raise
        except BaseException:  # such as a cancellation, for which those do not wait who wait for the leases
            await self._engine.runtime.to_the_end(self._settle_all(held, kept, gone))
            raise

    async def _settle_all(
        self,
        held: Sequence[tuple[Call, Entry[Any] | None, Lease]],
        kept: Sequence[tuple[Key, Entry[Any] | None, Lease]],
        gone: Sequence[Key],
    ) -> None:
        try:
            for (call, _, _), refusal in zip(held, await self._engine.bulk.settle_many(kept), strict=True):
                if refusal is not None:
                    self._engine.reporter.result_refused(call, str(refusal))
            if gone:
                await self._engine.store.delete(gone)
        except Exception as error:
            self._engine.contain("fill", error)
