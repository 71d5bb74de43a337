"""The decorator ``cache``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast

from ._calls import LOG_LEVEL, Calls, Settings, log
from .backends import RedisFactory
from .helpers import DEFAULT_EXPIRE_TIME

__all__ = ["LOG_LEVEL", "RedisFactory", "cache", "log"]

F = TypeVar("F", bound=Callable[..., Any])


def cache(
    expire: timedelta | int | float | None = DEFAULT_EXPIRE_TIME,
    namespace: str | None = None,
    key_prefix: str | None = None,
    key_builder: Callable[..., str] | None = None,
    encoder: Callable[[Any], Any] | None = None,
    decoder: Callable[[Any], Any] | None = None,
) -> Callable[[F], F]:
    """Return a decorator for functions and coroutine functions, whose results are kept where `RedisFactory.init` says.

    Until that is called, functions run uncached. What is ``None`` is as said there.

    Args:
        expire: how long a result is kept: seconds or a ``timedelta``; ``None`` without end.
        namespace: the second part of the keys.
        key_prefix: the first part of the keys.
        key_builder: makes the keys, see `helpers.key_builder`.
        encoder: turns a result into what is kept.
        decoder: turns that into the result again.

    Example:
        >>> @cache(expire=60, namespace="api")
        ... async def get_user(user_id: int) -> dict: ...
    """
    settings = Settings(expire, namespace, key_prefix, key_builder, encoder, decoder)

    def decorator(function: F) -> F:
        calls = Calls(function, settings)
        wrapper = _async_wrapper(function, calls) if inspect.iscoroutinefunction(function) else _wrapper(function, calls)
        return cast("F", wraps(function)(wrapper))

    return decorator


def _wrapper(function: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = calls.prepared(RedisFactory.get_instance(), args, kwargs)
        if call is None:
            return function(*args, **kwargs)
        if not call.takes(call.cached(call)):
            call.cached.refresh(call)
        return call.result

    return wrapper


def _async_wrapper(function: Callable[..., Any], calls: Calls) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = calls.prepared(RedisFactory.get_instance(), args, kwargs)
        if call is None:
            return await function(*args, **kwargs)
        if not call.takes(await call.cached(call)):
            await call.cached.refresh(call)
        return call.result

    return wrapper
