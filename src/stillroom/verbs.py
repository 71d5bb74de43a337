"""The verbs of a cache, for whoever wants no decorator: each with an asynchronous twin whose name begins with ``a``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ._engine.call import Answer
from ._runtime.runtime import drive
from .durations import Duration
from .entry import MISSING, Missing
from .settings import texts

if TYPE_CHECKING:
    from .core import Core
    from .names import Names

__all__ = ["Verbs"]

T = TypeVar("T")


class Verbs:
    """Reading, writing and invalidating by name.

    A name is any text that is not empty. ``ttl`` is seconds, text such as ``"1h30m"`` or a ``timedelta``; ``None`` keeps
    the value until it is invalidated; left out, it is the cache's own. ``None`` is a value like any other: only ``default``
    says that there is none.
    """

    _core: Core
    _names: Names
    _anames: Names

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a name, or ``default`` if there is none."""
        return drive(self._names.get(key, default))

    async def aget(self, key: str, default: Any = None) -> Any:
        """Do what `get` does."""
        return await self._anames.get(key, default)

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the values of those names that there are, in one round trip."""
        return drive(self._names.get_many(keys))

    async def aget_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """Do what `get_many` does."""
        return await self._anames.get_many(keys)

    def set(self, key: str, value: Any, ttl: Duration | Missing | None = MISSING, *, tags: Sequence[str] = ()) -> None:
        """Store a value under a name. A load of it that is in progress no longer counts."""
        drive(self._names.set(key, value, ttl, texts(tags, "tags")))

    async def aset(self, key: str, value: Any, ttl: Duration | Missing | None = MISSING, *, tags: Sequence[str] = ()) -> None:
        """Do what `set` does."""
        await self._anames.set(key, value, ttl, texts(tags, "tags"))

    def set_many(
        self, values: Mapping[str, Any], ttl: Duration | Missing | None = MISSING, *, tags: Sequence[str] = ()
    ) -> None:
        """Store several values."""
        drive(self._names.set_many(values, ttl, texts(tags, "tags")))

    async def aset_many(
        self, values: Mapping[str, Any], ttl: Duration | Missing | None = MISSING, *, tags: Sequence[str] = ()
    ) -> None:
        """Do what `set_many` does."""
        await self._anames.set_many(values, ttl, texts(tags, "tags"))

    def add(self, key: str, value: Any, ttl: Duration | Missing | None = MISSING, *, tags: Sequence[str] = ()) -> bool:
        """Store a value only if the name has none, and tell whether it was stored."""
        return drive(self._names.add(key, value, ttl, texts(tags, "tags")))

    async def aadd(self, key: str, value: Any, ttl: Duration | Missing | None = MISSING, *, tags: Sequence[str] = ()) -> bool:
        """Do what `add` does."""
        return await self._anames.add(key, value, ttl, texts(tags, "tags"))

    def get_or_load(
        self, key: str, load: Callable[[], T], ttl: Duration | Missing | None = MISSING, *, tags: Sequence[str] = ()
    ) -> T:
        """Return the value of a name; if there is none, load it, once for all who ask meanwhile."""
        answer: Answer = drive(self._names.get_or_load(key, load, ttl, texts(tags, "tags")))
        value: T = self._core.given(answer)
        return value

    @overload
    async def aget_or_load(
        self,
        key: str,
        load: Callable[[], Awaitable[T]],
        ttl: Duration | Missing | None = MISSING,
        *,
        tags: Sequence[str] = (),
    ) -> T: ...
    @overload
    async def aget_or_load(
        self,
        key: str,
        load: Callable[[], T],
        ttl: Duration | Missing | None = MISSING,
        *,
        tags: Sequence[str] = (),
    ) -> T: ...
    async def aget_or_load(
        self,
        key: str,
        load: Callable[[], Any],
        ttl: Duration | Missing | None = MISSING,
        *,
        tags: Sequence[str] = (),
    ) -> Any:
        """Do what `get_or_load` does; the load may be a coroutine function."""
        return self._core.given(await self._anames.get_or_load(key, load, ttl, texts(tags, "tags")))

    def delete(self, key: str) -> bool:
        """Forget a name, and tell whether it had a value. A load of it that is in progress no longer counts."""
        return drive(self._names.delete_many([key])) > 0

    async def adelete(self, key: str) -> bool:
        """Do what `delete` does."""
        return await self._anames.delete_many([key]) > 0

    def delete_many(self, keys: Iterable[str]) -> int:
        """Forget several names, and return how many had a value."""
        return drive(self._names.delete_many(keys))

    async def adelete_many(self, keys: Iterable[str]) -> int:
        """Do what `delete_many` does."""
        return await self._anames.delete_many(keys)

    def delete_match(self, pattern: str) -> int:
        """Forget all names that a pattern of ``*``, ``?`` and ``[...]`` matches, and return how many there were."""
        return drive(self._names.delete_matching(pattern))

    async def adelete_match(self, pattern: str) -> int:
        """Do what `delete_match` does."""
        return await self._anames.delete_matching(pattern)

    def scan(self, pattern: str = "*") -> Iterator[str]:
        """Go through the names that a pattern matches, in no particular order."""
        return iter(drive(self._names.matching(pattern)))

    async def ascan(self, pattern: str = "*") -> AsyncIterator[str]:
        """Do what `scan` does."""
        for name in await self._anames.matching(pattern):
            yield name

    def exists(self, key: str) -> bool:
        """Tell whether a name has a value."""
        return drive(self._names.left(key, MISSING)) is not MISSING

    async def aexists(self, key: str) -> bool:
        """Do what `exists` does."""
        return await self._anames.left(key, MISSING) is not MISSING

    def ttl(self, key: str, default: Any = None) -> Any:
        """Return for how many more seconds a value is fresh: ``inf`` if until invalidated, ``default`` if there is none."""
        return drive(self._names.left(key, default))

    async def attl(self, key: str, default: Any = None) -> Any:
        """Do what `ttl` does."""
        return await self._anames.left(key, default)

    def touch(self, key: str, ttl: Duration | None) -> bool:
        """Give a value a new ttl that begins now, and tell whether there was one."""
        return drive(self._names.touch(key, ttl))

    async def atouch(self, key: str, ttl: Duration | None) -> bool:
        """Do what `touch` does."""
        return await self._anames.touch(key, ttl)

    def incr(self, key: str, amount: int = 1, *, ttl: Duration | Missing | None = MISSING, tags: Sequence[str] = ()) -> int:
        """Add to a whole number and return the sum; where there is none it starts from zero, with this ttl and these tags."""
        return drive(self._names.incr(key, amount, ttl, texts(tags, "tags")))

    async def aincr(
        self, key: str, amount: int = 1, *, ttl: Duration | Missing | None = MISSING, tags: Sequence[str] = ()
    ) -> int:
        """Do what `incr` does."""
        return await self._anames.incr(key, amount, ttl, texts(tags, "tags"))

    def clear(self) -> None:
        """Forget everything, in all namespaces."""
        drive(self._names.clear())

    async def aclear(self) -> None:
        """Do what `clear` does."""
        await self._anames.clear()

    def invalidate(self, *, tags: Sequence[str] = (), namespace: str | None = None) -> None:
        """Forget what carries one of these tags, or all that a namespace holds; the cost does not grow with it."""
        drive(self._names.invalidate(texts(tags, "tags"), namespace))

    async def ainvalidate(self, *, tags: Sequence[str] = (), namespace: str | None = None) -> None:
        """Do what `invalidate` does."""
        await self._anames.invalidate(texts(tags, "tags"), namespace)
