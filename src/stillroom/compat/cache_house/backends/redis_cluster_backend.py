"""`RedisClusterCache`: where results are kept on a cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar, Final

from .._opening import cluster_client, time_limit, where_cluster
from ..helpers import DEFAULT_NAMESPACE, DEFAULT_PREFIX, key_builder, pickle_decoder, pickle_encoder
from .redis_backend import RedisCache, Secret

__all__ = ["RedisClusterCache"]

log = logging.getLogger("cache_house.backends.redis_cluster_backend")
LOG_LEVEL: Final = os.getenv("CACHE_HOUSE_LOG_LEVEL", logging.INFO)
log.setLevel(LOG_LEVEL)

_default_key_builder = key_builder
_ATTEMPTS: Final = 3


class RedisClusterCache(RedisCache):
    """Results on a cluster, or in memory while that is out of reach.

    Args:
        host: where one of its nodes is.
        port: where that listens.
        encoder: as for `RedisCache`.
        decoder: as for `RedisCache`.
        startup_nodes: some of its nodes, instead: mappings with ``host`` and ``port``, or what redis-py has for them.
        cluster_error_retry_attempts: for the client ``redis`` only. Results themselves follow every redirection.
        require_full_coverage: for the client only, too.
        skip_full_coverage_check: nothing.
        reinitialize_steps: for the client only.
        read_from_replicas: for the client only. Replicas lag behind, and would serve what is out of date.
        url: the url of a node, instead.
        namespace: as for `RedisCache`.
        key_prefix: as for `RedisCache`.
        key_builder: as for `RedisCache`.
        fallback_to_memory: as for `RedisCache`.
        secret: as for `RedisCache`.
        **kwargs: settings of redis-py's client.

    Attributes:
        instance: the one that was made last.
    """

    instance: ClassVar[RedisCache | None] = None

    def __init__(
        self,
        host: str = "localhost",
        port: int = 6379,
        encoder: Callable[..., Any] = pickle_encoder,
        decoder: Callable[..., Any] = pickle_decoder,
        startup_nodes: Sequence[Any] | None = None,
        cluster_error_retry_attempts: int = _ATTEMPTS,
        require_full_coverage: bool = True,
        skip_full_coverage_check: bool = False,
        reinitialize_steps: int = 10,
        read_from_replicas: bool = False,
        url: str | None = None,
        namespace: str = DEFAULT_NAMESPACE,
        key_prefix: str = DEFAULT_PREFIX,
        key_builder: Callable[..., Any] = _default_key_builder,
        fallback_to_memory: bool = True,
        *,
        secret: Secret | None = None,
        **kwargs: Any,
    ) -> None:
        self.host = host
        self.port = port
        self.startup_nodes = startup_nodes
        self.cluster_error_retry_attempts = cluster_error_retry_attempts
        self.require_full_coverage = require_full_coverage
        self.skip_full_coverage_check = skip_full_coverage_check
        self.reinitialize_steps = reinitialize_steps
        self.read_from_replicas = read_from_replicas
        self.url = url
        self.cluster_kwargs = kwargs
        takes_text = bool(kwargs.get("decode_responses"))
        self._set_up(encoder, decoder, namespace, key_prefix, key_builder, fallback_to_memory, takes_text)
        place, options = where_cluster(host, port, startup_nodes, url, kwargs)
        self._keep_at(place, {**options, "secret": secret, "timeout": time_limit(kwargs)})
        RedisCache.instance = RedisClusterCache.instance = self
        log.info("redis cluster initialized (Redis will handle reconnections automatically)")

    @cached_property
    def redis(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """A client of redis-py for the cluster, which connects when it is first asked for."""
        chosen: dict[str, Any] = {} if self.startup_nodes or self.url else {"host": self.host, "port": self.port}
        if self.read_from_replicas:  # redis-py warns of those that are given
            chosen["read_from_replicas"] = True
        if self.cluster_error_retry_attempts != _ATTEMPTS:
            chosen["cluster_error_retry_attempts"] = self.cluster_error_retry_attempts
        return cluster_client(
            **chosen,
            startup_nodes=self.startup_nodes,
            url=self.url,
            require_full_coverage=self.require_full_coverage,
            reinitialize_steps=self.reinitialize_steps,
            **self.cluster_kwargs,
        )

    @classmethod
    def init(  # type: ignore[override]
        cls,
        host: str = "localhost",
        port: int = 6379,
        encoder: Callable[..., Any] = pickle_encoder,
        decoder: Callable[..., Any] = pickle_decoder,
        startup_nodes: Sequence[Any] | None = None,
        cluster_error_retry_attempts: int = _ATTEMPTS,
        require_full_coverage: bool = True,
        skip_full_coverage_check: bool = False,
        reinitialize_steps: int = 10,
        read_from_replicas: bool = False,
        url: str | None = None,
        namespace: str = DEFAULT_NAMESPACE,
        key_prefix: str = DEFAULT_PREFIX,
        key_builder: Callable[..., Any] = _default_key_builder,
        **kwargs: Any,
    ) -> None:
        """Make an instance, with these arguments, unless there is one."""
        if cls.instance is None:
            cls(
                host,
                port,
                encoder,
                decoder,
                startup_nodes,
                cluster_error_retry_attempts,
                require_full_coverage,
                skip_full_coverage_check,
                reinitialize_steps,
                read_from_replicas,
                url,
                namespace,
                key_prefix,
                key_builder,
                **kwargs,
            )

    def close(self) -> None:
        """Close all connections. Whoever uses the instance afterwards opens new ones."""
        if "redis" in self.__dict__:
            self.redis.close()
        self._reopen()
