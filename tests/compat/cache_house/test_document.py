"""What the documentation of cache-house says, in its order."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import FunctionType
from typing import Any

import httpx
import pytest
import redis
from fastapi import FastAPI
from tests.compat.cache_house.places import Init, Settings, counted, twice

from stillroom.compat.cache_house.backends import RedisCache, RedisClusterCache, RedisFactory
from stillroom.compat.cache_house.cache import cache

# Quick start


def test_functions_of_both_sorts_are_cached(init: Init, at: Settings) -> None:
    init(**at)
    printed: list[str] = []

    @cache()
    async def test_cache(a: int, b: int) -> list[int]:
        printed.append("async cached - this only prints on cache miss")
        return [a, b]

    @cache()
    def test_cache_1(a: int, b: int) -> list[int]:
        printed.append("cached - this only prints on cache miss")
        return [a, b]

    assert [test_cache_1(3, 4), test_cache_1(3, 4)] == [[3, 4], [3, 4]]
    assert [asyncio.run(test_cache(1, 2)), asyncio.run(test_cache(1, 2))] == [[1, 2], [1, 2]]
    assert printed == [
        "cached - this only prints on cache miss",
        "async cached - this only prints on cache miss",
    ]


def test_results_expire_after_180_seconds_unless_told(init: Init, redis_at: Settings) -> None:
    instance = init(**redis_at)
    cache()(_in_main("test_cache_1"))(3, 4)
    (key,) = instance.redis.keys("cachehouse:main:*")
    assert 170 < instance.redis.ttl(key) <= 180


def _in_main(name: str) -> Any:
    """Return what is shown, as if it stood in a program of its own."""
    function = FunctionType(_pair.__code__, globals(), name)
    function.__module__, function.__qualname__ = "__main__", name
    return function


def _pair(a: int, b: int) -> Any:
    return [a, b]


def test_keys_on_the_server_are_those_that_are_shown(init: Init, redis_at: Settings) -> None:
    instance = init(**redis_at)
    cache()(_in_main("test_cache_1"))(3, 4)
    cache(namespace="custom", encoder=json.dumps, decoder=json.loads)(_in_main("test_cache"))(1, 2)
    cache(expire=30, namespace="app", key_prefix="test")(_in_main("test_cache"))(1, 2)
    assert set(instance.redis.keys("[ct]*:*")) == {
        b"cachehouse:main:8f65aed1010f0062a783c83eb430aca0",
        b"cachehouse:custom:f665833ea64e4fc32653df794257ca06",
        b"test:app:f665833ea64e4fc32653df794257ca06",
    }


# Setup


def test_a_cluster_is_detected(init: Init, cluster_at: Settings) -> None:
    assert type(init(**cluster_at)) is RedisClusterCache


def test_a_single_server_is_detected(init: Init, redis_at: Settings) -> None:
    assert type(init(**redis_at)) is RedisCache


def test_detection_can_be_switched_off(init: Init, cluster_at: Settings) -> None:
    instance = init(**cluster_at, cluster_mode=False, autodetect_cluster=False)
    assert type(instance) is RedisCache
    assert twice(counted()) == 1  # it works all the same


def test_cluster_mode_needs_no_detection(init: Init, cluster_at: Settings) -> None:
    assert type(init(**cluster_at, cluster_mode=True, autodetect_cluster=False)) is RedisClusterCache


def test_a_cluster_is_named_by_startup_nodes(init: Init, cluster_at: Settings) -> None:
    nodes = [{"host": cluster_at["host"], "port": str(cluster_at["port"])}]
    instance = init(
        cluster_mode=True,
        startup_nodes=nodes,
        cluster_error_retry_attempts=3,
        require_full_coverage=True,
        skip_full_coverage_check=False,
        reinitialize_steps=10,
        read_from_replicas=False,
        fallback_to_memory=True,
    )
    assert twice(counted()) == 1
    assert instance.store.health().servers == "cluster"
    assert instance.redis.ping()
    RedisFactory.close_connections()


def test_a_cluster_that_is_not_there_is_no_error(init: Init) -> None:
    init(cluster_mode=True, startup_nodes=[{"host": "127.0.0.1", "port": "1"}])
    assert twice(counted()) == 1


def test_settings_of_redis_py_are_taken(init: Init, redis_at: Settings) -> None:
    instance = init(**redis_at, password=None, db=3, socket_connect_timeout=5, client_name="house", decode_responses=True)
    assert twice(counted()) == 1
    assert [one["name"] for one in instance.redis.client_list() if one["name"]] != []
    assert instance.redis.keys("cachehouse:*") != []


@pytest.mark.parametrize("per_decorator", [True, False])
def test_encoder_and_decoder_can_be_chosen(init: Init, at: Settings, per_decorator: bool) -> None:
    seen: list[str] = []

    def encoder(data: Any) -> str:
        seen.append("encoded")
        return json.dumps(data)

    def decoder(data: Any) -> Any:
        seen.append("decoded")
        return json.loads(data)

    pair: Settings = {"encoder": encoder, "decoder": decoder}
    init(**at, **({} if per_decorator else pair))

    @cache(expire=30, **(pair if per_decorator else {}))
    def position(a: int, b: int) -> Any:
        return {"a": (a, b)}

    assert position(1, 2) == {"a": (1, 2)}
    assert position(1, 2) == {"a": [1, 2]}  # as JSON has it
    assert seen == ["encoded", "decoded"]


class Point:
    """Pickle knows how to keep it, and stillroom's own serializers do not."""

    def __init__(self, x: int) -> None:
        self.x = x


