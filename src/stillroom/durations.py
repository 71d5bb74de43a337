"""Durations as users write them: seconds, ``timedelta`` or text such as ``"1h30m"``.

Everything inside stillroom counts in seconds, as floats. This module is the only place where other spellings are read.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, TypeAlias

from .errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["Duration", "seconds"]

Duration: TypeAlias = "float | str | timedelta"
"""What users may give for a length of time: seconds, ``"1h30m"`` or a ``timedelta``."""

_UNITS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|[wdhms])\s*", re.ASCII)


def seconds(value: Duration, setting: str) -> float:
    """Return how many seconds a duration lasts.

    Args:
        value: a number of seconds, a ``timedelta``, or text made of numbers with the units ``w d h m s ms``.
        setting: the parameter's name, for the error.

    Raises:
        ConfigurationError: it is no duration, or not above zero.

    Example:
        >>> seconds("1h30m", "ttl")
        5400.0
    """
    length = _length(value)
    if length is None or not math.isfinite(length):
        raise ConfigurationError(
            f'{setting} must be seconds, a timedelta or text like "1h30m" (units w d h m s ms), not {value!r}',
            setting=setting,
            given=value,
        )
    if length <= 0:
        raise ConfigurationError(f"{setting} must be above zero, not {value!r}", setting=setting, given=value)
    return length


def _length(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) if abs(value) <= _LONGEST else None
    if isinstance(value, str):
        return _parsed(value)
    from datetime import timedelta  # only now: whoever gives one has imported it already

    return value.total_seconds() if isinstance(value, timedelta) else None


_LONGEST = 1e15  # beyond any clock; an int may be too large to become a float at all


def _parsed(text: str) -> float | None:
    total, position = 0.0, 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            return None
        total += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    return total if position else None
