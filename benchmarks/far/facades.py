"""The same decorated function by another library, and by the facade that stands in for it, on Redis."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count, cycle, islice
from typing import Any

from ..contenders import present
from ..facades import of_both
from ..timing import Contender
from .peers import aload, cache_house, cachify, cashews, load, python_redis_cache

__all__ = ["blocking", "tasks"]

ASKED = 100
CALL = "f(key, 2)"

_numbers = count()


def blocking(url: str) -> list[Contender]:
    """Hits of one blocking caller."""
    settings: dict[str, Any] = {"keys": _over, "warm_up": 2 * ASKED}
    return present(
        *of_both("cache-house", lambda package: cache_house(url, package)(_own(load)), CALL, **settings),
        *of_both("cachify", lambda package: cachify(url, package)(_own(load)), CALL, **settings),
        *of_both("python-redis-cache", lambda package: python_redis_cache(url, package)(_own(load)), CALL, **settings),
    )


def tasks(url: str) -> list[Contender]:
    """Hits of one caller on an event loop."""
    settings: dict[str, Any] = {"keys": _over, "warm_up": 2 * ASKED, "awaited": True}
    return present(
        *of_both("cache-house async", lambda package: cache_house(url, package)(_own(aload)), CALL, **settings),
        *of_both("cachify async", lambda package: cachify(url, package)(_own(aload)), CALL, **settings),
        *of_both("cashews", lambda package: cashews(url, package)(_own(aload)), CALL, **settings),
    )


def _own(function: Any) -> Any:
    """Return the function under a name of its own, so that no library finds what another one has stored."""
    if function is load:

        def f(a: int, b: int) -> dict[str, Any]:
            return load(a, b)

    else:

        async def f(a: int, b: int) -> dict[str, Any]:  # type: ignore[misc]
            return await aload(a, b)

    f.__name__ = f.__qualname__ = f"load{next(_numbers)}"
    return f


def _over(calls: int) -> Iterable[object]:
    return list(islice(cycle(range(ASKED)), calls))
