"""Checks of what users give: names, namespaces, tags and the like, and what they say of a store outside of this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from .durations import Duration, seconds
from .errors import ConfigurationError

__all__ = ["CENTURY", "ON_ERROR", "OnError", "choice", "count", "lease", "prefix", "span", "text", "texts", "timeout"]

OnError: TypeAlias = Literal["fallback", "bypass", "raise"]
"""What stands in for a store that is out of reach."""
ON_ERROR: Final[tuple[OnError, ...]] = ("fallback", "bypass", "raise")
CENTURY: Final = 3.2e9
"""So many seconds are for ever. Beyond them, moments in microseconds are no longer exact."""
_NEVER: Final = 2**53
"""So many calls nobody makes. Beyond them, the numbers of a server are no longer exact."""


def text(given: str, setting: str) -> str:
    """Return a setting that is a text.

    Raises:
        ConfigurationError: it is none, or empty.
    """
    if not isinstance(given, str) or not given:
        raise ConfigurationError(f"{setting} must be a text that is not empty, not {given!r}", setting=setting, given=given)
    return given


def texts(given: Sequence[str] | str, setting: str) -> tuple[str, ...]:
    """Return the texts of a setting that takes several.

    Raises:
        ConfigurationError: it is a single text, or something in it is none.
    """
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(one, str) and one for one in given):
        raise ConfigurationError(
            f'{setting} must be a list of texts such as ["a", "b"], not {given!r}', setting=setting, given=given
        )
    return tuple(given)


def choice(given: object, choices: Sequence[str], setting: str) -> str:
    """Return a setting that is one of a few texts.

    Raises:
        ConfigurationError: it is not.
    """
    if not isinstance(given, str) or given not in choices:
        raise ConfigurationError(f"{setting} must be one of {', '.join(choices)}, not {given!r}", setting=setting, given=given)
    return given


def count(given: object, setting: str) -> int:
    """Return how many of something a setting says; what is beyond all counting is cut to what nobody reaches.

    Raises:
        ConfigurationError: it is no whole number above zero.
    """
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ConfigurationError(f"{setting} must be a whole number above zero, not {given!r}", setting=setting, given=given)
    return min(given, _NEVER)


def span(given: Duration, setting: str) -> float:
    """Return for how many seconds a guard is to remember or to do something; what is longer than a century is cut to that.

    Raises:
        ConfigurationError: it is no duration, or not above zero.
    """
    return min(seconds(given, setting), CENTURY)


def prefix(given: object) -> str:
    """Return what all keys on a store begin with.

    Raises:
        ConfigurationError: it is no text, or has braces, which would decide where its keys go on a cluster.
    """
    if not isinstance(given, str) or not given or any(sign in "{}" or 0xD800 <= ord(sign) <= 0xDFFF for sign in given):
        raise ConfigurationError(
            f"prefix must be a text that is not empty and has no braces, not {given!r}", setting="prefix", given=given
        )
    return given


def timeout(given: Duration) -> float:
    """Return how many seconds one operation may take.

    Raises:
        ConfigurationError: it is no such duration.
    """
    return _between(given, 0.001, 3600.0, "timeout")


def lease(given: Duration) -> float:
    """Return how many seconds a lease stands.

    Raises:
        ConfigurationError: it is no such duration.
    """
    return _between(given, 0.1, 86_400.0, "lease")


def _between(given: Duration, lowest: float, highest: float, setting: str) -> float:
    length = seconds(given, setting)
    if not lowest <= length <= highest:
        raise ConfigurationError(
            f"{setting} must lie between {lowest:g} and {highest:g} seconds, not {length:g}", setting=setting, given=given
        )
    return length
