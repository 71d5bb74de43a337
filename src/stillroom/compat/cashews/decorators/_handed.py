"""Decorators of a cache as functions that are handed the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .._cache import Cache
from ..backends.interface import Backend

__all__ = ["STORING", "handed"]

STORING: Final = ("condition", "prefix", "tags")
"""What those take one after the other that store results."""


def handed(name: str, *order: str, **defaults: Any) -> Callable[..., Any]:
    """Return a decorator of a cache as a function that is handed the cache or a backend, then its settings in this order."""

    def decorator(backend: Any, *args: Any, **kwargs: Any) -> Any:
        cache = Cache.of_backend(backend) if isinstance(backend, Backend) else backend
        return getattr(cache, name)(**{**defaults, **dict(zip(order, args, strict=False)), **kwargs})

    decorator.__name__ = decorator.__qualname__ = name
    return decorator
