"""The stores that stand in for a far store which is out of reach, besides a memory store: one keeps nothing, one raises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any, cast

from ...entry import Entry
from ...errors import StoreError
from ...protocols import Key, Keyspace, Lease, Lookup, Reading
from ..interruption import nothing_known

__all__ = ["Bypass", "Refusal", "VoidLease"]


class VoidLease:
    """A lease under which nothing can be stored."""

    __slots__ = ("reading",)
    is_granted = True

    def __init__(self) -> None:
        self.reading = nothing_known()


class Bypass:
    """Knows nothing and keeps nothing.

    Each reading has a token of its own. So no caller shares a load that has begun before it: there is nothing here that would
    tell whether anything was invalidated in between, by whatever process.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    async def read(self, lookups: Sequence[Lookup], *, count: bool = True) -> list[Reading]:
        return [nothing_known() for _ in lookups]

    async def lease(self, lookup: Lookup, known: Reading | None = None, *, renew: bool = False, alone: bool = False) -> Lease:
        return VoidLease()

    async def fill(self, key: Key, entry: Entry[Any], lease: Lease) -> bool:
        return False

    async def stands(self, lease: Lease) -> bool:
        return False

    async def untouched(self, lease: Lease, tags: Sequence[str]) -> bool:
        return False

    async def release(self, key: Key, lease: Lease) -> None:
        pass

    async def write(self, entries: Sequence[tuple[Lookup, Entry[Any]]]) -> list[bool]:
        return [False] * len(entries)

    async def add(self, lookup: Lookup, entry: Entry[Any]) -> bool:
        return False

    async def delete(self, keys: Iterable[Key]) -> int:
        return 0

    async def invalidate(self, *, names: Iterable[str] = (), namespaces: Iterable[str] = (), everything: bool = False) -> None:
        pass

    async def names(self, space: Keyspace, *, fresh: bool = True) -> list[str]:
        return []

    async def increment(self, lookup: Lookup, amount: int, initial: Entry[Any]) -> int:
        return cast(int, initial.value)

    async def touch(self, key: Key, fresh_until: float, expires_at: float) -> bool:
        return False

    async def close(self) -> None:
        pass


class Refusal:
    """Raises for whatever it is asked.

    Args:
        name: the name of the store that is out of reach.
        error: why it is.
    """

    def __init__(self, name: str, error: StoreError) -> None:
        self.name = name
        self._error = _bare(error)

    async def read(self, lookups: Sequence[Lookup], *, count: bool = True) -> list[Reading]:
        raise self._refused("read") from self._error

    async def lease(self, lookup: Lookup, known: Reading | None = None, *, renew: bool = False, alone: bool = False) -> Lease:
        raise self._refused("lease") from self._error

    async def fill(self, key: Key, entry: Entry[Any], lease: Lease) -> bool:
        raise self._refused("fill") from self._error

    async def stands(self, lease: Lease) -> bool:
        return False

    async def untouched(self, lease: Lease, tags: Sequence[str]) -> bool:
        return False

    async def release(self, key: Key, lease: Lease) -> None:
        raise self._refused("release") from self._error

    async def write(self, entries: Sequence[tuple[Lookup, Entry[Any]]]) -> list[bool]:
        raise self._refused("write") from self._error

    async def add(self, lookup: Lookup, entry: Entry[Any]) -> bool:
        raise self._refused("add") from self._error

    async def delete(self, keys: Iterable[Key]) -> int:
        raise self._refused("delete") from self._error

    async def invalidate(self, *, names: Iterable[str] = (), namespaces: Iterable[str] = (), everything: bool = False) -> None:
        raise self._refused("invalidate") from self._error

    async def names(self, space: Keyspace, *, fresh: bool = True) -> list[str]:
        raise self._refused("names") from self._error

    async def increment(self, lookup: Lookup, amount: int, initial: Entry[Any]) -> int:
        raise self._refused("increment") from self._error

    async def touch(self, key: Key, fresh_until: float, expires_at: float) -> bool:
        raise self._refused("touch") from self._error

    async def close(self) -> None:
        pass

    def _refused(self, operation: str) -> StoreError:
        return StoreError(f"the {self.name} store is out of reach, and was not asked", store=self.name, operation=operation)


def _bare(error: StoreError) -> StoreError:
    """Return an error without its traceback, which would keep the arguments of a whole stack alive."""
    bare = copy(error).with_traceback(None)
    cause = error.__cause__
    if cause is not None:
        try:
            bare.__cause__ = copy(cause).with_traceback(None)
        except Exception:  # its `__init__` does not take what it left in `args`
            bare.__cause__ = None  # the text of the store's own error must do
    return bare
