"""`@cache.rate_limit(...)` on functions of all kinds, in memory and on Redis."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from stillroom import Cache, ConfigurationError, RateLimited, Refused
from stillroom.observe.events import CallRefused
from stillroom.testing import FakeClock

LONG = "1h"


def open_calls(call: Any, count: int) -> int:
    """Return how many of some calls were let through."""
    passed = 0
    for _ in range(count):
        try:
            call()
        except RateLimited:
            continue
        passed += 1
    return passed


async def refused(call: Any) -> bool:
    try:
        await call()
    except RateLimited:
        return True
    return False


def test_calls_beyond_the_limit_are_refused_and_the_error_says_how_things_stand() -> None:
    cache = Cache()
    calls = []

    @cache.rate_limit(limit=2, period=LONG)
    def f(a: int, b: int = 1) -> int:
        calls.append(a)
        return a * b

    assert (f(1), f(2, b=3)) == (1, 6)
    with pytest.raises(RateLimited, match="called too often: there were 2 calls in 3600 s") as caught:
        f(3)
    assert isinstance(caught.value, Refused)
    assert caught.value.limit == 2
    assert caught.value.remaining == 0
    assert 3590 < caught.value.retry_after <= 3600
    assert calls == [1, 2]


@pytest.mark.asyncio_only
async def test_coroutine_functions_are_limited_in_the_same_way() -> None:
    cache = Cache()

    @cache.rate_limit(limit=2, period=LONG)
    async def f(a: int) -> int:
        return a

    assert (await f(1), await f(2)) == (1, 2)
    assert await refused(lambda: f(3))
    assert (await f.limiter.peek(1)).remaining == 0
    await f.limiter.reset(1)
    assert await f(1) == 1


def test_what_has_the_same_key_is_counted_together() -> None:
    cache = Cache()

    @cache.rate_limit(limit=2, period=LONG, key="{user.id}")
    def f(user: Any, text: str) -> str:
        return text

    class User:
        def __init__(self, id: int) -> None:
            self.id = id

    assert open_calls(lambda: f(User(1), "a"), 3) == 2
    assert open_calls(lambda: f(User(2), "b"), 3) == 2
    assert f.limiter.peek(User(3), "c").remaining == 2


def test_a_function_without_a_key_has_one_count_which_takes_no_arguments_to_find() -> None:
    f = Cache().rate_limit(limit=3, period=LONG)(lambda a, b: a + b)
    f(1, 2)
    assert f.limiter.peek().remaining == f.limiter.peek(5, 6).remaining == 2
    f.limiter.reset()
    assert f.limiter.peek().remaining == 3


def test_a_key_may_be_a_rule() -> None:
    cache = Cache()

    @cache.rate_limit(limit=1, period=LONG, key=lambda text: text.lower())
    def f(text: str) -> str:
        return text

    assert f("a") == "a"
    with pytest.raises(RateLimited, match="for 'a'"):
        f("A")
    assert f("b") == "b"


def test_to_look_consumes_nothing_and_a_reset_forgets() -> None:
    cache = Cache()
    f = cache.rate_limit(limit=2, period=LONG, ban=LONG)(lambda a: a)
    assert [f.limiter.peek(1).remaining for _ in range(3)] == [2, 2, 2]
    assert open_calls(lambda: f(1), 4) == 2
    standing = f.limiter.peek(1)
    assert not standing.is_open
    assert standing.retry_after > 3590
    f.limiter.reset(1)
    assert f.limiter.peek(1).is_open
    assert f(1) == 1


@pytest.mark.memory_only("time is moved by hand")
def test_time_opens_the_limit_again(clock: FakeClock) -> None:
    cache = Cache(clock=clock)
    f = cache.rate_limit(limit=2, period="10s")(lambda: 1)
    assert open_calls(f, 3) == 2
    clock.advance(9.9)
    assert open_calls(f, 3) == 0
    clock.advance(0.2)
    assert open_calls(f, 3) == 2


@pytest.mark.memory_only("time is moved by hand")
def test_a_ban_outlasts_the_period(clock: FakeClock) -> None:
    cache = Cache(clock=clock)
    f = cache.rate_limit(limit=1, period="10s", ban="1m")(lambda: 1)
    assert open_calls(f, 2) == 1
    clock.advance(59)
    assert open_calls(f, 1) == 0
    clock.advance(2)
    assert open_calls(f, 1) == 1


@pytest.mark.memory_only("it looks into the table")
def test_what_is_over_leaves_nothing_behind(clock: FakeClock) -> None:
    cache = Cache(clock=clock)
    f = cache.rate_limit(limit=1, period="10s", key="{n}")(lambda n: n)
    for n in range(1000):
        f(n)
        clock.advance(1)
    assert len(cache._core.tallies) < 20


def test_a_bucket_admits_a_burst() -> None:
    cache = Cache()
    f = cache.rate_limit(limit=1, period=LONG, burst=5)(lambda: 1)
    assert open_calls(f, 9) == 5


@pytest.mark.parametrize("most", [10**9, 10**400])
@pytest.mark.parametrize("of", [("limit", "burst"), ("limit",), ("burst",)])
def test_very_large_limits_and_very_short_periods_are_limits_too(of: tuple[str, ...], most: int) -> None:
    settings: Any = {"limit": 1, **dict.fromkeys(of, most)}
    f = Cache().rate_limit(period=1e-7, **settings)(lambda: 1)
    assert open_calls(f, 5) == 5
    assert 0 <= f.limiter.peek().remaining <= most


def test_limits_above_each_other_count_each_for_itself() -> None:
    cache = Cache()

    @cache.rate_limit(limit=8, period="2h")
    @cache.rate_limit(limit=5, period="1h")
    def f() -> int:
        return 1

    assert open_calls(f, 7) == 5
    assert f.limiter.peek().remaining == 1


def test_limits_above_each_other_may_go_by_different_arguments() -> None:
    cache = Cache()

    @cache.rate_limit(limit=2, period=LONG, key="{user}")
    @cache.rate_limit(limit=3, period=LONG, key="{team}")
    def f(user: int, team: int) -> int:
        return 1

    assert (open_calls(lambda: f(1, 1), 3), open_calls(lambda: f(2, 1), 3), open_calls(lambda: f(3, 2), 3)) == (2, 1, 2)


@pytest.mark.parametrize("other", [{"period": LONG, "burst": 2}, {"period": "2h"}])
def test_a_name_is_shared_by_those_who_count_in_the_same_way(other: Any) -> None:
    cache = Cache()
    f = cache.rate_limit(limit=2, period=LONG, name="shared")(lambda: 1)
    g = cache.rate_limit(limit=2, period=LONG, name="shared")(lambda: 1)
    h = cache.rate_limit(limit=2, name="shared", **other)(lambda: 1)
    assert (f(), g()) == (1, 1)
    assert not f.limiter.peek().is_open
    assert open_calls(h, 3) == 2


@pytest.mark.parametrize("settings", [{"period": 1e15}, {"period": 1e15, "burst": 1}, {"period": 1, "ban": 1e15}])
def test_what_lasts_longer_than_a_century_is_for_ever(settings: Any) -> None:
    cache = Cache()
    f = cache.rate_limit(limit=1, **settings)(lambda: 1)
    assert open_calls(f, 3) == 1
    assert 3e9 < f.limiter.peek().retry_after < 4e9
    assert cache.health().state == "ok"


def test_threads_together_get_no_more_than_the_limit() -> None:
    cache = Cache()
    f = cache.rate_limit(limit=50, period=LONG)(lambda: 1)
    passed: list[int] = []
    threads = [threading.Thread(target=lambda: passed.append(open_calls(f, 30))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(passed) == 50


def test_generators_are_limited_when_they_begin() -> None:
    cache = Cache()

    @cache.rate_limit(limit=1, period=LONG)
    def f(n: int) -> Iterator[int]:
        yield from range(n)

    assert list(f(3)) == [0, 1, 2]
    with pytest.raises(RateLimited):
        list(f(3))


@pytest.mark.asyncio_only
async def test_asynchronous_generators_are_limited_when_they_begin() -> None:
    cache = Cache()

    @cache.rate_limit(limit=1, period=LONG)
    async def f(n: int) -> AsyncIterator[int]:
        for item in range(n):
            yield item

    assert [item async for item in f(3)] == [0, 1, 2]
    with pytest.raises(RateLimited):
        [item async for item in f(3)]


class Shop:
    cache = Cache()

    def __init__(self, name: str) -> None:
        self.name = name

    @cache.rate_limit(limit=2, period=LONG, key="{self.name}")
    def price(self, item: str) -> str:
        """Return a price."""
        return f"{item} at {self.name}"

    @classmethod
    @cache.rate_limit(limit=1, period=LONG)
    def below(cls) -> str:
        return cls.__name__

    @cache.rate_limit(limit=1, period=LONG)
    @classmethod
    def above(cls) -> str:
        return cls.__name__

    @staticmethod
    @cache.rate_limit(limit=1, period=LONG)
    def alone(item: str) -> str:
        return item

    @cache.rate_limit(limit=3, period=LONG, key="{self.name}")
    @cache(ttl=LONG, key="shop:{self.name}:{item}")
    def cached(self, item: str) -> str:
        return item

    @cache(ttl=LONG, key="load:{self.name}:{item}")
    @cache.rate_limit(limit=1, period=LONG, key="{self.name}")
    def loaded(self, item: str) -> str:
        return item


@pytest.mark.memory_only("the class has its cache")
def test_methods_are_limited_and_their_limiter_knows_the_object() -> None:
    mine, yours = Shop("mine"), Shop("yours")
    assert mine.price("tea") == "tea at mine"
    assert mine.price.limiter.peek("tea").remaining == 1
    assert yours.price.limiter.peek("tea").remaining == 2
    assert Shop.price(yours, "jam") == "jam at yours"
    assert yours.price.limiter.peek("tea").remaining == 1
    assert mine.price.__name__ == "price"
    assert mine.price.__doc__ == "Return a price."


@pytest.mark.memory_only("the class has its cache")
def test_a_guarded_method_is_as_good_as_any_other() -> None:
    shop, other = Shop("own"), Shop("own")
    bound: Any = shop.price
    assert bound == shop.price
    assert len({bound, shop.price}) == 1
    assert bound != other.price
    assert copy.copy(bound)("tea") == "tea at own"
    assert pickle.loads(pickle.dumps(bound)).limiter.limit == 2
    kept: Any = weakref.WeakMethod(bound)
    assert kept() == bound


@pytest.mark.asyncio_only
async def test_guards_of_a_bound_coroutine_method_see_it_to_its_end() -> None:
    cache, inside = Cache(), list[int]()

    class Account:
        @cache.rate_limit(limit=100, period=LONG)
        async def settle(self) -> int:
            inside.append(1)
            await asyncio.sleep(0.01)
            assert inside.pop() == 1
            return len(inside)

        @cache.rate_limit(limit=100, period=LONG)
        async def lines(self, n: int) -> AsyncIterator[int]:
            for line in range(n):
                yield line

    account: Any = Account()
    f: Any = cache.locked(wait="5s", name="f")(account.settle)
    assert inspect.iscoroutinefunction(f)
    assert list(await asyncio.gather(f(), f(), f())) == [0, 0, 0]
    g: Any = cache.locked(wait="5s", name="g")(account.lines)
    assert [line async for line in g(2)] == [0, 1]


@pytest.mark.memory_only("the class has its cache")
def test_class_methods_and_static_methods_are_limited_in_either_order() -> None:
    shop: Any = Shop
    assert (shop.below(), shop.above(), shop.alone("tea")) == ("Shop", "Shop", "tea")
    assert not shop.above.limiter.peek().is_open
    for call in (shop.below, shop.above, lambda: shop.alone("tea")):
        with pytest.raises(RateLimited):
            call()


def test_guards_above_each_other_and_above_a_cache_bind_class_methods_to_the_class() -> None:
    cache = Cache()

    class Shop:
        @cache.locked()
        @cache.rate_limit(limit=2, period=LONG)
        @classmethod
        def guarded(cls, item: str) -> str:
            return f"{cls.__name__} {item}"

        @cache.locked()
        @cache.rate_limit(limit=2, period=LONG)
        @cache(ttl=LONG, ignore=("cls",))
        @classmethod
        def cached(cls, item: str) -> str:
            return f"{cls.__name__} {item}"

        @cache.rate_limit(limit=2, period=LONG)
        @classmethod
        @cache(ttl=LONG, ignore=("cls",))
        def between(cls, item: str) -> str:
            return f"{cls.__name__} {item}"

    shop: Any = Shop
    for of in (shop, shop()):
        assert [f("tea") for f in (of.guarded, of.cached, of.between)] == ["Shop tea"] * 3
    assert shop.guarded.limiter.peek().remaining == shop.cached.limiter.peek().remaining == 0
    assert shop.cached.peek("tea") == shop().between.peek("tea") == "Shop tea"


@pytest.mark.memory_only("the class has its cache")
def test_a_limit_above_a_cached_method_leaves_its_helpers_within_reach() -> None:
    shop: Any = Shop("corner")
    assert shop.cached("tea") == "tea"
    assert shop.cached.peek("tea") == "tea"
    assert shop.cached.invalidate("tea")
    assert shop.cached.limiter.peek("tea").remaining == 2
    assert (shop.cached("tea"), shop.cached("tea")) == ("tea", "tea")
    with pytest.raises(RateLimited):
        shop.cached("tea")


@pytest.mark.memory_only("the class has its cache")
def test_a_limit_below_the_cache_limits_loads_alone() -> None:
    shop: Any = Shop("market")
    assert [shop.loaded("tea") for _ in range(5)] == ["tea"] * 5
    assert not shop.loaded.limiter.peek("tea").is_open
    with pytest.raises(RateLimited):
        shop.loaded("jam")


@pytest.mark.memory_only("time is moved by hand")
async def test_an_old_value_rescues_what_the_limit_refuses(clock: FakeClock) -> None:
    cache = Cache(clock=clock)

    @cache(ttl="1m", stale_if_error="1h")
    @cache.rate_limit(limit=1, period="1d")
    def f(a: int) -> int:
        return a

    assert f(1) == 1
    clock.advance(90)
    assert f(1) == 1
    with pytest.raises(RateLimited):
        f(2)


def test_refusals_are_events() -> None:
    cache = Cache()
    heard: list[Any] = []
    cache.subscribe(heard.append, CallRefused)
    f = cache.rate_limit(limit=1, period=LONG, key="{a}", name="f")(lambda a: a)
    f(1)
    with pytest.raises(RateLimited) as caught:
        f(1)
    assert heard == [CallRefused("rate_limit", "1", "f", caught.value)]


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"limit": 0, "period": 1}, "limit"),
        ({"limit": True, "period": 1}, "limit"),
        ({"limit": 1.5, "period": 1}, "limit"),
        ({"limit": 1, "period": 0}, "period"),
        ({"limit": 1, "period": "soon"}, "period"),
        ({"limit": 1, "period": 1, "burst": 0}, "burst"),
        ({"limit": 1, "period": 1, "ban": -1}, "ban"),
        ({"limit": 1, "period": 1, "on_error": "raise"}, "on_error"),
        ({"limit": 1, "period": 1, "key": "{b}"}, "key"),
        ({"limit": 1, "period": 1, "key": ""}, "key"),
        ({"limit": 1, "period": 1, "name": ""}, "name"),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_once(settings: Any, wrong: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Cache().rate_limit(**settings)(lambda a: a)
    assert caught.value.setting == wrong


def test_what_cannot_be_called_cannot_be_limited() -> None:
    decorate: Any = Cache().rate_limit(limit=1, period=1)
    with pytest.raises(ConfigurationError, match="only something callable"):
        decorate(5)


def test_wrong_arguments_are_reported_as_the_function_would_and_not_counted() -> None:
    f: Any = Cache().rate_limit(limit=1, period=LONG)(lambda a: a)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        f()
    assert f(1) == 1
