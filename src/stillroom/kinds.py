"""What calling a function gives: a value, an awaitable, or an iterator of either sort.

A generator's result is recorded whole, and kept as a `Recording`; everything that asks for it, other than the call itself,
is given the items as a tuple.
"""

from __future__ import annotations

import enum
import inspect
import weakref
from collections.abc import AsyncIterable, Callable, Generator, Iterable
from typing import Any, NamedTuple, TypeVar

__all__ = ["Kind", "Recording"]

F = TypeVar("F", bound=Callable[..., Any])


class Recording(NamedTuple):
    """What a generator gave, from the first item to its return value."""

    items: tuple[Any, ...]
    returned: Any = None


class Kind(enum.Enum):
    """What calling a function gives."""

    PLAIN = "a value"
    COROUTINE = "an awaitable"
    GENERATOR = "an iterator"
    ASYNC_GENERATOR = "an asynchronous iterator"

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Kind:
        """Return the kind of a function, or of an object that can be called."""
        made = _made.get(function) if inspect.isfunction(function) else None
        if made is not None:
            return made
        for target in (function, type(function).__call__):
            if inspect.isasyncgenfunction(target):
                return cls.ASYNC_GENERATOR
            if inspect.iscoroutinefunction(target):
                return cls.COROUTINE
            if inspect.isgeneratorfunction(target):
                return cls.GENERATOR
        return cls.PLAIN

    def of_made(self, function: F) -> F:
        """Take note of the kind of a function that was made in the place of another: for iterators, it does not show."""
        _made[function] = self
        return function

    @property
    def is_async(self) -> bool:
        """Whether callers are on an event loop."""
        return self in (Kind.COROUTINE, Kind.ASYNC_GENERATOR)

    @property
    def is_generator(self) -> bool:
        """Whether a result is a recording."""
        return self in (Kind.GENERATOR, Kind.ASYNC_GENERATOR)

    def recorded(self, load: Callable[[], Any]) -> Callable[[], Any]:
        """Return a load that runs a generator to its end and returns the recording."""
        if self is Kind.GENERATOR:
            return lambda: _record(load())
        if self is Kind.ASYNC_GENERATOR:
            return lambda: _record_async(load())
        return load

    def shown(self, value: Any) -> Any:
        """Return what a helper such as ``peek`` gives for a stored value."""
        return value.items if isinstance(value, Recording) else value

    def unshown(self, value: Any) -> Any:
        """Return what is stored for a value given to ``put``."""
        return Recording(tuple(value)) if self.is_generator else value


_made: weakref.WeakKeyDictionary[Callable[..., Any], Kind] = weakref.WeakKeyDictionary()


def _record(generator: Generator[Any, Any, Any] | Iterable[Any]) -> Recording:
    items: list[Any] = []
    iterator = iter(generator)
    while True:
        try:
            items.append(next(iterator))
        except StopIteration as end:
            return Recording(tuple(items), end.value)


async def _record_async(generator: AsyncIterable[Any]) -> Recording:
    return Recording(tuple([item async for item in generator]))
