"""Checks of what users give as text: names, namespaces, tags and the like."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import ConfigurationError

__all__ = ["text", "texts"]


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
