"""Typed usage: type checkers agree with every `assert_type`, and the functions run.

Each function is one thing that users do; tests/test_typing.py calls them all.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from stillroom import Cache, Load, current_load, default_key_context, key_context
from stillroom.decorated import AsyncCachedFunction, AsyncCachedGenerator, CachedFunction, CachedGenerator, Decorator
from stillroom.guards.circuit import Mode
from stillroom.observe.stats import FunctionStats
from stillroom.transaction import Transaction

if TYPE_CHECKING:
    from typing_extensions import assert_type
else:
    from tests.typing.at_run_time import assert_type

X = TypeVar("X")


# Functions


def a_function() -> None:
    @Cache()(ttl="10m")
    def rate(base: str, /) -> float:
        """Return what a euro costs."""
        return len(base) / 2

    assert_type(rate, CachedFunction[[str], float])
    assert_type(rate("usd"), float)
    assert_type(rate.peek("usd"), float | None)
    assert_type(rate.peek("usd", default=0), float | int)
    assert_type(rate.peek("chf", default="nothing"), float | str)
    assert_type(rate.refresh("usd"), float)
    assert_type(rate.bypass("usd"), float)
    assert_type(rate.invalidate("usd"), bool)
    assert_type(rate.key("usd"), str)
    assert_type(rate.many(["usd", ("chf",)]), list[float])
    assert_type(rate.stats, FunctionStats)
    assert_type(rate.stats.hits, int)
    assert_type(rate.__wrapped__("usd"), float)
    assert_type(rate.__name__, str)
    assert_type(rate.__qualname__, str)
    assert_type(rate.__doc__, str | None)
    rate.put(1.5, "usd")
    rate.invalidate_all()


def a_function_that_asks_for_its_load() -> None:
    @Cache()(ttl="10m", stale_if_error="1d")
    def rate(base: str) -> float:
        load = current_load()
        assert_type(load, Load)
        assert_type(load.key, str)
        assert_type(load.has_stale, bool)
        assert_type(load.ttl, float | None)
        assert_type(list(load.tags), list[str])
        load.ttl = "1h30m"
        load.ttl = timedelta(minutes=1)
        load.ttl = 60
        load.ttl = None
        load.tags.add("rates", base)
        load.skip()
        if load.has_stale:
            stale: float = load.not_modified()
            return stale
        if base == "none":
            load.fail("there is no such rate")
        return len(base) / 2

    assert_type(rate("usd"), float)


async def a_coroutine_function() -> None:
    @Cache()(ttl=timedelta(minutes=10))
    async def rate(base: str, /) -> float:
        return len(base) / 2

    assert_type(rate, AsyncCachedFunction[[str], float])
    waiting: Coroutine[Any, Any, float] = rate("usd")
    assert_type(await waiting, float)
    assert_type(await rate("usd"), float)
    assert_type(await rate.peek("usd"), float | None)
    assert_type(await rate.peek("usd", default=0), float | int)
    assert_type(await rate.peek("chf", default="nothing"), float | str)
    assert_type(await rate.refresh("usd"), float)
    assert_type(await rate.bypass("usd"), float)
    assert_type(await rate.invalidate("usd"), bool)
    assert_type(rate.key("usd"), str)
    assert_type(await rate.many(["usd", ("chf",)]), list[float])
    assert_type(rate.stats, FunctionStats)
    assert_type(await rate.__wrapped__("usd"), float)
    await rate.put(1.5, "usd")
    await rate.invalidate_all()


def all_sorts_of_parameters() -> None:
    @Cache()()
    def found(table: str, *ids: int, limit: int = 10, **filters: bool) -> list[str]:
        return [table, *map(str, ids), *filters][:limit]

    assert_type(found("users"), list[str])
    assert_type(found("users", 1, 2, limit=3, active=True), list[str])
    assert_type(found(table="users", limit=3), list[str])
    assert_type(found.peek("users", 1, 2, limit=3, active=True), list[str] | None)
    assert_type(found.peek("users", 1, default=None), list[str] | None)
    assert_type(found.invalidate("users", 1, limit=3), bool)
    assert_type(found.many([("users", 1), {"table": "users", "limit": 3}]), list[list[str]])
    found.put(["1"], "users", 1, limit=3)


def a_result_that_may_be_none() -> None:
    @Cache()(store_if="not_none")
    def name(user_id: int, /) -> str | None:
        return str(user_id) if user_id else None

    assert_type(name, CachedFunction[[int], str | None])
    assert_type(name(0), str | None)
    assert_type(name.peek(0, default=0), str | None | int)


def a_result_of_any_type() -> None:
    @Cache()()
    def parsed(text: str) -> Any:
        return {"text": text}

    name: str = parsed("a")["text"]
    assert name == "a"
    assert parsed.invalidate("a")


async def a_coroutine_function_with_a_result_of_any_type() -> None:
    @Cache()()
    async def parsed(text: str, /) -> Any:
        return {"text": text}

    assert_type(parsed, AsyncCachedFunction[[str], Any])
    assert_type((await parsed("a"))["text"], Any)
    assert_type(await parsed.invalidate("a"), bool)


def a_generic_function() -> None:
    @Cache()()
    def pair(one: X, other: X) -> list[X]:
        return [one, other]

    @Cache()()
    def made(kind: type[X], version: int) -> X:
        return kind()

    assert_type(pair(1, 2), list[int])
    number: int = made(int, 2)
    assert number == 0
    assert made.invalidate(int, 2)


def a_lambda() -> None:
    double: Callable[[int], int] = lambda number: 2 * number  # noqa: E731 - lambdas are the subject
    assert_type(Cache()(name="double")(double)(4), int)


# Methods


@dataclass(frozen=True)
class Shop:
    """One method of each sort."""

    name: str

    cache = Cache()

    @cache()
    def price(self, item: str) -> float:
        return len(item) / 2

    @cache()
    async def stock(self, item: str) -> int:
        return len(item)

    @cache()
    def items(self, first: str) -> Iterator[str]:
        yield from (first, self.name)

    @cache()
    async def orders(self, first: int) -> AsyncIterator[int]:
        yield first

    @cache()
    @classmethod
    def outer(cls, city: str) -> str:
        return f"{cls.__name__} in {city}"

    @classmethod
    @cache()
    def inner(cls, city: str) -> str:
        return f"{cls.__name__} in {city}"

    @cache()
    @classmethod
    async def outer_async(cls, city: str) -> str:
        return f"{cls.__name__} in {city}"

    @classmethod
    @cache()
    async def inner_async(cls, city: str) -> str:
        return f"{cls.__name__} in {city}"

    @cache()
    @staticmethod
    def outer_static(number: int) -> str:
        return str(number)

    @staticmethod
    @cache()
    def inner_static(number: int) -> str:
        return str(number)

    @cache()
    @staticmethod
    async def outer_static_async(number: int) -> str:
        return str(number)

    @staticmethod
    @cache()
    async def inner_static_async(number: int) -> str:
        return str(number)


class CornerShop(Shop):
    """Methods are inherited."""


def a_method() -> None:
    for shop in (Shop("a"), CornerShop("b")):
        _bound: CachedFunction[[str], float] = shop.price
        assert_type(shop.price("tea"), float)
        assert_type(shop.price.peek("tea"), float | None)
        assert_type(shop.price.peek("tea", default=""), float | str)
        assert_type(shop.price.refresh("tea"), float)
        assert_type(shop.price.bypass("tea"), float)
        assert_type(shop.price.key("tea"), str)
        assert_type(shop.price.many(["tea", "milk"]), list[float])
        assert_type(shop.price.invalidate("tea"), bool)
        assert_type(shop.price.stats, FunctionStats)
        shop.price.put(1.5, "tea")
        shop.price.invalidate_all()


def a_method_asked_of_its_class() -> None:
    shop = Shop("a")
    _unbound: CachedFunction[[Shop, str], float] = Shop.price
    assert_type(Shop.price(shop, "tea"), float)
    assert_type(Shop.price.peek(shop, "tea"), float | None)
    assert_type(Shop.price.invalidate(shop, "tea"), bool)


async def an_async_method() -> None:
    shop = Shop("a")
    _bound: AsyncCachedFunction[[str], int] = shop.stock
    assert_type(await shop.stock("tea"), int)
    assert_type(await shop.stock.peek("tea"), int | None)
    assert_type(await shop.stock.invalidate("tea"), bool)
    _unbound: AsyncCachedFunction[[Shop, str], int] = Shop.stock
    assert_type(await Shop.stock(shop, "tea"), int)


def a_class_method_below_the_decorator() -> None:
    _outer: CachedFunction[[str], str] = Shop.outer
    assert_type(Shop.outer("Rome"), str)
    assert_type(CornerShop.outer("Rome"), str)
    assert_type(Shop("a").outer("Rome"), str)
    assert_type(Shop.outer.peek("Rome"), str | None)
    assert_type(Shop.outer.invalidate("Rome"), bool)
    assert_type(Shop("a").outer.invalidate("Rome"), bool)
    assert CornerShop.outer("Rome") == "CornerShop in Rome"


def a_class_method_above_the_decorator() -> None:
    assert_type(Shop.inner("Rome"), str)
    assert_type(Shop("a").inner("Rome"), str)
    assert CornerShop.inner("Rome") == "CornerShop in Rome"


async def async_class_methods() -> None:
    assert_type(await Shop.outer_async("Rome"), str)
    assert_type(await Shop.outer_async.invalidate("Rome"), bool)
    assert_type(await Shop.inner_async("Rome"), str)
    assert_type(await Shop("a").inner_async("Rome"), str)


def static_methods_in_both_orders() -> None:
    _outer: CachedFunction[[int], str] = Shop.outer_static
    assert_type(Shop.outer_static(1), str)
    assert_type(Shop.outer_static.invalidate(1), bool)
    assert_type(Shop("a").outer_static(1), str)
    assert_type(Shop("a").outer_static.peek(1), str | None)
    _inner: CachedFunction[[int], str] = Shop.inner_static
    assert_type(Shop.inner_static(1), str)
    assert_type(Shop.inner_static.invalidate(1), bool)
    assert_type(Shop("a").inner_static(1), str)
    assert_type(Shop("a").inner_static.peek(1), str | None)


async def async_static_methods_in_both_orders() -> None:
    assert_type(await Shop.outer_static_async(1), str)
    assert_type(await Shop("a").outer_static_async.invalidate(1), bool)
    assert_type(await Shop.inner_static_async(1), str)
    assert_type(await Shop("a").inner_static_async.invalidate(1), bool)


def a_class_method_as_an_object() -> None:
    def call(cls: type[Shop], city: str) -> str:
        return f"{cls.__name__} in {city}"

    class Kiosk(Shop):
        called = Cache()()(classmethod(call))

    assert_type(Kiosk.called("Rome"), str)
    assert_type(Kiosk.called.invalidate("Rome"), bool)


# Generators


def a_generator() -> None:
    @Cache()(ttl=60)
    def words(text: str, /) -> Iterator[str]:
        yield from text.split()

    assert_type(words, CachedGenerator[[str], str])
    assert_type(words("a b"), Generator[str, None, Any])
    assert_type(list(words("a b")), list[str])
    assert_type(words.peek("a b"), tuple[str, ...] | None)
    assert_type(words.peek("a b", default=0), tuple[str, ...] | int)
    assert_type(words.refresh("a b"), tuple[str, ...])
    assert_type(words.many(["a b", "c"]), list[tuple[str, ...]])
    assert_type(list(words.bypass("a b")), list[str])
    assert_type(words.invalidate("a b"), bool)
    words.put(["a", "b"], "a b")
    words.put(words("a b"), "a c")

    shop = Shop("a")
    _bound: CachedGenerator[[str], str] = shop.items
    assert_type(list(shop.items("tea")), list[str])
    assert_type(shop.items.peek("tea"), tuple[str, ...] | None)
    assert_type(list(Shop.items(shop, "tea")), list[str])


def a_generator_that_returns_something() -> None:
    @Cache()()
    def words(text: str, /) -> Generator[str, None, int]:
        yield from text.split()
        return len(text)

    assert_type(words, CachedGenerator[[str], str])
    assert_type(words.refresh("a b"), tuple[str, ...])


async def an_async_generator() -> None:
    @Cache()(ttl=60)
    async def words(text: str, /) -> AsyncIterator[str]:
        for word in text.split():
            yield word

    assert_type(words, AsyncCachedGenerator[[str], str])
    assert_type(words("a b"), AsyncGenerator[str, None])
    assert_type([word async for word in words("a b")], list[str])
    assert_type(await words.peek("a b"), tuple[str, ...] | None)
    assert_type(await words.peek("a b", default=0), tuple[str, ...] | int)
    assert_type(await words.refresh("a b"), tuple[str, ...])
    assert_type(await words.many(["a b", "c"]), list[tuple[str, ...]])
    assert_type([word async for word in words.bypass("a b")], list[str])
    assert_type(await words.invalidate("a b"), bool)
    await words.put(["a", "b"], "a b")

    shop = Shop("a")
    _bound: AsyncCachedGenerator[[int], int] = shop.orders
    assert_type([order async for order in shop.orders(1)], list[int])
    assert_type(await shop.orders.peek(1), tuple[int, ...] | None)


# Everything else


def settings_of_the_decorator() -> None:
    def ttl(user_id: int, value: dict[str, int]) -> float | str:
        return 60.0 if value else "1h"

    decorator: Decorator = Cache()(
        ttl=ttl,
        key="user:{user_id}",
        namespace="users",
        version=2,
        tags=["users", "user:{user_id}"],
        stale_while_revalidate=30,
        stale_if_error=timedelta(hours=1),
        errors=(OSError, LookupError),
        retry_after="5s",
        refresh_ahead="xfetch",
        soft_timeout=0.5,
        max_hits=100,
        refresh_after_hits=50,
        jitter=0.1,
        store_if=lambda value: value is not None,
        cache_errors={KeyError: "10s"},
        lock=None,
        copy=True,
    )

    @decorator
    def user(user_id: int) -> dict[str, int]:
        return {"id": user_id}

    assert_type(user(1), dict[str, int])


def annotations_of_what_is_decorated() -> None:
    def forgotten(lookup: CachedFunction[[str], float], *names: str) -> list[bool]:
        return [lookup.invalidate(name) for name in names]

    def called(lookup: Callable[[str], float]) -> float:
        return lookup("tea")

    @Cache()()
    def rate(base: str, /) -> float:
        return len(base) / 2

    assert_type(forgotten(rate, "usd"), list[bool])
    assert_type(forgotten(Shop("a").price, "tea"), list[bool])
    assert_type(called(rate), float)
    assert_type(called(Shop("a").price), float)


def stacked_decorators() -> None:
    @Cache()(name="outer")
    @Cache()()
    def rate(base: str, /) -> float:
        return len(base) / 2

    assert_type(rate, CachedFunction[[str], float])
    assert_type(rate("usd"), float)


def verbs() -> None:
    cache = Cache()

    def load() -> list[int]:
        return [1]

    assert_type(cache.get_or_load("a", load, "10m"), list[int])
    assert_type(cache.get_or_load("b", lambda: 1.5, tags=["b"]), float)
    assert_type(cache.add("c", 1), bool)
    assert_type(cache.incr("c"), int)
    assert_type(cache.exists("c"), bool)
    assert_type(cache.get_many(["a", "b"]), dict[str, Any])
    assert_type(cache.delete("a"), bool)
    assert_type(cache.delete_many(["a", "b"]), int)
    assert_type(cache.touch("c", 10), bool)
    assert_type(list(cache.scan("*")), list[str])
    cache.set("a", 1, ttl=None)
    cache.invalidate(tags=["b"])


async def verbs_of_asyncio() -> None:
    cache = Cache()

    async def load() -> list[int]:
        return [1]

    loaded: list[int] = await cache.aget_or_load("a", load, "10m")
    assert_type(loaded, list[int])
    assert_type(await cache.aget_or_load("b", lambda: 1.5), float)
    assert_type(await cache.aadd("c", 1), bool)
    assert_type(await cache.aincr("c"), int)
    assert_type(await cache.adelete("a"), bool)
    assert_type([name async for name in cache.ascan("*")], list[str])
    await cache.aset("a", 1)


# Guards


def a_limited_function() -> None:
    @Cache().rate_limit(limit=10, period="1m", key="{base}")
    def rate(base: str, /, amount: int = 1) -> float:
        return len(base) / amount

    assert_type(rate("usd"), float)
    assert_type(rate.limiter.limit, int)
    assert_type(rate.limiter.peek("usd").remaining, int)


async def a_limited_coroutine_function() -> None:
    @Cache().rate_limit(limit=10, period="1m")
    async def rate(base: str) -> float:
        return len(base) / 2

    assert_type(await rate("usd"), float)
    assert_type((await rate.limiter.peek("usd")).retry_after, float)


def a_limited_method() -> None:
    class Shop:
        @Cache().rate_limit(limit=10, period="1m")
        def price(self, item: str) -> int:
            return len(item)

    assert_type(Shop().price("tea"), int)
    assert_type(Shop().price.limiter.peek("tea").is_open, bool)


def a_limited_cached_function() -> None:
    cache = Cache()

    @cache.rate_limit(limit=10, period="1m")
    @cache(ttl="10m")
    def rate(base: str) -> float:
        return len(base) / 2

    assert_type(rate("usd"), float)
    assert_type(rate.invalidate("usd"), bool)


def a_predicate_with_a_filter() -> None:
    @Cache().bloom(capacity=100)
    def is_taken(name: str) -> bool:
        return name == "ada"

    is_taken.add("ada")
    assert_type(is_taken("ada"), bool)
    is_taken.bloom.fill(["ada"])


def a_transaction() -> None:
    cache = Cache()
    with cache.transaction(keep_loads=False) as transaction:
        cache.set("a", 1)
    assert_type(transaction, Transaction)


async def an_asynchronous_transaction() -> None:
    cache = Cache()
    async with cache.transaction(independent=True) as transaction:
        await cache.aset("a", 1)
    assert_type(transaction, Transaction)


def a_locked_function() -> None:
    @Cache().locked(key="{account}", wait="1s")
    def settle(account: int) -> str:
        return str(account)

    assert_type(settle(7), str)


def a_function_with_a_circuit_breaker() -> None:
    cache = Cache()

    @cache.circuit_breaker(errors=(OSError, LookupError), ignore=KeyError)
    def rate(base: str) -> float:
        return len(base) / 2

    assert_type(rate("usd"), float)
    assert_type(rate.breaker.state, Mode)
    assert_type(rate.breaker.peek("usd").error_rate, float)
    rate.breaker.open("usd")
    rate.breaker.close("usd")


async def a_coroutine_function_with_a_circuit_breaker() -> None:
    @Cache().circuit_breaker()
    async def rate(base: str) -> float:
        return len(base) / 2

    assert_type(await rate("usd"), float)
    assert_type(await rate.breaker.state, Mode)
    await rate.breaker.close("usd")


def a_cached_function_with_a_circuit_breaker_below() -> None:
    cache = Cache()

    @cache(ttl="10m")
    @cache.circuit_breaker()
    def rate(base: str) -> float:
        return len(base) / 2

    assert_type(rate("usd"), float)
    assert_type(rate.invalidate("usd"), bool)


def a_method_with_a_circuit_breaker() -> None:
    class Shop:
        @Cache().circuit_breaker()
        def price(self, item: str) -> int:
            return len(item)

    assert_type(Shop().price("tea"), int)
    assert_type(Shop().price.breaker.peek("tea").calls, int)


def a_function_whose_calls_are_timed() -> None:
    @Cache().slow(factor=2, window="1m", key="{base}")
    def rate(base: str) -> float:
        return len(base) / 2

    assert_type(rate("usd"), float)
    assert_type(rate.slowness.peek("usd").usual, float | None)
    rate.slowness.reset("usd")


async def a_coroutine_function_whose_calls_are_timed() -> None:
    @Cache().slow()
    async def rate(base: str) -> float:
        return len(base) / 2

    assert_type(await rate("usd"), float)
    assert_type((await rate.slowness.peek("usd")).retry_after, float)
    await rate.slowness.reset("usd")


def a_key_context() -> None:
    default_key_context(locale="en")

    @Cache()(key="menu:{@tenant}:{@locale}:{day}")
    def menu(day: str) -> str:
        return day

    with key_context(tenant="acme") as nothing:
        assert_type(nothing, None)
        assert_type(menu("monday"), str)


def a_function_that_changes_things() -> None:
    cache = Cache()

    @cache(key="user:{user_id}")
    def get_user(user_id: int) -> str:
        return str(user_id)

    @cache.invalidates(of=get_user, map={"user_id": "id"}, tags=["team:{return}"], keys=["users"], all_of=[get_user])
    def rename(id: int, name: str) -> int:
        return len(name) + id

    assert_type(rename(5, name="Ada"), int)

    class Users:
        @cache(key="name:{user_id}")
        def name(self, user_id: int) -> str:
            return str(user_id)

        @cache.invalidates(of=[name, get_user], namespace="users")
        def rename(self, user_id: int) -> int:
            return user_id

        @cache.invalidates(keys=["users"])
        @classmethod
        def create(cls, name: str) -> str:
            return name

        @staticmethod
        @cache.invalidates(keys=["users"])
        def count(users: list[str]) -> int:
            return len(users)

    assert_type(Users().rename(5), int)
    assert_type(Users.create("Ada"), str)
    assert_type(Users.count(["Ada"]), int)


async def a_coroutine_function_that_changes_things() -> None:
    @Cache().invalidates(tags=["users"])
    async def rename(id: int, name: str) -> int:
        return len(name) + id

    waiting: Coroutine[Any, Any, int] = rename(5, "Ada")
    assert_type(await waiting, int)


# Batch functions


def a_batch_function() -> None:
    @Cache().batch(ttl="10m", key="{shop}:{sku}", over="skus", missing_ttl="1m", window="1ms", max_size=10)
    def prices(skus: list[str], shop: str = "corner") -> dict[str, float]:
        return {sku: len(sku) / 2 for sku in skus if sku}

    assert_type(prices(["tea", ""]), dict[str, float])
    assert_type(prices.refresh(["tea"], shop="corner"), dict[str, float])
    assert_type(prices.bypass(["tea"]), dict[str, float])
    assert_type(prices.peek(["tea"]), dict[Any, float])
    assert_type(prices.invalidate(["tea"]), int)
    assert_type(prices.one("tea"), float | None)
    assert_type(prices.one.invalidate("tea"), bool)
    assert_type(prices.stats, FunctionStats)
    prices.put({"tea": 2.5})
    prices.invalidate_all()


async def a_batch_coroutine_function() -> None:
    @Cache().batch(ttl="10m")
    async def lengths(words: list[str]) -> list[int]:
        return [len(word) for word in words]

    assert_type(await lengths(["tea"]), list[int])
    assert_type(await lengths.refresh(["tea"]), list[int])
    assert_type(await lengths.peek(["tea"]), dict[Any, int])
    assert_type(await lengths.invalidate(["tea"]), int)
    assert_type(await lengths.one("tea"), int | None)
    await lengths.put({"tea": 3})
    await lengths.invalidate_all()


def batch_methods() -> None:
    cache = Cache()

    class Shop:
        @cache.batch(ttl="10m")
        def prices(self, skus: list[str]) -> dict[str, int]:
            return {sku: len(sku) for sku in skus}

        @cache.batch(ttl="10m")
        @classmethod
        def of_all(cls, skus: list[str]) -> list[int]:
            return [len(sku) for sku in skus]

    assert_type(Shop().prices(["tea"]), dict[str, int])
    assert_type(Shop().prices.invalidate(["tea"]), int)
    assert_type(Shop().of_all(["tea"]), list[int])
    assert_type(Shop.of_all(["tea"]), list[int])
