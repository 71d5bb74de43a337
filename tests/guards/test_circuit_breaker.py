"""`@cache.circuit_breaker(...)` on functions of all kinds, in memory and on Redis."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

import pytest

from stillroom import Cache, CircuitOpen, ConfigurationError, RateLimited, Refused
from stillroom.observe.events import CallRefused, CircuitClosed, CircuitOpened
from stillroom.testing import FakeClock

LONG = "1h"


class Broken(Exception):
    """What functions here fail with."""


def fail(call: Any, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(Broken):
            call()


async def fail_async(call: Any, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(Broken):
            await call()


class Target:
    """A function that can be broken."""

    def __init__(self) -> None:
        self.is_broken = True
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.is_broken:
            raise Broken
        return "well"


def breaking(cache: Cache, target: Any, **rules: Any) -> Any:
    def f() -> Any:
        return target()

    return cache.circuit_breaker(**{"min_calls": 2, "open_for": LONG, "name": "f", **rules})(f)


def test_once_too_many_calls_have_failed_the_function_is_no_longer_called() -> None:
    target = Target()
    f = breaking(Cache(), target)
    fail(f, 2)
    with pytest.raises(CircuitOpen, match="f is not called: the circuit is open; try again in") as caught:
        f()
    assert isinstance(caught.value, Refused)
    assert 3590 < caught.value.retry_after <= 3600
    assert target.calls == 2
    standing = f.breaker.peek()
    assert (standing.state, standing.calls, standing.errors, standing.error_rate) == ("open", 2, 2, 1.0)
    assert f.breaker.state == "open"


@pytest.mark.asyncio_only
async def test_coroutine_functions_are_guarded_in_the_same_way() -> None:
    target = Target()

    @Cache().circuit_breaker(min_calls=2, open_for=LONG, key="{a}")
    async def f(a: int) -> str:
        return target()

    await fail_async(lambda: f(1), 2)
    with pytest.raises(CircuitOpen, match="for '1'"):
        await f(1)
    await fail_async(lambda: f(2))
    assert ((await f.breaker.peek(1)).state, (await f.breaker.peek(2)).state) == ("open", "closed")
    await f.breaker.open(2)
    await f.breaker.close(1)
    target.is_broken = False
    assert await f(1) == "well"
    assert (await f.breaker.peek(2)).state == "open"


@pytest.mark.memory_only("time is moved by hand")
def test_a_trial_that_succeeds_closes_it_and_one_that_fails_opens_it_for_longer(clock: FakeClock) -> None:
    target = Target()
    f = breaking(Cache(clock=clock), target, open_for="10s", growth=2)
    fail(f, 2)
    clock.advance(10)
    fail(f)
    clock.advance(19)
    with pytest.raises(CircuitOpen):
        f()
    clock.advance(1)
    target.is_broken = False
    assert f() == "well"
    assert f.breaker.state == "closed"


@pytest.mark.memory_only("time is moved by hand")
def test_there_are_exactly_so_many_trials_at_a_time(clock: FakeClock) -> None:
    cache, gate = Cache(clock=clock), threading.Event()
    tried, refused = threading.Semaphore(0), threading.Semaphore(0)
    results: list[str] = []

    def target() -> str:
        tried.release()
        gate.wait(20)
        return "well"

    f = breaking(cache, target, open_for="10s", half_open_calls=2)
    f.breaker.open()
    clock.advance(10)

    def call() -> None:
        try:
            results.append(f())
        except CircuitOpen:
            refused.release()

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert all(tried.acquire(timeout=20) for _ in range(2))
    assert all(refused.acquire(timeout=20) for _ in range(6))
    assert f.breaker.state == "half_open"
    gate.set()
    for thread in threads:
        thread.join(20)
    assert results == ["well"] * 2
    assert f.breaker.state == "closed"


@pytest.mark.asyncio_only
@pytest.mark.memory_only("time is moved by hand")
async def test_a_trial_that_is_cancelled_says_nothing_and_gives_its_place_back(clock: FakeClock) -> None:
    cache, began = Cache(clock=clock), asyncio.Event()

    @cache.circuit_breaker(open_for="10s", trial_for=LONG)
    async def f(waits: bool) -> str:
        began.set()
        if waits:
            await asyncio.Event().wait()
        return "well"

    await f.breaker.open(True)
    clock.advance(10)
    task = asyncio.ensure_future(f(True))
    await began.wait()
    with pytest.raises(CircuitOpen, match="its trials go on"):
        await f(False)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await f.breaker.state == "half_open"
    assert await f(False) == "well"
    assert await f.breaker.state == "closed"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_what_is_called_off_counts_as_neither(interruption: type[BaseException]) -> None:
    def target() -> None:
        raise interruption

    f = breaking(Cache(), target, errors=BaseException)
    with pytest.raises(interruption):
        f()
    assert f.breaker.peek().calls == 0


def test_only_some_errors_count_and_some_say_nothing() -> None:
    errors = [Broken(), ValueError(), KeyError()]

    def target() -> None:
        raise errors.pop()

    f = breaking(Cache(), target, errors=(Broken, LookupError), ignore=KeyError)
    for error in (KeyError, ValueError, Broken):
        with pytest.raises(error):
            f()
    assert f.breaker.peek()[1:3] == (2, 1)


def test_the_refusal_of_a_guard_below_says_nothing() -> None:
    cache = Cache()

    @cache.circuit_breaker(min_calls=2, name="f")
    @cache.rate_limit(limit=1, period=LONG, name="f")
    def f() -> str:
        return "well"

    limited: Any = f
    assert f() == "well"
    for _ in range(5):
        with pytest.raises(RateLimited):
            f()
    assert f.breaker.peek()[:3] == ("closed", 1, 0)
    assert not limited.limiter.peek().is_open


def test_a_call_that_began_before_the_circuit_opened_does_not_matter_afterwards() -> None:
    cache, outcomes = Cache(), iter([Broken, Broken, None])

    @cache.circuit_breaker(min_calls=2, open_for=LONG)
    def f(inner: Any) -> str:
        inner()
        if error := next(outcomes):
            raise error
        return "well"

    def open_it_meanwhile() -> None:
        fail(lambda: f(int), 2)
        assert f.breaker.state == "open"

    assert f(open_it_meanwhile) == "well"
    assert f.breaker.peek(int)[:3] == ("open", 2, 2)


def test_to_open_and_close_by_hand() -> None:
    target = Target()
    target.is_broken = False
    f = breaking(Cache(), target)
    f.breaker.open()
    with pytest.raises(CircuitOpen):
        f()
    f.breaker.close()
    assert (f(), f.breaker.state) == ("well", "closed")


def test_generators_are_judged_when_they_end() -> None:
    cache = Cache()

    @cache.circuit_breaker(min_calls=1, open_for=LONG)
    def f(fails: bool) -> Iterator[int]:
        yield 1
        if fails:
            raise Broken

    assert list(f(False)) == [1]
    stopped = f(True)
    assert next(stopped) == 1
    stopped.close()  # type: ignore[attr-defined]
    assert f.breaker.peek(True)[:3] == ("closed", 1, 0)
    fail(lambda: list(f(True)))
    with pytest.raises(CircuitOpen):
        next(f(False))


@pytest.mark.asyncio_only
async def test_asynchronous_generators_are_judged_when_they_end() -> None:
    cache = Cache()

    @cache.circuit_breaker(min_calls=1, open_for=LONG)
    async def f(fails: bool) -> AsyncIterator[int]:
        yield 1
        if fails:
            raise Broken

    assert [item async for item in f(False)] == [1]
    stopped = f(True)
    assert await anext(stopped) == 1
    await stopped.aclose()  # type: ignore[attr-defined]
    with pytest.raises(Broken):
        [item async for item in f(True)]
    with pytest.raises(CircuitOpen):
        [item async for item in f(False)]


@pytest.mark.asyncio_only
@pytest.mark.memory_only("time is moved by hand")
async def test_a_generator_on_trial_that_fails_to_close_gives_its_place_back_all_the_same(clock: FakeClock) -> None:
    @Cache(clock=clock).circuit_breaker(open_for=10, trial_for=LONG)
    async def f() -> AsyncIterator[int]:
        try:
            yield 1
        except GeneratorExit:
            raise Broken from None

    breaker: Any = f.breaker
    await breaker.open()
    clock.advance(10)
    running = f()
    assert await anext(running) == 1
    with pytest.raises(Broken):
        await running.aclose()  # type: ignore[attr-defined]
    assert [item async for item in f()] == [1]


@pytest.mark.asyncio_only
async def test_asynchronous_generators_hear_what_their_caller_says() -> None:
    heard: list[Any] = []

    @Cache().circuit_breaker()
    async def f() -> AsyncGenerator[int, str]:
        for number in range(3):
            try:
                heard.append((yield number))
            except Broken as error:
                heard.append(error)

    running: Any = f()
    error = Broken()
    assert [await anext(running), await running.asend("more"), await running.athrow(error)] == [0, 1, 2]
    assert [item async for item in running] == []
    assert heard == ["more", error, None]
    breaker: Any = f
    assert (await breaker.breaker.peek())[:3] == ("closed", 1, 0)


@pytest.mark.memory_only("time is moved by hand")
def test_a_generator_on_trial_that_cannot_begin_gives_its_place_back(clock: FakeClock) -> None:
    def key(fails: bool) -> str:
        if fails:
            raise Broken
        return "all"

    cache: Any = Cache(clock=clock)

    @cache.circuit_breaker(open_for=10, trial_for=LONG, ignore=Broken)
    @cache.rate_limit(limit=9, period=1, key=key)
    def f(fails: bool) -> Iterator[int]:
        yield 1

    f.breaker.open()
    clock.advance(10)
    fail(lambda: list(f(True)))
    assert list(f(False)) == [1]


def test_generators_behind_several_decorators_are_judged_when_they_end() -> None:
    cache: Any = Cache()

    @cache(ttl=60)
    @cache.circuit_breaker(min_calls=1, open_for=LONG, key="{fails}")
    @cache.slow()
    def f(fails: bool) -> Iterator[int]:
        yield 1
        if fails:
            raise Broken

    assert (list(f(False)), list(f(False))) == ([1], [1])
    assert f.breaker.peek(False).calls == 1
    fail(lambda: list(f(True)))
    with pytest.raises(CircuitOpen):
        list(f(True))


def test_more_calls_than_anybody_makes_are_as_good_as_none() -> None:
    f = breaking(Cache(), Target(), min_calls=10**400, half_open_calls=10**400)
    fail(f, 20)


@pytest.mark.parametrize("long", [1e15, "999999w"])
def test_very_long_is_long_enough(long: Any) -> None:
    f = breaking(Cache(), Target(), window=long, open_for=long)
    fail(f, 2)
    with pytest.raises(CircuitOpen):
        f()


class Shop:
    cache = Cache()

    def __init__(self, name: str) -> None:
        self.name = name

    @cache.circuit_breaker(min_calls=1, open_for=LONG, key="{self.name}")
    def price(self, item: str) -> str:
        """Return a price."""
        raise Broken

    @classmethod
    @cache.circuit_breaker(min_calls=1, open_for=LONG)
    def below(cls) -> str:
        raise Broken

    @cache.circuit_breaker(min_calls=1, open_for=LONG)
    @staticmethod
    def alone(item: str) -> str:
        raise Broken(item)


@pytest.mark.memory_only("the class has its cache")
def test_methods_are_guarded_and_their_breaker_knows_the_object() -> None:
    mine, yours = Shop("mine"), Shop("yours")
    fail(lambda: mine.price("tea"))
    assert (mine.price.breaker.peek("tea").state, yours.price.breaker.peek("tea").state) == ("open", "closed")
    assert mine.price.__doc__ == "Return a price."
    shop: Any = Shop
    for call in (shop.below, lambda: shop.alone("tea")):
        fail(call)
        with pytest.raises(CircuitOpen):
            call()


@pytest.mark.memory_only("time is moved by hand")
async def test_an_old_value_rescues_what_the_circuit_refuses(clock: FakeClock) -> None:
    cache, target = Cache(clock=clock), Target()
    f = cache(ttl="1m", stale_if_error="1d")(breaking(cache, target))
    target.is_broken = False
    assert f() == "well"
    target.is_broken = True
    f.breaker.open()
    clock.advance(90)
    assert f() == "well"
    assert target.calls == 1


def test_above_the_cache_it_would_judge_by_hits() -> None:
    cache = Cache()
    with pytest.raises(ConfigurationError, match="must stand below") as caught:
        cache.circuit_breaker()(cache(ttl=60)(lambda: 1))
    assert caught.value.setting == "circuit_breaker"


def test_what_happens_to_a_circuit_is_told() -> None:
    cache, target = Cache(), Target()
    heard: list[Any] = []
    cache.subscribe(heard.append, CallRefused, CircuitOpened, CircuitClosed)
    f = breaking(cache, target)
    fail(f, 2)
    with pytest.raises(CircuitOpen) as caught:
        f()
    f.breaker.close()
    f.breaker.close()
    assert heard == [
        CircuitOpened("", "f", "2 of 2 calls failed in 60 s"),
        CallRefused("circuit_breaker", "", "f", caught.value),
        CircuitClosed("", "f", "by hand"),
    ]


@pytest.mark.memory_only("time is moved by hand")
def test_what_comes_of_trials_is_told(clock: FakeClock) -> None:
    cache, target = Cache(clock=clock), Target()
    heard: list[Any] = []
    f = breaking(cache, target, open_for=10)
    fail(f, 2)
    cache.subscribe(heard.append, CircuitOpened, CircuitClosed)
    clock.advance(10)
    fail(f)
    clock.advance(10)
    target.is_broken = False
    f()
    assert heard == [CircuitOpened("", "f", "a trial failed"), CircuitClosed("", "f", "all trials succeeded")]


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"error_rate": 0}, "error_rate"),
        ({"error_rate": 1.1}, "error_rate"),
        ({"error_rate": True}, "error_rate"),
        ({"error_rate": float("nan")}, "error_rate"),
        ({"error_rate": "half"}, "error_rate"),
        ({"window": 0}, "window"),
        ({"min_calls": 0}, "min_calls"),
        ({"min_calls": 2.0}, "min_calls"),
        ({"open_for": "soon"}, "open_for"),
        ({"half_open_calls": 0}, "half_open_calls"),
        ({"trial_for": 0}, "trial_for"),
        ({"growth": 0.5}, "growth"),
        ({"growth": float("inf")}, "growth"),
        ({"open_for": 10, "max_open_for": 5}, "max_open_for"),
        ({"errors": "OSError"}, "errors"),
        ({"errors": OSError()}, "errors"),
        ({"errors": ()}, "errors"),
        ({"ignore": None}, "ignore"),
        ({"ignore": (int,)}, "ignore"),
        ({"on_error": "raise"}, "on_error"),
        ({"key": "{b}"}, "key"),
        ({"key": 5}, "key"),
        ({"name": ""}, "name"),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_once(settings: Any, wrong: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Cache().circuit_breaker(**settings)(lambda a: a)
    assert caught.value.setting == wrong


@pytest.mark.memory_only("it looks into the table")
def test_what_is_over_leaves_nothing_behind(clock: FakeClock) -> None:
    cache = Cache(clock=clock)
    f = cache.circuit_breaker(window="10s", key="{n}")(lambda n: n)
    for n in range(1000):
        f(n)
        clock.advance(1)
    assert len(cache._core.tallies) < 20


def test_with_a_key_there_is_no_one_state() -> None:
    f: Any = Cache().circuit_breaker(key="{a}")(lambda a: a)
    assert f.breaker.peek(1).state == "closed"
    with pytest.raises(ConfigurationError, match="ask peek"):
        _ = f.breaker.state


def test_no_name_imitates_another_with_the_beginning_of_a_key() -> None:
    cache = Cache()
    one = cache.circuit_breaker(name="a:b", key="{k}")(lambda k: k)
    other = cache.circuit_breaker(name="a", key="{k}")(lambda k: k)
    one.breaker.open("c")
    assert (one.breaker.peek("c").state, other.breaker.peek("b:c").state) == ("open", "closed")
