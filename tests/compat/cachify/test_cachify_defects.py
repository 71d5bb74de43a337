"""What goes wrong with cachify does not go wrong with the facade."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio as aredis
from tests.servers.server import Server
from tests.servers.waiting import eventually

from stillroom.compat.cachify import (
    cache,
    clear_never_die_registry,
    rcache,
    reset_redis_config,
    setup_redis_config,
)


@pytest.fixture(autouse=True)
def nothing_set_up() -> Iterator[None]:
    reset_redis_config()
    yield
    reset_redis_config()
    clear_never_die_registry()


@pytest.fixture(params=["memory", "redis"])
def decorate(request: pytest.FixtureRequest) -> Any:
    if request.param == "memory":
        return cache
    server: Server = request.getfixturevalue("redis_server")
    setup_redis_config(sync_client=redis.from_url(server.url), async_client=aredis.from_url(server.url))
    return rcache


def test_functions_that_close_over_other_values_are_others(decorate: Any) -> None:
    def times(number: int) -> Callable[[int], int]:
        @decorate(ttl=60)
        def multiplied(a: int) -> int:
            return a * number

        return multiplied  # type: ignore[no-any-return]

    assert [times(2)(5), times(3)(5), times(2)(5)] == [10, 15, 10]


def test_functions_that_close_over_what_has_no_value_are_others(decorate: Any) -> None:
    def reading(source: list[int]) -> Any:
        @decorate(ttl=60)
        def read() -> int:
            return source[0]

        @decorate(ttl=60, cache_key_func=lambda args, kwargs: "key")
        async def read_async() -> int:
            return source[0]

        return lambda: (read(), asyncio.run(read_async()))

    one, other = reading([1]), reading([2])
    assert [one(), other(), one(), other()] == [(1, 1), (2, 2), (1, 1), (2, 2)]


@pytest.mark.parametrize("kept", [False, True])
def test_a_function_may_be_defined_anew(decorate: Any, kept: bool) -> None:
    functions: list[Any] = []
    for answer in ("first", "second", "third"):
        source = [answer]

        @decorate(ttl=60)
        def f() -> str:
            return source[0]  # noqa: B023 - each is called in its own turn

        if kept:
            functions.append(f)
        assert f() == f() == answer


@pytest.mark.parametrize(
    "calls",
    [
        [((("a", 1),), {}), ((), {"a": 1})],
        [((1,), {}), ((True,), {}), ((1.0,), {}), (("1",), {})],
        [(("a", "b:c"), {}), (("a:b", "c"), {})],
        [(([1],), {}), (((1,),), {})],
    ],
)
def test_calls_that_differ_do_not_collide(decorate: Any, calls: list[Any]) -> None:
    @decorate(ttl=60)
    def f(*args: Any, **kwargs: Any) -> str:
        return repr((args, kwargs))

    assert [f(*args, **kwargs) for args, kwargs in calls * 2] == [repr(call) for call in calls * 2]


def test_the_order_within_a_set_does_not_matter(decorate: Any) -> None:
    calls: list[Any] = []

    @decorate(ttl=60)
    def f(members: set[str]) -> int:
        calls.append(members)
        return len(members)

    forward, backward = set(), set()
    for number in range(50):
        forward.add(f"{number}")
    for number in reversed(range(50)):
        backward.add(f"{number}")
    assert f(forward) == f(backward) == 50
    assert len(calls) == 1


def test_a_function_may_ask_for_its_own_key(decorate: Any) -> None:
    depth: list[int] = []

    @decorate(ttl=60)
    def f(a: int) -> int:
        depth.append(a)
        return 1 if len(depth) > 1 else int(f(a)) + 1

    assert f(1) in (1, 2)


def test_event_loops_may_follow_each_other(decorate: Any) -> None:
    @decorate(ttl=60)
    async def f(a: int) -> int:
        await asyncio.sleep(0)
        return a

    async def several(a: int) -> Any:
        return await asyncio.gather(*(f(a) for _ in range(5)))

    assert [asyncio.run(several(a)) for a in range(3)] == [[a] * 5 for a in range(3)]


def test_a_cancelled_caller_cancels_nobody_else() -> None:
    async def main() -> None:
        began, go_on = asyncio.Event(), asyncio.Event()

        @cache(ttl=60)
        async def f() -> int:
            began.set()
            await go_on.wait()
            return 1

        first, second = asyncio.ensure_future(f()), asyncio.ensure_future(f())
        await began.wait()
        first.cancel()
        go_on.set()
        assert await second == 1

    asyncio.run(main())


def test_a_refresh_wins_over_a_load_that_began_before() -> None:
    source = {"value": "old"}
    began, go_on = threading.Event(), threading.Event()
    waits = [True]

    @cache(ttl=60)
    def f() -> str:
        value = source["value"]
        if waits:
            waits.clear()
            began.set()
            assert go_on.wait(10)
        return value

    slow = threading.Thread(target=f)
    slow.start()
    assert began.wait(10)
    source["value"] = "new"
    assert f(skip_cache=True) == "new"  # type: ignore[call-arg]
    go_on.set()
    slow.join()
    assert f() == "new"


def test_a_server_that_hangs_holds_nobody_up(redis_server: Server) -> None:
    setup_redis_config(sync_client=redis.from_url(redis_server.url), async_client=aredis.from_url(redis_server.url))

    @rcache(ttl=60)
    def f(a: int) -> int:
        return a

    @rcache(ttl=60)
    async def g(a: int) -> int:
        return a

    assert f(0) == 0
    redis_server.pause()
    began = time.monotonic()
    for number in range(20):
        assert f(number) == number
        assert asyncio.run(g(number)) == number
    assert time.monotonic() - began < 10


def test_a_server_that_comes_back_is_used_again(own_server: Server) -> None:
    setup_redis_config(sync_client=redis.from_url(own_server.url))
    calls: list[int] = []

    @rcache(ttl=60)
    def f(a: int) -> int:
        calls.append(a)
        return len(calls)

    assert [f(1), f(1)] == [1, 1]
    own_server.kill()
    assert [f(1), f(1)] == [2, 3]
    own_server.start()
    eventually(lambda: f(1) == f(1))


def test_an_error_leaves_no_lock_behind(redis_server: Server) -> None:
    setup_redis_config(sync_client=redis.from_url(redis_server.url))

    @rcache(ttl=60)
    def f() -> int:
        raise LookupError

    with pytest.raises(LookupError):
        f()
    assert redis_server.client().keys("cachify*!*") == []


SECRET = "thirty-two bytes that none can guess"  # noqa: S105 - of this test


class Evil:
    """Runs code when it is loaded."""

    ran: list[int] = []  # noqa: RUF012

    def __reduce__(self) -> Any:
        return Evil.ran.append, (1,)


def test_a_secret_keeps_code_out(redis_server: Server) -> None:
    client: Any = redis.from_url(redis_server.url)
    setup_redis_config(sync_client=client, secret=SECRET)

    @rcache(ttl=60)
    def f() -> dict[int, Any]:
        return {1: {2}}

    assert f() == f() == {1: {2}}
    (key,) = client.keys("cachify:{*")
    stored = client.get(key)
    good = pickle.dumps({1: {2}}, protocol=pickle.HIGHEST_PROTOCOL)
    assert good in stored
    client.set(key, stored.replace(good, pickle.dumps(Evil(), protocol=pickle.HIGHEST_PROTOCOL)))
    assert f() == {1: {2}}
    assert not Evil.ran
