"""Detecting where results come from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from stillroom.compat.cashews import Cache, CacheDetect, context_cache_detect
from stillroom.compat.cashews.backends.interface import Backend
from stillroom.testing import FakeClock

pytestmark = pytest.mark.asyncio_only

Same = Callable[..., Any]

STRATEGIES: dict[str, Callable[[Any], Any]] = {
    "cache": lambda cache: cache(ttl=60, key="k:{a}"),
    "by result": lambda cache: cache(ttl=lambda a, result=None: result * 60, key="k:{a}"),
    "early": lambda cache: cache.early(ttl=60, early_ttl=30, key="k:{a}"),
    "soft": lambda cache: cache.soft(ttl=60, soft_ttl="30s", key="k:{a}"),
    "hit": lambda cache: cache.hit(ttl=60, cache_hits=10, key="k:{a}"),
    "lock": lambda cache: cache(ttl=60, key="k:{a}", lock=True),
}


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
async def test_what_comes_from_the_cache_is_listed(same: Same, strategy: Callable[[Any], Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        @strategy(cache)
        async def load(a: int) -> int:
            return a

        with library.context_cache_detect as detector:
            await load(1)
            first = dict(detector.calls)
            await load(1)
            await load(2)
            await load(1)
            calls, listed = detector.calls, detector.calls_list
            detector.clear()
            return first, _without_moments(calls), [key for key, _ in listed], detector.calls

    first, calls, listed, after = await same(program)
    assert first == after == {}
    assert len(calls) == 1
    assert len(listed) == 2


def _without_moments(calls: Any) -> Any:
    return {
        key: {name: type(value).__name__ if name.endswith("expire_at") else value for name, value in known.items()}
        for key, known in calls.items()
    }


async def test_a_result_that_stands_in_is_listed_with_the_error(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        outcomes: list[Any] = [1, KeyError("down")]

        @cache.failover(ttl=60, key="k")
        async def load() -> Any:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        with library.context_cache_detect as detector:
            await load()
            await load()
            (key, known), *others = detector.calls.items()
            return key, {**known, "exc": type(known["exc"])}, others

    key, known, others = await same(program)
    assert (key, known["exc"], others) == ("fail:k", KeyError, [])


async def test_iterators_are_listed(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        @cache.iterator(ttl=60, key="k")
        async def chunks() -> Any:
            yield 1

        with library.context_cache_detect as detector:
            for _ in range(2):
                assert [chunk async for chunk in chunks()] == [1]
            return detector.calls

    assert list(await same(program)) == ["k"]


async def test_blocks_within_each_other_listen_both(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        @cache(ttl=60, key="{a}")
        async def load(a: int) -> int:
            return a

        await load(1), await load(2)
        with library.context_cache_detect as outer:
            await load(1)
            with library.cache_detect as inner:
                await asyncio.create_task(load(2))
                within = list(inner.calls)
            await load(1)
            return list(outer.calls), [key for key, _ in outer.calls_list], within

    assert await same(program) == (["1", "2"], ["1", "2", "1"], ["2"])


async def test_what_lies_below_is_listed_too(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        @cache(ttl=60, key="inner")
        async def inner() -> int:
            return 1

        @cache(ttl=60, key="outer")
        async def outer() -> Any:
            return await inner()

        await inner()
        with library.context_cache_detect as detector:
            await outer()
            return list(detector.calls)

    assert await same(program) == ["inner"]


# As the document has it


async def test_detectors_are_handed_to_calls(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    @cache(ttl=10, key="my:key")
    async def func() -> int:
        return 1

    cache_detect = CacheDetect()
    await func(_from_cache=cache_detect)
    assert cache_detect.keys == {}

    await func(_from_cache=cache_detect)
    assert len(cache_detect.keys) == 1
    await func()
    assert len(cache_detect.calls_list) == 1


async def test_keys_are_told_with_all_that_is_known(open_cache: Callable[..., Any], url: str) -> None:
    cache = open_cache()

    @cache(ttl=10, key="my:key")
    async def decorated_function() -> int:
        return 1

    await decorated_function()
    with context_cache_detect as detector:
        await decorated_function()
        keys = detector.get()
    assert list(keys) == ["my:key"]
    (known,) = keys["my:key"]
    assert (known["ttl"], known["name"], known["backend"]) == (10, "simple", "mem" if url == "mem://" else "redis")
    assert "exc" not in keys["my:key"]
    assert keys["my:key"]["ttl"] == 10


async def test_the_middleware_of_the_document(open_cache: Callable[..., Any]) -> None:
    cache, headers = open_cache(), {}

    @cache.fail(ttl=60, key="status")
    async def call_next(fails: bool = False) -> str:
        if fails:
            raise ConnectionError("down")
        return "ok"

    async def add_from_cache_headers(fails: bool) -> Any:
        with context_cache_detect as detector:
            response = await call_next(fails)
            if detector.keys:
                key = list(detector.keys.keys())[0]  # noqa: RUF015 - as it is written there
                headers["X-From-Cache"] = key
                headers["X-From-Cache-Expire-In-Seconds"] = str(await cache.get_expire(key))
                if "exc" in detector.keys[key]:
                    headers["X-From-Cache-Exc"] = str(detector.keys[key]["exc"])
        return response

    assert await add_from_cache_headers(False) == "ok"
    assert headers == {}
    assert await add_from_cache_headers(True) == "ok"
    assert headers == {"X-From-Cache": "fail:status", "X-From-Cache-Expire-In-Seconds": "60", "X-From-Cache-Exc": "down"}


async def test_an_old_result_that_stands_in_is_listed(clock: FakeClock) -> None:
    cache, fails = Cache(), list[bool]()
    cache._add_backend(Backend(url="memory://", options={"clock": clock}))  # pyright: ignore[reportPrivateUsage]

    @cache.soft(ttl=600, soft_ttl=60, key="k")
    async def load() -> int:
        if fails:
            raise ConnectionError
        return 1

    with context_cache_detect as detector:
        await load()
        clock.advance(61)
        await load()
        assert detector.calls == {}
        clock.advance(61)
        fails.append(True)
        await load()
        assert list(detector.calls) == ["soft:k"]


async def test_callers_that_wait_for_a_load_are_not_served_from_the_cache(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    @cache(ttl=60, key="k")
    async def load() -> int:
        await asyncio.sleep(0.001)
        return 1

    with context_cache_detect as detector:
        await asyncio.gather(load(), load())
        assert detector.calls_list == []
        await asyncio.gather(load(), load())
        assert len(detector.calls_list) == 2
