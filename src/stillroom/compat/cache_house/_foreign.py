"""Backends that are none of stillroom's, such as a stand-in for tests that users assign to ``RedisFactory.instance``.

All that is known of them is what the decorator of cache-house asks of one: ``get_key`` and ``set_key``. So nothing that only
stillroom's engine can do is done for them: calls share no load.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any, Final

__all__ = ["foreign"]

_log: Final = logging.getLogger("cache_house.cache")


def foreign(load: Callable[[Any], Any], backend: Any, expire: Any, nothing: object) -> Any:
    """Return what answers calls from such a backend.

    Args:
        load: returns what is to be stored for a call.
        backend: the backend.
        expire: how long it is kept.
        nothing: what stands for something that is not to be stored.
    """
    kind = _AsyncForeign if inspect.iscoroutinefunction(load) else _Foreign
    return kind(load, backend, expire, nothing)


class _Foreign:
    def __init__(self, load: Callable[[Any], Any], backend: Any, expire: Any, nothing: object) -> None:
        self._load = load
        self._backend = backend
        self._expire = expire
        self._nothing = nothing

    def __call__(self, call: Any) -> Any:
        return self._found(call) or self.refresh(call)

    def refresh(self, call: Any) -> Any:
        return self._keep(call, self._load(call))

    def _found(self, call: Any) -> Any:
        try:
            return self._backend.get_key(call.key)
        except Exception as error:
            _log.warning("Error retrieving from cache: %s. Proceeding without cache.", error)
            return None

    def _keep(self, call: Any, encoded: Any) -> Any:
        try:
            if encoded is not self._nothing:
                self._backend.set_key(call.key, encoded, self._expire)
        except Exception as error:
            _log.warning("Error setting cache: %s. Result returned without caching.", error)
        return encoded


class _AsyncForeign(_Foreign):
    async def __call__(self, call: Any) -> Any:
        return self._found(call) or await self.refresh(call)

    async def refresh(self, call: Any) -> Any:
        return self._keep(call, await self._load(call))
