"""What is compared on Redis, each set up as its documentation shows it: from the url of a server to a decorator.

Peers are imported where they are used, and by name: type checkers must not depend on whether they are installed.
"""

from __future__ import annotations

import importlib
import pickle
import socket
from collections.abc import Callable
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from stillroom import Cache

__all__ = [
    "BLOCKING",
    "TASKS",
    "TTL",
    "aload",
    "bare",
    "bare_async",
    "bare_script",
    "bare_socket",
    "cache_house",
    "cachify",
    "cashews",
    "load",
    "python_redis_cache",
    "stillroom",
]

TTL = 600
PATIENCE = 10.0
Decorate = Callable[[Any], Any]

_caches = count()


def load(a: int, b: int) -> dict[str, Any]:
    """The function that is cached. Pickled or packed, its results are about 250 bytes long."""
    return {
        "id": a,
        "team": b,
        "name": "Ada Lovelace",
        "email": "ada.lovelace@analytical-engines.example",
        "roles": ["author", "admin", "reviewer"],
        "active": True,
        "score": 98.25,
        "bio": "First to publish an algorithm meant for a machine that was never built.",
    }


async def aload(a: int, b: int) -> dict[str, Any]:
    """The coroutine function that is cached."""
    return load(a, b)


def stillroom(url: str, **options: Any) -> Cache:
    """Return a cache that shares no key with any other."""
    return Cache(url, prefix=f"s{next(_caches)}", timeout=PATIENCE, on_error="raise", **options)


def bare(url: str, size: int) -> Callable[[str], Any]:
    """Store results under the names ``user:{a}:2`` with redis-py alone; return what gets them as they are stored."""
    redis = importlib.import_module("redis")
    client = redis.Redis.from_url(url)
    for a in range(size):
        client.set(f"user:{a}:2", pickle.dumps(load(a, 2)), ex=TTL)
    get: Callable[[str], Any] = client.get
    return get


def bare_async(url: str) -> Any:
    """Return what gets results from Redis with redis-py alone, as short as it can be written."""
    get: Any = importlib.import_module("redis.asyncio").Redis.from_url(url).get
    loads = pickle.loads

    async def f(a: int, b: int) -> Any:
        return loads(await get(f"user:{a}:{b}"))

    return f


def bare_socket(url: str) -> Callable[[bytes], int]:
    """Return what sends a command and waits for the first of what comes back."""
    connection = socket.create_connection((urlsplit(url).hostname or "", urlsplit(url).port or 0))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(65536)

    def ask(request: bytes) -> int:
        connection.sendall(request)
        return connection.recv_into(buffer)

    return ask


def cachify(url: str, package: str = "cachify") -> Decorate:
    """Return the decorator of cachify, or of what stands in for it."""
    cachify, redis, aredis = (importlib.import_module(name) for name in (package, "redis", "redis.asyncio"))
    cachify.reset_redis_config()
    cachify.setup_redis_config(sync_client=redis.Redis.from_url(url), async_client=aredis.Redis.from_url(url))
    decorate: Decorate = cachify.rcache(ttl=TTL)
    return decorate


def cache_house(url: str, package: str = "cache_house") -> Decorate:
    """Return the decorator of cache-house, or of what stands in for it."""
    backends, cache = (importlib.import_module(f"{package}.{name}") for name in ("backends", "cache"))
    backends.RedisFactory.instance = None
    backends.RedisFactory.init(host=urlsplit(url).hostname, port=urlsplit(url).port)
    decorate: Decorate = cache.cache(expire=TTL)
    return decorate


def python_redis_cache(url: str, package: str = "redis_cache") -> Decorate:
    """Return the decorator of python-redis-cache, or of what stands in for it."""
    redis, redis_cache = importlib.import_module("redis"), importlib.import_module(package)
    decorate: Decorate = redis_cache.RedisCache(redis_client=redis.Redis.from_url(url)).cache(ttl=TTL)
    return decorate


def _dogpile(url: str) -> Decorate:
    region = importlib.import_module("dogpile.cache").make_region()
    shared = {"distributed_lock": True, "thread_local_lock": False}  # as its documentation of Redis shows it
    region.configure("dogpile.cache.redis", expiration_time=TTL, arguments={"url": url, **shared})
    decorate: Decorate = region.cache_on_arguments()
    return decorate


def _aiocache(url: str) -> Decorate:
    aiocache, serializers = importlib.import_module("aiocache"), importlib.import_module("aiocache.serializers")
    place: dict[str, Any] = {"endpoint": urlsplit(url).hostname, "port": urlsplit(url).port}
    decorate: Decorate = aiocache.cached(
        ttl=TTL, cache=aiocache.Cache.REDIS, serializer=serializers.PickleSerializer(), **place
    )
    return decorate


def cashews(url: str, package: str = "cashews", **options: Any) -> Decorate:
    """Return the decorator of cashews, or of what stands in for it."""
    cache = importlib.import_module(package).Cache()
    cache.setup(url, **options)
    decorate: Decorate = cache(ttl=TTL)
    return decorate


BLOCKING: dict[str, Callable[[str], Decorate]] = {
    "cache-house": cache_house,
    "cachify": cachify,
    "python-redis-cache": python_redis_cache,
    "dogpile": _dogpile,
}
"""Peers for blocking functions."""

TASKS: dict[str, Callable[[str], Decorate]] = {
    "cachify": cachify,
    "aiocache": _aiocache,
    "cashews": cashews,
    "cashews near": lambda url: cashews(url, client_side=True),
}
"""Peers for coroutine functions."""


def bare_script(url: str) -> Callable[[], Any]:
    """Return what runs the smallest script with redis-py alone."""
    redis = importlib.import_module("redis")
    client = redis.Redis.from_url(url)
    digest = client.script_load("return 1")
    return lambda: client.evalsha(digest, 1, "key")
