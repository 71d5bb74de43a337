"""`Backend`: cashews' commands upon one native cache.

A backend is what one `Cache.setup` makes: a native cache, and the commands that are disabled. Each command is a verb of the
native cache under its old name.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, NamedTuple

from stillroom import Cache, current_load

from .._changing import Changing
from .._locks import held
from .._marks import unmarked
from .._translation import forgetting, life, named, translated
from ..exceptions import BackendNotAvailableError, CacheBackendInteractionError
from ..serialize import Bits, Serializer, get_serializer
from ..utils import get_obj_size

__all__ = ["NOT_EXIST", "TAG_PREFIX", "UNLIMITED", "Backend", "ToStore", "tag_key"]


class _NotThere(int):
    """What `get_expire` says of a key that has no value: -2, as in the current release, and -1, as in those of old.

    It equals both, so that a program written for either finds what it looks for.
    """

    def __eq__(self, other: object) -> bool:
        return other in (UNLIMITED, int(self)) if isinstance(other, int) else NotImplemented

    __hash__ = int.__hash__


NOT_EXIST: Final = _NotThere(-2)
UNLIMITED: Final = -1

TAG_PREFIX: Final = "_tag:"
_EMPTY: Final = object()


class ToStore(NamedTuple):
    """A value, and for how many seconds it is to be stored."""

    value: Any
    expire: float | None


class Backend(Changing):
    """The commands of cashews upon a native cache.

    Args:
        serializer: what values become outside of this process.
        url: where the native cache keeps its entries; ``""`` if a subclass has a place of its own, with commands of its own.
        options: further ones of the native cache.
        *_: what subclasses hand on, as they did in cashews.
        **__: the same.

    Attributes:
        deletions: how many commands have forgotten something.
    """

    deletions = 0

    def __init__(
        self,
        *_: Any,
        serializer: Serializer | None = None,
        url: str = "",
        options: Mapping[str, Any] | None = None,
        **__: Any,
    ) -> None:
        super().__init__()
        self._id = uuid.uuid4().hex
        self._serializer = get_serializer() if serializer is None else serializer
        self._url = url
        self._options = options or {}
        self._native = self._open() if url else None  # what makes no sense is refused at once; nothing is connected yet
        self._is_init = False

    @property
    def serializer(self) -> Serializer:
        """What values become outside of this process."""
        return self._serializer

    @property
    def is_native(self) -> bool:
        """Whether there is a native cache underneath."""
        return bool(self._url)

    @property
    def native(self) -> Cache:
        """The native cache.

        Raises:
            BackendNotAvailableError: it is a backend of a user's own, with commands of its own, which has none.
        """
        if self._native is None:
            self._native = self._open()
        return self._native

    def _open(self) -> Cache:
        if not self._url:
            raise BackendNotAvailableError(f"{type(self).__name__} has commands of its own, but no native cache")
        return Cache(self._url, **self._options)

    @property
    def is_init(self) -> bool:
        """Whether the backend is in use."""
        return self._is_init

    async def init(self) -> None:
        """Be ready. Nothing is connected before the first command."""
        self._is_init = True

    async def close(self) -> None:
        """Let go of everything; what is used afterwards is opened anew."""
        native, self._native, self._is_init = self._native, None, False
        self.forget_changer()
        if native is not None:
            await native.aclose()

    # Values

    @translated
    async def set(
        self, key: str, value: Any, expire: float | None = None, exist: bool | None = None, tags: Sequence[str] = ()
    ) -> bool:
        """Store a value; with ``exist``, only if there is one already, or only if there is none."""
        kept = self._kept(await self._serializer.encoded(self, key, value, expire))
        expire = await self._length(key, expire)
        if exist is False:
            return await self.native.aadd(key, kept, life(expire), tags=named(tags))
        if exist:
            async with self.alone(key):
                return await self.native.aexists(key) and await self._put({key: kept}, expire, tags)
        if expire is not None and expire < 0:
            return await self._put({key: kept}, expire, tags)
        await self.native.aset(key, kept, life(expire), tags=named(tags))
        return True

    async def set_many(
        self, pairs: Mapping[str, Any], expire: float | None = None, tags: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Store several values, each with its tags."""
        alike: dict[tuple[float | None, tuple[str, ...]], dict[str, Any]] = {}
        for key, value in pairs.items():
            kept = self._kept(await self._serializer.encoded(self, key, value, expire))
            alike.setdefault((await self._length(key, expire), tuple((tags or {}).get(key, ()))), {})[key] = kept
        for (length, carried), values in alike.items():
            await self._put(values, length, carried)

    async def _length(self, key: str, expire: float | None) -> float | None:
        """Return for how long a value is stored."""
        return expire

    async def set_raw(self, key: str, value: Any, **kwargs: Any) -> Any:
        """Store a value past the serializer."""
        await self._put({key: value}, None)

    @translated
    async def _put(self, values: Mapping[str, Any], expire: float | None, tags: Sequence[str] = ()) -> bool:
        if expire is not None and expire < 0:  # over already: what this replaces is out of date all the same
            await self.native.adelete_many(values)
        else:
            await self.native.aset_many(values, life(expire), tags=named(tags))
        return True

    @translated
    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or ``default`` if there is none."""
        return await self._shown(key, await self.native.aget(key, default), default)

    async def _shown(self, key: str, stored: Any, default: Any) -> Any:
        return await self._serializer.decoded(self, key, unmarked(stored), default)

    @translated
    async def load(
        self, key: str, load: Callable[[], Awaitable[ToStore | None]], expire: float | None, tags: Sequence[str] = ()
    ) -> Any:
        """Return the value of a key; if there is none, load it, once for all who ask meanwhile.

        Args:
            key: the key.
            load: returns what to store, if anything.
            expire: for how many seconds, unless it says otherwise.
            tags: what the value carries.
        """

        async def encoded() -> Any:
            loaded, current = await load(), current_load()
            if loaded is None or (loaded.expire is not None and loaded.expire < 0):
                current.skip()
                return None if loaded is None else loaded.value
            if loaded.expire != expire:
                current.ttl = life(loaded.expire)
            return self._kept(await self._serializer.encoded(self, key, loaded.value, loaded.expire))

        value = await self.native.aget_or_load(key, encoded, life(expire), tags=named(tags))
        return await self._shown(key, value, None)

    async def get_raw(self, key: str) -> Any:
        """Return what is stored, past the serializer."""
        return await self.get(key)

    @translated
    async def get_many(self, *keys: str, default: Any = None) -> tuple[Any, ...]:
        """Return the values of several keys, in the order asked, with ``default`` for those that have none."""
        found = await self.native.aget_many(keys)
        decoded = {key: await self._shown(key, value, default) for key, value in found.items()}
        return tuple(decoded.get(key, default) for key in keys)

    async def get_match(self, pattern: str, batch_size: int = 100) -> AsyncIterator[tuple[str, Any]]:
        """Go through the keys that a pattern matches, and their values."""
        names = [name async for name in self.scan(pattern)]
        for at in range(0, len(names), batch_size):
            batch = names[at : at + batch_size]
            for name, value in zip(batch, await self.get_many(*batch, default=_EMPTY), strict=True):
                if value is not _EMPTY and not isinstance(value, Bits):
                    yield name, value

    async def scan(self, pattern: str, batch_size: int = 100) -> AsyncIterator[str]:
        """Go through the keys that a pattern matches."""
        for name in await self._names(pattern):
            yield name

    @translated
    async def _names(self, pattern: str) -> list[str]:
        return [name async for name in self.native.ascan(pattern)]

    @translated
    async def exists(self, key: str) -> bool:
        """Tell whether a key has a value."""
        return await self.native.aexists(key)

    @translated
    async def incr(self, key: str, value: int = 1, expire: float | None = None, tags: Sequence[str] = ()) -> int:
        """Add to a whole number and return the sum; where there is none it starts from zero, and lives for ``expire``."""
        try:
            return await self.native.aincr(key, value, ttl=life(expire), tags=named(tags))
        except TypeError:
            return await self.add_to_result(key, value, tags)

    @forgetting
    @translated
    async def delete(self, key: str) -> bool:
        """Forget a key, and tell whether it had a value."""
        return await self.native.adelete(key)

    @forgetting
    @translated
    async def delete_many(self, *keys: str) -> None:
        """Forget several keys."""
        await self.native.adelete_many(keys)

    @forgetting
    @translated
    async def delete_match(self, pattern: str) -> None:
        """Forget all keys that a pattern matches, and those that it spells out: ``?`` and ``[...]`` may be part of keys.

        Rather too much is forgotten than too little.
        """
        if "*" in pattern:
            await self.native.adelete_match(pattern)
        else:
            await self.native.adelete(pattern)
        if any(sign in pattern for sign in "?["):
            await self.native.adelete_match(_spelled_out(pattern) if "*" in pattern else pattern)

    @forgetting
    @translated
    async def invalidate_tags(self, tags: Sequence[str]) -> None:
        """Forget what carries one of these tags."""
        if self.is_native:
            await self.native.ainvalidate(tags=named(tags))
            return
        for tag in tags:
            while keys := list(await self.set_pop(tag_key(tag))):
                await self.delete_many(*keys)

    @translated
    async def expire(self, key: str, timeout: float) -> bool:
        """Give a value a new length of life that begins now, and tell whether there was one."""
        return await (self.native.atouch(key, timeout) if timeout > 0 else self.native.adelete(key))

    @translated
    async def get_expire(self, key: str) -> int:
        """Return for how many more seconds a value lives: -1 if without end, `NOT_EXIST` if there is none."""
        left = await self.native.attl(key)
        if left is None:
            return NOT_EXIST
        return UNLIMITED if left == float("inf") else round(left)

    # Locks

    @translated
    async def set_lock(self, key: str, value: Any, expire: float) -> bool:
        """Take a lock if it is free, and tell whether it was."""
        if not self.is_native:
            return await self.set(key, value, expire=expire, exist=False)
        async with self.alone(key):  # nobody must take it between the two steps of `unlock`
            return await self.native.aadd(key, value, life(expire))

    @translated
    async def unlock(self, key: str, value: Any) -> bool:
        """Give a lock back, if it was taken with this value, and tell whether it was."""
        async with self.alone(key):
            return await self.native.aget(key) == value and await self.native.adelete(key)

    async def is_locked(self, key: str, wait: float | None = None, step: float = 0.1) -> bool:
        """Tell whether a lock is taken; wait for so long, at most, until it is free."""
        left = wait or 0.0
        while await self.exists(key):
            if left <= 0:
                return True
            await asyncio.sleep(min(step, left))
            left -= step
        return False

    def lock(self, key: str, expire: float, wait: bool = True, check_interval: float = 0) -> AbstractAsyncContextManager[None]:
        """Hold a lock for the length of a block, but no longer than ``expire``.

        Raises:
            LockedError: on entering, if it is not free and the caller will not wait.
        """
        return held(self, key, expire, wait, check_interval)

    # The whole

    @translated
    async def get_size(self, key: str) -> int:
        """Return about how many bytes a value takes."""
        value = await self.native.aget(key, _EMPTY)
        return 0 if value is _EMPTY else get_obj_size(value)

    async def get_keys_count(self) -> int:
        """Return how many keys have a value."""
        return len(await self._names("*"))

    async def ping(self, message: bytes | None = None) -> bytes:
        """Return what was sent, ``b"PONG"`` to ``b"PING"`` and to nothing.

        Raises:
            CacheBackendInteractionError: there is no answer.
        """
        if not await self.native.aping():
            raise CacheBackendInteractionError("the server does not answer")
        return b"PONG" if message in (None, b"PING") else message or b""

    @forgetting
    @translated
    async def clear(self) -> None:
        """Forget everything."""
        await self.native.aclear()

    def _kept(self, value: Any) -> Any:
        """Return a value as it is kept."""
        return value


def tag_key(tag: str) -> str:
    """Return under which key a backend without a native cache keeps the keys that carry a tag."""
    return f"{TAG_PREFIX}{tag}"


def _spelled_out(pattern: str) -> str:
    """Return a pattern of which nothing but ``*`` stands for something else."""
    return pattern.replace("[", "[[]").replace("?", "[?]")