def test_pickle_is_the_default(init: Init, at: Settings) -> None:
    init(**at)
    runs = []

    @cache()
    def point(x: int) -> Point:
        runs.append(x)
        return Point(x)

    assert [point(5).x, point(5).x, len(runs)] == [5, 5, 1]
    assert point(5) is not point(5)


# Expirations, namespaces, prefixes


@pytest.mark.parametrize("expire", [300, 300.0, timedelta(minutes=5)])
def test_expirations_are_seconds_or_a_timedelta(init: Init, redis_at: Settings, expire: Any) -> None:
    instance = init(**redis_at)
    assert twice(counted(expire=expire)) == 1
    (key,) = instance.redis.keys("cachehouse:*")
    assert 290 < instance.redis.ttl(key) <= 300


@pytest.mark.parametrize(
    ("general", "special", "begins"),
    [
        ({}, {}, "cachehouse:main:"),
        ({}, {"namespace": "api"}, "cachehouse:api:"),
        ({"namespace": "myapp", "key_prefix": "app"}, {}, "app:myapp:"),
        ({"namespace": "myapp", "key_prefix": "app"}, {"namespace": "special"}, "app:special:"),
        ({"namespace": "v1", "key_prefix": "myapp"}, {"key_prefix": "api", "namespace": "users"}, "api:users:"),
    ],
)
def test_keys_are_prefix_namespace_and_hash(
    init: Init, redis_at: Settings, general: Settings, special: Settings, begins: str
) -> None:
    instance = init(**redis_at, **general)
    assert twice(counted(**special)) == 1
    (key,) = (key.decode() for key in instance.redis.keys("*") if not key.startswith(b"stillroom"))
    assert key.startswith(begins)
    assert len(key.removeprefix(begins)) == 32


# Key builders


def custom_key_builder(
    module: str, name: str, args: Any, kwargs: Any, prefix: str = "cachehouse", namespace: str = "main"
) -> str:
    key_parts = [prefix, namespace, f"{module}.{name}", *map(str, args), *(f"{k}={v}" for k, v in sorted(kwargs.items()))]
    key_string = ":".join(key_parts)
    if len(key_string) > 200:
        return f"{prefix}:{namespace}:{hashlib.md5(key_string.encode()).hexdigest()}"  # noqa: S324
    return key_string


def test_a_key_builder_for_all(init: Init, redis_at: Settings) -> None:
    instance = init(**redis_at, key_builder=custom_key_builder, namespace="custom")

    @cache(expire=60)
    def my_function(a: int, b: int, name: str = "test") -> Any:
        return {"result": a + b, "name": name}

    assert my_function(1, 2, name="x") == my_function(1, 2, name="x") == {"result": 3, "name": "x"}
    assert instance.redis.exists(f"cachehouse:custom:{__name__}.my_function:1:2:name=x")
    my_function(1, 2, name="x" * 200)
    assert len(instance.redis.keys("cachehouse:custom:*")) == 2


def test_a_key_builder_for_one(init: Init, at: Settings) -> None:
    instance = init(**at)

    def simple_key_builder(
        module: str, name: str, args: Any, kwargs: Any, prefix: str = "cache", namespace: str = "app"
    ) -> str:
        first_arg = args[0] if args else "default"
        return f"{prefix}:{namespace}:{name}:{first_arg}"

    runs = []

    @cache(expire=60, key_builder=simple_key_builder, namespace="simple")
    def get_item(item_id: int) -> Any:
        runs.append(item_id)
        return {"id": item_id}

    assert get_item(5) == get_item(5) == {"id": 5}
    assert runs == [5]
    assert list(instance.store.scan()) == ["cachehouse:simple:get_item:5"]


def test_a_key_builder_is_given_what_it_is_said_to_be_given(init: Init, at: Settings) -> None:
    init(**at)
    given: list[Any] = []

    def builder(**named: Any) -> str:
        given.append(named)
        return "k"

    def positional(module: str, name: str, args: Any, kwargs: Any, **named: Any) -> str:
        return builder(module=module, name=name, args=args, kwargs=kwargs, **named)

    @cache(key_builder=positional, namespace="n", key_prefix="p")
    def f(a: int, b: int) -> int:
        return a + b

    f(1, b=2)
    assert given == [
        {"module": __name__, "name": "f", "args": (1,), "kwargs": {"b": 2}, "prefix": "p", "namespace": "n"},
    ]


