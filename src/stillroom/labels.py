"""Which functions go by which name.

In memory, functions of one name never meet, since each has a keyspace of its own. On a shared store the name is all that tells
functions apart, so two that differ must not share one: not by chance, and not because a local function is made anew for every
value that it closes over. Here they are numbered, and it is told which of them a shared store could not tell apart:
`stillroom.function` refuses those.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from ._runtime.forks import ForkSafeLock

__all__ = ["Labels", "unshared"]


class _Claim(NamedTuple):
    """What is known of the functions that have claimed a name.

    Attributes:
        essence: what the last one does, see `_essence`.
        last: the last one, while it lives.
        number: how many there have been.
    """

    essence: tuple[object, ...]
    last: Callable[[], object]
    number: int


class Labels:
    """The names of the functions of one cache."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._claims: dict[str, _Claim] = {}

    def number(self, name: str, function: Callable[..., Any]) -> tuple[int, Callable[[], bool]]:
        """Claim a name; return the function's number among those of that name, and what tells if a shared store may know it so.

        That is asked when a shared store is used first, not now: when a cell of a notebook is run again, its name still stands
        for the former function until the new one has been made.
        """
        essence = _essence(function)
        with self._lock:
            claim = self._claims.get(name)
            number = 1 if claim is None else claim.number + 1
            self._claims[name] = _Claim(essence, _weak(function), number)
        if claim is None:
            return 1, unshared
        if getattr(function, "__closure__", None):
            return number, _never
        if _is_same(essence, claim.essence):  # the same function, defined anew
            return number, unshared
        former = claim.last
        return number, _never if "<" in name else lambda: former() is None


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
