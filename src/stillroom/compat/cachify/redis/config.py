"""Where ``rcache`` keeps what it is given: the clients and settings of `setup_redis_config`.

A client says where Redis is. Each of the two, for functions and for coroutine functions, gets a `stillroom.Cache` there, which
makes its own connections when the first function is called.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from .... import Cache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis, RedisCluster
    from redis.asyncio import Redis as AsyncRedis
    from redis.asyncio import RedisCluster as AsyncRedisCluster

__all__ = [
    "DEFAULT_KEY_PREFIX",
    "DEFAULT_LOCK_TIMEOUT",
    "RedisConfig",
    "get_redis_config",
    "reset_redis_config",
    "setup_redis_config",
]

SyncRedisClient: TypeAlias = "Redis | RedisCluster"
AsyncRedisClient: TypeAlias = "AsyncRedis | AsyncRedisCluster"
OnErrorType = Literal["silent", "raise"]
Secret: TypeAlias = "str | bytes | Sequence[str | bytes] | None"  # noqa: S105 - a type

DEFAULT_KEY_PREFIX: Final = "cachify"
DEFAULT_LOCK_TIMEOUT: Final = 10

_PATIENCE: Final = 1.0
"""For how many seconds an answer of Redis is waited for where callers see failures and the client sets no limit."""


@dataclass
class RedisConfig:
    """What `setup_redis_config` was told.

    Attributes:
        sync_client: for functions.
        async_client: for coroutine functions.
        key_prefix: what all keys begin with.
        lock_timeout: after how many seconds a load counts as dead whose process is gone.
        on_error: ``"silent"`` runs functions uncached while Redis is out of reach, ``"raise"`` raises.
        secret: signs what is stored.
    """

    sync_client: SyncRedisClient | None
    async_client: AsyncRedisClient | None
    key_prefix: str
    lock_timeout: float
    on_error: OnErrorType
    secret: Secret = field(default=None, repr=False)
    _caches: dict[bool, Cache] = field(default_factory=dict[bool, Cache], init=False, repr=False, compare=False)

    def get_client(self, is_async: bool) -> Any:
        """Return the client for functions, or for coroutine functions.

        Raises:
            RuntimeError: there is none.
        """
        client = self.async_client if is_async else self.sync_client
        if client is None:
            colour, kind = ("async", "coroutine functions") if is_async else ("sync", "functions")
            raise RuntimeError(f"rcache on {kind} needs setup_redis_config({colour}_client=...), which was given none")
        return client

    def cache_for(self, is_async: bool) -> Cache:
        """Return the cache for functions, or for coroutine functions.

        Raises:
            RuntimeError: there is no client for them.
        """
        cache = self._caches.get(is_async)
        if cache is None:
            cache = self._caches.setdefault(is_async, self._opened(self.get_client(is_async)))
        return cache

    def cool(self) -> None:
        """Refresh nothing any more of what has been stored so far."""
        for cache in list(self._caches.values()):
            cache.cool()

    def close(self) -> None:
        """Close what was opened."""
        while self._caches:
            self._caches.popitem()[1].close()

    def _opened(self, client: Any) -> Cache:
        from ..._clients import place_of, prefix_of  # only now: whoever caches in memory need not have redis-py

        url, options = place_of(client)
        if self.on_error == "raise":
            options.setdefault("timeout", _PATIENCE)
        return Cache(
            url,
            prefix=prefix_of(self.key_prefix),
            # Pickle is what cachify stores. stillroom's own demands a secret, without which it is no safer than cachify's.
            serializer="pickle" if self.secret else (pickle.dumps, pickle.loads),
            secret=self.secret,
            lease=min(max(self.lock_timeout, 0.1), 86_400),
            on_error="raise" if self.on_error == "raise" else "bypass",
            **options,
        )


_configs: list[RedisConfig] = []
"""What is set up for the whole process, if anything."""


def setup_redis_config(
    sync_client: SyncRedisClient | None = None,
    async_client: AsyncRedisClient | None = None,
    key_prefix: str = DEFAULT_KEY_PREFIX,
    lock_timeout: float = DEFAULT_LOCK_TIMEOUT,
    on_error: OnErrorType = "silent",
    *,
    secret: Secret = None,
) -> None:
    """Say where ``rcache`` keeps results. A second call may add the client that the first one did not give.

    Args:
        sync_client: a client of redis-py for functions.
        async_client: one of `redis.asyncio` for coroutine functions.
        key_prefix: what all keys begin with.
        lock_timeout: after how many seconds a load counts as dead whose process is gone.
        on_error: ``"silent"``: without Redis, functions run uncached; ``"raise"``: they raise what redis-py would.
        secret: signs what is stored, so that whoever can write to Redis cannot have code run here.

    Raises:
        ValueError: there is no client, or another setting makes no sense.
        RuntimeError: something else has been set up already.
    """
    if sync_client is None and async_client is None:
        raise ValueError("at least one of sync_client and async_client must be given")
    if on_error not in get_args(OnErrorType):
        raise ValueError(f"on_error must be one of {get_args(OnErrorType)}, not {on_error!r}")
    made = RedisConfig(sync_client, async_client, key_prefix, lock_timeout, on_error, secret)
    if _configs:
        _add(_configs[0], made)
    else:
        _configs.append(made)


def _add(known: RedisConfig, more: RedisConfig) -> None:
    """Add a client to what has been set up."""
    defaults = (DEFAULT_KEY_PREFIX, DEFAULT_LOCK_TIMEOUT, "silent", None)
    fresh = (more.key_prefix, more.lock_timeout, more.on_error, more.secret)
    former = (known.key_prefix, known.lock_timeout, known.on_error, known.secret)
    is_twice = (known.sync_client and more.sync_client) or (known.async_client and more.async_client)
    if is_twice or any(one not in (default, was) for one, default, was in zip(fresh, defaults, former, strict=True)):
        raise RuntimeError("Redis is set up already; call reset_redis_config() first to set it up differently")
    known.sync_client = known.sync_client or more.sync_client
    known.async_client = known.async_client or more.async_client


def get_redis_config() -> RedisConfig:
    """Return what was set up.

    Raises:
        RuntimeError: nothing was.
    """
    if not _configs:
        raise RuntimeError("Redis is not configured: call setup_redis_config() before functions under rcache")
    return _configs[0]


def reset_redis_config() -> None:
    """Forget what was set up, so that something else may be."""
    while _configs:
        _configs.pop().close()
