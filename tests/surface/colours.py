"""A cache as callers of one colour use it, so that a test written once as ``async def`` serves both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any

from stillroom import Cache

__all__ = ["Coloured", "outside"]


class Coloured:
    """The verbs, functions and transactions of a cache, all of them to be awaited.

    Args:
        cache: the cache.
        colour: ``"blocking"`` or ``"asyncio"``.
    """

    def __init__(self, cache: Cache, colour: str) -> None:
        self.cache = cache
        self.is_async = colour == "asyncio"

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        async def spoken(*args: Any, **kwargs: Any) -> Any:
            if not self.is_async:
                return getattr(self.cache, verb)(*args, **kwargs)
            return await getattr(self.cache, "a" + verb)(*args, **kwargs)

        return spoken

    async def scan(self, pattern: str = "*") -> list[str]:
        if not self.is_async:
            return sorted(self.cache.scan(pattern))
        return sorted([name async for name in self.cache.ascan(pattern)])

    def cached(self, function: Callable[..., Any], **settings: Any) -> Any:
        """Return the cached form of a plain function, or of a coroutine function that does the same."""
        settings.setdefault("name", function.__name__)
        if not self.is_async:
            return self.cache(**settings)(function)

        async def same(item: Any) -> Any:
            return function(item)

        return self.cache(**settings)(same)

    async def of(self, result: Any) -> Any:
        """Return what a call of a cached function, or of one of its helpers, gives in the end."""
        return await result if self.is_async else result

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        if self.is_async:
            async with self.cache.transaction():
                yield
        else:
            with self.cache.transaction():
                yield


def outside(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a blocking function as somebody who is in no transaction."""
    return Context().run(function, *args, **kwargs)