# Clearing


def test_a_namespace_can_be_cleared(init: Init, at: Settings) -> None:
    init(**at)
    users, posts = counted(namespace="users"), counted(namespace="posts")
    assert (twice(users), twice(posts)) == (1, 1)
    assert RedisCache.clear_keys("cachehouse:users") is True
    assert (users("x"), posts("x")) == (2, 1)


def test_keys_are_cleared_by_what_they_begin_with(init: Init, at: Settings) -> None:
    init(**at, key_prefix="myapp")
    functions = [counted(namespace="database.users"), counted(namespace="database.posts"), counted(namespace="api")]
    assert [twice(one) for one in functions] == [1, 1, 1]
    RedisCache.clear_keys("myapp:database")
    assert [one("x") for one in functions] == [2, 2, 1]


def test_a_cluster_is_cleared_by_its_own_class_too(init: Init, cluster_at: Settings) -> None:
    init(**cluster_at)
    function = counted()
    for clear in (RedisCache.clear_keys, RedisClusterCache.clear_keys):
        before = twice(function)
        assert clear("cachehouse:main") is True
        assert function("x") == before + 1


@pytest.mark.asyncio_only
async def test_keys_are_cleared_from_coroutines(init: Init, at: Settings) -> None:
    init(**at)
    runs = []

    @cache(namespace="users")
    async def get_user(user_id: int) -> int:
        runs.append(user_id)
        return user_id

    await get_user(1), await get_user(1)
    assert runs == [1]
    assert await RedisCache.aclear_keys("cachehouse:users") is True
    await get_user(1)
    assert runs == [1, 1]


# Errors


def test_without_a_backend_functions_run(caplog: pytest.LogCaptureFixture) -> None:
    assert RedisFactory.get_instance() is None
    assert "not initialized" in caplog.text
    assert twice(counted()) == 2
    assert RedisCache.clear_keys("cachehouse") is False
    RedisFactory.close_connections()


def test_functions_decorated_before_follow(init: Init, at: Settings) -> None:
    function = counted()
    assert twice(function) == 2
    init(**at)
    assert twice(function) == 3


def test_without_a_server_memory_stands_in(init: Init) -> None:
    init(fallback_to_memory=True)
    assert twice(counted()) == 1


def test_without_a_server_and_without_a_fallback_functions_run(init: Init) -> None:
    init(fallback_to_memory=False)
    assert twice(counted()) == 2


def test_a_server_that_dies_is_no_error_and_memory_stands_in(init: Init, own_server: Any) -> None:
    init(port=own_server.port)
    function = counted()
    assert twice(function) == 1
    own_server.kill()
    for _ in range(5):
        function("x")
    assert twice(function) == function("x") <= 4


def test_connections_can_be_closed(init: Init, at: Settings) -> None:
    init(**at)
    function = counted()
    assert twice(function) == 1
    RedisFactory.close_connections()
    RedisFactory.close_connections()
    assert function("x") == 1 or not at
    assert twice(function) == function("x")  # and are opened again


def test_what_is_logged(init: Init, redis_at: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    init(**redis_at)
    twice(counted())
    message = "redis initialized (Redis will handle reconnections automatically)"
    assert caplog.record_tuples == [("cache_house.backends.redis_backend", logging.INFO, message)]


def test_the_first_initialization_counts(init: Init) -> None:
    first = init(namespace="one")
    assert init(namespace="two") is first
    assert first.namespace == "one"


def test_arguments_of_init_stand_in_the_order_shown() -> None:
    RedisFactory.init("127.0.0.1", 1, json.dumps, json.loads, "n", "p")
    instance = RedisFactory.get_instance()
    assert instance is not None
    assert (instance.encoder, instance.decoder, instance.namespace, instance.key_prefix) == (json.dumps, json.loads, "n", "p")


@pytest.mark.asyncio_only
async def test_an_application_of_fastapi(at: Settings) -> None:
    runs = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        RedisFactory.init(**{"host": "127.0.0.1", "port": 1, **at}, fallback_to_memory=True)
        yield
        RedisFactory.close_connections()

    app = FastAPI(lifespan=lifespan)

    @app.get("/cached")
    @cache(expire=60)
    async def cached_route(page: int = 1) -> Any:
        runs.append(page)
        return {"page": page}

    transport = httpx.ASGITransport(app)
    for _ in range(2):  # a second start finds the instance
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://house") as client:
            for query, page in [("", 1), ("?page=1", 1), ("?page=2", 2)]:
                assert (await client.get(f"/cached{query}")).json() == {"page": page}
    assert runs == [1, 2]


def test_the_client_is_there_for_other_uses(init: Init, redis_at: Settings) -> None:
    client = init(**redis_at).redis
    assert isinstance(client, redis.Redis)
    assert client.ping()
