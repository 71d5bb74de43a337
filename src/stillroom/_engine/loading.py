"""One load: under a lease, from the user's function into the store."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .._runtime.flights import LOADING, Flight, Flights
from ..durations import seconds
from ..entry import MISSING, Entry, Generations, Missing
from ..observe.events import Outcome
from .call import Answer, Call, served
from .take import Take
from .verdict import Verdict, judge, made, put_off, remembered_for, rescues
from .warm import Warmer

if TYPE_CHECKING:
    from .._runtime.runtime import Runtime
    from ..policy import Policy
    from ..protocols import Lease, Store
    from .fetch import Reporter

__all__ = ["Loader", "ttl_of"]


class Loader:
    """Runs loads and stores what they bring."""

    def __init__(
        self, store: Store, flights: Flights, now: Callable[[], float], draw: Callable[[], float], reporter: Reporter
    ) -> None:
        self._store = store
        self._flights = flights
        self.now = now
        self._draw = draw
        self.reporter = reporter
        self._warmer = Warmer(store, flights, now, self.load)

    async def load(
        self,
        call: Call,
        flight: Flight,
        runtime: Runtime,
        seen: Entry[Any] | Missing,
        *,
        renew: bool = False,
        behind: bool = False,
    ) -> None:
        """Run the load of a flight to its end, whatever that is.

        Args:
            call: what to load.
            flight: learns of the end.
            runtime: the one that the load runs on.
            seen: the entry that was found wanting; a newer and fresh one makes the load needless.
            renew: load in any case, and void the loads that began earlier.
            behind: nobody waits for this load in particular.
        """
        loading = LOADING.set((flight,) if behind else (*LOADING.get(), flight))
        try:
            answer = await self._under_lease(call, runtime, seen, renew, behind)
        except BaseException:  # cancelled, or the process is to end: another caller takes over
            self._flights.abandon(flight)
            raise
        finally:
            LOADING.reset(loading)
        self._flights.land(flight, answer)

    async def take(self, call: Call) -> Take:
        """Begin a load whose value comes in pieces."""
        return Take(self, call, await self._lease(call, renew=False))

    async def _under_lease(
        self, call: Call, runtime: Runtime, seen: Entry[Any] | Missing, renew: bool, behind: bool
    ) -> Answer:
        lease = await self._lease(call, renew)
        entry: Entry[Any] | None = None
        try:
            known = lease.reading.entry if lease is not None else MISSING
            if not renew and _is_newer(known, seen) and judge(known, call.source.policy, self.now(), 0, 1.0) is Verdict.FRESH:
                return served(known, Outcome.HIT)  # somebody was faster
            entry, answer = await self._run(call, lease, behind)
            return answer
        finally:
            await self.settle(call, lease, entry)
            if entry is not None and call.source.policy.keep_warm:
                self._warmer.keep(call, entry, runtime, None if behind else self.now())

    async def _run(self, call: Call, lease: Lease | None, behind: bool) -> tuple[Entry[Any] | None, Answer]:
        """Run the user's function; return the entry to store, if any, and the answer."""
        call.source.ledger.loads += 1
        began = self.now()
        try:
            value = call.load()
            if call.source.awaits:
                value = await value
            entry = self.loaded(call, value, began, lease)
        except Exception as error:
            return self.failed(call, error, began, lease, behind)
        return entry, Answer(value, None, Outcome.MISS, None if entry is None else entry.fresh_until)

    def loaded(self, call: Call, value: Any, began: float, lease: Lease | None) -> Entry[Any] | None:
        """Return the entry for a value that has been loaded; ``None`` if it is not to be stored."""
        policy, now = call.source.policy, self.now()
        call.source.ledger.load_seconds += now - began
        entry = None
        reason = _one_shot(value)
        if reason is not None:
            self.reporter.result_refused(call, reason)
        elif policy.store_if is None or policy.store_if(value):
            ttl = ttl_of(policy, call.arguments, value)
            if ttl > 0:
                kept = deepcopy(value) if policy.copy else value
                entry = made(kept, policy, ttl, now, now - began, _generations(lease), self._draw())
        self.reporter.load_finished(call, now - began, entry is not None)
        return entry

    def failed(
        self, call: Call, error: Exception, began: float, lease: Lease | None, behind: bool
    ) -> tuple[Entry[Any] | None, Answer]:
        """Return the entry to store after a load that raised, if any, and the answer."""
        policy, now = call.source.policy, self.now()
        call.source.ledger.load_seconds += now - began
        known = lease.reading.entry if lease is not None else MISSING
        rescued = isinstance(error, policy.errors) and rescues(known, policy, now)
        self.reporter.load_failed(call, error, rescued=rescued, behind=behind)
        if known is not MISSING and (rescued or behind):
            spared = put_off(known, policy, now, rescued)
            return spared, served(known, Outcome.STALE) if rescued else _raised(error)
        length = remembered_for(error, policy)
        if length is None:
            return None, _raised(error)
        entry = Entry[Any](error, now, now + length, now + length, now - began, _generations(lease), is_error=True)
        return entry, _raised(error)

    async def settle(self, call: Call, lease: Lease | None, entry: Entry[Any] | None) -> None:
        """Give a lease back, with an entry or without one; a store that fails is reported, and costs nobody the answer."""
        if lease is None:
            return
        try:
            if entry is None:
                await self._store.release(call.key, lease)
            else:
                await self._store.fill(call.key, entry, lease)
        except Exception as error:
            self.reporter.store_failed(self._store, "fill", error)

    async def _lease(self, call: Call, renew: bool) -> Lease | None:
        try:
            return await self._store.lease(call.lookup, renew=renew)
        except Exception as error:
            self.reporter.store_failed(self._store, "lease", error)
            return None


def ttl_of(policy: Policy, arguments: Callable[[], Mapping[str, object]], value: object) -> float:
    """Return for how many seconds a value is fresh; zero if the rule for it says that it is not to be stored."""
    if isinstance(policy.ttl, float):
        return policy.ttl
    ttl = policy.ttl(arguments(), {"value": value})
    if ttl is None:
        return math.inf
    length = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    return 0.0 if isinstance(length, (int, float)) and length <= 0 else seconds(length, "ttl")


def _generations(lease: Lease | None) -> Generations:
    return lease.reading.generations if lease is not None else ()


def _raised(error: Exception) -> Answer:
    return Answer(None, error, Outcome.ERROR)


def _is_newer(known: Entry[Any] | Missing, seen: Entry[Any] | Missing) -> bool:
    return known is not MISSING and (seen is MISSING or known.loaded_at != seen.loaded_at)


def _one_shot(value: object) -> str | None:
    """Return why a value can be used only once, so that no second caller could be served with it."""
    kind = type(value)
    if hasattr(kind, "__next__") or hasattr(kind, "__anext__"):
        return f"{kind.__qualname__} is an iterator: whoever comes first would use it up; return a list, or decorate the generator"
    if hasattr(kind, "__await__"):
        return f"{kind.__qualname__} is awaitable, and only once; decorate the coroutine function itself"
    return None
