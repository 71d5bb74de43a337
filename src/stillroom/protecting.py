"""The guards of a cache: decorators that limit calls and store no result; locks, and lines. `stillroom.Cache` has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .durations import Duration
from .errors import ConfigurationError
from .guarding import Making, Plan, guarded
from .guards.guard import Counting, Guard, Handle, OnError, Reach, tally_name
from .guards.lock import Lock, LockSettings
from .judging import Judging
from .settings import count, span, text

if TYPE_CHECKING:
    from .core import Core
    from .guarded import BloomedDecorator, LimitedDecorator
    from .guards.line import Line

__all__ = ["Protecting"]

F = TypeVar("F", bound=Callable[..., Any])
"""A function whose type a guard leaves as it is."""


_MOST_BITS = 2**32 - 2  # two more say how the filter stands


class Protecting(Judging):
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
            count(limit, "limit"),
            span(period, "period"),
            None if burst is None else count(burst, "burst"),
            0.0 if ban is None else span(ban, "ban"),
        )
        counting = Counting(self._core.tallies, on_error, self._core.namespace)

        def make(called: str, reach: Reach) -> tuple[Guard, Handle]:
            guard = RateLimit(called, rate, counting)
            return guard, Limiter(reach, guard)

        plan = Plan("rate_limit", "limiter", name, key, make)
        return cast("LimitedDecorator", self._guarding(plan))

    def locked(
        self,
        *,
        ttl: Duration = "10s",
        wait: Duration | None = None,
        limit: int = 1,
        key: str | Callable[..., str] | None = None,
        name: str | None = None,
    ) -> Callable[[F], F]:
        """Return a decorator that lets one caller at a time through, or so many; the others wait.

        On Redis that holds for all processes together.

        Args:
            ttl: for how long others have to wait for a caller whose process was killed.
            wait: how long to wait before `LockTimeout` is raised; ``None`` for as long as it takes.
            limit: how many callers may be through at a time.
            key: a template over the arguments, ``"{user_id}"``, or a callable of them: callers with the same key wait for each
                other. All do if ``None``.
            name: what the function is called where locks are held; its module and qualified name if ``None``.

        Raises:
            ConfigurationError: a setting makes no sense.

        Example:
            >>> @cache.locked(key="{account_id}", wait="5s")
            ... def settle(account_id: int) -> None: ...
        """
        from .guards.locked import Locked

        core, settings = self._core, LockSettings(ttl, wait, limit)
        make: Making = lambda called, _: (Locked(tally_name(core.namespace, called), settings, core.clock), None)  # noqa: E731
        return self._guarding(Plan("locked", None, name, key, make))

    def bloom(
        self,
        *,
        capacity: int,
        false_positive_rate: float = 0.01,
        key: str | Callable[..., str] | None = None,
        name: str | None = None,
    ) -> BloomedDecorator:
        """Return a decorator for predicates that answers False without a call where a Bloom filter is certain.

        The filter has what was added to it: all for which the function may answer True has to be. While there is no filter,
        nothing is certain, and the function is called. It takes ``1.44 * capacity * log2(1 / false_positive_rate)`` bits.

        Args:
            capacity: how many members the filter is made for.
            false_positive_rate: how often it may take something for a member that is none, once it has so many.
            key: a template over the arguments, ``"{email}"``, or a callable of them: what tells members apart. All arguments do
                if ``None``.
            name: what the function is called where its filter is kept; its module and qualified name if ``None``.

        Raises:
            ConfigurationError: a setting makes no sense.

        Example:
            >>> @cache.bloom(capacity=1_000_000)
            ... def is_taken(user_name: str) -> bool: ...
            >>> is_taken.add("ada"), is_taken("zoe")
            (None, False)
        """
        from .guards.bloom import Bloom, BloomFilter
        from .guards.filter import shape_for

        rate, namespace = false_positive_rate, self._core.namespace
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < 1:
            raise ConfigurationError(
                f"false_positive_rate must lie between 0 and 1, not {rate!r}", setting="false_positive_rate", given=rate
            )
        members = count(capacity, "capacity")
        shape = shape_for(members, rate)
        if shape.bits > _MOST_BITS:
            raise ConfigurationError(
                f"a filter for {members} members with a false_positive_rate of {rate:g} takes {shape.bits} bits, which is more "
                f"than Redis keeps in one value",
                setting="capacity",
                given=capacity,
            )

        def make(called: str, reach: Reach) -> tuple[Guard, Handle]:
            guard = Bloom(called, members, shape, namespace)
            return guard, BloomFilter(reach, guard)

        plan = Plan("bloom", "bloom", name, key, make, further=("add",), is_by_arguments=True, is_for_predicates=True)
        return cast("BloomedDecorator", self._guarding(plan))

    def lock(self, name: str, ttl: Duration = "10s", *, wait: Duration | None = None, limit: int = 1) -> Lock:
        """Return a lock to hold for the length of a block, with ``with`` or ``async with``.

        It is renewed for as long as it is held.

        Args:
            name: which lock; locks and values of one name have nothing to do with each other.
            ttl: for how long it outlives a holder whose process was killed.
            wait: how long to wait for it before `LockTimeout` is raised; ``None`` for as long as it takes.
            limit: how many may hold it at a time; with more than one, it is a semaphore.

        Raises:
            ConfigurationError: one of them makes no sense.

        Example:
            >>> with cache.lock("nightly-report", wait="5m"):
            ...     write_report()
        """
        core = self._core
        return Lock(name, LockSettings(ttl, wait, limit), core.clock, lambda: core.blocking, lambda: core.tasks)

    def line(self, name: str, *, limit: int) -> Line:
        """Return a line: texts in the order in which they came, no more than so many; who came first leaves first.

        On Redis all processes share it, and each change takes one round trip, however long it is.

        Args:
            name: which line; lines, locks and values of one name have nothing to do with each other.
            limit: how many texts there may be.

        Raises:
            ConfigurationError: one of them makes no sense.

        Example:
            >>> seen = cache.line("seen:7", limit=2)
            >>> seen.add("tea"), seen.add("jam"), seen.add("tea"), seen.add("bread")
            ([], [], [], ['jam'])
        """
        from .guards.line import Line

        core = self._core
        tally = tally_name("line", core.namespace, text(name, "name"))
        return Line(tally, count(limit, "limit"), lambda: core.blocking, lambda: core.tasks)

    def _guarding(self, plan: Plan) -> Callable[[Any], Any]:
        return lambda function: guarded(self._core, function, plan)
