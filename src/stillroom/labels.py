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

__all__ = ["Labels"]


class _Claim(NamedTuple):
    """What is known of the functions that have claimed a name.

    Attributes:
        code: that of the last one.
        last: the last one, while it lives.
        number: how many there have been.
    """

    code: object
    last: Callable[[], object]
    number: int


class Labels:
    """The names of the functions of one cache."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._claims: dict[str, _Claim] = {}

    def number(self, name: str, function: Callable[..., Any]) -> tuple[int, bool]:
        """Claim a name; return the function's number among those of that name, and whether a shared store may know it so."""
        code = getattr(function, "__code__", None)
        with self._lock:
            claim = self._claims.get(name)
            number = 1 if claim is None else claim.number + 1
            self._claims[name] = _Claim(code, _weak(function), number)
        if claim is None:
            return 1, True
        if getattr(function, "__closure__", None):
            return number, False
        is_defined_anew = code is not None and code is claim.code
        replaces_one_that_is_gone = "<" not in name and claim.last() is None  # as in a notebook whose cell is run again
        return number, is_defined_anew or replaces_one_that_is_gone


def _weak(function: object) -> Callable[[], object]:
    try:
        return weakref.ref(function)
    except TypeError:
        return lambda: function
