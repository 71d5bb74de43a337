"""Locks on the Redis that is set up."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from .config import get_redis_config

__all__ = ["RedisLockManager"]


class RedisLockManager:
    """Locks that hold for all processes on the Redis that is set up, by name."""

    @classmethod
    def sync_lock(cls, cache_key: str) -> AbstractContextManager[Any]:
        """Return a lock for ``with``, which others wait for."""
        config = get_redis_config()
        return config.cache_for(is_async=False).lock(cache_key, config.lock_timeout)

    @classmethod
    def async_lock(cls, cache_key: str) -> AbstractAsyncContextManager[Any]:
        """Return a lock for ``async with``, which others wait for."""
        config = get_redis_config()
        return config.cache_for(is_async=True).lock(cache_key, config.lock_timeout)
