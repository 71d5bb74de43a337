"""The types that signatures of this interface speak of."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeAlias, TypedDict, TypeVar

__all__ = ["CacheKeyFunction", "CacheKwargs", "F", "Number"]

F = TypeVar("F", bound=Callable[..., Any])
Number: TypeAlias = int | float
CacheKeyFunction: TypeAlias = "Callable[[tuple[Any, ...], dict[str, Any]], Hashable]"
"""Returns what a call is keyed by, given its arguments by position and those by name."""


class CacheKwargs(TypedDict, total=False):
    """What a decorated function takes besides its own arguments, for type checkers: ``**_: Unpack[CacheKwargs]``.

    Attributes:
        skip_cache: run the function whatever is stored, and store what it returns.
    """

    skip_cache: bool
