"""Calls that go past the cache, and iterations: user code that runs in pieces, each within its load.

A function that asks for its load must find one on every way that it can be run. Past the cache there is nothing that the load
could change, so it gets one without a value before it, and what it says has no effect.

A generator runs whenever somebody takes an item, in the context of whoever does; so its load is the current one only for as
long as each item takes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any

from .kinds import Kind
from .load import Said, within

__all__ = ["Steps", "StepsAsync", "run_within"]


def run_within(said: Said, kind: Kind, function: Callable[[], Any]) -> Any:
    """Run a function within a load, and return what it returns: a value, an awaitable or an iterator."""
    if kind is Kind.COROUTINE:
        return _awaited(said, function)
    with within(said):
        made = function()
    if kind is Kind.GENERATOR:
        return Steps(said, made)
    return StepsAsync(said, made) if kind is Kind.ASYNC_GENERATOR else made


async def _awaited(said: Said, function: Callable[[], Awaitable[Any]]) -> Any:
    with within(said):
        return await function()


class Steps(Generator[Any, Any, Any]):
    """A generator, or another iterator, each of whose steps runs within a load."""

    def __init__(self, said: Said, source: Iterator[Any]) -> None:
        self._said = said
        self._source: Any = source

    def __next__(self) -> Any:
        with within(self._said):
            return next(self._source)

    def send(self, value: Any) -> Any:
        """Do what that of the generator does."""
        with within(self._said):
            return self._source.send(value)

    def throw(self, *error: Any) -> Any:
        """Do what that of the generator does."""
        with within(self._said):
            return self._source.throw(*error)

    def close(self) -> None:
        """Do what that of the generator does, if it has one."""
        close = getattr(self._source, "close", None)
        if close is not None:
            with within(self._said):
                close()


class StepsAsync(AsyncGenerator[Any, Any]):
    """What `Steps` is, for asynchronous iterators."""

    def __init__(self, said: Said, source: AsyncIterator[Any]) -> None:
        self._said = said
        self._source: Any = source

    async def __anext__(self) -> Any:
        with within(self._said):
            return await self._source.__anext__()

    async def asend(self, value: Any) -> Any:
        """Do what that of the generator does."""
        with within(self._said):
            return await self._source.asend(value)

    async def athrow(self, *error: Any) -> Any:
        """Do what that of the generator does."""
        with within(self._said):
            return await self._source.athrow(*error)

    async def aclose(self) -> None:
        """Do what that of the generator does, if it has one."""
        close = getattr(self._source, "aclose", None)
        if close is not None:
            with within(self._said):
                await close()
