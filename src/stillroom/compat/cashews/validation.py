"""`invalidate`, and `invalidate_further`: what is asked for in its block is forgotten instead of being found."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ._surroundings import NOW, surroundings

__all__ = ["invalidate", "invalidate_further", "is_invalidating"]


def invalidate(
    backend: Any, key_template: Any, args_map: dict[str, Any] | None = None, defaults: dict[str, Any] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the decorator of a cache that is called so."""
    decorator: Callable[[Callable[..., Any]], Callable[..., Any]] = backend.invalidate(key_template, args_map, defaults)
    return decorator


@contextmanager
def invalidate_further() -> Generator[None]:
    """Let whatever is asked for in the block be forgotten and not be found, so that it is loaded anew."""
    token = NOW.set(replace(surroundings(), forgets=True))
    try:
        yield
    finally:
        NOW.reset(token)


def is_invalidating() -> bool:
    """Tell whether the caller is in such a block."""
    return surroundings().forgets
