"""The interface of python-redis-cache, with stillroom underneath: ``from stillroom.compat.redis_cache import RedisCache``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from json import loads
from typing import Any

from .arguments import chunks, compact_dump, get_args
from .decorating import CacheDecorator, Handler, Secret

__all__ = ["CacheDecorator", "RedisCache", "chunks", "compact_dump", "get_args"]


class RedisCache:
    """Keeps the results of functions on Redis.

    Args:
        redis_client: a client of redis-py; where it leads is where results are kept.
        prefix: what all keys begin with.
        serializer: makes text or bytes of arguments and results.
        deserializer: makes results of those again.
        key_serializer: makes text or bytes of arguments, which it is given by name, in the place of ``serializer``.
        support_cluster: whether what `CacheDecorator.get_key` returns has braces. A callable is taken for the
            ``exception_handler``, which stood here in former releases.
        exception_handler: called with an error of the cache, the function, and its arguments by position and by name; what it
            returns is the result. Without one, errors are raised, and the function does not run.
        active: whether functions are cached at all.
        secret: signs what is stored, so that whoever can write to Redis cannot hand anything to ``deserializer``.
    """

    def __init__(
        self,
        redis_client: Any,
        prefix: str = "rc",
        serializer: Callable[[Any], Any] = compact_dump,
        deserializer: Callable[[Any], Any] = loads,
        key_serializer: Callable[[Any], Any] | None = None,
        support_cluster: bool | Handler | None = True,
        exception_handler: Handler | None = None,
        active: bool = True,
        *,
        secret: Secret = None,
    ) -> None:
        self.client = redis_client
        self.prefix = prefix
        self.serializer = serializer
        self.deserializer = deserializer
        self.key_serializer = key_serializer
        self.exception_handler = support_cluster if callable(support_cluster) else exception_handler
        self.support_cluster = support_cluster is None or bool(support_cluster)
        self.active = active
        self._secret: Secret = secret

    def cache(
        self, ttl: float = 0, limit: int = 0, namespace: str | None = None, exception_handler: Handler | None = None
    ) -> CacheDecorator:
        """Return a decorator.

        Args:
            ttl: for how many seconds results are kept; zero for ever.
            limit: how many results a namespace has at most; the one that was stored first goes first. Zero for any number.
            namespace: what functions have in common that share results; module and qualified name of the function if ``None``.
            exception_handler: takes the place of the cache's own.
        """
        return CacheDecorator(
            redis_client=self.client,
            prefix=self.prefix,
            serializer=self.serializer,
            deserializer=self.deserializer,
            key_serializer=self.key_serializer,
            ttl=ttl,
            limit=limit,
            namespace=namespace,
            support_cluster=self.support_cluster,
            exception_handler=exception_handler or self.exception_handler,
            active=self.active,
            secret=self._secret,
        )

    def mget(self, *fns_with_args: Any) -> list[Any]:
        """Return the results of several calls, each given as ``{"fn": f, "args": [...], "kwargs": {...}}``, in their order.

        Those of one function take one round trip; what is missing is loaded. They may also stand in one list.
        """
        if len(fns_with_args) == 1 and not isinstance(fns_with_args[0], Mapping):
            (fns_with_args,) = fns_with_args
        calls: dict[CacheDecorator, list[tuple[int, tuple[Any, ...], dict[str, Any]]]] = {}
        for at, one in enumerate(fns_with_args):
            calls.setdefault(one["fn"].instance, []).append((at, tuple(one.get("args", ())), dict(one.get("kwargs", {}))))
        results: dict[int, Any] = {}
        for instance, several in calls.items():
            found = instance.many([(args, kwargs) for _, args, kwargs in several])
            results.update(zip([at for at, _, _ in several], found, strict=True))
        return [results[at] for at in sorted(results)]
