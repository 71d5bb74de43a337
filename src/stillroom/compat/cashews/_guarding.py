"""The decorators that guard a function and store no result, upon stillroom's guards.

What counts together is what has the same key exactly, whichever function it guards, in the same era of the key (see
`stillroom.compat.cashews._eras`). Native guards stand before a function that is told this.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from stillroom import Cache as Native
from stillroom import CircuitOpen, RateLimited

from ._eras import Eras
from ._loading import run
from ._naming import Called, Naming
from ._reach import Reach
from .backends.interface import Backend
from .commands import Command
from .exceptions import CircuitBreakerOpen, RateLimitError
from .ttl import TTL, of_call

__all__ = ["breaking", "limiting", "locking", "refuse"]

_MOST_SETTINGS: Final = 64


class _Guards:
    """The guarded functions for one decorated function: one for each native cache and settings."""

    def __init__(self, make: Callable[..., Callable[[Any], Any]], guarded: Callable[..., Any]) -> None:
        self._make = make
        self._guarded = guarded
        self._made: WeakKeyDictionary[Native, dict[Any, Any]] = WeakKeyDictionary()

    def of(self, home: Native, **settings: Any) -> Any:
        made, which = self._made.setdefault(home, {}), tuple(settings.items())
        if which not in made:
            if len(made) >= _MOST_SETTINGS:
                made.clear()
            made[which] = self._make(home, **settings)(self._guarded)
        return made[which]


def exactly(called: Called) -> str:
    """Return a text that tells what is called alike from what just looks alike."""
    return f"{called.name}\0{called.mark}"


def refuse(*args: Any, **kwargs: Any) -> Any:  # noqa: ARG001 - called as what is refused would have been
    """Raise that a rate limit is reached."""
    raise RateLimitError


def limiting(
    reach: Reach, function: Callable[..., Any], naming: Naming, limit: int, period: TTL, ban: TTL | bool, action: Any
) -> Callable[..., Any]:
    """Return a function that lets no more than so many calls through in a period.

    Args:
        reach: what is needed of the cache.
        function: the function.
        naming: says which calls count together.
        limit: how many.
        period: in how much time.
        ban: for how long all are refused after one too many; ``None`` for a period, ``False`` for no time at all.
        action: is called instead of what is refused.
    """

    async def passes(called: str) -> None:
        """Let a call through."""

    def make(home: Native, period: float, ban: float | None) -> Any:
        return home.rate_limit(limit=limit, period=period, ban=ban, key="{called}", name=naming.template)

    async def is_let_through(backend: Backend, called: Called, period: float, ban: float | None) -> bool:
        try:
            if limit > 0:
                era = await eras.of(backend, called.name, max(period, ban or 0))
                await guards.of(backend.native, period=period, ban=ban)(exactly(called) + era)
        except RateLimited:
            return False
        return limit > 0

    eras, guards = Eras(), _Guards(make, passes)

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        called = naming.called(args, kwargs)
        backend = reach.backend_of(called.name)
        if not backend.is_disable(Command.INCR):
            length = of_call(period, args, kwargs)
            banned = None if ban is False else of_call(ban, args, kwargs) or length
            if not await is_let_through(backend, called, length, banned):
                answer = action(*args, **kwargs)
                return await answer if inspect.isawaitable(answer) else answer
        return await run(function, args, kwargs)

    return call


def breaking(
    reach: Reach, function: Callable[..., Any], naming: Naming, errors: tuple[type[Exception], ...], settings: dict[str, Any]
) -> Callable[..., Any]:
    """Return a function that is not called for a while once too many calls have failed.

    Args:
        reach: what is needed of the cache.
        function: the function.
        naming: says which calls share a circuit.
        errors: by what errors a call has failed.
        settings: those of the native guard.
    """

    async def pass_on(called: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG001 - for the guard
        return await run(function, args, kwargs)

    def make(home: Native) -> Any:
        return home.circuit_breaker(errors=errors, key="{called}", name=naming.template, **settings)

    eras, guards = Eras(), _Guards(make, pass_on)
    span = max(settings["window"], settings["open_for"], settings.get("trial_for", 0))

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        called = naming.called(args, kwargs)
        backend = reach.backend_of(called.name)
        era = await eras.of(backend, f"{called.name}:total", span)
        try:
            return await guards.of(backend.native)(exactly(called) + era, args, kwargs)
        except CircuitOpen as error:
            raise CircuitBreakerOpen(
                f"{called.name} is not called: the circuit is open; try again in {error.retry_after:.3g} s"
            ) from error

    return call


def locking(
    reach: Reach, function: Callable[..., Any], naming: Naming, ttl: TTL, wait: bool, check_interval: float
) -> Callable[..., Any]:
    """Return a function that one caller at a time is in, of those that are called alike."""

    def lock(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        expire = of_call(ttl, args, kwargs)
        return reach.lock(naming.called(args, kwargs).name, expire, wait=wait, check_interval=check_interval)

    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def iterate(*args: Any, **kwargs: Any) -> Any:
            async with lock(args, kwargs):
                async for chunk in function(*args, **kwargs):
                    yield chunk

        return iterate

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        async with lock(args, kwargs):
            return await run(function, args, kwargs)

    return call
