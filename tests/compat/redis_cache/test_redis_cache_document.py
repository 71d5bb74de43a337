"""What the document of python-redis-cache says is true of the facade."""

from __future__ import annotations

import inspect
import json
import pickle
from typing import Any

import pytest
import redis
from redis import StrictRedis
from tests.servers.processes import HOST
from tests.servers.server import Server

from stillroom import Cache
from stillroom.compat.redis_cache import RedisCache, decorating
from stillroom.testing import FakeClock


@pytest.fixture(params=[True, False], ids=["text", "bytes"])
def client(request: pytest.FixtureRequest, redis_server: Server) -> Any:
    return StrictRedis(host=HOST, port=redis_server.port, decode_responses=request.param)


def test_use(client: Any) -> None:
    calls: list[Any] = []
    cache = RedisCache(redis_client=client)

    @cache.cache()
    def my_func(arg1: int, arg2: int) -> list[int]:
        calls.append((arg1, arg2))
        return [arg1, arg2]

    assert my_func(1, 2) == my_func(1, 2) == my_func(1, arg2=2) == [1, 2]
    assert calls == [(1, 2)]
    assert my_func.invalidate(1, 2) is None
    my_func(1, 2)
    my_func(3, 4)
    assert calls == [(1, 2), (1, 2), (3, 4)]
    assert my_func.invalidate_all() is None
    my_func(1, 2)
    my_func(3, 4)
    assert calls[3:] == [(1, 2), (3, 4)]


def test_parameters_in_the_order_of_the_document(client: Any) -> None:
    def handler(error: Exception, function: Any, args: Any, kwargs: Any) -> str:
        return "handled"

    cache = RedisCache(client, "rc", json.dumps, json.loads, None, handler)
    assert cache.exception_handler is handler
    assert cache.support_cluster
    assert RedisCache(client, "rc", json.dumps, json.loads, None, None).support_cluster
    names = list(inspect.signature(RedisCache).parameters)
    assert names[:5] == ["redis_client", "prefix", "serializer", "deserializer", "key_serializer"]
    assert {"ttl", "limit", "namespace"} <= set(inspect.signature(cache.cache).parameters)


def test_results_come_back_as_json_makes_them(client: Any) -> None:
    @RedisCache(client).cache()
    def f(a: int) -> Any:
        return {a: (1, 2)}

    assert f(1) == {1: (1, 2)}
    assert f(1) == {"1": [1, 2]}


@pytest.mark.parametrize("argument", [{1, 2}, object(), b"a"], ids=lambda one: type(one).__name__)
def test_what_is_no_json_is_refused(client: Any, argument: Any) -> None:
    calls: list[Any] = []

    @RedisCache(client).cache()
    def f(a: Any) -> Any:
        calls.append(a)
        return argument

    with pytest.raises(TypeError, match="not JSON serializable"):
        f(argument)
    assert calls == []
    for _ in range(2):
        with pytest.raises(TypeError, match="not JSON serializable"):
            f(1)
    assert calls == [1, 1]


