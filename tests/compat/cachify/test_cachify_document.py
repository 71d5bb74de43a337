"""What the document of cachify says is true of the facade."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
import redis.asyncio as aredis
from tests.servers.server import Server
from tests.servers.waiting import eventually

from stillroom import Cache
from stillroom.compat.cachify import (
    cache,
    clear_never_die_registry,
    decorating,
    get_redis_config,
    rcache,
    reset_redis_config,
    setup_redis_config,
)
from stillroom.testing import FakeClock


@pytest.fixture(autouse=True)
def nothing_set_up() -> Iterator[None]:
    reset_redis_config()
    yield
    reset_redis_config()
    clear_never_die_registry()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock()
    monkeypatch.setattr(decorating, "_kept", Cache(clock=made))
    monkeypatch.setattr(decorating, "_warm", Cache(clock=made))
    return made


# Basic usage


def test_functions_of_both_sorts_are_cached() -> None:
    calls: list[Any] = []

    @cache(ttl=60)
    def expensive_calculation(a: int, b: int) -> int:
        calls.append((a, b))
        return a + b

    @cache(ttl=3600)
    async def another_calculation(url: str) -> str:
        calls.append(url)
        return url.upper()

    assert [expensive_calculation(1, 2) for _ in range(3)] == [3, 3, 3]
    assert expensive_calculation(b=2, a=1) == 3
    assert asyncio.run(another_calculation("tea")) == asyncio.run(another_calculation("tea")) == "TEA"
    assert calls == [(1, 2), "tea"]
    assert inspect.iscoroutinefunction(another_calculation)


def test_results_go_by_function_and_arguments() -> None:
    @cache()
    def one(a: int) -> str:
        return f"one {a}"

    @cache()
    def other(a: int) -> str:
        return f"other {a}"

    assert [one(1), other(1), one(2)] == ["one 1", "other 1", "one 2"]


def test_concurrent_calls_run_the_function_once() -> None:
    calls: list[int] = []
    together = threading.Barrier(4)

    @cache(ttl=60)
    def slow(a: int) -> int:
        calls.append(a)
        return a

    def call(_: int) -> int:
        together.wait()
        return slow(1)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(call, range(4))) == [1] * 4
    assert calls == [1]


def test_concurrent_tasks_run_the_coroutine_function_once() -> None:
    calls: list[int] = []

    @cache(ttl=60)
    async def slow(a: int) -> int:
        calls.append(a)
        await asyncio.sleep(0)
        return a

    async def main() -> list[int]:
        return await asyncio.gather(*(slow(1) for _ in range(4)))

    assert asyncio.run(main()) == [1] * 4
    assert calls == [1]


# Parameters


def test_parameters_and_defaults() -> None:
    expected = {"ttl": 300, "never_die": False, "cache_key_func": None, "ignore_fields": (), "no_self": False}
    for decorator in (cache, rcache):
        assert {name: one.default for name, one in inspect.signature(decorator).parameters.items()} == expected


@pytest.mark.parametrize("ttl", [60, 60.5])
def test_results_live_for_their_ttl(clock: FakeClock, ttl: float) -> None:
    calls: list[int] = []

    @cache(ttl=ttl)
    def f(a: int) -> int:
        calls.append(a)
        return a

    f(1)
    clock.advance(ttl - 1)
    f(1)
    assert calls == [1]
    clock.advance(1)
    f(1)
    assert calls == [1, 1]


def custom_key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    user_id = kwargs.get("user_id") or args[0]
    return f"user:{user_id}"


def test_a_custom_key() -> None:
    calls: list[Any] = []

    @cache(ttl=60, cache_key_func=custom_key)
    def get_user_profile(user_id: object) -> object:
        calls.append(user_id)
        return user_id

    assert get_user_profile(5) == get_user_profile(user_id=5) == get_user_profile("5") == 5
    assert get_user_profile(6) == 6
    assert calls == [5, 6]


def test_fields_that_are_ignored() -> None:
    calls: list[str] = []

    @cache(ttl=300, ignore_fields=("logger", "request_id"))
    def fetch_data(query: str, logger: object, request_id: str) -> str:
        calls.append(request_id)
        return query

    assert fetch_data("tea", object(), "1") == fetch_data("tea", object(), request_id="2") == "tea"
    assert fetch_data("jam", object(), "3") == "jam"
    assert calls == ["1", "3"]


def test_no_self_ignores_the_first_parameter() -> None:
    calls: list[int] = []

    class Repository:
        @cache(no_self=True)
        def get(self, number: int) -> int:
            calls.append(number)
            return number

        @classmethod
        @cache(no_self=True)
        def make(cls, number: int) -> int:
            calls.append(number)
            return number

    assert Repository().get(1) == Repository().get(1) == 1
    assert Repository.make(2) == Repository.make(2) == 2
    assert calls == [1, 2]


# Redis


def test_redis_for_functions_of_both_sorts(redis_server: Server) -> None:
    calls: list[int] = []
    setup_redis_config(sync_client=redis.from_url(redis_server.url), key_prefix="myapp", lock_timeout=10, on_error="silent")

    @rcache(ttl=300)
    def get_user(user_id: int) -> dict[str, Any]:
        calls.append(user_id)
        return {"id": user_id, "tags": {1, 2}}

    setup_redis_config(async_client=aredis.from_url(redis_server.url))  # as in the document, though it says "once"

    @rcache(ttl=300)
    async def get_user_async(user_id: int) -> dict[str, Any]:
        calls.append(user_id)
        return {"id": user_id}

    assert get_user(1) == get_user(1) == {"id": 1, "tags": {1, 2}}
    assert asyncio.run(get_user_async(2)) == asyncio.run(get_user_async(2)) == {"id": 2}
    assert calls == [1, 2]
    assert len(list(redis_server.client().scan_iter("myapp:*get_user*"))) == 2
    assert not [key for key in redis_server.client().keys("*") if not key.startswith(b"myapp")]


def test_other_processes_find_what_was_stored(redis_server: Server) -> None:
    calls: list[int] = []

    @rcache(ttl=300)
    def get_user(user_id: int) -> int:
        calls.append(user_id)
        return user_id

    for _ in range(2):  # each as a process that has just been started
        setup_redis_config(sync_client=redis.from_url(redis_server.url))
        assert get_user(1) == 1
        reset_redis_config()
    assert calls == [1]


def test_the_defaults_of_the_configuration() -> None:
    setup_redis_config(sync_client=redis.Redis())
    config = get_redis_config()
    assert (config.key_prefix, config.lock_timeout, config.on_error) == ("cachify", 10, "silent")


def test_without_redis_silent_runs_the_function_each_time() -> None:
    setup_redis_config(sync_client=redis.Redis(port=1), async_client=aredis.Redis(port=1))
    calls: list[int] = []

    @rcache()
    def f(a: int) -> int:
        calls.append(a)
        return a

    @rcache()
    async def g(a: int) -> int:
        calls.append(a)
        return a

    assert [f(1), f(1), asyncio.run(g(2)), asyncio.run(g(2))] == [1, 1, 2, 2]
    assert calls == [1, 1, 2, 2]


def test_without_redis_raise_raises() -> None:
    setup_redis_config(sync_client=redis.Redis(port=1), async_client=aredis.Redis(port=1), on_error="raise")

    @rcache()
    def f(a: int) -> int:
        return a

    @rcache()
    async def g(a: int) -> int:
        return a

    for _ in range(5):
        with pytest.raises(redis.ConnectionError):
            f(1)
        with pytest.raises(redis.ConnectionError):
            asyncio.run(g(1))


# Never die


def test_what_never_dies_is_refreshed_though_nobody_asks(clock: FakeClock) -> None:
    calls: list[str] = []

    @cache(ttl=300, never_die=True)
    def critical_operation(data_id: str) -> int:
        calls.append(data_id)
        return len(calls)

    assert critical_operation("a") == 1
    for expected in (2, 3, 4):
        clock.advance(300)
        eventually(lambda expected=expected: critical_operation("a") == expected)  # type: ignore[misc]
    assert calls == ["a"] * 4


def test_what_never_dies_outlives_failures(clock: FakeClock) -> None:
    answers: list[Any] = ["first"]
    asked: list[int] = []

    @cache(ttl=300, never_die=True)
    def critical_operation() -> str:
        asked.append(1)
        if not answers:
            raise ConnectionError("the source is down")
        return str(answers.pop())

    assert critical_operation() == "first"

    def later() -> str:
        clock.advance(100)
        return critical_operation()

    eventually(lambda: later() != "first" or len(asked) > 4)
    assert later() == "first"
    answers.append("second")
    eventually(lambda: later() == "second")


def test_what_never_dies_never_keeps_a_caller_waiting(clock: FakeClock) -> None:
    go_on = threading.Event()
    go_on.set()

    @cache(ttl=300, never_die=True)
    def critical_operation() -> int:
        assert go_on.wait(10)
        return 1

    critical_operation()
    go_on.clear()
    clock.advance(900)
    assert critical_operation() == 1
    go_on.set()


def test_coroutine_functions_never_die_either() -> None:
    calls: list[int] = []

    async def main() -> None:
        refreshed = asyncio.Event()

        @cache(ttl=0.05, never_die=True)
        async def critical_operation() -> int:
            calls.append(1)
            if len(calls) > 2:
                refreshed.set()
            return len(calls)

        assert await critical_operation() == 1
        await asyncio.wait_for(refreshed.wait(), 10)

    asyncio.run(main())


def test_redis_never_dies(redis_server: Server) -> None:
    setup_redis_config(sync_client=redis.from_url(redis_server.url))
    answers = iter(range(1000))

    @rcache(ttl=0.05, never_die=True)
    def critical_operation() -> int:
        return next(answers)

    first = critical_operation()
    eventually(lambda: critical_operation() > first)
    clear_never_die_registry()


def test_a_cleared_registry_refreshes_nothing_and_loses_nothing(clock: FakeClock) -> None:
    calls: list[int] = []

    @cache(ttl=300, never_die=True)
    def critical_operation() -> int:
        calls.append(1)
        return len(calls)

    critical_operation()
    clear_never_die_registry()
    clock.advance(1000)
    assert calls == [1]
    assert critical_operation() == 1
    eventually(lambda: critical_operation() == 2)


# Skip cache


def test_skip_cache_runs_the_function_and_stores_the_result(clock: FakeClock) -> None:
    source = {"value": 1}

    @cache(ttl=300)
    def get_user_data(user_id: int) -> int:
        return source["value"]

    assert get_user_data(123) == 1
    source["value"] = 2
    assert get_user_data(123) == 1
    assert get_user_data(123, skip_cache=False) == 1  # type: ignore[call-arg]
    clock.advance(200)
    assert get_user_data(123, skip_cache=True) == 2  # type: ignore[call-arg]
    clock.advance(200)  # the ttl began anew
    assert get_user_data(123) == 2


def test_skip_cache_of_a_coroutine_function_on_redis(redis_server: Server) -> None:
    setup_redis_config(async_client=aredis.from_url(redis_server.url))
    source = {"value": 1}

    @rcache(ttl=300)
    async def get_user_data(user_id: int, **_: Any) -> int:
        return source["value"]

    async def main() -> None:
        assert await get_user_data(123) == 1
        source["value"] = 2
        assert await get_user_data(123) == 1
        assert await get_user_data(123, skip_cache=True) == 2
        assert await get_user_data(123) == 2

    asyncio.run(main())
