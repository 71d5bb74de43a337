"""``cache`` and ``redis_cache``: a thin wrapper around what stillroom makes of the function.

The wrapper takes ``skip_cache`` out of the arguments and calls the function that stillroom has decorated. Where that refuses
the arguments, or is not to see them, another one is asked, which is keyed by what `keys` makes of them.
"""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial, wraps
from threading import Lock
from typing import Any, Final, cast

from ... import Cache, ConfigurationError, UncacheableArgument
from .._keyed import keyed, plain
from .keys import by_rule, by_state, has_state_or_more
from .redis import get_redis_config
from .types import CacheKeyFunction, F, Number

__all__ = ["cache", "clear_never_die_registry", "forget", "redis_cache"]

_FOR_EVER: Final = "5200w"

_kept = Cache("memory://?max_entries=1000000")
_warm = Cache("memory://?max_entries=10000")  # apart, so that what comes and goes does not push out what is to stay


class _Plan:
    """What one function is decorated with.

    Attributes:
        function: the function.
        is_async: whether it is a coroutine function.
        never_dies: whether its values are refreshed for ever.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        ttl: Number | None,
        never_die: bool,
        rule: CacheKeyFunction | None,
        ignored: tuple[str, ...],
    ) -> None:
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self.never_dies = never_die
        self._settings = _settings(ttl, never_die)
        self._ignored: tuple[str, ...] = ()
        self._is_keyed_only = True
        if rule is not None:
            self._key = by_rule(rule)
            return
        signature = inspect.signature(function)
        self._ignored = tuple([name for name in signature.parameters if name in ignored])
        is_wrapped = hasattr(function, "__wrapped__")
        self._key = by_state(signature, self._ignored, is_wrapped)
        self._is_keyed_only = is_wrapped or has_state_or_more(signature, self._ignored)

    def on(self, cache: Cache, apart: str | None = None, **more: Any) -> Callable[..., Any]:
        """Return the function as it is cached by a cache; ``apart`` tells it from others of its name."""
        settings = {**self._settings, **more}
        answer = plain(cache(ignore=("call",), version=f"{apart or ''}key", **settings)(keyed(self.function)))
        direct = None
        if not self._is_keyed_only:
            direct = plain(cache(ignore=self._ignored, version=apart, **settings)(self.function))
        return (_awaited if self.is_async else _called)(direct, _Asker(self.function, direct, answer, self._key))


class _Asker:
    """Asks for what is not to be answered by the arguments as they are."""

    def __init__(self, function: Callable[..., Any], direct: Any, answer: Any, key: Callable[..., Any]) -> None:
        self._function = function
        self._direct = direct
        self._answer = answer
        self._key = key

    def knows(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Tell whether stillroom keys these arguments by itself."""
        if self._direct is None:
            return False
        try:
            self._direct.key(*args, **kwargs)
        except UncacheableArgument:
            return False
        return True

    def ask(self, args: tuple[Any, ...], kwargs: dict[str, Any], skips: bool) -> Any:
        """Return the result, or what is to be awaited for it; ``skips`` runs the function whatever is stored."""
        if self.knows(args, kwargs):
            return (self._direct.refresh if skips else self._direct)(*args, **kwargs)
        answer = self._answer.refresh if skips else self._answer
        return answer(self._key(args, kwargs), partial(self._function, *args, **kwargs))


def _called(direct: Any, asker: _Asker) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        skips = kwargs.pop("skip_cache", False) if kwargs else False
        if direct is None or skips:
            return asker.ask(args, kwargs, skips)
        try:
            return direct(*args, **kwargs)
        except UncacheableArgument:
            if asker.knows(args, kwargs):  # so it comes from within the function
                raise
        return asker.ask(args, kwargs, False)

    return call


def _awaited(direct: Any, asker: _Asker) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        skips = kwargs.pop("skip_cache", False) if kwargs else False
        if direct is None or skips:
            return await asker.ask(args, kwargs, skips)
        try:
            return await direct(*args, **kwargs)
        except UncacheableArgument:
            if asker.knows(args, kwargs):  # so it comes from within the function
                raise
        return await asker.ask(args, kwargs, False)

    return call


