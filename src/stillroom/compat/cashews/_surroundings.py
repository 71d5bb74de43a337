"""What surrounds a call besides its arguments: who wants to know where results come from, and what is to be forgotten.

All of it is one context variable, which is ``None`` for nearly all calls, so that a call has one thing to ask.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ._detecting import CacheDetect

__all__ = ["NOW", "Surroundings", "surroundings"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What surrounds a call.

    Attributes:
        detector: is told of results that come from the cache.
        forgets: whatever is read is forgotten instead.
        rewrites: values of the key context stand in for arguments of the same name.
    """

    detector: CacheDetect | None = None
    forgets: bool = False
    rewrites: bool = False


NOW: Final[ContextVar[Surroundings | None]] = ContextVar("stillroom_cashews_surroundings", default=None)


def surroundings() -> Surroundings:
    """Return what surrounds the caller."""
    return NOW.get() or Surroundings()
