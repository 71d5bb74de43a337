"""The calls that ``f.many`` is given: for each a tuple of arguments, a mapping of named ones, or the only argument itself.

To bind arguments takes longer than to find what they stand for. So where a call gives all of them by position, in a tuple of
the right length, that tuple is taken as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from .compile import Bound
from .keys import FLAT

__all__ = ["Taken", "as_bound", "taken"]

Taken: TypeAlias = "tuple[Any, ...] | Bound"
"""The arguments of one of several calls: just a tuple if they are all there by position, or else bound."""


def taken(calls: Iterable[Any], first: tuple[Any, ...], flat: int, bind: Callable[..., Bound]) -> list[Taken]:
    """Return the arguments of several calls.

    Args:
        calls: the calls.
        first: arguments that stand before those of every call.
        flat: how many there are if no more than these can be given, each of them by position; -1 otherwise.
        bind: binds arguments to the signature.
    """
    if isinstance(calls, (str, bytes)) or not isinstance(calls, Iterable):
        raise TypeError(f"calls must be several, such as [(1, 2), (3, 4)], not {calls!r}")
    count = -1 if first else flat
    return [
        one if type(one) is tuple and len(one) == count else _taken(one, first, count, bind)  # pyright: ignore[reportUnknownArgumentType]
        for one in calls
    ]


def _taken(call: Any, first: tuple[Any, ...], count: int, bind: Callable[..., Bound]) -> Taken:
    if isinstance(call, tuple):
        return bind(*first, *call)
    if type(call) not in FLAT and isinstance(call, Mapping):  # what is flat is no mapping, and to ask for that takes longer
        return bind(*first, **call)
    return (call,) if count == 1 else bind(*first, call)


def as_bound(one: Taken) -> Bound:
    """Return the arguments of a call in the form in which all others are."""
    return one if isinstance(one, Bound) else Bound(one, one, {})
