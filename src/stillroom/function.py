"""What a decorated function can do besides being called.

`Operations` has one method for each helper (``f.invalidate``, ``f.peek``, …), written once as a coroutine. For a blocking
function the public form runs it to its end; for a coroutine function it returns it to be awaited.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from ._engine.call import Answer
from ._engine.loading import ttl_of
from ._engine.verdict import is_fresh, made
from ._runtime.runtime import drive
from .answering import Answering
from .entry import MISSING
from .errors import MissingKeyContext, UncacheableArgument
from .load import within
from .observe.outcome import Outcome
from .taking import Taken, as_bound, taken

if TYPE_CHECKING:
    from .compile import Bound
    from .entry import Entry
    from .kinds import Kind

__all__ = ["Operations", "followed", "run_as"]


class Operations(Answering):
    """Everything that one decorated function does: it answers calls, and has helpers for its users."""

    # The helpers, for users

    def invalidate(self, /, *args: Any, **kwargs: Any) -> Any:
        """Forget the result for these arguments; a load in progress no longer counts. Tells whether there was a fresh value."""
        return self._run(self._invalidate(self._bind(*args, **kwargs)))

    def invalidate_all(self) -> Any:
        """Forget all results of this function, at a cost that does not depend on how many there are."""
        return self._run(self._invalidate_all())

    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Load now, store the value, and return it. Loads that began earlier no longer count."""
        return self._run(self._refresh(self._bind(*args, **kwargs)), self._unwrapped)

    def peek(self, /, *args: Any, default: Any = None, **kwargs: Any) -> Any:
        """Return the fresh value that is stored for these arguments, or ``default``; never load."""
        return self._run(self._peek(self._bind(*args, **kwargs), default))

    def put(self, value: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Store a value as the result for these arguments. A load that is in progress no longer counts."""
        return self._run(self._put(value, self._bind(*args, **kwargs)))

    def bypass(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the function and return what it returns; the cache is neither read nor changed."""
        bound = self._bind(*args, **kwargs)
        return self.past_the_cache(bound.args, bound.kwargs)

    def many(self, calls: Iterable[Any], *, first: tuple[Any, ...] = ()) -> Any:
        """Answer several calls at once, in the order asked: one read for all, one load for each distinct miss.

        Args:
            calls: for each call a tuple of arguments, a mapping of named ones, or the only argument itself.
            first: arguments that stand before those of every call.
        """
        several = taken(calls, first, self.keying.flat, self._bind)
        return self._run(self._many(several), lambda found: [one if is_hit else self._unwrapped(one) for is_hit, one in found])

    # The same, for both colours

    async def _invalidate(self, bound: Bound) -> bool:
        return await self._side.forget([self.lookup(bound.values).key]) > 0

    async def _invalidate_all(self) -> None:
        await self._side.invalidate_function(self.name, self.generation)

    async def _refresh(self, bound: Bound) -> Answer:
        if not self.is_on:
            await self._forget_if_keyed(bound)
            return await self._bypassed(bound)
        call = self.call_of(bound.values, bound.args, bound.kwargs)
        return await self._side.engine.refresh(call)

    async def _peek(self, bound: Bound, default: Any) -> Any:
        if not self.is_on:
            return default
        (reading,) = await self._side.store.read((self.lookup(bound.values),), count=False)
        entry = reading.entry
        if entry is MISSING or entry.is_error or not is_fresh(entry, self.core.clock.now()):
            return default
        return self.kind.shown(self.kept(entry.value))

    async def _put(self, value: Any, bound: Bound) -> None:
        lookup = self.lookup(bound.values)
        if not self.is_on:  # what this would replace is out of date
            await self._side.forget([lookup.key])
            return
        entry = self.entry_of(value, bound.values)
        if entry is None:
            await self._side.forget([lookup.key])
            return
        await self._side.store.write([(lookup, entry)])
        self._side.flights.drop(lookup.key)

    def entry_of(self, value: Any, values: tuple[Any, ...]) -> Entry[Any] | None:
        """Return the entry for a value given by a user; ``None`` if the rule for its ttl says that it is not to be stored."""
        policy, now = self.source.policy, self.core.clock.now()
        ttl = ttl_of(policy, partial(self.keying.arguments, values), value)
        if ttl <= 0:  # and whatever it would replace is out of date
            return None
        return made(self.kind.unshown(self.kept(value)), policy, ttl, now, 0.0, (), self.core.draw())

    async def _many(self, several: list[Taken]) -> list[tuple[bool, Any]]:
        """Answer several calls: for each, whether it was a plain hit, and its value or else its answer."""
        if not self.is_on:
            return [(False, await self._bypassed(as_bound(one))) for one in several]
        side = self._side
        glancing = self.glances.on(side)
        if glancing is None:
            calls = [self.call_of(*as_bound(one)) for one in several]
            distinct = {call.key: call for call in calls}
            answers = dict(zip(distinct, await side.engine.fetch_many(list(distinct.values())), strict=True))
            return [(False, await self.answered_again(call, answers[call.key], call is distinct[call.key])) for call in calls]
        return await self.glances.many(self, side, glancing, several)

    async def _forget_if_keyed(self, bound: Bound) -> None:
        try:
            key = self.lookup(bound.values).key
        except (UncacheableArgument, MissingKeyContext):  # nothing can be stored for these arguments
            return
        await self._side.forget([key])

    async def _bypassed(self, bound: Bound) -> Answer:
        try:
            self._note_bypass()
            with within(self.said(bound.args, bound.kwargs)):
                value = self.kind.recorded(partial(self.function, *bound.args, **bound.kwargs))()
                return Answer(await value if self.kind.is_async else value, None, Outcome.BYPASS, is_private=True)
        except Exception as error:
            return Answer(None, error, Outcome.BYPASS)

    # What they are made of

    def _run(self, work: Coroutine[Any, Any, Any], then: Callable[[Any], Any] | None = None) -> Any:
        return run_as(self.kind, work, then)

    def _unwrapped(self, answer: Answer) -> Any:
        return self.kind.shown(self.given(answer))


def run_as(kind: Kind, work: Coroutine[Any, Any, Any], then: Callable[[Any], Any] | None = None) -> Any:
    """Run a coroutine as a function's callers do; ``then`` makes its result what they get, outside of any coroutine."""
    if kind.is_async:
        return work if then is None else followed(work, then)
    result = drive(work)
    return result if then is None else then(result)


async def followed(work: Coroutine[Any, Any, Any], then: Callable[[Any], Any]) -> Any:
    """Await a coroutine, and return what another function makes of its result."""
    return then(await work)
