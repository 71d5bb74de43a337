"""Who a function is, so that no other one is served with what it has loaded: its name, and what tells it from namesakes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

from stillroom import UncacheableArgument

from ._marks import exact

__all__ = ["identity_of"]

_LOCK: Final = Lock()
_NAMESAKES: Final[OrderedDict[str, _Namesakes]] = OrderedDict()
_MOST_NAMES: Final = 10_000
_MOST_NAMESAKES: Final = 100


class _Namesakes:
    """Functions of one name: the code of those that are told by it, and how many there were of the others."""

    def __init__(self) -> None:
        self.codes: dict[object, int] = {}
        self.others = self.last = 0

    def number(self, code: object, *, anew: bool) -> int:
        if anew:
            self.others += 1
            return self.others - 1
        if code not in self.codes:
            self.codes[code], self.last = self.last, self.last + 1
            if len(self.codes) > _MOST_NAMESAKES:
                del self.codes[next(iter(self.codes))]
        return self.codes[code]


def identity_of(function: Callable[..., Any]) -> str:
    """Return a text that no other function of this process has, unless it is the same one made again.

    A function within a function is told by what it closes over, so that one that is made for each request finds what the one
    before has loaded. Where it closes over what is no plain value, each one that is made is another.
    """
    name = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}".replace("@", "-")
    surrounding = _surrounding(function)
    if surrounding:
        name += f"~{surrounding}"
    number = _number(name, getattr(function, "__code__", None), anew=surrounding is None)
    return name if number == 0 else f"{name}~{number}"


def _surrounding(function: Callable[..., Any]) -> str | None:
    """Return what tells the values that a function closes over, ``""`` if there are none; ``None`` if they are not plain."""
    try:
        cells = tuple([cell.cell_contents for cell in getattr(function, "__closure__", None) or ()])
        defaults = (getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None))
        hash(cells)
        return exact((cells, defaults)) if cells else ""
    except (UncacheableArgument, TypeError, ValueError):  # or a cell that is still empty
        return None


def _number(name: str, code: object, *, anew: bool) -> int:
    """Return which of the functions of a name this is; those with the same code are one, unless each is another."""
    with _LOCK:
        known = _NAMESAKES.setdefault(name, _Namesakes())
        _NAMESAKES.move_to_end(name)
        if len(_NAMESAKES) > _MOST_NAMES:
            _NAMESAKES.popitem(last=False)
        return known.number(code, anew=anew)
