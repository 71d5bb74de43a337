"""The commands of a `Cache`: each goes to the backend that is responsible for its key, past all that stands around it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, Final

from ._locks import held
from ._wrapper import Wrapper
from .backends.interface import Backend, ToStore, tag_key
from .commands import Command
from .ttl import TTL, ttl_to_seconds

__all__ = ["Commands"]

_EMPTY: Final = object()


class Commands(Wrapper):
    """Commands by key.

    ``expire`` and ``timeout`` are seconds, text such as ``"1h30m"`` or a ``timedelta``; ``None`` is without end.
    """

    # Values

    async def set(self, key: str, value: Any, expire: TTL = None, exist: bool | None = None, tags: Iterable[str] = ()) -> bool:
        """Store a value; with ``exist``, only if there is one already, or only if there is none. Tell whether it was stored."""
        backend, carried = self._get_backend(key), self._tags_of(key, tags)
        call = _carrying(backend, backend.set, carried)
        stored: bool = await self._around(Command.SET, backend, call)(
            key=key, value=value, expire=ttl_to_seconds(expire), exist=exist
        )
        return stored

    async def set_many(self, pairs: Mapping[str, Any], expire: TTL = None) -> None:
        """Store several values."""
        for backend, keys in self._by_backend(pairs).items():
            carried = {key: tags for key in keys if (tags := self._tags_of(key))}
            store = partial(backend.set_many, tags=carried) if carried and backend.is_native else backend.set_many
            call = self._around(Command.SET_MANY, backend, store)
            await call(pairs={key: pairs[key] for key in keys}, expire=ttl_to_seconds(expire))

    def _tags_of(self, key: str, tags: Iterable[str] = ()) -> list[str]:
        """Return what a value carries that is stored under a key."""
        return list(tags)

    async def set_raw(self, key: str, value: Any, **kwargs: Any) -> Any:
        """Store a value past the serializer."""
        return await self._command(Command.SET_RAW, key)(key=key, value=value, **kwargs)

    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or ``default`` if there is none."""
        return await self._command(Command.GET, key)(key=key, default=default)

    async def get_or_set(self, key: str, default: Any, expire: TTL = None) -> Any:
        """Return the value of a key; if there is none, store ``default``, or what it returns if it is called or awaited.

        However many ask for a key at one time, a function is called once. What is deleted meanwhile is not stored.
        """
        backend, reached = self._get_backend(key), list[str]()

        async def find(key: str, default: Any = None) -> Any:
            reached[:] = [key]
            return await backend.get(key, default=default)

        try:
            found = await self._around(Command.GET, backend, find)(key=key, default=_EMPTY)
            if found is not _EMPTY:
                return found
            if reached and backend.is_native:
                return await self._loaded(backend, key, reached[0], default, ttl_to_seconds(expire))
            value = await _made(default)
            await self.set(key, value, expire=expire)
            return value
        finally:
            if inspect.iscoroutine(default):
                default.close()  # it is not needed, or over

    async def _loaded(self, backend: Backend, key: str, place: str, default: Any, expire: float | None) -> Any:
        """Load a value, and store it where what stands around the commands has looked for it, unless that prevents it."""
        made: list[Any] = []

        async def load() -> ToStore | None:
            stored: list[ToStore] = []

            async def store(value: Any, expire: float | None = None, **_: Any) -> bool:
                stored[:] = [ToStore(value, expire)]
                return True

            made[:] = [await _made(default)]
            await self._around(Command.SET, backend, store)(key=key, value=made[0], expire=expire, exist=None)
            return stored[0] if stored else None

        shared = await backend.load(place, load, expire, self._tags_of(key))
        return made[0] if made else shared

    async def get_raw(self, key: str) -> Any:
        """Return what is stored, past the serializer."""
        return await self._command(Command.GET_RAW, key)(key=key)

    async def get_many(self, *keys: str, default: Any = None) -> tuple[Any, ...]:
        """Return the values of several keys, in the order asked, with ``default`` for those that have none."""
        found: dict[str, Any] = {}
        for backend, some in self._by_backend(keys).items():
            values = await self._around(Command.GET_MANY, backend, backend.get_many)(*some, default=default)
            found.update(zip(some, values, strict=False))  # a middleware may have it otherwise
        return tuple(found.get(key, default) for key in keys)

    async def scan(self, pattern: str, batch_size: int = 100) -> AsyncIterator[str]:
        """Go through the keys that a pattern of ``*``, ``?`` and ``[...]`` matches."""
        async for key in await self._through(Command.SCAN, pattern, batch_size):
            yield key

    async def get_match(self, pattern: str, batch_size: int = 100) -> AsyncIterator[tuple[str, Any]]:
        """Go through the keys that a pattern matches, and their values."""
        async for pair in await self._through(Command.GET_MATCH, pattern, batch_size):
            yield pair

    async def _through(self, cmd: Command, pattern: str, batch_size: int) -> AsyncIterator[Any]:
        backend = self._get_backend(pattern)

        async def call(**kwargs: Any) -> Any:
            return getattr(backend, cmd.value)(**kwargs)

        found: AsyncIterator[Any] = await self._around(cmd, backend, call)(pattern=pattern, batch_size=batch_size)
        return found

    async def exists(self, key: str) -> bool:
        """Tell whether a key has a value."""
        found: bool = await self._command(Command.EXISTS, key)(key=key)
        return found

    async def incr(self, key: str, value: int = 1, expire: TTL = None, tags: Iterable[str] = ()) -> int:
        """Add to a whole number and return the sum; where there is none it starts from zero, and lives for ``expire``."""
        backend, carried = self._get_backend(key), self._tags_of(key, tags)
        call = _carrying(backend, backend.incr, carried)
        total: int = await self._around(Command.INCR, backend, call)(key=key, value=value, expire=ttl_to_seconds(expire))
        return total

    async def delete(self, key: str) -> bool:
        """Forget a key, and tell whether it had a value. A load of it that is in progress no longer counts."""
        found: bool = await self._command(Command.DELETE, key)(key=key)
        return found

    async def delete_many(self, *keys: str) -> None:
        """Forget several keys."""
        for backend, some in self._by_backend(keys).items():
            await self._around(Command.DELETE_MANY, backend, backend.delete_many)(*some)

    async def delete_match(self, pattern: str) -> None:
        """Forget all keys that a pattern of ``*``, ``?`` and ``[...]`` matches."""
        await self._command(Command.DELETE_MATCH, pattern)(pattern=pattern)

    async def expire(self, key: str, timeout: TTL) -> Any:
        """Give a value a new length of life that begins now."""
        return await self._command(Command.EXPIRE, key)(key=key, timeout=ttl_to_seconds(timeout))

    async def get_expire(self, key: str) -> int:
        """Return for how many more seconds a value lives: -1 if without end, -2 if there is none."""
        left: int = await self._command(Command.GET_EXPIRE, key)(key=key)
        return left

    # Bits, windows and sets

    async def get_bits(self, key: str, *indexes: int, size: int = 1) -> tuple[int, ...]:
        """Return some of the whole numbers of ``size`` bits that a key keeps side by side."""
        bits: tuple[int, ...] = await self._command(Command.GET_BITS, key)(key, *indexes, size=size)
        return bits

    async def incr_bits(self, key: str, *indexes: int, size: int = 1, by: int = 1) -> tuple[int, ...]:
        """Add to some of them, up to what so many bits can hold, and return the sums."""
        bits: tuple[int, ...] = await self._command(Command.INCR_BITS, key)(key, *indexes, size=size, by=by)
        return bits

    async def slice_incr(self, key: str, start: float, end: float, maxvalue: int, expire: TTL = None) -> int:
        """Note ``end``, if less than ``maxvalue`` were noted since ``start``, and return how many there are."""
        count: int = await self._command(Command.SLICE_INCR, key)(
            key=key, start=start, end=end, maxvalue=maxvalue, expire=ttl_to_seconds(expire)
        )
        return count

    async def set_add(self, key: str, *values: str, expire: TTL = None) -> None:
        """Add members to a set."""
        await self._command(Command.SET_ADD, key)(key, *values, expire=ttl_to_seconds(expire))

    async def set_remove(self, key: str, *values: str) -> None:
        """Remove members from a set."""
        await self._command(Command.SET_REMOVE, key)(key, *values)

    async def set_pop(self, key: str, count: int = 100) -> Iterable[str]:
        """Take so many members out of a set and return them."""
        taken: Iterable[str] = await self._command(Command.SET_POP, key)(key=key, count=count)
        return taken

    # Locks

    async def set_lock(self, key: str, value: Any, expire: TTL) -> bool:
        """Take a lock if it is free, and tell whether it was."""
        taken: bool = await self._command(Command.SET_LOCK, key)(key=key, value=value, expire=ttl_to_seconds(expire))
        return taken

    async def unlock(self, key: str, value: Any) -> bool:
        """Give a lock back, if it was taken with this value, and tell whether it was."""
        was_held: bool = await self._command(Command.UNLOCK, key)(key=key, value=value)
        return was_held

    async def is_locked(self, key: str, wait: TTL = None, step: float = 0.1) -> bool:
        """Tell whether a lock is taken; wait for so long, at most, until it is free."""
        is_taken: bool = await self._command(Command.IS_LOCKED, key)(key=key, wait=ttl_to_seconds(wait), step=step)
        return is_taken

    def lock(self, key: str, expire: TTL, wait: bool = True, check_interval: float = 0) -> AbstractAsyncContextManager[None]:
        """Hold a lock for the length of a block, but no longer than ``expire``.

        Raises:
            LockedError: on entering, if it is not free and the caller will not wait.
        """
        return self._lock(key, expire, wait, check_interval)

    @asynccontextmanager
    async def _lock(self, key: str, expire: TTL, wait: bool, check_interval: float) -> AsyncGenerator[None]:
        if self._is_disabled(Command.SET_LOCK, key):
            yield
            return
        async with held(self, key, ttl_to_seconds(expire), wait, check_interval):
            yield

    # The whole

    async def get_size(self, key: str) -> int:
        """Return about how many bytes a value takes."""
        size: int = await self._command(Command.GET_SIZE, key)(key=key)
        return size

    async def get_keys_count(self) -> int:
        """Return how many keys have a value."""
        counts = [await self._of_all(Command.GET_KEYS_COUNT, backend)() for backend in self._backends.values()]
        return sum(count or 0 for count in counts)

    async def ping(self, message: bytes | None = None) -> bytes:
        """Return what was sent, ``b"PONG"`` to ``b"PING"`` and to nothing.

        Raises:
            CacheBackendInteractionError: there is no answer.
        """
        sent = b"PING" if message is None else message
        answer: bytes = await self._command(Command.PING, sent.decode())(message=sent)
        return answer

    async def clear(self) -> None:
        """Forget everything."""
        for backend in self._backends.values():
            await self._of_all(Command.CLEAR, backend)()

    def _of_all(self, cmd: Command, backend: Backend) -> Callable[..., Awaitable[Any]]:
        """Return a command that concerns a whole backend; middlewares of one backend have no part in it."""
        call = self._own(cmd, backend, getattr(backend, cmd.value))
        for middleware in self._middlewares:
            call = partial(middleware, call, cmd, backend)
        return call

    def _by_backend(self, keys: Iterable[str]) -> dict[Backend, list[str]]:
        found: dict[Backend, list[str]] = {}
        for key in keys:
            found.setdefault(self._get_backend(key), []).append(key)
        return found


def _carrying(backend: Backend, store: Callable[..., Awaitable[Any]], tags: Iterable[str]) -> Callable[..., Awaitable[Any]]:
    """Return a command that stores a value with tags."""
    if not tags:
        return store
    if backend.is_native:
        return partial(store, tags=tags)

    async def stored(key: str, expire: float | None = None, **kwargs: Any) -> Any:
        result = await store(key=key, expire=expire, **kwargs)
        for tag in tags if result else ():
            await backend.set_add(tag_key(tag), key, expire=expire)
        return result

    return stored


async def _made(default: Any) -> Any:
    if inspect.isawaitable(default):
        return await default
    value = default() if callable(default) else default
    return await value if inspect.isawaitable(value) else value
