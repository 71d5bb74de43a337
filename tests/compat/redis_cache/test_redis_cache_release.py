"""Whoever uses python-redis-cache 4.0.2 finds the same in the facade: each test runs with both."""

from __future__ import annotations

import functools
import inspect
import json
import pickle
from typing import Any

import pytest
import redis
import redis_cache as original  # type: ignore[import-untyped]
from tests.servers.cluster import Cluster
from tests.servers.processes import HOST
from tests.servers.server import Server

from stillroom.compat import redis_cache as facade


@pytest.fixture(params=[original, facade], ids=["original", "facade"])
def lib(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def client(redis_server: Server) -> Any:
    return redis.Redis.from_url(redis_server.url)


@pytest.mark.parametrize("of", ["RedisCache", "CacheDecorator", "RedisCache.cache", "get_args", "chunks", "compact_dump"])
def test_parameters_are_the_same(of: str) -> None:
    def told(lib: Any) -> list[tuple[str, Any]]:
        found = lib
        for name in of.split("."):
            found = getattr(found, name)
        parameters = inspect.signature(found).parameters.values()
        return [(one.name, getattr(one.default, "__name__", one.default)) for one in parameters if one.name != "secret"]

    assert told(original) == told(facade)


def test_attributes_are_the_same(client: Any) -> None:
    def made(lib: Any) -> tuple[Any, Any, Any]:
        cache = lib.RedisCache(client, "shop")
        decorator = cache.cache(ttl=5, limit=7)
        return cache, decorator, decorator(told)

    def told(a: int, b: int = 2, *more: int, c: int = 3, **others: int) -> int:
        """Add."""
        return a + b + c

    for one, other in zip(made(original), made(facade), strict=True):
        assert {name for name in vars(one) if not name.startswith("_")} <= set(dir(other))
    one, other = made(original)[2], made(facade)[2]
    assert (other.__name__, other.__doc__, other.__wrapped__) == ("told", "Add.", told)
    assert one.get_full_prefix() == other.get_full_prefix()
    instance = other.instance
    assert (instance.ttl, instance.limit, instance.namespace) == (5, 7, one.instance.namespace)
    assert (instance.keys_key, instance.original_fn) == (one.instance.keys_key, told)
    for args, kwargs in [((1,), {}), ((1, 2, 3, 4), {"c": 5, "d": 6}), ((), {"a": 1, "c": 2})]:
        assert one.instance.get_key(args, kwargs) + "@" == other.instance.get_key(args, kwargs)
        assert original.get_args(told, args, kwargs) == facade.get_args(told, args, kwargs)


@pytest.mark.parametrize("support_cluster", [True, False])
def test_names_have_braces_for_clusters(client: Any, lib: Any, support_cluster: bool) -> None:
    cache = lib.RedisCache(client, support_cluster=support_cluster)
    decorated = cache.cache(namespace="shop")(lambda a: a)
    assert decorated.get_full_prefix() == ("{rc:shop}" if support_cluster else "rc:shop")
    assert decorated(1) == decorated(1) == 1


@pytest.mark.parametrize("value", [None, 0, "", [], False, 1.5, {"a": [1]}, "ä"], ids=repr)
def test_every_result_is_a_result(client: Any, lib: Any, value: Any) -> None:
    calls: list[int] = []

    @lib.RedisCache(client).cache(ttl=60)
    def f() -> Any:
        calls.append(1)
        return value

    assert f() == f() == value
    assert calls == [1]


def test_arguments_in_every_manner(client: Any, lib: Any) -> None:
    calls: list[Any] = []

    @lib.RedisCache(client).cache(ttl=60)
    def f(a: int, /, b: int = 2, *args: int, c: int = 3, **kwargs: int) -> int:
        calls.append((a, b, args, c, kwargs))
        return len(calls)

    assert [f(1), f(1, 2), f(1, b=2, c=3), f(1, 2, 3), f(1, 2, 3), f(1, d=4), f(1, d=4)] == [1, 1, 1, 2, 2, 3, 3]


def test_limit(client: Any, lib: Any) -> None:
    calls: list[int] = []

    @lib.RedisCache(client).cache(ttl=60, limit=3)
    def f(a: int) -> int:
        calls.append(a)
        return a

    for a in [1, 2, 3, 1, 4, 2, 3, 4, 1, 3]:
        f(a)
    assert calls == [1, 2, 3, 4, 1]


def test_several_at_once(client: Any, lib: Any) -> None:
    calls: list[int] = []
    cache = lib.RedisCache(client)

    @cache.cache(ttl=60)
    def f(a: int) -> int:
        calls.append(a)
        return a

    assert cache.mget({"fn": f, "args": [1]}, {"fn": f, "kwargs": {"a": 2}}) == [1, 2]
    assert cache.mget({"fn": f, "args": (2,)}, {"fn": f, "args": [1], "kwargs": {}}) == [2, 1]
    assert calls == [1, 2]


def test_functions_can_be_switched_off(client: Any, lib: Any) -> None:
    calls: list[int] = []

    @lib.RedisCache(client, active=False).cache(ttl=60)
    def f(a: int) -> int:
        calls.append(a)
        return a

    assert [f(1), f(1)] == [1, 1]
    assert calls == [1, 1]
    f.instance.active = True
    assert [f(1), f(1)] == [1, 1]
    assert calls == [1, 1, 1]


def test_a_decorator_by_itself(client: Any, lib: Any) -> None:
    calls: list[int] = []
    decorator = lib.CacheDecorator(client, ttl=60, namespace="alone")

    @decorator
    def f(a: int) -> int:
        calls.append(a)
        return a

    assert f(1) == f(1) == 1
    decorator.invalidate(1)
    f(1)
    decorator.invalidate_all("whatever", of="arguments")
    f(1)
    assert calls == [1, 1, 1]


def test_a_static_method_under_the_decorator(client: Any, lib: Any) -> None:
    cache = lib.RedisCache(client)

    class Shop:
        @staticmethod
        @cache.cache(ttl=60)
        def price(item: str) -> int:
            return len(item)

    assert Shop.price("tea") == Shop().price("tea") == 3
    Shop.price.invalidate("tea")


def test_text_stays_text_and_bytes_stay_bytes(redis_server: Server, lib: Any) -> None:
    for decodes, kind in ((True, str), (False, bytes)):
        seen: list[Any] = []

        def deserializer(data: Any, seen: list[Any] = seen) -> Any:
            seen.append(type(data))
            return json.loads(data)

        client: Any = redis.Redis.from_url(redis_server.url, decode_responses=decodes)
        f = lib.RedisCache(client, deserializer=deserializer).cache(namespace=kind.__name__)(lambda a: a)
        assert f(1) == f(1) == 1
        assert seen == [kind]


@pytest.mark.parametrize("serializer", [pickle.dumps, lambda value: json.dumps(value).encode(), repr])
def test_serializers_that_give_bytes_or_text(client: Any, lib: Any, serializer: Any) -> None:
    deserializer = {pickle.dumps: pickle.loads}.get(serializer, json.loads)
    f = lib.RedisCache(client, serializer=serializer, deserializer=deserializer).cache()(lambda a: a)
    assert f(1) == f(1) == 1


def test_on_a_cluster(redis_cluster: Cluster, lib: Any) -> None:
    client: Any = redis.RedisCluster(host="127.0.0.1", port=redis_cluster.nodes[0].port)
    calls: list[int] = []
    cache = lib.RedisCache(client)

    @cache.cache(ttl=60, limit=2)
    def f(a: int) -> int:
        calls.append(a)
        return a

    assert [f(a) for a in (1, 2, 1, 3, 2, 3)] == [1, 2, 1, 3, 2, 3]
    assert calls == [1, 2, 3]
    f.invalidate(3)
    f.invalidate(2)
    assert [f(2), f(3)] == [2, 3]
    assert calls == [1, 2, 3, 2, 3]


def test_helpers(lib: Any) -> None:
    assert list(lib.chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert lib.compact_dump({"b": [1, 2], "a": None}) == '{"a":null,"b":[1,2]}'


def test_a_decorator_with_several_functions_runs_each(client: Any, lib: Any) -> None:
    shared = lib.RedisCache(client).cache(namespace="shared")
    calls: list[tuple[str, int]] = []

    @shared
    def one(a: int) -> int:
        calls.append(("one", a))
        return a

    @shared
    def other(a: int) -> int:
        calls.append(("other", a))
        return a

    assert [one(1), other(1), other(2), one(2), one(3)] == [1, 1, 2, 2, 3]
    assert calls == [("one", 1), ("other", 2), ("one", 3)]


def test_a_client_may_come_late_and_change(redis_server: Server, lib: Any) -> None:
    calls: list[int] = []

    @lib.RedisCache(None, active=False).cache()
    def f(a: int) -> int:
        calls.append(a)
        return a

    assert f(1) == f(1) == 1
    f.instance.active = True
    for number in (1, 2):
        f.instance.client = redis.Redis(host=HOST, port=redis_server.port, db=number)
        assert f(1) == f(1) == 1
        assert f.instance.client.dbsize() > 0
    f.invalidate(1)
    f(1)
    assert len(calls) == 5


def test_no_client_is_an_error_for_the_handler(lib: Any) -> None:
    handler = lambda error, function, args, kwargs: function(*args, **kwargs)  # noqa: E731

    @lib.RedisCache(None, exception_handler=handler).cache()
    def f(a: int) -> int:
        return a

    assert f(1) == 1


def test_numbers_may_be_texts(client: Any, lib: Any) -> None:
    calls: list[int] = []

    @lib.RedisCache(client).cache(ttl="60", limit="2")
    def f(a: int) -> int:
        calls.append(a)
        return a

    for a in (1, 2, 2, 3, 1):
        f(a)
    assert calls == [1, 2, 3, 1]


def test_arguments_that_are_missing_are_left_out(client: Any, lib: Any) -> None:
    def f(a: int, b: int, c: int = 3) -> None: ...

    assert lib.get_args(f, (1,), {}) == {"a": 1, "c": 3}
    assert lib.RedisCache(client).cache(namespace="n")(f).instance.get_key((), {}).rstrip("@") == "{rc:n}:eyJjIjozfQ=="


def test_a_decorator_below_may_give_arguments_of_its_own(client: Any, lib: Any) -> None:
    calls: list[Any] = []

    def with_database(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function("database", *args, **kwargs)

        return wrapper

    @lib.RedisCache(client).cache()
    @with_database
    def f(database: str, a: int, b: int = 2) -> int:
        calls.append((database, a, b))
        return a + b

    for _ in range(2):
        assert [f(1), f(1, 5), f(1, b=6), f(2)] == [3, 6, 7, 4]
    assert calls == [("database", 1, 2), ("database", 1, 5), ("database", 1, 6), ("database", 2, 2)]
    f.invalidate(1)
    assert f(1) == 3
    assert calls[4:] == [("database", 1, 2)]


@pytest.mark.parametrize("support_cluster", [True, False])
@pytest.mark.parametrize("namespace", [None, "shop"])
def test_results_have_their_names_on_the_server(client: Any, lib: Any, support_cluster: bool, namespace: str | None) -> None:
    calls: list[int] = []

    @lib.RedisCache(client, support_cluster=support_cluster).cache(ttl=100, namespace=namespace)
    def f(a: int) -> int:
        calls.append(a)
        return a

    f(1)
    name = f.instance.get_key((1,), {})
    assert client.keys(f"{f.get_full_prefix()}:*") == [name.encode()]
    assert 90 < client.ttl(name) <= 100
    f.invalidate(1)
    assert not client.exists(name)
    f(1)
    client.delete(name)
    f(1)
    f(1)
    assert calls == [1, 1, 1]


@pytest.mark.parametrize("limit", [0, 2])
def test_both_may_run_side_by_side(client: Any, limit: int) -> None:
    calls: list[int] = []

    def f(a: int) -> int:
        calls.append(a)
        return a

    one, other = (lib.RedisCache(client).cache(limit=limit)(f) for lib in (original, facade))
    for _ in range(2):
        assert [one(1), other(1), one(2), other(2)] == [1, 1, 2, 2]
    assert calls == [1, 1, 2, 2]
    one.invalidate_all()  # which those who run the original say to all
    assert other(1) == 1
    assert calls == [1, 1, 2, 2, 1]
