"""A store that does what stores do at their worst: late, not at all, or in another order."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from ..entry import Entry
from ..errors import ConfigurationError, StoreError
from ..protocols import Key, Keyspace, Lease, Lookup, Reading, Store

__all__ = ["ChaosStore", "Hold"]

OPERATIONS: Final = (
    "read",
    "lease",
    "fill",
    "release",
    "write",
    "add",
    "delete",
    "invalidate",
    "increment",
    "touch",
    "names",
    "close",
)


class ChaosStore:
    """A store around another one, with a hook before and after each operation.

    What a hook does happens in the middle of whatever the store is used for: it may invalidate, raise, or wait. A hook that
    returns an awaitable is awaited, so under the blocking runtime hooks must not.

    Args:
        inner: the store that does the work.

    Example:
        >>> store = ChaosStore(MemoryStore())
        >>> store.before("fill", lambda: cache.invalidate(tags=["users"]))
        >>> store.fail("read", times=3)
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.calls: list[str] = []
        self._hooks: dict[tuple[str, str], list[Callable[[], Any]]] = {}

    def __repr__(self) -> str:
        return f"ChaosStore({self.inner!r})"

    @property
    def name(self) -> str:
        """The name of the inner store."""
        return self.inner.name

    def before(self, operation: str, act: Callable[[], Any], *, times: int | None = None) -> None:
        """Do something before each of the next operations of a kind."""
        self._hook("before", operation, act, times)

    def after(self, operation: str, act: Callable[[], Any], *, times: int | None = None) -> None:
        """Do something after each of the next operations of a kind, before its caller learns that it has ended."""
        self._hook("after", operation, act, times)

    def fail(self, operation: str, error: Exception | None = None, *, times: int | None = None) -> None:
        """Let the next operations of a kind fail."""
        chosen = error or StoreError(f"{operation} failed on command", store=self.name, operation=operation)

        def act() -> None:
            raise chosen

        self.before(operation, act, times=times)

    def hold(self, operation: str) -> Hold:
        """Hold up the next operation of a kind until it is released, while others overtake it."""
        hold = Hold()
        self.before(operation, hold, times=1)
        return hold

    def calm(self) -> None:
        """Forget all hooks."""
        self._hooks.clear()

    def _hook(self, moment: str, operation: str, act: Callable[[], Any], times: int | None) -> None:
        if operation not in OPERATIONS:
            raise ConfigurationError(
                f"operation must be one of {', '.join(OPERATIONS)}, not {operation!r}", setting="operation", given=operation
            )
        if not callable(act):
            raise ConfigurationError(f"act must be callable, not {act!r}", setting="act", given=act)
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise ConfigurationError(f"times must be a whole number from 1, not {times!r}", setting="times", given=times)
        hooks = self._hooks.setdefault((moment, operation), [])
        left = [times]

        def counted() -> Any:
            if left[0] is not None:
                left[0] -= 1
                if left[0] <= 0:
                    hooks.remove(counted)
            return act()

        hooks.append(counted)

    async def _pass(self, moment: str, operation: str) -> None:
        for hook in list(self._hooks.get((moment, operation), ())):
            result = hook()
            if inspect.isawaitable(result):
                await result

    async def _around(self, operation: str, work: Callable[[], Any]) -> Any:
        self.calls.append(operation)
        await self._pass("before", operation)
        result = await work()
        await self._pass("after", operation)
        return result

    async def read(self, lookups: Sequence[Lookup], *, count: bool = True) -> list[Reading]:
        found: list[Reading] = await self._around("read", lambda: self.inner.read(lookups, count=count))
        return found

    async def lease(self, lookup: Lookup, known: Reading | None = None, *, renew: bool = False, alone: bool = False) -> Lease:
        lease: Lease = await self._around("lease", lambda: self.inner.lease(lookup, known, renew=renew, alone=alone))
        return lease

    async def fill(self, key: Key, entry: Entry[Any], lease: Lease) -> bool:
        return bool(await self._around("fill", lambda: self.inner.fill(key, entry, lease)))

    async def release(self, key: Key, lease: Lease) -> None:
        await self._around("release", lambda: self.inner.release(key, lease))

    async def stands(self, lease: Lease) -> bool:
        return await self.inner.stands(lease)

    async def untouched(self, lease: Lease, tags: Sequence[str]) -> bool:
        return await self.inner.untouched(lease, tags)

    async def write(self, entries: Sequence[tuple[Lookup, Entry[Any]]]) -> list[bool]:
        stored: list[bool] = await self._around("write", lambda: self.inner.write(entries))
        return stored

    async def add(self, lookup: Lookup, entry: Entry[Any]) -> bool:
        return bool(await self._around("add", lambda: self.inner.add(lookup, entry)))

    async def delete(self, keys: Iterable[Key]) -> int:
        return int(await self._around("delete", lambda: self.inner.delete(keys)))

    async def invalidate(self, *, names: Iterable[str] = (), namespaces: Iterable[str] = (), everything: bool = False) -> None:
        await self._around(
            "invalidate", lambda: self.inner.invalidate(names=names, namespaces=namespaces, everything=everything)
        )

    async def increment(self, lookup: Lookup, amount: int, initial: Entry[Any]) -> int:
        return int(await self._around("increment", lambda: self.inner.increment(lookup, amount, initial)))

    async def touch(self, key: Key, fresh_until: float, expires_at: float) -> bool:
        return bool(await self._around("touch", lambda: self.inner.touch(key, fresh_until, expires_at)))

    async def names(self, space: Keyspace, *, fresh: bool = True) -> list[str]:
        found: list[str] = await self._around("names", lambda: self.inner.names(space, fresh=fresh))
        return found

    async def close(self) -> None:
        await self._around("close", self.inner.close)


class Hold:
    """An operation that is held up. Works in threads and in tasks."""

    _PATIENCE: Final = 10.0

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._released = threading.Event()

    def __call__(self) -> Any:
        self._reached.set()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._wait(self._released, "released")
            return None
        return asyncio.to_thread(self._wait, self._released, "released")

    def __repr__(self) -> str:
        return f"Hold(reached={self._reached.is_set()}, released={self._released.is_set()})"

    def release(self) -> None:
        """Let the operation go on."""
        self._released.set()

    def wait(self) -> None:
        """Wait until somebody is held up."""
        self._wait(self._reached, "reached")

    async def wait_async(self) -> None:
        """Do what `wait` does, from a task."""
        await asyncio.to_thread(self.wait)

    def _wait(self, event: threading.Event, what: str) -> None:
        if not event.wait(self._PATIENCE):
            raise TimeoutError(f"a held operation was not {what} within {self._PATIENCE} s")
