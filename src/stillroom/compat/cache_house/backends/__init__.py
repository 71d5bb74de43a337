"""Where results are kept, and `RedisFactory`, which decides it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

from .... import Cache, ConfigurationError
from ..helpers import DEFAULT_NAMESPACE, DEFAULT_PREFIX, key_builder, pickle_decoder, pickle_encoder
from .redis_backend import RedisCache, Secret
from .redis_cluster_backend import RedisClusterCache

__all__ = [
    "DEFAULT_NAMESPACE",
    "DEFAULT_PREFIX",
    "RedisCache",
    "RedisClusterCache",
    "RedisFactory",
    "key_builder",
    "pickle_decoder",
    "pickle_encoder",
]

log = logging.getLogger("cache_house.backends")
log.setLevel(logging.INFO)

_default_key_builder = key_builder


class RedisFactory:
    """Holds the one backend that all decorated functions use.

    Attributes:
        instance: the backend, or ``None`` while functions run uncached.
    """

    instance: ClassVar[RedisCache | None] = None

    def __init__(
        self,
        *,
        host: str = "localhost",
        port: int = 6379,
        encoder: Callable[..., Any] = pickle_encoder,
        decoder: Callable[..., Any] = pickle_decoder,
        namespace: str = DEFAULT_NAMESPACE,
        key_prefix: str = DEFAULT_PREFIX,
        key_builder: Callable[..., Any] = _default_key_builder,
        **redis_kwargs: Any,
    ) -> None:
        self.host = host
        self.port = port
        self.encoder = encoder
        self.decoder = decoder
        self.namespace = namespace
        self.key_prefix = key_prefix
        self.key_builder = key_builder
        self.redis_kwargs = redis_kwargs

    @classmethod
    def init(
        cls,
        host: str = "localhost",
        port: int = 6379,
        encoder: Callable[..., Any] = pickle_encoder,
        decoder: Callable[..., Any] = pickle_decoder,
        namespace: str = DEFAULT_NAMESPACE,
        key_prefix: str = DEFAULT_PREFIX,
        key_builder: Callable[..., Any] = _default_key_builder,
        password: str | None = None,
        db: int = 0,
        cluster_mode: bool = False,
        autodetect_cluster: bool = True,
        fallback_to_memory: bool = True,
        *,
        secret: Secret | None = None,
        **redis_kwargs: Any,
    ) -> None:
        """Make the backend, unless there is one.

        Nothing here depends on whether the server can be reached. What makes no sense is logged, and functions run uncached.

        Args:
            host: where the server is.
            port: where it listens.
            encoder: turns results into what is kept.
            decoder: turns that into results again.
            namespace: the second part of keys.
            key_prefix: the first part of keys.
            key_builder: makes keys, see `helpers.key_builder`.
            password: the password of the server.
            db: the number of its database.
            cluster_mode: whether it belongs to a cluster.
            autodetect_cluster: find out whether it does, unless ``cluster_mode`` says so.
            fallback_to_memory: whether memory stands in while it is out of reach; otherwise functions run uncached then.
            secret: signs what is stored. Pickle, which is the default encoder, runs whatever code the stored bytes name, so
                without one whoever can write to the server can run code here.
            **redis_kwargs: settings of redis-py's client, of its cluster client in a cluster.

        Raises:
            ConfigurationError: the secret makes no sense.
        """
        if cls.instance is not None:
            return
        common: dict[str, Any] = {
            "host": host,
            "port": port,
            "encoder": encoder,
            "decoder": decoder,
            "namespace": namespace,
            "key_prefix": key_prefix,
            "key_builder": key_builder,
            "fallback_to_memory": fallback_to_memory,
            "secret": secret,
            "password": password,
            **redis_kwargs,
        }
        try:
            cls.instance = _cluster(common) if cluster_mode else _single(common, db, autodetect_cluster)
        except Exception as error:
            cls.instance = None
            if isinstance(error, ConfigurationError) and error.setting == "secret":
                raise
            log.error("Failed to initialize Redis cache: %s", error)
            log.warning("Cache operations will be skipped until Redis is available.")

    @classmethod
    def get_instance(cls) -> RedisCache | None:
        """Return the backend, ``None`` if there is none."""
        if cls.instance is None:
            log.warning("Redis is not initialized. Cache operations will be skipped.")
        return cls.instance

    @classmethod
    def close_connections(cls) -> None:
        """Close all connections of the backend, if there is one. It stays in place, and opens new ones if it is used."""
        if cls.instance is not None:
            cls.instance.close()
            log.info("close redis connection")


def _single(settings: dict[str, Any], db: int, autodetect: bool) -> RedisCache:
    """Return the backend for one server, or for the cluster that it turns out to belong to."""
    backend = RedisCache(**settings, db=db, cluster=None if autodetect else False)
    _look(backend.store)
    if not autodetect or backend.store.health().servers != "cluster":
        return backend
    backend.store.close()
    return _cluster(settings)


def _cluster(settings: dict[str, Any]) -> RedisCache:
    backend = RedisClusterCache(**settings)
    _look(backend.store)
    return backend


def _look(store: Cache) -> None:
    """Find out what the servers are, or that they are out of reach, so that memory stands in from the first call on."""
    store.get("cluster")
    while store.health().state == "ok" and store.health().failures:
        store.get("cluster")
