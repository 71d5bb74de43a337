"""What the original gets wrong, and what does not come along."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from blockbuster import BlockBuster
from tests.compat.cache_house.conftest import forget
from tests.compat.cache_house.places import Init, Settings, counted, twice

from stillroom import ConfigurationError
from stillroom.compat.cache_house.backends import RedisCache, RedisFactory
from stillroom.compat.cache_house.cache import cache

SIGNED = {"secret": "sixteen bytes or more"}


def test_a_load_that_began_before_a_clearing_is_not_kept(init: Init, at: Settings) -> None:
    init(**at)
    source, has_read, may_end = ["old"], threading.Event(), threading.Event()

    @cache(namespace="users")
    def get_user() -> str:
        found = source[0]
        if not has_read.is_set():
            has_read.set()
            may_end.wait(10)
        return found

    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(get_user)
        has_read.wait(10)
        source[0] = "new"
        RedisCache.clear_keys("cachehouse:users")
        assert get_user() == "new"
        may_end.set()
        assert early.result() == "old"
    assert get_user() == "new"


@pytest.mark.asyncio_only
async def test_concurrent_callers_share_a_load(init: Init, at: Settings) -> None:
    init(**at)
    runs = []

    @cache()
    async def f(x: int) -> list[int]:
        runs.append(x)
        await asyncio.sleep(0)
        return [x]

    results = await asyncio.gather(*(f(1) for _ in range(50)))
    assert results == [[1]] * 50
    assert runs == [1]
    assert len({id(one) for one in results}) == 50  # and no object


@pytest.mark.asyncio_only
async def test_the_event_loop_is_not_blocked(init: Init, redis_at: Settings) -> None:
    init(**redis_at)

    @cache()
    async def f(x: int) -> int:
        return x

    await f(0)
    blocker = BlockBuster()
    blocker.activate()
    try:
        assert [await f(1), await f(1)] == [1, 1]
        await RedisCache.aclear_keys("cachehouse")
    finally:
        blocker.deactivate()


@pytest.mark.parametrize("value", [None, 0, "", [], False, b""], ids=repr)
def test_results_that_are_false_are_results(init: Init, at: Settings, value: Any) -> None:
    init(**at)
    runs = []

    @cache()
    def f() -> Any:
        runs.append(1)
        return value

    assert f() == f() == value
    assert runs == [1]


def test_a_function_that_asks_for_its_own_key_does_not_hang(init: Init, at: Settings) -> None:
    init(**at)
    depth = []

    @cache()
    def f() -> int:
        depth.append(1)
        return f() if len(depth) < 3 else 7

    assert f() == 7


def test_the_first_backend_leaves_no_trace_in_decorators(init: Init) -> None:
    function = counted()
    for namespace in ("one", "two"):
        instance = init(namespace=namespace)
        twice(function)
        (key,) = instance.store.scan()
        assert key.startswith(f"cachehouse:{namespace}:")
        forget()


def test_one_decorator_for_several_functions(init: Init, at: Settings) -> None:
    init(**at)
    decorator = cache(encoder=json.dumps, decoder=json.loads)
    one, other = decorator(lambda: "one"), decorator(lambda: "other")
    assert [one(), other(), one(), other()] == ["one", "other", "one", "other"]


# What cannot be kept


def test_a_result_that_cannot_be_encoded_is_returned(init: Init, at: Settings, caplog: pytest.LogCaptureFixture) -> None:
    init(**at)

    @cache()
    def items() -> Any:
        yield from range(3)

    assert [list(items()), list(items())] == [[0, 1, 2]] * 2
    assert "Result returned without caching" in caplog.text


def test_a_result_that_cannot_be_decoded_is_loaded_anew(init: Init, at: Settings, caplog: pytest.LogCaptureFixture) -> None:
    init(**at)

    def decoder(data: Any) -> Any:
        raise ValueError("no")

    assert twice(counted(encoder=json.dumps, decoder=decoder)) == 2
    assert "Proceeding without cache" in caplog.text


@pytest.mark.parametrize("encoder", [lambda value: value, lambda value: {"value": value}], ids=["as is", "in a dict"])
def test_callers_share_no_object_whatever_the_encoder_does(init: Init, at: Settings, encoder: Any) -> None:
    init(**at)

    @cache(encoder=encoder, decoder=lambda data: data)
    def f() -> list[int]:
        return [1]

    f()
    first = f()
    expected = encoder([1])
    assert first == expected
    first.clear()
    assert f() == expected


def test_what_a_backend_cannot_encode_is_not_kept(init: Init, at: Settings, caplog: pytest.LogCaptureFixture) -> None:
    instance = init(**at, encoder=lambda value: [value], decoder=lambda data: data[0])
    assert twice(counted()) == 2
    instance.set_key("k", 1, 60)
    assert instance.get_key("k") is None
    assert "Result returned without caching" in caplog.text
    assert "Redis set_key failed" in caplog.text


def test_a_key_builder_that_fails_costs_no_call_its_result(init: Init, at: Settings) -> None:
    init(**at)

    def builder(*args: Any, **kwargs: Any) -> str:
        raise ValueError("no")

    assert twice(counted(key_builder=builder)) == 2


@pytest.mark.parametrize("expire", [0, -1, "soon"])
def test_an_expiration_that_makes_no_sense_costs_no_call_its_result(init: Init, at: Settings, expire: Any) -> None:
    init(**at)
    assert twice(counted(expire=expire)) == 2


def test_errors_of_the_function_are_its_own(init: Init, at: Settings) -> None:
    init(**at)
    runs = []

    @cache()
    def f() -> None:
        runs.append(1)
        raise LookupError("no")

    for _ in range(2):
        with pytest.raises(LookupError):
            f()
    assert len(runs) == 2


# Pickle


class Trap:
    """Runs something when it is read by pickle."""

    sprung: list[int] = []  # noqa: RUF012

    def __reduce__(self) -> Any:
        return Trap.sprung.append, (1,)


def test_with_a_secret_nothing_runs_that_was_not_signed_here(init: Init, redis_at: Settings) -> None:
    unsigned = init(**redis_at)

    @cache(key_builder=lambda *args, **kwargs: "k")
    def f() -> str:
        return "tea"

    trap = cache(key_builder=lambda *args, **kwargs: "k")(_trap)
    trap()
    stored = unsigned.redis.get("k")
    forget()
    signed = init(**redis_at, **SIGNED)
    signed.redis.set("k", stored)
    again = cache(key_builder=lambda *args, **kwargs: "k")(_trap)
    again()
    assert (f(), f()) == ("tea", "tea")
    assert Trap.sprung == []


def _trap() -> Trap:
    return Trap()


def test_a_secret_that_is_none_is_refused(init: Init) -> None:
    with pytest.raises(ConfigurationError, match="secret"):
        init(**{**SIGNED, "secret": "short"})
    assert RedisFactory.instance is None


def test_settings_that_redis_py_does_not_know_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    RedisFactory.init(no_such_setting=1)
    assert RedisFactory.instance is None
    assert "Failed to initialize" in caplog.text
    assert twice(counted()) == 2


def test_only_what_is_ours_is_cleared(init: Init, redis_at: Settings) -> None:
    instance = init(**redis_at)
    instance.redis.set("cachehouse:main:foreign", "x")
    instance.redis.hset("cachehouse:main:hash", "a", "b")
    assert twice(counted()) == 1
    RedisCache.clear_keys("cachehouse")
    assert sorted(instance.redis.keys("cachehouse:*")) == [b"cachehouse:main:foreign", b"cachehouse:main:hash"]
