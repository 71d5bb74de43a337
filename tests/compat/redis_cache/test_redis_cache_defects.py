"""What goes wrong with python-redis-cache does not go wrong with the facade."""

from __future__ import annotations

import dataclasses
import enum
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
import redis
from tests.servers.server import Server

from stillroom.compat.redis_cache import RedisCache


class Level(enum.IntEnum):
    LOW = 1


@pytest.fixture
def client(redis_server: Server) -> Any:
    return redis.Redis.from_url(redis_server.url)


@pytest.mark.parametrize("alike", [[(1, 2), [1, 2]], [{1: 2}, {"1": 2}], [1, Level.LOW], [[(1,)], [[1]]]], ids=repr)
def test_arguments_that_are_alike_in_json_are_told_apart(client: Any, alike: list[Any]) -> None:
    @RedisCache(client).cache()
    def f(a: Any) -> str:
        return repr(a)

    assert [f(a) for a in alike * 2] == [repr(a) for a in alike * 2]
    asked = [{"fn": f, "args": [a]} for a in alike * 2]
    assert RedisCache(client).mget(*asked) == [repr(a) for a in alike * 2]


def test_invalidation_concerns_all_that_are_alike_in_json(client: Any) -> None:
    source = ["old"]

    @RedisCache(client).cache()
    def f(a: Any) -> str:
        return source[0]

    f((1, 2))
    source[0] = "new"
    f.invalidate([1, 2])
    assert f((1, 2)) == "new"


def test_functions_that_close_over_something_else_are_others(client: Any) -> None:
    cache = RedisCache(client)

    def reading(source: list[int], factor: int) -> Any:
        @cache.cache(limit=1)
        def read(a: int) -> int:
            return source[0] * factor

        return read

    one, other, third = reading([1], 1), reading([2], 1), reading([1], 5)
    assert [f(0) for f in (one, other, third)] * 2 == [1, 2, 5] * 2
    assert [one(0), cache.mget({"fn": other, "args": [0]}), third(0)] == [1, [2], 5]


def test_one_load_for_all_threads(client: Any) -> None:
    calls: list[int] = []
    go_on = threading.Event()
    together = threading.Barrier(5)

    @RedisCache(client).cache()
    def f(a: int) -> list[int]:
        calls.append(a)
        assert go_on.wait(10)
        return [a]

    def call(_: int) -> list[int]:
        together.wait()
        return f(1)  # type: ignore[no-any-return]

    with ThreadPoolExecutor(4) as pool:
        results = pool.map(call, range(4))
        together.wait()
        go_on.set()
        assert list(results) == [[1]] * 4
    assert calls == [1]


def test_an_invalidation_wins_over_a_load_that_began_before(client: Any) -> None:
    source = ["old"]
    began, go_on = threading.Event(), threading.Event()
    waits = [True]

    @RedisCache(client).cache()
    def f(a: int) -> str:
        value = source[0]
        if waits:
            waits.clear()
            began.set()
            assert go_on.wait(10)
        return value

    slow = threading.Thread(target=f, args=(1,))
    slow.start()
    assert began.wait(10)
    source[0] = "new"
    f.invalidate(1)
    go_on.set()
    slow.join()
    assert f(1) == "new"


def test_invalidate_all_leaves_other_namespaces_alone(client: Any) -> None:
    calls: list[str] = []
    cache = RedisCache(client)

    def named(name: str) -> Any:
        @cache.cache(namespace=name)
        def f(a: int) -> int:
            calls.append(name)
            return a

        return f

    functions = [named(name) for name in ("a*", "ab", "a[b]")]  # patterns in the original
    for f in functions:
        f(1)
    functions[0].invalidate_all()
    for f in functions:
        f(1)
    assert calls == ["a*", "ab", "a[b]", "a*"]


def test_a_server_that_hangs_holds_nobody_up(redis_server: Server) -> None:
    cache = RedisCache(redis.Redis.from_url(redis_server.url), exception_handler=lambda e, f, args, kwargs: "handled")

    @cache.cache()
    def f(a: int) -> int:
        return a

    assert f(1) == 1
    redis_server.pause()
    began = time.monotonic()
    assert {f(2) for _ in range(20)} == {"handled"}
    assert time.monotonic() - began < 15


def test_a_function_may_ask_for_its_own_key(client: Any) -> None:
    depth: list[int] = []

    @RedisCache(client).cache(limit=2)
    def f(a: int) -> int:
        depth.append(a)
        return 1 if len(depth) > 1 else int(f(a)) + 1

    assert f(1) in (1, 2)


def test_a_static_method_above_which_the_decorator_stands(client: Any) -> None:
    cache = RedisCache(client)

    class Shop:
        @cache.cache()
        @staticmethod
        def price(item: str) -> int:
            return len(item)

    assert Shop.price("tea") == Shop().price("tea") == 3
    Shop.price.invalidate("tea")


