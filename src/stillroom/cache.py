"""`Cache`: a store, defaults, and the decorator."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from ._runtime.clock import SystemClock
from ._runtime.runtime import drive
from .core import Core
from .decorate import Identity, decorate, texts, ttl_rule
from .durations import Duration
from .entry import MISSING, Missing
from .errors import ConfigurationError
from .names import Names
from .observe.events import CallAnswered, Event
from .observe.stats import Stats
from .policy import Lock, Policy, RefreshAhead, StoreIf, Ttl
from .protocols import Clock, Listener, Store
from .urls import open_store
from .verbs import Verbs

__all__ = ["Cache", "cache"]


class Cache(Verbs):
    """A cache for the results of functions, and for values stored by name.

    Calling it makes a decorator. What it decorates before `configure` follows it.

    Args:
        url: where entries live: ``"memory://"``, with ``max_entries``, ``max_bytes`` as options, or a `Store`.
        namespace: the part of every key that can be invalidated as one.
        ttl: how long values are fresh for which no other ttl is given; ``None`` until they are invalidated.
        copy: copy values deeply on their way in and out, so that callers cannot change what others get.
        enabled: whether calls go through the cache at all.
        clock: tells the time; for tests, see `stillroom.testing.FakeClock`.
        **options: further options of the store, as in the url.

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
        namespace: str = "main",
        ttl: Duration | None = None,
        copy: bool = False,
        enabled: bool = True,
        clock: Clock | None = None,
        **options: Any,
    ) -> None:
        chosen: Clock = clock or SystemClock()
        self._ttl = ttl
        self._policy(ttl)
        self._core = Core(open_store(url, chosen, options), chosen, _namespace(namespace), enabled=enabled, copies=copy)
        self._names = Names(self._core, self._policy)

    def __repr__(self) -> str:
        return f"Cache({self._core.store.name!r}, namespace={self._core.namespace!r})"

    def configure(self, url: str | Store, **options: Any) -> None:
        """Move to another store; functions decorated before follow. What the former store holds stays there.

        Raises:
            ConfigurationError: the url or an option makes no sense; nothing has changed then.
        """
        self._core.use(open_store(url, self._core.clock, options))

    def __call__(
        self,
        *bare: Any,
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
        lock: Lock = "process",
        copy: bool | None = None,
    ) -> Any:
        if bare:
            raise ConfigurationError("the decorator needs brackets: @cache() or @cache(ttl=\"10m\")", setting="ttl", given=bare[0])
        chosen = self._ttl if ttl is MISSING else ttl
        policy = Policy.checked(
            ttl=(lambda arguments, value: None) if callable(chosen) else chosen,
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

        def policy_for(signature: inspect.Signature) -> Policy:
            return policy.with_rule(ttl_rule(chosen, signature)) if callable(chosen) else policy

        identity = Identity(
            key, name, namespace or self._core.namespace, version, texts(ignore, "ignore"), texts(tags, "tags")
        )
        return lambda function: decorate(self._core, function, identity, policy_for)

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

    def subscribe(self, listener: Listener, *kinds: type[Event]) -> Callable[[], None]:
        """Have a listener called with every event, or with those of some kinds, and return what ends that.

        Hits are events too (`CallAnswered`): while somebody listens to them, each one takes the way through the engine.
        """
        return self._core.hub.subscribe(listener, kinds or (Event,))

    @property
    def enabled(self) -> bool:
        """Whether calls go through the cache."""
        return self._core.enabled

    def disabled(self) -> AbstractContextManager[None]:
        """Let all calls go past the cache until the block ends, in all threads and tasks; invalidations still count."""
        return self._core.switched_off()

    def ping(self) -> bool:
        """Tell whether the store answers."""
        return drive(self._core.ping())

    async def aping(self) -> bool:
        """Do what `ping` does."""
        return await self._core.ping()

    def close(self) -> None:
        """Let go of everything; whoever calls a decorated function afterwards runs it."""
        drive(self._core.close())

    async def aclose(self) -> None:
        """Do what `close` does."""
        await self._core.close()

    def _policy(self, ttl: Duration | None | Missing) -> Policy:
        copies = self._core.copies if hasattr(self, "_core") else False
        return _plain_policy(self._ttl if ttl is MISSING else ttl, copies)


@lru_cache(maxsize=256)
def _plain_policy(ttl: Duration | None, copies: bool) -> Policy:
    return Policy.checked(ttl=ttl, copy=copies)


def _namespace(given: str) -> str:
    if not isinstance(given, str) or not given:
        raise ConfigurationError(f"namespace must be a text that is not empty, not {given!r}", setting="namespace", given=given)
    return given


cache = Cache(os.environ.get("STILLROOM_URL", "memory://"))
"""The cache that is there without any set-up: in memory, unless ``STILLROOM_URL`` or `Cache.configure` says otherwise."""
