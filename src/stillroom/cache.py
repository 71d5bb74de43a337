"""`Cache`: a store, defaults, and the decorator."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from ._runtime.clock import SystemClock
from ._runtime.runtime import drive
from .batching import Batching
from .core import Core
from .decorate import Identity, Settings, decorate
from .durations import Duration
from .entry import MISSING, Missing
from .errors import ConfigurationError
from .form import Compression, Secret, SerializerSetting
from .invalidating import Invalidating
from .names import Names
from .observe.stats import Stats
from .policy import LoadLock, RefreshAhead, StoreIf, Ttl, flag
from .protecting import Protecting
from .protocols import Clock, Listener, Store
from .settings import text, texts
from .urls import open_store
from .verbs import Verbs

if TYPE_CHECKING:
    from .decorated import Decorator
    from .observe.events import CallAnswered, Event
    from .stores.outage import Health
    from .transaction import Transaction

__all__ = ["Cache", "cache"]


class Cache(Verbs, Invalidating, Protecting, Batching):
    """A cache for the results of functions, and for values stored by name.

    Calling it makes a decorator. What it decorates before `configure` follows it.

    Args:
        url: where entries live: ``"memory://"``, with ``max_entries``, ``max_bytes``, ``eviction`` as options; ``"redis://"``,
            ``"rediss://"``, ``"unix://"``, ``"valkey://"``, ``"redis+cluster://"``, ``"redis+sentinel://"``; or a `Store`.
        near: on Redis, the url of a memory store for hot entries, ``"memory://?max_entries=10000"``.
        prefix: on Redis, what all keys begin with.
        serializer: on Redis, what turns values into bytes: ``"auto"``, ``"json"``, ``"msgpack"``, ``"pickle"`` (with a
            ``secret``), a `Serializer`, or a pair of functions, there and back.
        secret: signs what is stored on Redis; a list, the newest first, while one takes the place of another.
        compress: ``"zlib"`` or ``"zstd"``, for large values on Redis.
        on_error: while Redis is out of reach, ``"fallback"`` to memory, ``"bypass"`` the cache, or ``"raise"``.
        timeout: the time that one operation on Redis may take.
        lease: the time after which a load counts as dead whose process does not say that it goes on.
        namespace: the part of every key that can be invalidated as one.
        ttl: how long values are fresh for which no other ttl is given; ``None`` until they are invalidated.
        copy: copy values deeply on their way in and out, so that callers cannot change what others get.
        enabled: whether calls go through the cache at all.
        clock: tells the time; for tests, see `stillroom.testing.FakeClock`.
        **options: further options of the store, as in the url; for Redis, ``cluster`` and those of redis-py.

    Raises:
        ConfigurationError: one of them makes no sense.

    Example:
        >>> cache = Cache("memory://?max_entries=50000", ttl="10m")
        >>> @cache(tags=["rates"])
        ... def exchange_rate(base: str, quote: str) -> float: ...
    """

    def __init__(
        self,
        url: str | Store = "memory://",
        *,
        near: str | None = None,
        prefix: str = "stillroom",
        namespace: str = "main",
        ttl: Duration | None = None,
        serializer: SerializerSetting = "auto",
        secret: Secret | None = None,
        compress: Compression | None = None,
        on_error: Literal["fallback", "bypass", "raise"] = "fallback",
        timeout: Duration = 0.25,
        lease: Duration = "10s",
        copy: bool = False,
        enabled: bool = True,
        clock: Clock | None = None,
        **options: Any,
    ) -> None:
        chosen = _clock(clock)
        self._ttl = ttl
        self._far = {
            "near": near,
            "prefix": prefix,
            "serializer": serializer,
            "secret": secret,
            "compress": compress,
            "on_error": on_error,
            "timeout": timeout,
            "lease": lease,
        }
        self._core = Core(
            open_store(url, chosen, self._far, options),
            chosen,
            text(namespace, "namespace"),
            enabled=flag(enabled, "enabled"),
            copies=flag(copy, "copy"),
        )
        self._names = Names(self._core, ttl, is_async=False)
        self._anames = Names(self._core, ttl, is_async=True)

    def __repr__(self) -> str:
        return f"Cache({self._core.store.name!r}, namespace={self._core.namespace!r})"

    def configure(self, url: str | Store, **options: Any) -> None:
        """Move to another store; functions decorated before follow. What the former store holds stays there.

        Args:
            url: where entries live from now on, as for `Cache`.
            **options: as for `Cache`, those of the store included. Unless given, ``near``, ``prefix``, ``serializer``,
                ``secret``, ``compress``, ``on_error``, ``timeout`` and ``lease`` stay as they were.

        Raises:
            ConfigurationError: the url or an option makes no sense; nothing has changed then.
        """
        far = {**self._far, **{name: options.pop(name) for name in list(options) if name in self._far}}
        self._core.use(open_store(url, self._core.clock, far, options))
        self._far = far

    def __call__(
        self,
        *bare: NoReturn,
        ttl: Ttl | Missing = MISSING,
        key: str | Callable[..., str] | None = None,
        name: str | None = None,
        namespace: str | None = None,
        version: str | int | None = None,
        ignore: Sequence[str] = (),
        tags: Sequence[str] = (),
        stale_while_revalidate: Duration | None = None,
        stale_if_error: Duration | None = None,
        errors: type[Exception] | tuple[type[Exception], ...] | None = None,
        retry_after: Duration | None = None,
        refresh_ahead: RefreshAhead = None,
        keep_warm: bool = False,
        idle_after: Duration | None = None,
        max_hits: int | None = None,
        refresh_after_hits: int | None = None,
        soft_timeout: Duration | None = None,
        jitter: float | None = None,
        store_if: StoreIf = None,
        cache_errors: Mapping[type[Exception], Duration] | None = None,
        lock: LoadLock = "process",
        serializer: SerializerSetting | None = None,
        compress: Compression | Missing | None = MISSING,
        copy: bool | None = None,
    ) -> Decorator:
        """Return a decorator for functions and coroutine functions, generators of both sorts, and methods of every sort.

        Lengths of time are seconds, a ``timedelta``, or text with the units ``w d h m s ms`` like ``"1h30m"``; all above zero.

        Args:
            *bare: nothing; what stands here by mistake is the function under a ``@cache`` without brackets.
            ttl: the time a value is fresh, ``None`` until invalidated, or a callable of arguments and ``value`` for either.
            key: a template over the arguments, ``"user:{user.id}"``, or a callable of them: the whole name of an entry.
            name: what the function is called in keys, without an ``@``; its module and qualified name if ``None``.
            namespace: what can be invalidated as one; the cache's own if ``None``.
            version: part of the key, unless ``key`` is the whole of it; with a new one, the old code's values are not found.
            ignore: names of parameters that the result does not depend on.
            tags: templates over the arguments, for ``invalidate(tags=...)``.
            stale_while_revalidate: the time after ``ttl`` in which the old value is served at once, and refreshed behind.
            stale_if_error: the time after ``ttl`` in which the old value is served if the load fails.
            errors: the exception types that count as such a failure; every ``Exception`` if ``None``.
            retry_after: the time for which a function that has failed is not tried again; one second if ``None``.
            refresh_ahead: the fraction of ``ttl`` (0 to 1) after which hits refresh behind; ``"xfetch"``: by chance and cost.
            keep_warm: whether values are refreshed as they expire, although nobody asks.
            idle_after: the time since its last read after which a value is no longer kept warm; twice its ttl if ``None``.
            max_hits: the number of hits after which a value expires.
            refresh_after_hits: the number of hits, below ``max_hits``, after which a value is refreshed behind.
            soft_timeout: the time to wait for a load while there is an old value to serve instead.
            jitter: the fraction of ``ttl`` (0 to 1) by which it is shortened at most, by chance.
            store_if: a predicate on the value, or ``"not_none"``; what fails it is returned and not stored.
            cache_errors: the exception types that are remembered, each with the time for which.
            lock: who shares a load: ``"process"``, ``"shared"`` for all processes on the store, or ``None`` for nobody.
            serializer: what turns the values into bytes on Redis; the cache's own if ``None``.
            compress: ``"zlib"``, ``"zstd"`` or ``None``, for large values on Redis; the cache's own choice unless given.
            copy: whether values are copied deeply on their way in and out; the cache's own choice if ``None``.

        Raises:
            ConfigurationError: a setting makes no sense, by itself or beside the others or, once decorated, for the function.

        Example:
            >>> @cache(ttl="10m", tags=["team:{team_id}"], stale_if_error="1h")
            ... def members(team_id: int) -> list[str]: ...
            >>> members(7), members.invalidate(7)
        """
        if bare:
            wrong: str = "needs brackets: @cache() or" if callable(bare[0]) else "takes its settings by name:"
            raise ConfigurationError(f'the decorator {wrong} @cache(ttl="10m")', setting="ttl", given=bare[0])
        chosen_namespace = self._core.namespace if namespace is None else namespace
        settings = Settings.checked(
            Identity(key, name, chosen_namespace, version, texts(ignore, "ignore"), texts(tags, "tags")),
            serializer=serializer,
            compress=compress,
            ttl=self._ttl if ttl is MISSING else ttl,
            stale_while_revalidate=stale_while_revalidate,
            stale_if_error=stale_if_error,
            errors=errors,
            retry_after=retry_after,
            refresh_ahead=refresh_ahead,
            keep_warm=keep_warm,
            idle_after=idle_after,
            max_hits=max_hits,
            refresh_after_hits=refresh_after_hits,
            soft_timeout=soft_timeout,
            jitter=jitter,
            store_if=store_if,
            cache_errors=cache_errors,
            lock=lock,
            copy=self._core.copies if copy is None else copy,
        )

        def decorator(function: Any, /) -> Any:
            return decorate(self._core, function, settings)

        return decorator

    def detect(self) -> AbstractContextManager[list[CallAnswered]]:
        """List the calls made below, and how each was answered.

        Example:
            >>> with cache.detect() as calls:
            ...     exchange_rate("EUR", "USD")
            >>> calls[0].outcome
            <Outcome.MISS: 'miss'>
        """
        return self._core.hub.detect()

    def stats(self) -> Stats:
        """Return the counts of all functions of this cache, and of what was asked for by name."""
        return self._core.stats()

    def stats_by_function(self) -> dict[str, Stats]:
        """Return the counts of each function of this cache, by name; functions of one name are counted together."""
        return self._core.stats_by_function()

    def size(self) -> int:
        """Return how many entries this process keeps in memory, as a memory store or as a near store."""
        return self._core.size()

    def subscribe(self, listener: Listener, *kinds: type[Event]) -> Callable[[], None]:
        """Have a listener called with every event, or with those of some kinds, and return what ends that.

        Hits are events too (`CallAnswered`): while somebody listens to them, each one takes the way through the engine.

        Args:
            listener: called in the thread in which the thing happened; what it raises is logged.
            *kinds: types from `stillroom.observe.events`; every event if there are none.

        Raises:
            ConfigurationError: the listener cannot be called, or a kind is no type of event.

        Example:
            >>> stop = cache.subscribe(print, LoadFailed)
            >>> stop()
        """
        return self._core.hub.subscribe(listener, kinds)

    @property
    def enabled(self) -> bool:
        """Whether calls go through the cache."""
        return self._core.enabled

    def disabled(self) -> AbstractContextManager[None]:
        """Let all calls go past the cache until the block ends, in all threads and tasks.

        Nothing is found or stored meanwhile. Invalidations and deletions count, and `set` forgets the name, so that no value
        that is out of date comes back afterwards.
        """
        return self._core.switched_off()

    def transaction(self, *, keep_loads: bool = True, independent: bool = False) -> Transaction:
        """Apply what is changed in a block together at its end, or drop it on an error; for ``with`` and ``async with``.

        Writes, deletions and invalidations count inside at once, and outside from the end on. So do values that are loaded
        inside. A transaction inside another one is a savepoint: it hands its changes to that one, or drops its own only.

        Args:
            keep_loads: store what was loaded inside, if nothing that it depends on was touched; ``False`` if loads may read a
                snapshot of the database that is older than themselves, as under the isolation level ``REPEATABLE READ``.

            independent: be no savepoint, but apply at the block's own end, though the block be inside another transaction; for
                a database transaction of its own.

        Raises:
            ConfigurationError: one of them is neither true nor false.
            StillroomError: on entering, if the object has been used before.
            StoreError: at the end of the block, with ``on_error="raise"``, if the store is out of reach.

        Example:
            >>> with cache.transaction(), database.begin() as connection:
            ...     connection.execute("UPDATE ...")
            ...     exchange_rate.invalidate("EUR", "USD")
        """
        from .transaction import Transaction  # only now: many programs have none

        return Transaction(self._core, keep_loads, independent)

    def health(self) -> Health:
        """Return how the store is doing: within reach or not, since when, and what it has still to be told of.

        Example:
            >>> cache.health().state
            'ok'
        """
        return self._core.health()

    def cool(self) -> None:
        """Let go of all keys that are kept warm: what is stored stays, and what is loaded later is kept warm again."""
        self._core.cool()

    def ping(self) -> bool:
        """Tell whether the store answers."""
        return drive(self._core.ping(self._core.blocking))

    async def aping(self) -> bool:
        """Do what `ping` does."""
        return await self._core.ping(self._core.tasks)

    def close(self) -> None:
        """Let go of everything; whoever calls a decorated function afterwards runs it."""
        drive(self._core.close(self._core.blocking))

    async def aclose(self) -> None:
        """Do what `close` does."""
        await self._core.close(self._core.tasks)


def _clock(given: Clock | None) -> Clock:
    if given is None:
        return SystemClock()
    if isinstance(given, type) or not callable(getattr(given, "now", None)) or not callable(getattr(given, "call_at", None)):
        raise ConfigurationError(f"clock must have now() and call_at(), which {given!r} has not", setting="clock", given=given)
    return given


def _from_environment() -> Cache:
    url = os.environ.get("STILLROOM_URL") or "memory://"
    try:
        return Cache(url)
    except ConfigurationError as error:
        message = f"the environment variable STILLROOM_URL: {error}"
        raise ConfigurationError(message, setting="STILLROOM_URL", given=error.given) from error


cache = _from_environment()
"""The cache that is there without any set-up: in memory, unless ``STILLROOM_URL`` or `Cache.configure` says otherwise."""
