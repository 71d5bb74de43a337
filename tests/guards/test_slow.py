"""`@cache.slow(...)` on functions of all kinds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from stillroom import Cache, ConfigurationError, RateLimited, Refused, TooSlow
from stillroom.observe.events import CallRefused
from stillroom.testing import FakeClock

by_hand = pytest.mark.memory_only("time is moved by hand")
RULES: dict[str, Any] = {"window": 60, "min_calls": 10, "name": "f"}


def timed(clock: FakeClock, cache: Cache | None = None, **rules: Any) -> Any:
    """Return a function that takes as long as it is told, by the clock."""
    cache = cache or Cache(clock=clock)

    @cache.slow(**{**RULES, **rules})
    def f(took: float, error: BaseException | None = None) -> float:
        clock.advance(took)
        if error:
            raise error
        return took

    return f


def passed(f: Any, took: float, count: int) -> int:
    """Return how many of some calls are let through."""
    through = 0
    for _ in range(count):
        try:
            f(took)
        except TooSlow:
            continue
        through += 1
    return through


@by_hand
def test_once_calls_take_much_longer_than_usual_the_function_is_no_longer_called(clock: FakeClock) -> None:
    f = timed(clock)
    assert passed(f, 1, 200) == 200
    assert 0 < passed(f, 5, 20) < 10
    with pytest.raises(TooSlow, match=r"f is not called: it takes 5\.\d s of late, and 1 s usually; try again in") as caught:
        f(1)
    assert isinstance(caught.value, Refused)
    assert 0 < caught.value.retry_after <= 30
    pace = f.slowness.peek(1)
    assert (pace.state, pace.retry_after) == ("refusing", caught.value.retry_after)
    assert pace.recent == pytest.approx(5, rel=0.1)
    assert pace.usual == pytest.approx(1, rel=0.1)


@by_hand
def test_calls_that_measure_bring_it_back(clock: FakeClock) -> None:
    f = timed(clock)
    passed(f, 1, 200)
    passed(f, 5, 20)
    clock.advance(30)
    assert f.slowness.peek(1).state == "measuring"
    assert passed(f, 1, 100) == 100
    assert f.slowness.peek(1).state == "normal"


@by_hand
@pytest.mark.asyncio_only
async def test_coroutine_functions_are_timed_in_the_same_way(clock: FakeClock) -> None:
    cache = Cache(clock=clock)

    @cache.slow(**RULES, key="{host}")
    async def f(host: str, took: float) -> None:
        clock.advance(took)

    for _ in range(200):
        await f("a", 1)
        await f("b", 1)
    while (await f.slowness.peek("a", 1)).state == "normal":
        await f("a", 9)
    with pytest.raises(TooSlow, match="for 'a'"):
        await f("a", 9)
    assert (await f.slowness.peek("a", 1)).state == "refusing"
    assert (await f.slowness.peek("b", 1)).state == "normal"
    await f.slowness.reset("a", 1)
    await f("a", 1)
    pace = await f.slowness.peek("a", 1)
    assert (pace.state, pace.calls, pace.usual, pace.retry_after) == ("normal", 1, None, 0)


@by_hand
def test_a_call_that_fails_counts_and_one_that_is_called_off_or_refused_does_not(clock: FakeClock) -> None:
    f = timed(clock)

    refused = RateLimited("", retry_after=1, limit=1, remaining=0)
    for error, calls in (
        (ValueError(), 1),
        (KeyboardInterrupt(), 1),
        (asyncio.CancelledError(), 1),
        (refused, 1),
        (OSError(), 2),
    ):
        with pytest.raises(type(error)):
            f(1, error)
        assert f.slowness.peek(1).calls == calls


@by_hand
def test_a_call_that_was_to_measure_and_is_called_off_gives_its_place_back(clock: FakeClock) -> None:
    f = timed(clock, refuse_for=600)
    passed(f, 1, 200)
    passed(f, 5, 20)
    clock.advance(600)
    for _ in range(100):
        with pytest.raises(KeyboardInterrupt):
            f(0.1, KeyboardInterrupt())
    assert passed(f, 1, 20) == 20


@by_hand
def test_generators_are_timed_from_their_first_item_to_their_end(clock: FakeClock) -> None:
    cache = Cache(clock=clock)

    @cache.slow(**RULES)
    def f(took: float) -> Iterator[int]:
        yield 1
        clock.advance(took)
        yield 2

    assert list(f(1)) == [1, 2]
    stopped = f(1)
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    pace = f.slowness.peek(1)
    assert pace.calls == 1
    assert pace.recent == pytest.approx(1, rel=0.1)


@by_hand
@pytest.mark.asyncio_only
async def test_asynchronous_generators_are_timed_too(clock: FakeClock) -> None:
    cache: Any = Cache(clock=clock)

    @cache.slow(**RULES)
    async def f(took: float) -> AsyncIterator[int]:
        yield 1
        clock.advance(took)

    assert [item async for item in f(1)] == [1]
    assert (await f.slowness.peek(1)).calls == 1


@by_hand
def test_methods_are_timed_and_their_slowness_knows_the_object(clock: FakeClock) -> None:
    cache = Cache(clock=clock)

    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name

        @cache.slow(key="{self.name}")
        def price(self, item: str) -> int:
            return len(item)

    mine, yours = Shop("mine"), Shop("yours")
    assert mine.price("tea") == 3
    assert (mine.price.slowness.peek("tea").calls, yours.price.slowness.peek("tea").calls) == (1, 0)


@by_hand
async def test_an_old_value_rescues_what_is_refused(clock: FakeClock) -> None:
    cache = Cache(clock=clock)
    f = timed(clock)
    g = cache(ttl="1m", stale_if_error="1d", key="g")(lambda: f(1))
    assert g() == 1
    passed(f, 1, 200)
    passed(f, 5, 20)
    assert f.slowness.peek(1).state == "refusing"
    assert g() == 1


def test_above_the_cache_it_would_time_hits() -> None:
    cache = Cache()
    with pytest.raises(ConfigurationError, match="must stand below") as caught:
        cache.slow()(cache(ttl=60)(lambda: 1))
    assert caught.value.setting == "slow"


@by_hand
def test_refusals_are_events(clock: FakeClock) -> None:
    cache = Cache(clock=clock)
    heard: list[Any] = []
    cache.subscribe(heard.append, CallRefused)
    f = timed(clock, cache, min_calls=1)
    for _ in range(100):
        f(1)
    f(100)
    with pytest.raises(TooSlow) as caught:
        f(1)
    assert heard == [CallRefused("slow", "", "f", caught.value)]


def test_on_every_store_calls_are_counted() -> None:
    f = Cache().slow()(lambda a: a)
    assert [f(number) for number in range(30)] == list(range(30))
    pace = f.slowness.peek(1)
    assert (pace.state, pace.calls, pace.usual, pace.retry_after) == ("normal", 30, None, 0)
    assert pace.recent is not None
    assert 0 < pace.recent < 1
    f.slowness.reset(1)
    assert f.slowness.peek(1).calls == 0


def test_very_long_is_long_enough() -> None:
    f = Cache().slow(window=1e15, baseline=1e15, refuse_for=1e15)(lambda: 1)
    assert (f(), f.slowness.peek().calls) == (1, 1)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"factor": 1}, "factor"),
        ({"factor": "2"}, "factor"),
        ({"factor": float("inf")}, "factor"),
        ({"quantile": 0}, "quantile"),
        ({"quantile": 95}, "quantile"),
        ({"window": 0}, "window"),
        ({"baseline": "long"}, "baseline"),
        ({"window": "2h", "baseline": "1h"}, "baseline"),
        ({"min_calls": 0}, "min_calls"),
        ({"refuse_for": -1}, "refuse_for"),
        ({"on_error": "raise"}, "on_error"),
        ({"key": "{b}"}, "key"),
        ({"name": ""}, "name"),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_once(settings: Any, wrong: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Cache().slow(**settings)(lambda a: a)
    assert caught.value.setting == wrong


@pytest.mark.memory_only("it looks into the table")
def test_what_is_over_leaves_nothing_behind(clock: FakeClock) -> None:
    cache = Cache(clock=clock)
    f = cache.slow(window="5s", baseline="10s", key="{n}")(lambda n: n)
    for n in range(1000):
        f(n)
        clock.advance(1)
    assert len(cache._core.tallies) < 20