def test_what_cannot_be_read_is_an_error_of_the_cache(client: Any) -> None:
    def broken(data: Any) -> Any:
        raise ValueError(data)

    f = RedisCache(client, deserializer=broken).cache(namespace="a")(lambda a: a)
    handled = RedisCache(client, deserializer=broken, exception_handler=lambda *_: "handled").cache(namespace="a")
    assert f(1) == 1
    with pytest.raises(ValueError, match="1"):
        f(1)
    assert handled(lambda a: a)(1) == "handled"
    assert RedisCache(client).mget({"fn": handled(lambda a: a), "args": [1]}) == ["handled"]


def test_a_hit_is_one_round_trip(redis_server: Server, client: Any) -> None:
    @RedisCache(client).cache(ttl=60)
    def f(a: int) -> int:
        return a

    f(1)
    f(1)
    counted = _commands(redis_server)
    f(1)
    assert sum(_commands(redis_server).values()) - sum(counted.values()) == 1


def _commands(server: Server) -> dict[str, int]:
    return {name: one["calls"] for name, one in server.client().info("commandstats").items() if "info" not in name}


class Evil:
    """Runs code when it is loaded."""

    ran: list[int] = []  # noqa: RUF012

    def __reduce__(self) -> Any:
        return Evil.ran.append, (1,)


def test_a_secret_keeps_code_out(client: Any) -> None:
    cache = RedisCache(client, serializer=pickle.dumps, deserializer=pickle.loads, secret=["thirty-two bytes to be guessed"])

    @cache.cache()
    def f() -> set[int]:
        return {1}

    assert f() == f() == {1}
    (key,) = client.keys("{rc:*")
    assert pickle.dumps({1}) in client.get(key)
    client.set(key, client.get(key).replace(pickle.dumps({1}), pickle.dumps(Evil())))
    assert f() == {1}
    assert not Evil.ran


def test_functions_of_one_decorator_are_not_served_each_others_results(client: Any) -> None:
    decorator = RedisCache(client).cache(ttl=60)

    @decorator
    def one(a: int) -> str:
        return "one"

    @decorator
    def other(a: int) -> str:
        return "other"

    assert [one(1), other(1), one(1), other(1)] == ["one", "other", "one", "other"]
    other.invalidate_all()
    assert [one(1), other(1)] == ["one", "other"]
    assert other.get_full_prefix() != one.get_full_prefix()


def test_an_invalidation_of_nothing_in_particular_is_told(client: Any) -> None:
    @RedisCache(client).cache()
    def f(a: int) -> int:
        return a

    with pytest.raises(TypeError, match="missing a required argument"):
        f.invalidate()


def test_a_limit_costs_the_same_however_high_it_is(client: Any) -> None:
    def commands(limit: int) -> int:
        @RedisCache(client).cache(limit=limit, namespace=f"limit {limit}")
        def f(a: int) -> int:
            return a

        for a in range(limit + 1):
            f(a)
        before = client.info("stats")["total_commands_processed"]
        f(-1)
        return int(client.info("stats")["total_commands_processed"] - before)

    assert commands(2) == commands(50)


@dataclasses.dataclass(frozen=True)
class Factor:
    factor: int

    def times(self, a: int) -> int:
        return a * self.factor


def test_what_methods_of_objects_and_values_around_functions_say_is_not_mixed_up_between_processes(client: Any) -> None:
    def times(factor: Any) -> Any:
        return lambda a: int(a * factor)

    for make in (lambda factor: Factor(factor).times, times, lambda factor: times(Decimal(factor))):
        for factor in (2, 3, 2):  # each with a client of its own, as a process of its own has it
            own = redis.Redis(connection_pool=redis.ConnectionPool(**client.connection_pool.connection_kwargs))
            assert RedisCache(own).cache()(make(factor))(5) == 5 * factor


def test_a_function_stays_itself_whatever_its_client_does(client: Any, redis_server: Server) -> None:
    calls: list[int] = []
    dead = redis.Redis(host="127.0.0.1", port=1)

    @RedisCache(dead).cache()
    def f(a: int) -> int:
        calls.append(a)
        return a

    with pytest.raises(redis.ConnectionError):
        f(1)
    for one in (client, dead, redis.Redis.from_url(redis_server.url), client):
        f.instance.client = one
        if one is not dead:
            assert f(1) == 1
    assert client.keys(f"{f.get_full_prefix()}:*") == [f.instance.get_key((1,), {}).encode()]
    assert calls == [1]


def test_threads_that_call_first_call_one_function(client: Any) -> None:
    calls: list[int] = []

    @RedisCache(client).cache()
    def f(a: int) -> int:
        calls.append(a)
        return a

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(f, [1] * 8)) == [1] * 8
    assert f.instance._apart is None
    assert calls == [1]


def test_of_several_functions_of_one_name_each_can_be_invalidated_before_it_is_called(client: Any) -> None:
    cache = RedisCache(client)

    def made(source: list[str]) -> Any:
        return cache.cache(limit=1)(lambda a: source[0])

    one, other = made(["one"]), made(["other"])
    assert one(1) == "one"
    other.invalidate(1)
    other.invalidate_all()
    assert [other(1), one(1)] == ["other", "one"]
