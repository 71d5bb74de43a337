"""Which functions go by which name.

In memory, functions of one name never meet, since each has a keyspace of its own. On a shared store the name is all that tells
functions apart, so two that differ must not share one: not by chance, and not because a local function is made anew for every
value that it closes over. Here they are numbered; `stillroom.function` refuses to use a shared store for any but the first.
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
        code: that of the first one.
        last: the last one that counts as different, while it lives.
        number: how many different ones there have been.
    """

    code: object
    last: Callable[[], object]
    number: int


class Labels:
    """The names of the functions of one cache."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._claims: dict[str, _Claim] = {}

    def number(self, name: str, function: Callable[..., Any]) -> int:
        """Claim a name for a function; return 1, or a higher number if it may not be what others know by that name."""
        code = getattr(function, "__code__", None)
        with self._lock:
            claim = self._claims.get(name)
            if claim is None or self._is_successor(name, function, code, claim):
                count = 1
            elif code is not None and code is claim.code and not getattr(function, "__closure__", None):
                return 1  # the same function, defined anew
            else:
                count = claim.number + 1
            self._claims[name] = _Claim(code, _weak(function), count)
            return count

    def _is_successor(self, name: str, function: Callable[..., Any], code: object, claim: _Claim) -> bool:
        """Tell whether a function of a module takes the place of one that is gone, as in a notebook whose cell is run again."""
        return "<" not in name and claim.last() is None and not getattr(function, "__closure__", None)


def _weak(function: object) -> Callable[[], object]:
    try:
        return weakref.ref(function)
    except TypeError:
        return lambda: function
