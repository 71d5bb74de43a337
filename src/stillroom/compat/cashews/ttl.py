"""Lengths of time as cashews takes them: seconds, ``timedelta``, text such as ``"1h30m"``, or a callable of a call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, TypeAlias

__all__ = ["TTL", "of_call", "parsed", "ttl_to_seconds"]

_Plain: TypeAlias = "int | float | str | timedelta | None"
TTL: TypeAlias = "_Plain | Callable[..., _Plain]"

_UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def ttl_to_seconds(ttl: TTL, *args: Any, with_callable: bool = False, result: Any = None, **kwargs: Any) -> Any:
    """Return how many seconds a ttl lasts; what is none comes back as it is.

    Args:
        ttl: the length of time.
        *args: the arguments of the call that a callable is to judge.
        with_callable: whether a callable is called.
        result: the result of that call, for callables that take one.
        **kwargs: the call's arguments by name.

    Raises:
        ValueError: a text with other units than ``d h m s``.
    """
    if isinstance(ttl, str):
        return _parsed(ttl)
    if isinstance(ttl, timedelta):
        return ttl.total_seconds()
    if with_callable and callable(ttl):
        return ttl_to_seconds(_of_call(ttl, args, kwargs, result))
    return ttl


def of_call(ttl: TTL, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any = None) -> Any:
    """Do what `ttl_to_seconds` does for a call, whatever its arguments are called."""
    return ttl_to_seconds(_of_call(ttl, args, kwargs, result) if callable(ttl) else ttl)


def parsed(ttl: TTL) -> TTL:
    """Return a ttl in seconds, or the callable that it is, so that a wrong one is told where it is given."""
    return ttl if callable(ttl) else ttl_to_seconds(ttl)


def _of_call(ttl: Callable[..., _Plain], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> _Plain:
    try:
        return ttl(*args, result=result, **kwargs)
    except TypeError:  # it takes no result
        return ttl(*args, **kwargs)


def _parsed(text: str) -> int:
    total, digits = 0, ""
    for letter in text.strip().lower():
        if letter.isdigit():
            digits += letter
        elif letter in _UNITS and digits:
            total += int(digits) * _UNITS[letter]
            digits = ""
        else:
            raise ValueError(f'ttl {text!r} must be like "1h30m", with the units d h m s')
    return int(digits) if digits and not total else total
