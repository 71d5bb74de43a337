"""The guards of a cache: decorators that limit calls and store no result. `stillroom.Cache` has these methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from .durations import Duration, seconds
from .errors import ConfigurationError
from .guarding import Plan, guarded
from .guards.guard import Counting, Guard, Handle, OnError, Reach

if TYPE_CHECKING:
    from .core import Core
    from .guarded import LimitedDecorator

__all__ = ["Protecting"]


class Protecting:
    """What a `Cache` protects functions with."""

    _core: Core

    def rate_limit(
        self,
        *,
        limit: int,
        period: Duration,
        burst: int | None = None,
        ban: Duration | None = None,
        key: str | Callable[..., str] | None = None,
        name: str | None = None,
        on_error: OnError = "fallback",
    ) -> LimitedDecorator:
        """Return a decorator that lets no more than so many calls through in so much time.

        On Redis all processes count together, by the server's clock, in one round trip a call. A window takes memory for
        ``limit`` times per key, a bucket for one.

        Args:
            limit: how many calls are let through in any ``period``, wherever it begins.
            period: a length of time: seconds, a ``timedelta``, or text such as ``"1m"``.
            burst: how many may come at once, for a token bucket: ``limit`` calls a ``period`` on average. ``None`` for a
                window.
            ban: for how long everything is refused after one call too many.
            key: a template over the arguments, ``"{user_id}"``, or a callable of them: what has the same key is counted
                together. All calls of the function are if ``None``.
            name: what the function is called where calls are counted; its module and qualified name if ``None``.
            on_error: while the store is out of reach, ``"fallback"`` to counting in memory, ``"bypass"`` the limit, or
                ``"refuse"`` all calls.

        Raises:
            ConfigurationError: a setting makes no sense.

        Example:
            >>> @cache.rate_limit(limit=10, period="1m", ban="10m", key="{user_id}")
            ... def search(user_id: int, text: str) -> list[str]: ...
            >>> search.limiter.peek(7, "tea").remaining
            10
        """
        from .guards.rate import Rate
        from .guards.rate_limit import Limiter, RateLimit

        rate = Rate(
            _count(limit, "limit"),
            seconds(period, "period"),
            None if burst is None else _count(burst, "burst"),
            0.0 if ban is None else seconds(ban, "ban"),
        )
        counting = Counting(self._core.tallies, on_error, self._core.namespace)

        def make(called: str, reach: Reach) -> tuple[Guard, Handle]:
            guard = RateLimit(called, rate, counting)
            return guard, Limiter(reach, guard)

        plan = Plan("rate_limit", "limiter", name, key, make)
        return cast("LimitedDecorator", self._guarding(plan))

    def _guarding(self, plan: Plan) -> Callable[[Any], Any]:
        return lambda function: guarded(self._core, function, plan)


def _count(given: int, setting: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ConfigurationError(f"{setting} must be a whole number above zero, not {given!r}", setting=setting, given=given)
    return given
