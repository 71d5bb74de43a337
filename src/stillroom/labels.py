"""Which functions go by which name.

In memory, functions of one name never meet, since each has a keyspace of its own. On a shared store the name is all that tells
functions apart, so two that differ must not share one: not by chance, and not because a local function is made anew for every
value that it closes over. So what it closes over becomes part of its name there, as far as that has a value at all: see
`surroundings`. Functions of one name are numbered here, and it is told which of them a shared store could not tell apart:
`stillroom.function` refuses those.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ._runtime.forks import ForkSafeLock
from .keys import digest, encode

__all__ = ["Labels", "surroundings", "unshared"]


class _Claim(NamedTuple):
    """What is known of the functions that have claimed a name.

    Attributes:
        essence: what the last one does, see `_essence`.
        last: the last one, while it lives.
    """

    essence: tuple[object, ...]
    last: Callable[[], object]


class Labels:
    """The names of the functions of one cache."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._claims: dict[tuple[str, str], _Claim] = {}
        self._numbers: dict[str, int] = {}

    def number(self, name: str, function: Callable[..., Any]) -> tuple[int, Callable[[], bool]]:
        """Claim a name; return the function's number among those of that name, and what tells if a shared store may know it so.

        That is asked when a shared store is used first, not now: when a cell of a notebook is run again, its name still stands
        for the former function until the new one has been made.
        """
        essence = _essence(function)
        around = _around(function)
        with self._lock:
            number = self._numbers[name] = self._numbers.get(name, 0) + 1
            claim = self._claims.get((name, around))
            self._claims[name, around] = _Claim(essence, _weak(function))
        if claim is None:
            return number, unshared
        if _UNTOLD in around:
            return number, _never
        if _is_same(essence, claim.essence):  # the same function, defined anew
            return number, unshared
        former = claim.last
        return number, _never if "<" in name else lambda: former() is None


_UNTOLD: Final = "?"


def surroundings(function: Callable[..., Any]) -> str:
    """Return the digest of the values that a function closes over, or nothing if there are none."""
    around = _around(function)
    return f"~{digest(around)}" if around.strip(f"{_UNTOLD},") else ""


def _around(function: Callable[..., Any]) -> str:
    """Return what a function closes over: the values, and for all that has none, such as a list or a client, a mark."""
    return ",".join([_told(cell) for cell in getattr(function, "__closure__", None) or ()])


def _told(cell: Any) -> str:
    try:
        value = cell.cell_contents
        hash(value)  # what can change is no value: it was another one before, and will be
        return encode(value, "closure")
    except Exception:  # or it is not known how to write it, or there is nothing there yet, or it has an odd hash
        return _UNTOLD


def unshared() -> bool:
    """Tell that no other function goes by the name."""
    return True


def _never() -> bool:
    return False


def _essence(function: Callable[..., Any]) -> tuple[object, ...]:
    """Return what makes a function do what it does: its code, and the defaults it was given; nothing if it does not say."""
    code = getattr(function, "__code__", None)
    if code is None:
        return ()
    defaults = getattr(function, "__defaults__", None) or ()
    keywords = getattr(function, "__kwdefaults__", None) or {}
    return (code, *defaults, *(keywords[name] for name in sorted(keywords)))


def _is_same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Compare by identity, which runs nobody's code."""
    return bool(one) and len(one) == len(other) and all(this is that for this, that in zip(one, other, strict=True))


def _weak(function: object) -> Callable[[], object]:
    try:
        return weakref.ref(function)
    except TypeError:
        return lambda: function
