"""Locks that are values: taken by whoever stores one first, and over when it ends."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from .exceptions import LockedError

__all__ = ["held"]

_PAUSES: Final = (0.001, 0.05)
"""The shortest and the longest pause, in seconds, before a lock is looked at again."""


class _Locking(Protocol):
    def set_lock(self, key: str, value: Any, expire: Any) -> Awaitable[bool]: ...
    def unlock(self, key: str, value: Any) -> Awaitable[bool]: ...


@asynccontextmanager
async def held(locking: _Locking, key: str, expire: Any, wait: bool, check_interval: float) -> AsyncGenerator[None]:
    """Hold a lock for the length of a block, but no longer than ``expire``.

    Args:
        locking: where locks are taken.
        key: which lock.
        expire: seconds after which it ends, whoever holds it.
        wait: whether to wait until it is free.
        check_interval: seconds between two looks at it.

    Raises:
        LockedError: it is not free, and the caller will not wait.
    """
    holder, (pause, longest) = uuid.uuid4().hex, _PAUSES
    try:
        while not await locking.set_lock(key, holder, expire):
            if not wait:
                raise LockedError(f"the key {key!r} is locked already")
            await asyncio.sleep(check_interval or pause)
            pause = min(pause * 2, longest)
        yield
    finally:  # also after a cancellation that came when the lock was taken and nobody knew it yet
        await locking.unlock(key, holder)
