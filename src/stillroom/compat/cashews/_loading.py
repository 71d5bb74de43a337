"""What native functions run: the user's function, and the question whether its result is stored, for how long, and as what."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from stillroom import current_load

from ._detecting import context_cache_detect
from ._marks import Kept, KeptOddly, Raised
from ._reach import Reach
from ._recipes import Recipe
from ._seats import Seat
from .commands import Command

__all__ = ["Loading", "run"]


async def run(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a function, a coroutine function or a plain one, and return what it returns."""
    result = function(*args, **kwargs)
    return await result if inspect.isawaitable(result) else result


class _Run(NamedTuple):
    """What came of running the function.

    Attributes:
        result: what it returned; the error if it raised.
        error: what it raised.
        seconds: how long it took.
        is_served: a result from the cache went into it.
    """

    result: Any
    error: Exception | None
    seconds: float
    is_served: bool


class Loading:
    """Loads the results of one function.

    Args:
        reach: what is needed of the cache.
        function: the function.
        recipe: what the decorator was told.
    """

    def __init__(self, reach: Reach, function: Callable[..., Any], recipe: Recipe) -> None:
        self._reach = reach
        self._function = function
        self._recipe = recipe

    async def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the function and return what it returns."""
        return await run(self._function, args, kwargs)

    def native(self) -> Callable[[Seat, tuple[Any, ...], dict[str, Any]], Awaitable[Kept]]:
        """Return what a native cache decorates."""

        async def load(seat: Seat, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Kept:
            done = await self._timed(args, kwargs)
            seat.has_loaded, seat.has_failed = done.error is None, done.error is not None
            is_kept = self._is_kept(seat, done, args, kwargs)
            if done.error is not None and not is_kept:
                raise done.error
            value: Any = done.result if done.error is None else Raised(done.error)
            if is_kept:
                return await self._stored(seat, done, value, args, kwargs)
            current_load().skip()
            return Kept(seat.mark, value)

        return load

    async def _timed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Run:
        began = time.perf_counter()
        error: Exception | None = None
        is_served = False
        try:
            if self._recipe.upper:
                with context_cache_detect as detector:
                    result = await self.run(args, kwargs)
                is_served = bool(detector.calls_list)
            else:
                result = await self.run(args, kwargs)
        except Exception as raised:
            result = error = raised
        return _Run(result, error, time.perf_counter() - began, is_served)

    def _is_kept(self, seat: Seat, run: _Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        recipe = self._recipe
        if run.is_served or (run.error is not None and not recipe.remembers_errors):
            return False
        if recipe.least is not None:
            return run.error is None and run.seconds > recipe.least
        verdict = recipe.condition is None or recipe.condition(run.result, args, kwargs, key=seat.asked)
        if run.error is not None:
            return isinstance(verdict, Exception)
        return bool(verdict) and not isinstance(verdict, Exception) and not isinstance(run.result, Exception)

    async def _stored(self, seat: Seat, run: _Run, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Kept:
        """Return what is stored, and say for how long."""
        seconds = chosen = self._recipe.seconds(args, kwargs, run.result)
        if seat.is_surrounded():
            is_set, value, chosen = await self._set(seat, value, seconds)
            if not is_set:
                current_load().skip()
        if chosen is not None and chosen < 0:
            current_load().skip()
        elif callable(self._recipe.ttl) or chosen != seconds:
            current_load().ttl = self._recipe.fresh_for(chosen, args, kwargs)
        serializer = seat.backend.serializer
        if serializer.is_registered(value):
            encoded = await serializer.encoded(seat.backend, seat.asked, value, chosen)
            encoded.origin = value
            return KeptOddly(seat.mark, encoded)
        return (KeptOddly if type(value) is Raised else Kept)(seat.mark, value)

    async def _set(self, seat: Seat, value: Any, seconds: float | None) -> tuple[bool, Any, float | None]:
        """Ask all that stands around the command whether, as what and for how long a result is stored."""
        reached: list[tuple[Any, float | None]] = []

        async def store(value: Any, expire: float | None = None, **_: Any) -> bool:
            reached[:] = [(value, expire)]
            return True

        await self._reach.around(Command.SET, seat.backend, store)(key=seat.asked, value=value, expire=seconds, exist=None)
        return (True, *reached[0]) if reached else (False, value, seconds)
