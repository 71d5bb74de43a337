"""Where clients of redis-py lead: each sort of server, transport and colour, whatever the client makes of replies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio as aredis
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.sentinel import Sentinel as RedisSentinel
from tests.servers.cluster import Cluster
from tests.servers.processes import HOST
from tests.servers.sentinel import SERVICE, Sentinel
from tests.servers.server import Server

from stillroom import Cache, ConfigurationError, StoreError
from stillroom.compat._clients import as_redis_error, decodes, place_of, prefix_of

LONG = 5.0
PASSWORD = "tea at five/@:"  # noqa: S105 - of a server that lives as long as the test
COLOURS = pytest.mark.parametrize("of", [redis, aredis], ids=["sync", "asyncio"])


def works(client: Any) -> Cache:
    """See that a cache where a client leads works for callers of both colours, and return it."""
    url, options = place_of(client)
    cache = Cache(url, **{**options, "timeout": LONG}, on_error="raise")
    cache.set("greeting", "hello", ttl="1h")

    async def on_a_loop() -> None:
        assert await cache.aget("greeting") == "hello"
        await cache.aset("greeting", "good evening", ttl="1h")

    asyncio.run(on_a_loop())
    assert cache.get("greeting") == "good evening"
    cache.close()
    return cache


@COLOURS
@pytest.mark.parametrize("options", [{}, {"decode_responses": True}, {"protocol": 3}, {"client_name": "shop"}])
def test_a_single_server_and_its_database(redis_server: Server, of: Any, options: dict[str, Any]) -> None:
    works(of.Redis(host=HOST, port=redis_server.port, db=3, **options))
    assert redis_server.client().info("keyspace").keys() == {"db3"}
    works(of.Redis.from_url(redis_server.url, **options))
    works(of.StrictRedis.from_pool(of.BlockingConnectionPool.from_url(redis_server.url, **options)))


@COLOURS
def test_a_socket(redis_server: Server, of: Any) -> None:
    works(of.Redis.from_url(redis_server.unix_url))
    works(of.Redis(unix_socket_path=str(redis_server.directory / "sock"), db=2))
    assert redis_server.client().info("keyspace").keys() == {"db0", "db2"}


@COLOURS
def test_tls(tls_server: Server, of: Any) -> None:
    works(of.Redis.from_url(tls_server.url, **tls_server.options))
    works(of.Redis(host=HOST, port=tls_server.port, ssl=True, **tls_server.options))


@COLOURS
def test_a_certificate_that_cannot_be_verified_stays_so(tls_server: Server, of: Any) -> None:
    with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
        works(of.Redis.from_url(tls_server.url))
    works(of.Redis.from_url(tls_server.url, ssl_cert_reqs="none", ssl_check_hostname=False))


@COLOURS
def test_a_login(of: Any) -> None:
    with Server(user="shop", password=PASSWORD) as server:
        works(of.Redis(host=HOST, port=server.port, username="shop", password=PASSWORD))
        works(of.Redis.from_url(server.url))
        provider = redis.UsernamePasswordCredentialProvider("shop", PASSWORD)
        works(of.Redis(host=HOST, port=server.port, credential_provider=provider))


@pytest.mark.parametrize("of", [redis.RedisCluster, aredis.RedisCluster], ids=["sync", "asyncio"])
def test_a_cluster(redis_cluster: Cluster, of: Callable[..., Any]) -> None:
    node = redis_cluster.nodes[0]
    client: list[Any] = []

    async def make() -> None:  # those of asyncio want to be made on a loop
        client.append(of(host=HOST, port=node.port, decode_responses=True))

    asyncio.run(make())
    assert decodes(client[0])
    cache = works(client[0])
    assert sum(primary.client().dbsize() for primary in redis_cluster.primaries()) > 0
    assert "cluster" in repr(cache._core.store)


@pytest.mark.parametrize("of", [RedisSentinel, AsyncSentinel], ids=["sync", "asyncio"])
def test_a_master_behind_sentinels(sentinel: Sentinel, of: Callable[..., Any]) -> None:
    manager = of([(HOST, watcher.port) for watcher in sentinel.watchers])
    works(manager.master_for(SERVICE, db=1))
    assert sentinel.master().client().info("keyspace").keys() == {"db1"}


def test_its_own_limit_counts() -> None:
    assert place_of(redis.Redis(socket_timeout=2)).options["timeout"] == 2
    assert "timeout" not in place_of(redis.Redis(socket_connect_timeout=2)).options


class Pretending(redis.Connection):
    """Speaks to something else, as those of in-memory stand-ins do."""


@pytest.mark.parametrize(
    "client",
    [None, object(), "redis://localhost", redis.Redis.from_pool(redis.ConnectionPool(connection_class=Pretending))],
)
def test_what_is_no_client_is_refused(client: Any) -> None:
    with pytest.raises(ConfigurationError, match="client of redis-py"):
        place_of(client)


@pytest.mark.parametrize(("given", "taken"), [("shop", "shop"), ("{shop}", "shop"), ("", "stillroom"), ("{}", "stillroom")])
def test_a_prefix_loses_its_braces(given: str, taken: str) -> None:
    assert prefix_of(given) == taken


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (ConnectionRefusedError(), redis.ConnectionError),
        (TimeoutError(), redis.TimeoutError),
        (redis.AuthenticationError(), redis.AuthenticationError),
        (redis.ResponseError(), redis.ResponseError),
        (None, redis.ConnectionError),
    ],
)
def test_errors_are_those_of_redis(cause: BaseException | None, expected: type[Exception]) -> None:
    error = StoreError("it failed", store="redis", operation="read")
    error.__cause__ = cause
    told = as_redis_error(error)
    assert type(told) is expected
    assert told.__cause__ is error
