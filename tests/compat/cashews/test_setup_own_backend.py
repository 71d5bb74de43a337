"""A backend of a user's own, written for cashews: every command of a cache goes to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cashews
import pytest

import stillroom.compat.cashews as facade

pytestmark = pytest.mark.asyncio_only


class Commands:
    """A backend as one writes it for cashews, but for its base."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.values: dict[str, Any] = {}
        self.is_open = False

    @property
    def is_init(self) -> bool:
        return self.is_open

    async def init(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    async def set(self, key: str, value: Any, expire: Any = None, exist: bool | None = None) -> bool:
        if exist is not None and exist != (key in self.values):
            return False
        self.values[key] = value
        return True

    async def set_many(self, pairs: Any, expire: Any = None) -> None:
        self.values.update(pairs)

    async def set_raw(self, key: str, value: Any, **kwargs: Any) -> None:
        self.values[key] = value

    async def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    async def get_raw(self, key: str) -> Any:
        return self.values.get(key)

    async def get_many(self, *keys: str, default: Any = None) -> Any:
        return tuple(self.values.get(key, default) for key in keys)

    async def get_match(self, pattern: str, batch_size: int = 100) -> Any:
        for pair in list(self.values.items()):
            yield pair

    async def scan(self, pattern: str, batch_size: int = 100) -> Any:
        for key in list(self.values):
            yield key

    async def exists(self, key: str) -> bool:
        return key in self.values

    async def incr(self, key: str, value: int = 1, expire: Any = None) -> int:
        self.values[key] = self.values.get(key, 0) + value
        return int(self.values[key])

    async def delete(self, key: str) -> bool:
        return self.values.pop(key, None) is not None

    async def delete_many(self, *keys: str) -> None:
        for key in keys:
            self.values.pop(key, None)

    async def delete_match(self, pattern: str) -> None:
        self.values.clear()

    async def expire(self, key: str, timeout: float) -> None: ...

    async def get_expire(self, key: str) -> int:
        return -1

    async def get_bits(self, key: str, *indexes: int, size: int = 1) -> Any:
        return ()

    async def incr_bits(self, key: str, *indexes: int, size: int = 1, by: int = 1) -> Any:
        return ()

    async def slice_incr(self, key: str, start: Any, end: Any, maxvalue: int, expire: Any = None) -> int:
        return 1

    async def set_add(self, key: str, *values: str, expire: Any = None) -> None:
        self.values.setdefault(key, set()).update(values)

    async def set_remove(self, key: str, *values: str) -> None:
        self.values.setdefault(key, set()).difference_update(values)

    async def set_pop(self, key: str, count: int = 100) -> Any:
        return self.values.pop(key, set())

    async def get_size(self, key: str) -> int:
        return 1

    async def get_keys_count(self) -> int:
        return len(self.values)

    async def ping(self, message: bytes | None = None) -> bytes:
        return b"PONG"

    async def clear(self) -> None:
        self.values.clear()

    async def is_locked(self, key: str, wait: Any = None, step: Any = 0.1) -> bool:
        return key in self.values

    async def unlock(self, key: str, value: Any) -> bool:
        return await self.delete(key)


async def run(library: Any, act: Callable[[Any], Any]) -> Any:
    library.register_backend("own", type("Own", (Commands, library.backends.interface.Backend), {}))
    cache = library.Cache()
    cache.setup("own://")
    return await act(cache)


async def both(act: Callable[[Any], Any]) -> Any:
    original, ours = await run(cashews, act), await run(facade, act)
    assert ours == original
    return ours


async def test_values() -> None:
    async def act(cache: Any) -> Any:
        steps = [await cache.set("a", 1), await cache.get("a"), await cache.get_many("a", "b"), await cache.incr("n")]
        steps += [
            await cache.get_or_set("c", lambda: 3),
            await cache.get_or_set("c", 4),
            [key async for key in cache.scan("*")],
        ]
        await cache.set_many({"d": 5})
        return [*steps, await cache.delete("a"), await cache.get_keys_count(), await cache.ping(), cache.is_init]

    assert await both(act) == [True, 1, (1, None), 1, 3, 3, ["a", "n", "c"], True, 3, b"PONG", True]


async def test_locks() -> None:
    async def act(cache: Any) -> Any:
        async with cache.lock("key", expire=10):
            steps = [await cache.is_locked("key"), await cache.set_lock("key", "other", 10)]
        return [*steps, await cache.is_locked("key")]

    assert await both(act) == [True, False, False]


async def test_tags() -> None:
    async def act(cache: Any) -> Any:
        await cache.set("a", 1, tags=["odd", "all"])
        await cache.incr("b", 2, tags=["all"])
        await cache.set("c", 3)
        await cache.delete_tags("odd")
        first = await cache.get_many("a", "b", "c")
        await cache.delete_tags("all", "none")
        return first, await cache.get_many("a", "b", "c")

    assert await both(act) == ((None, 2, 3), (None, None, 3))
