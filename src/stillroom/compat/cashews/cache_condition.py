"""Conditions: which results are stored, and which errors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

__all__ = ["NOT_NONE", "get_cache_condition", "only_exceptions", "with_exceptions"]

NOT_NONE: Final = "not_none"
"""Stores all results but ``None``."""


def get_cache_condition(condition: Any) -> Callable[..., Any] | None:
    """Return the predicate for a condition; ``None`` if everything is stored."""
    if condition in (None, Any, any, "all", "any"):
        return None
    return _not_none if condition in (NOT_NONE, "skip_none") else condition


def _not_none(result: Any, *_: Any, **__: Any) -> bool:
    return result is not None


def _remembering(*exceptions: type[Exception], default: bool) -> Callable[..., Any]:
    def condition(result: Any, *_: Any, **__: Any) -> bool | Exception:
        return result if isinstance(result, exceptions or Exception) else default

    return condition


with_exceptions: Final = partial(_remembering, default=True)
"""Returns a condition that stores results, and remembers errors of these types; all if none is named."""
only_exceptions: Final = partial(_remembering, default=False)
"""Returns a condition that remembers errors of these types, and stores no results."""
