"""Who takes part: stillroom, the standard library and the peers, each the way its documentation shows it.

Peers are imported where they are used. A contender whose library is not there is left out, and so are the targets that need it.
"""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, cycle, islice
from typing import Any

from .timing import Contender

__all__ = ["Build", "hits", "misses", "present", "scales"]

CAPACITY = 1_000
TTL = 600
ASKED = 1_000
CALL = "f(1, 2)"

Build = Callable[[], Contender]


def load(a: int, b: int) -> int:
    """The function that is cached."""
    return a + b


async def aload(a: int, b: int) -> int:
    """The coroutine function that is cached."""
    return a + b


async def bare(a: int) -> int:
    """What an await costs by itself."""
    return a


def _stillroom(capacity: int = CAPACITY) -> Any:
    from stillroom import Cache

    return Cache(f"memory://?max_entries={capacity}")


def _cachetools(capacity: int = CAPACITY) -> Any:
    import cachetools.func

    return cachetools.func.ttl_cache(maxsize=capacity, ttl=TTL)


def _cachebox(capacity: int = CAPACITY) -> Any:
    import cachebox

    return cachebox.cached(cachebox.TTLCache(capacity, TTL))


def _async_lru() -> Any:
    import async_lru

    return async_lru.alru_cache(maxsize=CAPACITY, ttl=TTL)


def _cashews() -> Any:
    import cashews

    cache = cashews.Cache()
    cache.setup("mem://", size=CAPACITY)
    return cache(ttl=TTL)


def _aiocache() -> Any:
    import aiocache

    return aiocache.cached(ttl=TTL, cache=aiocache.SimpleMemoryCache)


def _method() -> Contender:
    class Shop:
        @_stillroom()(ttl=TTL)  # type: ignore[untyped-decorator]
        def f(self, a: int, b: int) -> int:
            return a + b

    return Contender("stillroom method", "shop.f(1, 2)", {"shop": Shop()})


def _template() -> Contender:
    @_stillroom()(ttl=TTL, key="user:{a}:{b}")  # type: ignore[untyped-decorator]
    def f(a: int, b: str) -> str:
        return f"{a}{b}"

    return Contender("stillroom template", 'f(7, "ab")', {"f": f})


def hits() -> list[Contender]:
    """A hit: a decorated call with two int arguments, where nothing else is said."""

    def of(name: str, decorated: Callable[[], object], awaited: bool = False) -> Build:
        return lambda: Contender(name, CALL, {"f": decorated()}, awaited)

    return present(
        of("lru_cache", lambda: functools.lru_cache(CAPACITY)(load)),
        of("lru_cache typed", lambda: functools.lru_cache(CAPACITY, typed=True)(load)),
        of("stillroom", lambda: _stillroom()(ttl=TTL)(load)),
        _method,
        _template,
        of("cachebox", lambda: _cachebox()(load)),
        of("cachetools", lambda: _cachetools()(load)),
        lambda: Contender("bare await", "f(1)", {"f": bare}, awaited=True),
        of("stillroom async", lambda: _stillroom()(ttl=TTL)(aload), awaited=True),
        of("cachebox async", lambda: _cachebox()(aload), awaited=True),
        of("async-lru async", lambda: _async_lru()(aload), awaited=True),
        of("aiocache async", lambda: _aiocache()(aload), awaited=True),
        of("cashews async", lambda: _cashews()(aload), awaited=True),
    )


def misses() -> list[Contender]:
    """A miss that evicts: the cache is full, and every call brings a key that was never seen. ``load`` is the load alone."""

    def full(name: str, decorated: Callable[[], Callable[[int, int], object]]) -> Build:
        def build() -> Contender:
            f, numbers = decorated(), count()
            for number in islice(numbers, 2 * CAPACITY):
                f(number, 2)
            return Contender(name, "f(key, 2)", {"f": f}, keys=lambda calls: list(islice(numbers, calls)))

        return build

    return present(
        full("load", lambda: load),
        full("lru_cache typed", lambda: functools.lru_cache(CAPACITY, typed=True)(load)),
        full("stillroom", lambda: _stillroom()(ttl=TTL)(load)),
        full("cachebox", lambda: _cachebox()(load)),
        full("cachetools", lambda: _cachetools()(load)),
    )


def scales(entries: int) -> list[Contender]:
    """Hits in a small and in a large cache.

    "small" and "large" ask for 1,000 keys over and over, in a scattered order, so that what differs is the cache and not what
    the processor's caches hold. "random" asks for all keys of the large cache, shuffled, where every call waits for the memory.
    """
    chance = random.Random(1)
    small = chance.sample(range(ASKED), ASKED)
    scattered = chance.sample(range(entries), ASKED)
    shuffled = chance.sample(range(entries), entries)

    def over(keys: Iterable[int]) -> Callable[[int], Iterable[object]]:
        # Equal to the keys that were stored, but not the same objects, as in real life.
        endless: Iterator[int] = cycle([int(str(key)) for key in keys])
        return lambda calls: list(islice(endless, calls))

    def of(name: str, decorate: Callable[[int], Any], filled: int, asked: Sequence[int]) -> Build:
        def build() -> Contender:
            f = _filled(decorate, filled)
            return Contender(name, "f(key, 2)", {"f": f}, keys=over(asked))

        return build

    def ours(capacity: int) -> Any:
        return _stillroom(capacity)(ttl=TTL)

    def theirs(capacity: int) -> Any:
        return functools.lru_cache(capacity, typed=True)

    return present(
        *(
            of(f"{name} {case}", decorate, filled, asked)
            for name, decorate in (("lru_cache typed", theirs), ("stillroom", ours))
            for case, filled, asked in (("small", ASKED, small), ("large", entries, scattered), ("random", entries, shuffled))
        )
    )


@functools.cache
def _filled(decorate: Callable[[int], Any], filled: int) -> Any:
    """Return a decorated function with so many results in its cache, and room for some more."""
    f = decorate(filled * 5 // 4)(load)
    for key in range(filled):
        f(key, 2)
    return f


def present(*builds: Build) -> list[Contender]:
    """Return the contenders whose libraries are there."""
    contenders = []
    for build in builds:
        try:
            contenders.append(build())
        except ImportError as missing:
            print(f"left out: {missing}", file=sys.stderr)
    return contenders
