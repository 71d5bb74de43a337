"""What the transactions of all databases that a cache follows have in common."""

from __future__ import annotations

from typing import Any

from .. import Cache, ConfigurationError

__all__ = ["RolledBack", "check"]


class RolledBack(Exception):
    """What a block of the cache is left with if the database did not commit."""


def check(cache: Any, keep_loads: Any) -> None:
    """Check what transactions are to be made of, before the first one is needed.

    Raises:
        ConfigurationError: it is no cache, or ``keep_loads`` is neither true nor false.
    """
    if not isinstance(cache, Cache):
        raise ConfigurationError(f"cache must be a Cache, not {cache!r}", setting="cache", given=cache)
    cache.transaction(keep_loads=keep_loads)
