"""The guards that judge a function by how its calls have gone. `stillroom.Cache` has these methods.

They stand below ``@cache(...)`` only: an answer from the cache tells nothing of the function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from .durations import Duration
from .errors import ConfigurationError
from .guarding import Plan, guarded
from .guards.guard import Counting, Guard, Handle, OnError, Reach
from .settings import CENTURY, count, span

if TYPE_CHECKING:
    from .core import Core
    from .judged import BreakerDecorator, SlowDecorator

__all__ = ["Judging"]

Errors: TypeAlias = "type[BaseException] | Sequence[type[BaseException]]"
"""A type of errors, or several."""


class Judging:
    """What a `Cache` judges functions with."""

    _core: Core

    def circuit_breaker(
        self,
        *,
        error_rate: float = 0.5,
        window: Duration = "1m",
        min_calls: int = 10,
        open_for: Duration = "30s",
        growth: float = 1.0,
        max_open_for: Duration | None = None,
        half_open_calls: int = 1,
        trial_for: Duration | None = None,
        errors: Errors = Exception,
        ignore: Errors = (),
        key: str | Callable[..., str] | None = None,
        name: str | None = None,
        on_error: OnError = "fallback",
    ) -> BreakerDecorator:
        """Return a decorator that refuses calls for a while, once too many have failed.

        On Redis all processes share the circuit, by the server's clock, in one round trip before a call, or two before a trial,
        and one after it.

        Args:
            error_rate: the circuit opens when this fraction of the calls in ``window`` has failed.
            window: for how long the end of a call counts; some calls count for a tenth less.
            min_calls: so many calls have to end within ``window`` before anything is made of them.
            open_for: for how long the circuit is open. Then some calls are let through as trials.
            growth: the factor by which that grows with each trial that fails.
            max_open_for: how long it grows at most; ten times ``open_for`` if ``None``.
            half_open_calls: how many trials there are, in all processes together. The circuit closes when so many have
                succeeded, and opens again when one fails.
            trial_for: after how long another call takes the place of a trial of which nobody has heard, as when its process
                was killed; ``open_for`` if ``None``.
            errors: by what errors a call has failed. After others it counts as a success.
            ignore: what errors say nothing about the function. Cancellation does not either, nor the refusal of another guard.
            key: a template over the arguments, ``"{host}"``, or a callable of them: what has the same key shares a circuit.
                All calls of the function do if ``None``.
            name: what the function is called where calls are counted; its module and qualified name if ``None``.
            on_error: while the store is out of reach, ``"fallback"`` to a circuit in memory, ``"bypass"`` it, or ``"refuse"``
                all calls.

        Raises:
            ConfigurationError: a setting makes no sense.

        Example:
            >>> @cache(ttl="10m", stale_if_error="1d")
            ... @cache.circuit_breaker(error_rate=0.5, open_for="30s", errors=ConnectionError)
            ... def exchange_rate(base: str) -> Decimal: ...
        """
        from .guards.circuit import Circuit
        from .guards.circuit_breaker import Breaker, CircuitBreaker, Judgement

        length = span(open_for, "open_for")
        circuit = Circuit(
            _number(error_rate, "error_rate", "above zero and at most one", lambda rate: 0 < rate <= 1),
            span(window, "window"),
            count(min_calls, "min_calls"),
            length,
            _number(growth, "growth", "not below one", lambda factor: factor >= 1),
            min(10 * length, CENTURY) if max_open_for is None else span(max_open_for, "max_open_for"),
            count(half_open_calls, "half_open_calls"),
            length if trial_for is None else span(trial_for, "trial_for"),
        )
        _not_below(circuit.max_open_for, length, "max_open_for", "open_for", max_open_for)
        judgement = Judgement(_types(errors, "errors"), _types(ignore, "ignore"))
        if not judgement.errors:
            raise ConfigurationError(
                "errors must name one at least: after others, a call counts as a success", setting="errors"
            )
        core = self._core
        counting = Counting(core.tallies, on_error, core.namespace)

        def make(called: str, reach: Reach) -> tuple[Guard, Handle]:
            guard = CircuitBreaker(called, circuit, judgement, counting, core.hub)
            return guard, Breaker(reach, guard)

        plan = Plan("circuit_breaker", "breaker", name, key, make, is_for_loads=True)
        return cast("BreakerDecorator", self._judging(plan))

    def slow(
        self,
        *,
        factor: float = 3.0,
        quantile: float = 0.95,
        window: Duration = "1m",
        baseline: Duration = "1h",
        min_calls: int = 20,
        refuse_for: Duration = "30s",
        key: str | Callable[..., str] | None = None,
        name: str | None = None,
        on_error: OnError = "fallback",
    ) -> SlowDecorator:
        """Return a decorator that refuses calls for a while, once they take much longer than they used to.

        On Redis all processes judge together, in one round trip before a call, or two before one that measures, and one after
        it. Durations are told apart by tenths.

        Args:
            factor: more than how many times as long as usual is too long; up to a fifth more may pass.
            quantile: the fraction of calls whose longest duration is compared.
            window: for how long a call is recent; some are for half of that.
            baseline: from how much of the past it is known what is usual. What is usual takes about as long to double, however
                slow the function has become.
            min_calls: so many recent calls there have to be before anything is made of them.
            refuse_for: for how long calls are refused. Then ``min_calls`` of them are let through, and measure anew.
            key: a template over the arguments, ``"{host}"``, or a callable of them: what has the same key is judged together.
                All calls of the function are if ``None``.
            name: what the function is called where calls are counted; its module and qualified name if ``None``.
            on_error: while the store is out of reach, ``"fallback"`` to judging in memory, ``"bypass"`` the guard, or
                ``"refuse"`` all calls.

        Raises:
            ConfigurationError: a setting makes no sense.

        Example:
            >>> @cache(ttl="10m", stale_if_error="1d")
            ... @cache.slow(factor=5)
            ... def search(text: str) -> list[str]: ...
        """
        from .guards.slow import Slow, Slowness
        from .guards.slowness import Limits, apart

        limits = Limits(
            apart(_number(factor, "factor", "above one", lambda factor: factor > 1)),
            _number(quantile, "quantile", "above zero and at most one", lambda share: 0 < share <= 1),
            span(window, "window"),
            span(baseline, "baseline"),
            count(min_calls, "min_calls"),
            span(refuse_for, "refuse_for"),
        )
        _not_below(limits.baseline, limits.window, "baseline", "window", baseline)
        core = self._core
        counting = Counting(core.tallies, on_error, core.namespace)

        def make(called: str, reach: Reach) -> tuple[Guard, Handle]:
            guard = Slow(called, limits, counting, core.clock)
            return guard, Slowness(reach, guard)

        return cast("SlowDecorator", self._judging(Plan("slow", "slowness", name, key, make, is_for_loads=True)))

    def _judging(self, plan: Plan) -> Callable[[Any], Any]:
        return lambda function: guarded(self._core, function, plan)


def _number(given: float, setting: str, right: str, is_right: Callable[[float], bool]) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not (is_right(given) and given < _HUGE):
        raise ConfigurationError(f"{setting} must be a number {right}, not {given!r}", setting=setting, given=given)
    return float(given)


def _not_below(length: float, least: float, setting: str, other: str, given: object) -> None:
    if length < least:
        raise ConfigurationError(f"{setting} must not be below {other}, and {given!r} is", setting=setting, given=given)


def _types(given: Errors, setting: str) -> tuple[type[BaseException], ...]:
    types = tuple(given) if isinstance(given, Sequence) else (given,)
    if not all(isinstance(one, type) and issubclass(one, BaseException) for one in types):
        raise ConfigurationError(
            f"{setting} must be a type of errors, or a tuple of them, not {given!r}", setting=setting, given=given
        )
    return types


_HUGE = 1e6  # such a factor makes no sense, and NaN is not below it
