"""The decorators of a cache that keep no results, and `invalidate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Protocol, TypeAlias, TypeVar

from ._blooming import blooming, dual_blooming
from ._guarding import breaking, limiting, locking, refuse
from ._invalidating import forget, invalidating
from ._naming import Naming
from ._performance import Condition, is_degraded, tracing
from ._reach import Reach
from ._tags import Tags
from .backends.interface import Backend
from .key import get_cache_key_template
from .ttl import TTL, parsed, ttl_to_seconds

__all__ = ["Decorator", "Exceptions", "Guards", "types_of"]

F = TypeVar("F", bound=Callable[..., Any])
"""A function whose type a decorator leaves as it is."""
Exceptions: TypeAlias = "type[Exception] | Iterable[type[Exception]] | None"
Pair: TypeAlias = "float | tuple[float, float]"


class Decorator(Protocol):
    """Decorates functions, which keep their types."""

    def __call__(self, function: F, /) -> F: ...


class Guards(Tags):
    """What a `Cache` guards functions with.

    Lengths of time are seconds, text such as ``"1h30m"``, a ``timedelta``, or a callable of the arguments. ``key`` is a
    template over the arguments: ``"user:{user.id}"``.
    """

    _default_fail_exceptions: tuple[type[Exception], ...] = (Exception,)

    def set_default_fail_exceptions(self, *exc: type[Exception]) -> None:
        """Say for which errors old results stand in, and circuits open, unless a decorator says otherwise."""
        self._default_fail_exceptions = exc

    @cached_property
    def _reach(self) -> Reach:
        def is_surrounded(backend: Backend) -> bool:
            return self.callbacks.any or bool(self._middlewares_for(backend))

        return Reach(
            self,
            self._get_backend,
            is_surrounded,
            self._around,
            self._check_setup,
            lambda: all(backend.is_full_disable for backend in self._backends.values()),
            self.lock,
            self.delete,
            self.delete_match,
        )

    def locked(
        self, ttl: TTL = None, key: str | None = None, wait: bool = True, prefix: str = "locked", check_interval: float = 0
    ) -> Decorator:
        """Return a decorator that lets one of those callers at a time through that call alike.

        Args:
            ttl: after how long the next one comes in, whatever has become of the former.
            key: what is called alike.
            wait: wait for one's turn, instead of raising.
            prefix: stands before the key.
            check_interval: how many seconds lie between two looks at whether it is one's turn.

        Raises:
            LockedError: on a call, if it is not the caller's turn, and it will not wait.
        """
        length = parsed(ttl)

        def decorator(function: Any) -> Any:
            naming = Naming(function, get_cache_key_template(function, key, prefix))
            return locking(self._reach, function, naming, length, wait, check_interval)

        return decorator

    def rate_limit(
        self,
        limit: int,
        period: TTL,
        ttl: TTL = None,
        action: Callable[..., Any] | None = None,
        prefix: str = "rate_limit",
        key: str | None = None,
    ) -> Decorator:
        """Return a decorator that lets so many calls through in a period, and after one more none for ``ttl``, or for a period.

        ``action`` is called instead of what is refused; unless given, that raises `RateLimitError`.
        """
        return self._limiting(limit, parsed(period), parsed(ttl), action, prefix, key)

    def slice_rate_limit(
        self, limit: int, period: TTL, key: str | None = None, action: Callable[..., Any] | None = None, prefix: str = "srl"
    ) -> Decorator:
        """Return a decorator that lets so many calls through in any length of time like this, and refuses just the others."""
        return self._limiting(limit, parsed(period), False, action, prefix, key)

    def _limiting(self, limit: int, period: TTL, ban: Any, action: Any, prefix: str, key: str | None) -> Decorator:
        def decorator(function: Any) -> Any:
            naming = Naming(function, get_cache_key_template(function, key, prefix))
            return limiting(self._reach, function, naming, limit, period, ban, action or refuse)

        return decorator

    def circuit_breaker(
        self,
        errors_rate: int,
        period: TTL,
        ttl: TTL,
        half_open_ttl: TTL = None,
        exceptions: Exceptions = None,
        key: str | None = None,
        min_calls: int = 1,
        prefix: str = "circuit_breaker",
    ) -> Decorator:
        """Return a decorator that refuses calls for ``ttl`` once too many have failed; then one of them tries how things are.

        Args:
            errors_rate: so many of a hundred calls may fail.
            period: in how much time.
            ttl: for how long calls are refused.
            half_open_ttl: after how long another call tries if nothing was heard of the one that did.
            exceptions: by what errors a call has failed.
            key: what shares a circuit. All calls of the function unless given.
            min_calls: so many calls there have to be in ``period``.
            prefix: stands before the key.

        Raises:
            CircuitBreakerOpen: on a call that is refused.
        """
        if not 0 < errors_rate < 100:
            raise AssertionError(f"errors_rate is a percentage, between 0 and 100, not {errors_rate!r}")
        settings: dict[str, Any] = {
            "error_rate": errors_rate / 100 - _ROUNDING,
            "window": ttl_to_seconds(period),
            "open_for": ttl_to_seconds(ttl),
            "min_calls": max(min_calls, 1),
        }
        if half_open_ttl:
            settings["trial_for"] = ttl_to_seconds(half_open_ttl)

        def decorator(function: Any) -> Any:
            own = ":".join([function.__module__, function.__name__])
            naming = Naming(function, get_cache_key_template(function, key or own, prefix))
            errors = types_of(exceptions) or self._default_fail_exceptions
            return breaking(self._reach, function, naming, errors, settings)

        return decorator

    def bloom(
        self,
        *,
        capacity: int,
        name: str | None = None,
        false_positives: float = 1,
        check_false_positive: bool = True,
        prefix: str = "bloom",
    ) -> Decorator:
        """Return a decorator for predicates that answers ``False`` without a call where a Bloom filter is certain.

        ``f.set(...)`` calls the predicate and, if the answer is true, adds to the filter.

        Args:
            capacity: for how many members the filter is made.
            name: a template: what tells members apart. All arguments unless given.
            false_positives: how many strangers in a hundred may be taken for members.
            check_false_positive: call the predicate where the filter is not certain, instead of answering ``True``.
            prefix: stands before the name.
        """
        if not (capacity and 0 < false_positives < 100):
            raise AssertionError("capacity must be above zero, and false_positives a percentage, between 0 and 100")

        def decorator(function: Any) -> Any:
            naming = Naming(function, get_cache_key_template(function, name, prefix))
            return blooming(self._reach, function, naming, capacity, false_positives, check_false_positive)

        return decorator

    def dual_bloom(
        self,
        *,
        capacity: int | tuple[int, int],
        name: str | None = None,
        false: Pair = 1,
        no_collisions: bool = False,
        prefix: str = "dual_bloom",
    ) -> Decorator:
        """Return a decorator for predicates that remembers answers in two Bloom filters, and may err in both directions.

        Args:
            capacity: for how many members the filters are made, of those that are true and of the others.
            name: a template: what tells members apart. All arguments unless given.
            false: how many strangers in a hundred may be taken for members, likewise.
            no_collisions: leave out what is in a filter already by the looks of it.
            prefix: stands before the name.
        """
        capacities = capacity if isinstance(capacity, tuple) else (capacity, capacity)
        percents = false if isinstance(false, tuple) else (false, false)
        if not (all(capacities) and all(0 < percent < 100 for percent in percents)):
            raise AssertionError("capacity must be above zero, and false a percentage, between 0 and 100")

        def decorator(function: Any) -> Any:
            naming = Naming(function, get_cache_key_template(function, name, prefix))
            return dual_blooming(self._reach, function, naming, capacities, percents, no_collisions)

        return decorator

    def perf(
        self,
        ttl: TTL,
        key: str | None = None,
        trace_size: int = 10,
        perf_condition: Condition | None = None,
        prefix: str = "perf",
    ) -> Decorator:
        """Return a decorator that refuses calls for ``ttl`` once one has taken too long.

        Args:
            ttl: for how long.
            key: what is judged together.
            trace_size: by how many calls before it a call is judged.
            perf_condition: told how long it took, and those before; unless given, twice as long as they did is too long.
            prefix: stands before the key.

        Raises:
            PerfDegradationException: on a call that is refused.
        """

        def decorator(function: Any) -> Any:
            naming = Naming(function, get_cache_key_template(function, key, prefix))
            return tracing(self._reach, function, naming, ttl, trace_size, perf_condition or is_degraded)

        return decorator

    # Invalidation

    def invalidate(
        self,
        key_template: str | Callable[..., Any],
        args_map: Mapping[str, Any] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> Decorator:
        """Return a decorator for functions that forgets results once they have succeeded.

        Args:
            key_template: what is forgotten: a key template, with ``*`` for anything, or the function whose results are.
            args_map: from names in it to names of the function's parameters, or to functions of its arguments.
            defaults: further values by name. What there is no value for may be anything.
        """

        def decorator(function: Any) -> Any:
            return invalidating(self._reach, function, key_template, args_map or {}, defaults or {})

        return decorator

    async def invalidate_func(self, func: Callable[..., Any], kwargs: Mapping[str, Any] | None = None) -> None:
        """Forget the results of a function for these arguments; what is not among them may be anything."""
        await forget(self._reach, func, kwargs or {})


_ROUNDING = 1e-9
"""So that seven failures of a hundred calls are seven per cent, whatever becomes of 0.07 times a hundred."""


def types_of(exceptions: Exceptions) -> tuple[type[Exception], ...]:
    """Return types of errors as ``except`` takes them."""
    if exceptions is None:
        return ()
    return (exceptions,) if isinstance(exceptions, type) else tuple(exceptions)