def test_pickle_stores_what_json_cannot(client: Any) -> None:
    calls: list[Any] = []
    cache = RedisCache(client, serializer=pickle.dumps, deserializer=pickle.loads)

    @cache.cache()
    def f(a: Any) -> Any:
        calls.append(a)
        return {a: {1, 2}}

    assert f((1, 2)) == f((1, 2)) == {(1, 2): {1, 2}}
    assert calls == [(1, 2)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Have everything in memory, where time can be moved."""
    made = FakeClock()
    caches: dict[str, Cache] = {}
    monkeypatch.setattr(decorating, "_opened", lambda client, prefix, secret: caches.setdefault(prefix, Cache(clock=made)))
    return made


def test_ttl_counts_from_the_first_insertion(clock: FakeClock) -> None:
    calls: list[int] = []

    @RedisCache(redis.Redis()).cache(ttl=10)
    def f(a: int) -> int:
        calls.append(a)
        return a

    f(1)
    clock.advance(6)
    f(1)
    clock.advance(6)
    f(1)
    assert calls == [1, 1]


def test_without_ttl_results_stay(clock: FakeClock) -> None:
    calls: list[int] = []

    @RedisCache(redis.Redis()).cache()
    def f(a: int) -> int:
        calls.append(a)
        return a

    f(1)
    clock.advance("10000d")
    f(1)
    assert calls == [1]


def test_limit_is_first_in_first_out(client: Any) -> None:
    calls: list[int] = []

    @RedisCache(client).cache(limit=2)
    def f(a: int) -> int:
        calls.append(a)
        return a

    f(1)
    f(2)
    f(1)  # which does not make it any younger
    f(3)
    assert calls == [1, 2, 3]
    f(2)
    f(3)
    assert calls == [1, 2, 3]
    f(1)
    assert calls == [1, 2, 3, 1]


def test_what_was_invalidated_leaves_its_place(client: Any) -> None:
    calls: list[int] = []

    @RedisCache(client).cache(limit=2)
    def f(a: int) -> int:
        calls.append(a)
        return a

    f(1)
    f(2)
    f.invalidate(2)
    f(2)
    f(1)
    assert calls == [1, 2, 2]
    f.invalidate_all()
    f(3)
    f(4)
    f(3)
    assert calls == [1, 2, 2, 3, 4]


def test_functions_of_one_namespace_share_results_and_limit(client: Any) -> None:
    calls: list[str] = []
    cache = RedisCache(client)

    @cache.cache(namespace="shared", limit=2)
    def one(a: int) -> str:
        calls.append(f"one {a}")
        return f"one {a}"

    @cache.cache(namespace="shared", limit=2)
    def other(a: int) -> str:
        calls.append(f"other {a}")
        return f"other {a}"

    assert one(1) == other(1) == "one 1"
    assert other(2) == one(2) == "other 2"
    other(3)  # which pushes 1 out
    assert one(1) == "one 1"
    assert calls == ["one 1", "other 2", "other 3", "one 1"]
    other.invalidate(1)
    assert other(1) == one(1) == "other 1"
    one.invalidate_all()
    assert one(1) == "one 1"


def test_a_namespace_may_have_any_sign(client: Any) -> None:
    @RedisCache(client).cache(namespace="a@b%{c}:d")
    def f(a: int) -> int:
        return a

    assert f(1) == f(1) == 1
    f.invalidate_all()


def test_several_at_once(client: Any) -> None:
    calls: list[Any] = []
    cache = RedisCache(client)

    @cache.cache()
    def my_func(a: int, b: int = 0) -> list[int]:
        calls.append(("my_func", a, b))
        return [a, b]

    @cache.cache(limit=1)
    def other(a: int) -> int:
        calls.append(("other", a))
        return a

    my_func(1, 2)
    asked: list[Any] = [
        {"fn": my_func, "args": [1, 2], "kwargs": {}},
        {"fn": other, "args": [7]},
        {"fn": my_func, "kwargs": {"a": 3, "b": 4}},
        {"fn": my_func, "args": [1], "kwargs": {"b": 2}},
    ]
    expected = [[1, 2], 7, [3, 4], [1, 2]]
    assert cache.mget(asked) == cache.mget(*asked) == expected
    assert calls == [("my_func", 1, 2), ("my_func", 3, 4), ("other", 7)]
    other(8)
    assert cache.mget({"fn": other, "args": [7]}) == [7]
    assert calls[3:] == [("other", 8), ("other", 7)]
    assert cache.mget([]) == cache.mget() == []


def test_the_prefix_begins_all_keys(redis_server: Server) -> None:
    for prefix in ("rc", "shop"):

        @RedisCache(redis.Redis.from_url(redis_server.url), prefix).cache(limit=3)
        def f(a: int, name: str) -> str:
            return name

        assert f(1, prefix) == prefix
    keys = redis_server.client().keys("*")
    assert {key.lstrip(b"{")[:2] for key in keys} == {b"rc", b"sh"}


def test_the_serializers_of_arguments_and_results(client: Any) -> None:
    seen: list[Any] = []

    def serializer(value: Any) -> str:
        seen.append(value)
        return json.dumps(value)

    cache = RedisCache(client, serializer=serializer, deserializer=lambda data: [json.loads(data)])

    @cache.cache()
    def f(a: int, b: int = 2) -> str:
        return "result"

    assert f(1) == "result"
    assert f(1) == ["result"]
    assert seen == [{"a": 1, "b": 2}, "result", {"a": 1, "b": 2}]


def test_the_serializer_of_keys(client: Any) -> None:
    calls: list[int] = []

    @RedisCache(client, key_serializer=lambda arguments: arguments["user"]["id"]).cache()
    def f(user: dict[str, Any]) -> int:
        calls.append(1)
        return len(calls)

    assert [f({"id": "a", "n": 1}), f({"id": "a", "n": 2}), f({"id": "b"})] == [1, 1, 2]
    f.invalidate({"id": "a"})
    assert f({"id": "a", "n": 3}) == 3


# Errors


def unreachable() -> redis.Redis:
    return redis.Redis(port=1)


def test_without_a_handler_errors_are_raised_and_the_function_does_not_run() -> None:
    calls: list[int] = []
    cache = RedisCache(unreachable())

    @cache.cache()
    def f(a: int) -> int:
        calls.append(a)
        return a

    for _ in range(5):
        for call in (lambda: f(1), lambda: cache.mget({"fn": f, "args": [1]}), lambda: f.invalidate(1), f.invalidate_all):
            with pytest.raises(redis.ConnectionError):
                call()
    assert calls == []


@pytest.mark.parametrize("answer", ["instead", None, 0])
def test_what_a_handler_returns_is_the_result(answer: Any) -> None:
    seen: list[Any] = []

    def handler(*given: Any) -> Any:
        seen.append(given)
        return answer

    cache = RedisCache(unreachable(), exception_handler=handler)

    def f(a: int, b: int = 0) -> int:
        raise AssertionError("it is not to run")

    decorated = cache.cache(ttl=5)(f)
    assert decorated(1, b=2) == answer
    assert cache.mget([{"fn": decorated, "args": [1]}]) == [answer]
    error, function, args, kwargs = seen[0]
    assert isinstance(error, redis.RedisError)
    assert (function, list(args), kwargs) == (f, [1], {"b": 2})


def test_a_handler_may_run_the_function_or_raise() -> None:
    def run(error: Exception, function: Any, args: Any, kwargs: Any) -> Any:
        return function(*args, **kwargs)

    def again(error: Exception, function: Any, args: Any, kwargs: Any) -> Any:
        raise LookupError from error

    cache = RedisCache(unreachable(), exception_handler=run)
    assert cache.cache()(lambda a: a)(5) == 5
    with pytest.raises(LookupError):
        cache.cache(exception_handler=again)(lambda a: a)(5)


def test_a_handler_hears_of_what_is_no_json(client: Any) -> None:
    seen: list[Exception] = []

    def handler(error: Exception, function: Any, args: Any, kwargs: Any) -> str:
        seen.append(error)
        return "handled"

    @RedisCache(client, exception_handler=handler).cache()
    def f(a: Any) -> Any:
        return {1}

    assert f(object()) == f(1) == "handled"
    assert [type(error) for error in seen] == [TypeError, TypeError]


def test_a_handler_does_not_hear_of_the_function(client: Any) -> None:
    @RedisCache(client, exception_handler=lambda *given: "handled").cache()
    def f(a: int) -> int:
        raise LookupError(a)

    for _ in range(2):
        with pytest.raises(LookupError):
            f(1)
