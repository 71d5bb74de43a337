"""Which functions go by which name.

In memory, functions of one name never meet, since each has a keyspace of its own. On a shared store the name is all that tells
functions apart, so two that differ must not share one: not by chance, and not because a local function is made anew for every
value that it closes over. So what it closes over becomes part of its name there, as far as that has a value at all.

Functions of one name are numbered here, and it is told which of them a shared store could not tell apart:
`stillroom.function` refuses those.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, Final, NamedTuple

from ._runtime.forks import ForkSafeLock
from .keys import digest, encode

__all__ = ["Label", "Labels"]

REMEMBERED: Final = 10_000
"""How many names, each with what its functions close over, are remembered; then the one that was claimed first is not."""


class Label(NamedTuple):
    """What a function goes by besides its name.

    Attributes:
        number: which one of that name it is in this process.
        is_shareable: tells whether a shared store may know it by its name. That is asked when one is used first, not before:
            when a cell of a notebook is run again, its name still stands for the former function until there is the new one.
        around: stands for the values that it closes over; empty if there are none.
    """

    number: int = 1
    is_shareable: Callable[[], bool] = lambda: True
    around: str = ""


class _Claim(NamedTuple):
    """The last function that has claimed a name: its code, its defaults as text, and the function itself while it lives."""

    code: object
    defaults: tuple[str | None, ...]
    function: Callable[[], object]


class Labels:
    """The names of the functions of one cache."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._claims: dict[tuple[str, str], _Claim] = {}
        self._numbers: dict[str, int] = {}

    def claim(self, name: str, function: Callable[..., Any]) -> Label:
        """Give a name to a function."""
        cells = [_text(partial(getattr, cell, "cell_contents")) for cell in getattr(function, "__closure__", None) or ()]
        owner = getattr(function, "__self__", None)
        if owner is not None and not isinstance(owner, (type, ModuleType)):
            cells.append(_text(partial(_same, owner)))
            if cells[-1] is None:  # the method of one object among others
                return Label(self._number(name), lambda: False)
        around = f"~{_digest(tuple(cells))}" if any(told is not None for told in cells) else ""
        mine = _Claim(getattr(function, "__code__", None), _defaults(function), _weak(function))
        number = self._number(name)
        with self._lock:
            former = self._claims.pop((name, around), None)
            self._claims[name, around] = mine
            if len(self._claims) > REMEMBERED:
                del self._claims[next(iter(self._claims))]
        if former is None or _are_one(mine, former, tuple(cells)):
            return Label(number, around=around)
        replaces = "<" not in name and None not in cells
        return Label(number, (lambda: former.function() is None) if replaces else lambda: False, around)

    def _number(self, name: str) -> int:
        with self._lock:
            number = self._numbers[name] = self._numbers.get(name, 0) + 1
            return number


def _are_one(mine: _Claim, former: _Claim, cells: tuple[str | None, ...]) -> bool:
    """Tell whether two functions of one name and with the same values around them are one, defined anew."""
    if mine.code is None or mine.code is not former.code or mine.defaults != former.defaults:
        return False
    return None not in (*cells, *mine.defaults)


def _defaults(function: Callable[..., Any]) -> tuple[str | None, ...]:
    by_name: dict[str, Any] = getattr(function, "__kwdefaults__", None) or {}
    given = [*(getattr(function, "__defaults__", None) or ()), *(by_name[name] for name in sorted(by_name))]
    return tuple([_text(partial(_same, value)) for value in given])


def _same(value: object) -> object:
    return value


def _text(get: Callable[[], Any]) -> str | None:
    """Return a value as text, or ``None`` if it has none, such as a list or a client."""
    try:
        value = get()
        hash(value)  # what can change is no value: it was another one before, and will be
        return encode(value, "closure")
    except Exception:  # or it is not known how to write it, or there is nothing there yet, or it has an odd hash
        return None


def _digest(told: tuple[str | None, ...]) -> str:
    return digest("\0".join(["" if one is None else f"={one}" for one in told]))


def _weak(function: object) -> Callable[[], object]:
    try:
        return weakref.ref(function)
    except TypeError:
        return lambda: function
