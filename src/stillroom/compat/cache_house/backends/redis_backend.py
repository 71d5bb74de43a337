"""`RedisCache`: where results are kept on one server."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar, Final, TypeVar

from .... import Cache, ConfigurationError, UncacheableValue
from .._opening import single_client, time_limit, where
from .._stored import name_of, packed, unpacked
from ..exceptions import RedisNotInitialized
from ..helpers import DEFAULT_NAMESPACE, DEFAULT_PREFIX, key_builder, pickle_decoder, pickle_encoder

__all__ = ["RedisCache", "Secret"]

log = logging.getLogger("cache_house.backends.redis_backend")
LOG_LEVEL: Final = os.getenv("CACHE_HOUSE_LOG_LEVEL", logging.INFO)
log.setLevel(LOG_LEVEL)

Secret = str | bytes | list[str | bytes]
Self = TypeVar("Self", bound="RedisCache")

_default_key_builder = key_builder


class RedisCache:
    """Results on one server, or in memory while that is out of reach.

    Args:
        password: the password of the server.
        db: the number of its database.
        host: where it is.
        port: where it listens.
        encoder: turns what is kept into bytes or text.
        decoder: turns that into the value again.
        namespace: the second part of keys, unless a decorator says otherwise.
        key_prefix: the first part of keys, unless a decorator says otherwise.
        key_builder: makes keys, unless a decorator says otherwise.
        fallback_to_memory: whether memory stands in while the server is out of reach; otherwise functions run uncached then.
        secret: signs what is stored, so that only who knows it can have pickle run something here.
        cluster: whether the server belongs to a cluster; ``None`` if it is to tell.
        **kwargs: settings of redis-py's client.

    Attributes:
        instance: the one that was made last, be it one of a cluster.
        redis: a client of redis-py for the same server.
        store: the cache of stillroom that results are kept in.
    """

    instance: ClassVar[RedisCache | None] = None
    redis: Any
    store: Cache

    def __init__(
        self,
        password: str | None = None,
        db: int = 0,
        host: str = "localhost",
        port: int = 6379,
        encoder: Callable[..., Any] = pickle_encoder,
        decoder: Callable[..., Any] = pickle_decoder,
        namespace: str = DEFAULT_NAMESPACE,
        key_prefix: str = DEFAULT_PREFIX,
        key_builder: Callable[..., Any] = _default_key_builder,
        fallback_to_memory: bool = True,
        *,
        secret: Secret | None = None,
        cluster: bool | None = None,
        **kwargs: Any,
    ) -> None:
        self.redis = single_client(host=host, port=port, db=db, password=password, **kwargs)
        takes_text = bool(kwargs.get("decode_responses"))
        self._set_up(encoder, decoder, namespace, key_prefix, key_builder, fallback_to_memory, takes_text)
        url, options = where(self.redis)
        self._keep_at(url, {**options, "cluster": cluster, "secret": secret, "timeout": time_limit(kwargs)})
        RedisCache.instance = self
        log.info("redis initialized (Redis will handle reconnections automatically)")

    def _set_up(
        self,
        encoder: Callable[..., Any],
        decoder: Callable[..., Any],
        namespace: str,
        key_prefix: str,
        key_builder: Callable[..., Any],
        fallback_to_memory: bool,
        takes_text: bool,
    ) -> None:
        self._takes_text = takes_text
        self.encoder = encoder
        self.decoder = decoder
        self.namespace = namespace
        self.key_prefix = key_prefix
        self.key_builder = key_builder
        self.fallback_to_memory = fallback_to_memory

    def _keep_at(self, url: str, options: dict[str, Any]) -> None:
        options["bare_names"] = True
        options["on_error"] = "fallback" if self.fallback_to_memory else "bypass"
        self._where = url, options
        self.store = Cache(url, **options)

    @classmethod
    def init(
        cls,
        password: str | None = None,
        db: int = 0,
        host: str = "localhost",
        port: int = 6379,
        encoder: Callable[..., Any] = pickle_encoder,
        decoder: Callable[..., Any] = pickle_decoder,
        namespace: str = DEFAULT_NAMESPACE,
        key_prefix: str = DEFAULT_PREFIX,
        key_builder: Callable[..., Any] = _default_key_builder,
        fallback_to_memory: bool = True,
        **kwargs: Any,
    ) -> None:
        """Make an instance, with these arguments, unless there is one."""
        if cls.instance is None:
            cls(
                password,
                db,
                host,
                port,
                encoder,
                decoder,
                namespace,
                key_prefix,
                key_builder,
                fallback_to_memory,
                **kwargs,
            )

    @classmethod
    def get_instance(cls: type[Self]) -> Self:
        """Return the instance.

        Raises:
            RedisNotInitialized: there is none.
        """
        if isinstance(cls.instance, cls):
            return cls.instance
        raise RedisNotInitialized(cls.__name__, "You must initialize Redis before using the cache backend")

    def set_key(self, key: str | bytes, val: Any, exp: timedelta | float | None) -> None:
        """Store a value under a key.

        Args:
            key: the key.
            val: the value.
            exp: how long it is kept: seconds or a ``timedelta``; ``None`` without end.
        """
        try:
            self.store.set(name_of(key), packed(val, self.encoder, as_text=self._takes_text), exp)
        except (ConfigurationError, UncacheableValue) as error:
            log.warning("Redis set_key failed: %s", error)

    def get_key(self, key: str | bytes) -> Any:
        """Return the value of a key, ``None`` if there is none; for a result of a function, what its encoder made of it."""
        try:
            found = self.store.get(name_of(key))
        except ConfigurationError as error:
            log.warning("Redis get_key failed: %s", error)
            return None
        return None if found is None else unpacked(found, self.decoder)

    @classmethod
    def clear_keys(cls, pattern: str) -> bool:
        """Forget all keys that begin with a text, in which ``*``, ``?`` and ``[...]`` stand for others.

        Results that are being loaded at this moment no longer count either. Tells whether there is an instance.
        """
        if cls.instance is None:
            log.warning("%s instance not available", cls.__name__)
            return False
        cls.instance.store.delete_match(f"{pattern}*")
        return True

    @classmethod
    async def aclear_keys(cls, pattern: str) -> bool:
        """Do what `clear_keys` does, for coroutines."""
        if cls.instance is None:
            log.warning("%s instance not available", cls.__name__)
            return False
        await cls.instance.store.adelete_match(f"{pattern}*")
        return True

    def close(self) -> None:
        """Close all connections. Whoever uses the instance afterwards opens new ones."""
        self.redis.close()
        self._reopen()

    def _reopen(self) -> None:
        if self.store.health().state == "ok":  # during an outage there are none, and what stands in is to stay
            url, options = self._where
            self.store.configure(url, **options)
