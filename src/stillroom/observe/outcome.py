"""How calls are answered, in one word."""

from __future__ import annotations

import enum

__all__ = ["Outcome"]


class Outcome(str, enum.Enum):
    """How a call was answered."""

    HIT = "hit"
    STALE = "stale"
    MISS = "miss"
    REFRESH = "refresh"
    BYPASS = "bypass"
    ERROR = "error"

    def __str__(self) -> str:
        return self.value
