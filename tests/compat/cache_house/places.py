"""What the tests of the facade share besides fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from stillroom.compat.cache_house.backends import RedisCache
from stillroom.compat.cache_house.cache import cache

Init: TypeAlias = Callable[..., RedisCache]
Settings: TypeAlias = dict[str, Any]


def counted(**settings: Any) -> Callable[[Any], int]:
    """Return a cached function that tells how often it has been run."""
    runs = 0

    @cache(**settings)
    def run(argument: Any) -> int:
        nonlocal runs
        runs += 1
        return runs

    return run


def twice(function: Callable[[Any], int]) -> int:
    """Call a function twice and return its second result."""
    function("x")
    return function("x")