class _Remote:
    """A function that is cached wherever Redis is at the time of a call."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        self._lock = Lock()
        self._bound: tuple[Cache, Callable[..., Any]] | None = None
        self._apart: str | None = None

    def here(self) -> Callable[..., Any]:
        """Return the function as it is cached by the cache of the moment.

        Raises:
            RuntimeError: there is none.
        """
        cache, bound = get_redis_config().cache_for(self._plan.is_async), self._bound
        if bound is not None and bound[0] is cache:
            return bound[1]
        with self._lock:
            if self._bound is None or self._bound[0] is not cache:
                self._bound = cache, self._plan.on(cache, self._apart, lock="shared")
            return self._bound[1]

    def set_apart(self, error: ConfigurationError) -> None:
        """Give the function a name of its own if there is another one of the same name, whose results are not its own."""
        if error.setting != "name" or self._apart:
            raise error
        self._apart, self._bound = secrets.token_hex(8), None


def _remote(plan: _Plan) -> Callable[..., Any]:
    from .._clients import redis_errors  # only now, as in `redis`

    remote = _Remote(plan)

    def call(*args: Any, **kwargs: Any) -> Any:
        with redis_errors():
            try:
                return remote.here()(*args, **kwargs)
            except ConfigurationError as error:
                remote.set_apart(error)
            return remote.here()(*args, **kwargs)

    async def call_async(*args: Any, **kwargs: Any) -> Any:
        with redis_errors():
            try:
                return await remote.here()(*args, **kwargs)
            except ConfigurationError as error:
                remote.set_apart(error)
            return await remote.here()(*args, **kwargs)

    return call_async if plan.is_async else call


def _local(plan: _Plan) -> Callable[..., Any]:
    return plan.on(_warm if plan.never_dies else _kept)


def cache(
    ttl: Number = 300,
    never_die: bool = False,
    cache_key_func: CacheKeyFunction | None = None,
    ignore_fields: Sequence[str] = (),
    no_self: bool = False,
) -> Callable[[F], F]:
    """Return a decorator that keeps results in memory.

    Args:
        ttl: for how many seconds.
        never_die: refresh results as their ttl ends, for ever, and keep the former one if that fails.
        cache_key_func: returns what a call is keyed by, given its arguments by position and those by name.
        ignore_fields: names of parameters that the result does not depend on.
        no_self: ignore the first parameter.

    Raises:
        ValueError: ``cache_key_func`` is given together with ``ignore_fields`` or ``no_self``.
    """
    return _decorator(_local, ttl, never_die, cache_key_func, ignore_fields, no_self)


def redis_cache(
    ttl: Number = 300,
    never_die: bool = False,
    cache_key_func: CacheKeyFunction | None = None,
    ignore_fields: Sequence[str] = (),
    no_self: bool = False,
) -> Callable[[F], F]:
    """Return a decorator that keeps results on Redis, wherever `setup_redis_config` says; parameters are those of `cache`."""
    return _decorator(_remote, ttl, never_die, cache_key_func, ignore_fields, no_self)


def clear_never_die_registry() -> None:
    """Refresh nothing of what was stored with ``never_die`` so far, until it is asked for; it stays."""
    _warm.cool()
    with suppress(RuntimeError):  # nothing is set up
        get_redis_config().cool()


def forget() -> None:
    """Forget all results that are kept in memory."""
    for one in (_kept, _warm):
        one.clear()


def _decorator(
    made: Callable[[_Plan], Callable[..., Any]],
    ttl: Number | None,
    never_die: bool,
    rule: CacheKeyFunction | None,
    ignore_fields: Sequence[str],
    no_self: bool,
) -> Callable[[F], F]:
    if rule is not None and (ignore_fields or no_self):
        raise ValueError("cache_key_func says by itself what counts: give it, or ignore_fields and no_self, but not both")

    def decorator(function: F) -> F:
        first = tuple(inspect.signature(function).parameters)[:1] if no_self else ()
        plan = _Plan(function, ttl, never_die, rule, (*ignore_fields, *first))
        return cast("F", wraps(function)(made(plan)))

    return decorator


def _settings(ttl: Number | None, never_die: bool) -> dict[str, Any]:
    if ttl is None or ttl == float("inf"):
        return {"ttl": None}
    if ttl <= 0:
        return {"ttl": _nothing}
    if not never_die:
        return {"ttl": ttl}
    lasting = {"idle_after": _FOR_EVER, "stale_while_revalidate": _FOR_EVER}
    return {"ttl": ttl, "keep_warm": True, "retry_after": ttl, **lasting}


def _nothing(*_: object, **__: object) -> float:
    """Return a ttl with which nothing is stored."""
    return 0
