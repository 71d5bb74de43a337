"""One load: under a lease, from the user's function into the store."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .._runtime.flights import LOADING, Flight, Flights
from ..durations import seconds
from ..entry import ABSENT, MISSING, Entry
from ..errors import UncacheableValue
from ..load import within
from ..observe.outcome import Outcome
from ..protocols import Reading
from .call import Answer, Call, Purpose, served
from .run import Run
from .take import Take
from .verdict import Verdict, is_over, judge, made, put_off, remembered_for, rescues
from .warm import Warmer

if TYPE_CHECKING:
    from .._runtime.runtime import Runtime
    from ..policy import Policy
    from ..protocols import Key, Lease, Store
    from .containment import Containment
    from .fetch import Reporter

__all__ = ["LOOK_AGAIN", "LOST", "TURN", "Loader", "Look", "ttl_of"]


Look: TypeAlias = tuple[Reading, int]
"""What was found in the store, and how many flights had landed before."""

TURN: Final = 0.06
"""Seconds between two looks at whether another process has done with a key: 17 a second, well within 100 ms of its end."""

LOOK_AGAIN: Final = 16
"""Every so many turns, whoever waits looks whether the load that they wait for has been invalidated meanwhile."""

LOST: Final = Reading(MISSING, ())
"""What is known of a key when the store fails."""


class Loader:
    """Runs loads and stores what they bring."""

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        flights: Flights,
        now: Callable[[], float],
        draw: Callable[[], float],
        reporter: Reporter,
        contain: Containment,
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._flights = flights
        self.now = now
        self._draw = draw
        self.reporter = reporter
        self._contain = contain
        self._warmer = Warmer(store, runtime, flights, now, self.load, contain)

    def retire(self) -> None:
        """Keep nothing warm any more."""
        self._warmer.retire()

    def cool(self) -> None:
        """Keep nothing warm of what has been loaded so far."""
        self._warmer.cool()

    def note_read(self, key: Key, now: float) -> None:
        """Take note that a key which may be kept warm has been read."""
        self._warmer.note_read(key, now)

    async def load(self, call: Call, flight: Flight, look: Look | None, purpose: Purpose = Purpose.ANSWER) -> None:
        """Run the load of a flight to its end, whatever that is.

        Args:
            call: what to load.
            flight: learns of the end.
            look: what the caller found; if the store has something newer by now, and fresh, the load is needless.
            purpose: why the load is run.
        """
        loading = LOADING.set((flight,) if purpose is Purpose.REFRESH_BEHIND else (*LOADING.get(), flight))
        try:
            answer = await self._under_lease(call, flight, look, purpose)
        except BaseException:  # cancelled, or the process is to end: another caller takes over
            self._flights.abandon(flight)
            raise
        finally:
            try:
                LOADING.reset(loading)
            except ValueError:  # a coroutine whose loop was closed ends in the context of whoever collects it
                pass
        self._flights.land(flight, answer)

    async def take(self, call: Call) -> Take:
        """Begin a load whose value comes in pieces."""
        lease, _ = await self._lease(call, None)
        call.source.ledger.loads += 1
        return Take(self, Run(call, lease, self.now()))

    async def _under_lease(self, call: Call, flight: Flight, look: Look | None, purpose: Purpose) -> Answer:
        alone = call.source.policy.waits_its_turn and purpose is not Purpose.RENEW and not flight.is_lone
        lease, faster = await self._lease(call, look, renew=purpose is Purpose.RENEW, alone=alone)
        entry: Entry[Any] | None = None
        try:
            if faster is not None:
                flight.is_lone = True  # others may have boarded after something that this entry has not seen
                return faster
            flight.begin((object(),) if lease is None else lease.reading.generations, lease)
            run = Run(call, lease, self.now())
            call.source.ledger.loads += 1
            try:
                with within(run):
                    value = call.load()
                    if call.source.awaits:
                        value = await value
                entry, answer = self.loaded(run, value)
            except Exception as error:
                entry, answer = self.failed(run, error, behind=purpose is Purpose.REFRESH_BEHIND)
            call.source.ledger.load_seconds += self.now() - run.began
            if run.tags:
                flight.tags = run.tags
            if run.uses_former and answer.error is None:
                flight.is_lone = True  # others may have boarded after that was over
            return answer
        finally:
            if lease is not None:
                await self.settle(call, lease, entry)
            if entry is not None and call.source.policy.keep_warm:
                self._warmer.keep(call, entry, None if purpose is Purpose.REFRESH_BEHIND else self.now())

    def found_meanwhile(self, call: Call, known: Reading, look: Look | None) -> Answer | None:
        """Return the answer that an entry gives which somebody stored since the caller looked."""
        entry = known.entry
        if entry is MISSING or look is None or (look[0].entry is not MISSING and known.stamp == look[0].stamp):
            return None
        is_fresh = judge(entry, call.source.policy, self.now(), known.uses, 1.0) is Verdict.FRESH
        return served(entry, Outcome.HIT) if is_fresh else None

    def loaded(self, run: Run, value: Any) -> tuple[Entry[Any] | None, Answer]:
        """Return the entry to store for a value that has been loaded, if any, and the answer."""
        call, policy, now = run.call, run.call.source.policy, self.now()
        run.end(value)
        if value is ABSENT:
            return self._absent(run)
        entry = None
        reason = None if type(value) in _LASTING else _one_shot(value)
        if reason is not None:
            self.reporter.result_refused(call, reason)
        elif not run.is_skipped and (policy.store_if is None or policy.store_if(call.source.shown(value))):
            ttl = policy.ttl if run.ttl is None else run.ttl
            if not isinstance(ttl, float):
                ttl = ttl_of(policy, call.arguments, call.source.shown(value))
            if ttl > 0:
                kept = deepcopy(value) if policy.copy else value
                draw = self._draw() if policy.jitter else 1.0
                entry = run.tagged(made(kept, policy, ttl, now, now - run.began, run.generations, draw))
        self.reporter.load_finished(call, now - run.began, entry is not None)
        return entry, Answer(value, None, Outcome.MISS, None if entry is None else entry.fresh_until, reason is not None)

    def _absent(self, run: Run) -> tuple[Entry[Any] | None, Answer]:
        """Return the entry to store where there is no such item, if any, and the answer.

        If that is not to be remembered, but there has been an item, the entry is one that has ended: see `settle`.
        """
        length = None if run.is_skipped else run.call.source.policy.missing_ttl
        entry, now = None, self.now()
        if length is not None or run.entry is not MISSING:
            until = now + (length or 0.0)
            entry = run.tagged(Entry[Any](ABSENT, now, until, until, now - run.began, run.generations, is_error=True))
        self.reporter.load_finished(run.call, now - run.began, length is not None)
        return entry, Answer(None, ABSENT, Outcome.MISS)

    def failed(self, run: Run, error: Exception, *, behind: bool, at_once: bool = True) -> tuple[Entry[Any] | None, Answer]:
        """Return the entry to store after a load that raised, if any, and the answer.

        Args:
            run: what was loaded.
            error: what it raised.
            behind: nobody waited for it in particular.
            at_once: it raised before anything of its value had reached a caller.
        """
        call, policy, now = run.call, run.call.source.policy, self.now()
        run.end()
        known = run.entry
        is_covered = isinstance(error, policy.errors) or error is run.aborted
        rescued = at_once and is_covered and rescues(known, policy, now)
        self.reporter.load_failed(call, error, rescued=rescued, behind=behind)
        if known is not MISSING and (rescued or behind):
            run.uses_former = True
            spared = put_off(known, policy, now, rescued and not behind)
            return spared, served(known, Outcome.STALE) if rescued else _raised(error)
        length = remembered_for(error, policy) if at_once and not run.is_skipped else None
        if length is None:
            return None, _raised(error)
        cost = now - run.began
        entry = Entry[Any](_kept(error), now, now + length, now + length, cost, run.generations, is_error=True)
        return run.tagged(entry), _raised(error)

    async def settle(self, call: Call, lease: Lease, entry: Entry[Any] | None) -> None:
        """Give a lease back, with an entry or without one; a store that fails is reported, and costs nobody the answer.

        An entry that has ended by now says that nothing is to be stored, and that what has been is out of date. All of it is
        done to the end, though the caller is cancelled meanwhile: others may wait for the lease.
        """
        try:
            await self._settle(call, lease, entry)
        except GeneratorExit:  # thrown away: nothing can be waited for any more
            raise
        except BaseException:
            await self._runtime.to_the_end(self._settle(call, lease, entry))
            raise

    async def _settle(self, call: Call, lease: Lease, entry: Entry[Any] | None) -> None:
        try:
            if entry is None:
                await self._store.release(call.key, lease)
            elif is_over(entry):
                await self._store.release(call.key, lease)
                await self._store.delete((call.key,))
            else:
                await self._store.fill(call.key, entry, lease)
        except UncacheableValue as error:
            self.reporter.result_refused(call, str(error))
        except Exception as error:
            self._contain("fill", error)

    async def _lease(
        self, call: Call, look: Look | None, *, renew: bool = False, alone: bool = False
    ) -> tuple[Lease | None, Answer | None]:
        """Return the lease to load under, if the store gives one, and the answer that makes the load needless, if there is one.

        Who waits for its turn takes an answer also beside the lease of another: that may be somebody who waited as well, has
        been faster, and is about to give the lease back.
        """
        known: Reading | None = None
        if look is not None and look[0].entry is MISSING and look[0] is not LOST and look[1] == self._flights.landings:
            known = look[0]  # nothing was there, and nobody can have loaded it since: no need to look again
        try:
            lease = await self._store.lease(call.lookup, known, renew=renew, alone=alone)
            turns = 0
            while (faster := self.found_meanwhile(call, lease.reading, look)) is None and not lease.is_granted:
                await self._runtime.pause(TURN)
                turns += 1
                known = lease.reading if turns % LOOK_AGAIN else None
                lease = await self._store.lease(call.lookup, known, alone=True)
            return lease, faster
        except Exception as error:
            self._contain("lease", error)
            return None, None


def ttl_of(policy: Policy, arguments: Callable[[], Mapping[str, object]], value: object) -> float:
    """Return for how many seconds a value is fresh; zero if the rule for it says that it is not to be stored."""
    if not callable(policy.ttl):
        return policy.ttl
    ttl = policy.ttl(arguments(), {"value": value})
    if ttl is None:
        return math.inf
    from datetime import timedelta  # only now: few functions have a rule for their ttl

    length = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    return 0.0 if isinstance(length, (int, float)) and length <= 0 else seconds(length, "ttl")


def _kept(error: Exception) -> Exception:
    """Return an error as it is remembered: without the traceback, which would keep the arguments of a whole stack alive."""
    try:
        kept = copy(error)
    except Exception:  # its `__init__` does not take what it left in `args`
        kept = error
    if type(kept) is not type(error):
        kept = error
    kept.__cause__ = error.__cause__
    return kept if kept is error else kept.with_traceback(None)


def _raised(error: Exception) -> Answer:
    return Answer(None, error, Outcome.ERROR)


_LASTING: Final = frozenset({type(None), bool, bytes, dict, float, frozenset, int, list, set, str, tuple})
"""Types that need no closer look: their values can be used again and again."""


def _one_shot(value: object) -> str | None:
    """Return why a value can be used only once, so that no second caller could be served with it."""
    kind = type(value)
    if hasattr(kind, "__next__") or hasattr(kind, "__anext__"):
        return (
            f"{kind.__qualname__} is an iterator: whoever comes first would use it up; return a list, or decorate the generator"
        )
    if hasattr(kind, "__await__"):
        return f"{kind.__qualname__} is awaitable, and only once; decorate the coroutine function itself"
    return None
