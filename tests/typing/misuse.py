"""Misuse that type checkers must refuse: each ignore comment is an error in itself as soon as its line is accepted.

``# type: ignore`` is for mypy, ``# pyright: ignore`` for pyright: the pyrightconfig.json beside this keeps it from heeding
both. This module never runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from stillroom import cache
from stillroom.decorated import CachedFunction


@cache(ttl="10m")
def rate(base: str, *, precise: bool = False) -> float:
    return len(base) / (2 if precise else 1)


@cache(ttl="10m")
async def rate_async(base: str, *, precise: bool = False) -> float:
    return len(base) / (2 if precise else 1)


@cache()
def words(text: str) -> Iterator[str]:
    yield from text.split()


@cache()
async def words_async(text: str) -> AsyncIterator[str]:
    yield text


@cache()
def parsed(text: str) -> Any:
    return [text]


class Shop:
    @cache()
    def price(self, item: str) -> float:
        return len(item) / 2

    @cache()
    @classmethod
    def outer(cls, city: str) -> str:
        return f"{cls.__name__} in {city}"

    @classmethod
    @cache()
    def inner(cls, city: str) -> str:
        return f"{cls.__name__} in {city}"

    @cache()
    @staticmethod
    def static(number: int) -> str:
        return str(number)


def wrong_arguments() -> None:
    rate(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    rate()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    rate("usd", True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    rate("usd", precisely=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    rate.invalidate(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    rate.invalidate("usd", precisely=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    rate.invalidate_all("usd")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    rate.refresh(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    rate.bypass(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    rate.key(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    rate.peek(1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    rate.put("usd")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    rate.put("much", "usd")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    rate.many(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    rate.expire("usd")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    rate.__wrapped__(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    parsed(1)  # pyright: ignore[reportArgumentType] - mypy sees no more than Any


async def wrong_arguments_of_coroutine_functions() -> None:
    await rate_async(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await rate_async("usd", precisely=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await rate_async.invalidate(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await rate_async.peek(1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await rate_async.put("much", "usd")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def wrong_use_of_results() -> object:
    text: str = rate("usd")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    certain: float = rate.peek("usd")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    other: float = rate.peek("usd", default=text)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    rate("usd").upper()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    rate.many(["usd"])[0].upper()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    return text, certain, other


async def missing_await() -> object:
    number: float = rate_async("usd")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    known: float | None = rate_async.peek("usd")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    rate_async("usd")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    rate_async.invalidate("usd")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    rate_async.invalidate_all()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    rate_async.put(1.5, "usd")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    words_async.put(["a"], "a")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    rate_async.stats.hits + rate_async("usd")  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnusedExpression]
    return number, known


async def needless_await() -> None:
    await rate("usd")  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    await rate.invalidate("usd")  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    await rate_async.key("usd")  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]


async def wrong_use_of_generators() -> None:
    words(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    words("a b")[0]  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    words.put("a b", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    words.put([1], "a b")  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await words_async("a b")  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    list(words_async("a b"))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


def wrong_use_of_methods() -> None:
    shop = Shop()
    shop.price(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    shop.price(shop, "tea")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    shop.price.invalidate(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    shop.price.invalidate(shop, "tea")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    Shop.price("tea")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    Shop.price.peek("tea")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    Shop.outer(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Shop.outer.invalidate(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Shop.outer(Shop, "Rome")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    Shop.inner(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Shop.static("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    shop.static.invalidate("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    shop.static(shop, 1)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]


@cache  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def without_brackets(number: int) -> int:
    return number


def wrong_settings() -> None:
    cache(ttl=["10m"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cache(time_to_live=10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    cache(lock="everywhere")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cache(store_if="not_empty")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cache(errors=BaseException)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cache()(5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def wrong_annotations() -> object:
    takes_int: Callable[[int], float] = rate  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    other: CachedFunction[[str], str] = rate  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    blocking: CachedFunction[[str], float] = rate_async  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    return takes_int, other, blocking


async def wrong_use_of_verbs() -> object:
    text: str = cache.get_or_load("a", lambda: 1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    cache.get_or_load("a", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cache.aset("a", 1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    return text
