"""`@cache.iterator(...)`: asynchronous generators whose chunks are replayed.

Natively a recording is stored when the generator has come to its end, and replayed as a whole; one that was cut short is never
stored. It begins with the mark of the call it was made for.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, cast
from weakref import WeakKeyDictionary

from stillroom import Cache as Native
from stillroom import StoreError, current_load

from ._detecting import CacheDetect
from ._identities import identity_of
from ._marks import Kept, Raised
from ._naming import Naming
from ._reach import Reach
from ._recipes import Recipe
from ._seats import Seat, entry_name
from ._surroundings import surroundings
from .commands import Command
from .exceptions import CacheBackendInteractionError

__all__ = ["Iterating"]


class Iterating:
    """An asynchronous generator function with a cache in front of it.

    Args:
        reach: what is needed of the cache.
        function: the function.
        naming: names its calls.
        recipe: what the decorator was told.
    """

    def __init__(self, reach: Reach, function: Callable[..., AsyncIterator[Any]], naming: Naming, recipe: Recipe) -> None:
        self._reach = reach
        self._function = function
        self._naming = naming
        self._recipe = recipe
        self._identity = identity_of(function)
        self._natives: WeakKeyDictionary[Native, Any] = WeakKeyDictionary()

    def caller(self) -> Callable[..., AsyncIterator[Any]]:
        """Return what users call."""

        @functools.wraps(self._function)
        async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
            detector = kwargs.pop("_from_cache", None) if isinstance(kwargs.get("_from_cache"), CacheDetect) else None
            chunks = self._chunks(args, kwargs, detector or surroundings().detector)
            async with aclosing(chunks):
                try:
                    async for chunk in chunks:
                        yield chunk
                except StoreError as error:
                    raise CacheBackendInteractionError(str(error)) from error

        return call

    async def _chunks(self, args: tuple[Any, ...], kwargs: dict[str, Any], detector: CacheDetect | None) -> AsyncGenerator[Any]:
        self._reach.check_setup()
        seat = Seat(self._naming(args, kwargs))
        place = self._reach.place(seat.name)
        seat.sit(place, self._native(place.home))
        if place.backend.is_disable(Command.GET) or self._reach.is_off():
            source = self._source(args, kwargs)
        else:
            if await self._is_recorded(seat, args, kwargs) and detector is not None:
                known = {"ttl": self._recipe.seconds(args, kwargs), "name": "iterator", "template": self._naming.template}
                detector.heard(seat.name, place.kind, {**known, "value": True})
            source = cast("AsyncGenerator[Any]", seat.native(seat, args, kwargs))
        async with aclosing(source) as chunks:
            failure: Exception | None = None
            async for chunk in chunks:
                if type(chunk) is Raised:
                    failure = chunk.exc.with_traceback(None)
                elif type(chunk) is not Kept:
                    yield chunk
        if failure is not None:
            raise failure

    async def _source(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncGenerator[Any]:
        """Yield what the function does, which may return any asynchronous iterator."""
        source: Any = self._function(*args, **kwargs)
        try:
            async for chunk in source:
                yield chunk
        finally:
            if hasattr(source, "aclose"):
                await source.aclose()

    async def _is_recorded(self, seat: Seat, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Tell whether there is a recording of a call like this one; what stands in its place is forgotten."""
        items = await seat.native.peek(seat, args, kwargs)
        if items is not None and not surroundings().forgets and type(items[0]) is Kept and seat.fits(items[0]):
            return True
        if items is not None:
            await seat.native.invalidate(seat, args, kwargs)
        return False

    def _native(self, home: Native) -> Any:
        if home not in self._natives:
            settings: dict[str, Any] = {**self._recipe.settings((), {}), "lock": None}
            self._natives[home] = home(key=entry_name, name=self._identity, **settings)(self._recorded)
        return self._natives[home]

    async def _recorded(self, seat: Seat, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncGenerator[Any]:
        """Yield what is recorded: the mark, the chunks, and the error that ended them if it is to be remembered."""
        condition = self._recipe.condition
        is_kept = not seat.backend.is_disable(Command.SET)
        yield Kept(seat.mark, None)
        try:
            async with aclosing(self._source(args, kwargs)) as chunks:
                async for chunk in chunks:
                    yield chunk
                    is_kept = is_kept and (condition is None or bool(condition(chunk, args, kwargs, key=seat.name)))
        except Exception as error:
            verdict = None if condition is None else condition(error, args, kwargs, key=seat.name)
            if not isinstance(verdict, Exception):
                raise
            yield Raised(error)
        seconds = self._recipe.seconds(args, kwargs)
        if not is_kept or (seconds is not None and seconds < 0):
            current_load().skip()
        elif callable(self._recipe.ttl):
            current_load().ttl = seconds
