"""In which order the results of a namespace were stored, so that there are no more than so many of them.

The order is a value beside the results, in which keys that come and go have their places under a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ... import Cache

__all__ = ["Order"]


class Order:
    """First in, first out.

    Args:
        cache: where it is kept.
        name: what it is called there.
        forget: forgets a result.
    """

    def __init__(self, cache: Cache, name: str, forget: Callable[[str], object]) -> None:
        self._cache = cache
        self._name = name
        self._forget = forget

    def add(self, keys: Iterable[str], limit: int) -> None:
        """Put keys at the end, and forget the first ones of more than ``limit``."""
        last = list(dict.fromkeys(keys))
        with self._cache.lock(self._name):
            order = [*self._without(last), *last]
            for surplus in order[:-limit]:
                self._forget(surplus)
            self._cache.set(self._name, order[-limit:], ttl=None)

    def drop(self, key: str) -> None:
        """Take a key out."""
        with self._cache.lock(self._name):
            self._cache.set(self._name, self._without([key]), ttl=None)

    def clear(self) -> None:
        """Take all keys out."""
        self._cache.delete(self._name)

    def _without(self, keys: list[str]) -> list[str]:
        known: list[str] = self._cache.get(self._name, [])
        return [key for key in known if key not in keys]
