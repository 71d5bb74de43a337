"""Who a function is, so that no other one is served with what it has loaded: its name, and what tells it from namesakes.

What tells it is its code, and all that it holds: what it closes over, the object of a bound method, the arguments of a partial.
"""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, Final

from stillroom import UncacheableArgument

from ._marks import exact, number_of

__all__ = ["identity_of"]

_LOCK: Final = Lock()
_NAMESAKES: Final[OrderedDict[str, _Namesakes]] = OrderedDict()
_MOST_NAMES: Final = 10_000
_MOST_NAMESAKES: Final = 100


class _Namesakes:
    """Functions of one name, in the order in which they were made first."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._next = 0

    def number(self, what: object) -> int:
        if what not in self._numbers:
            self._numbers[what], self._next = self._next, self._next + 1
            if len(self._numbers) > _MOST_NAMESAKES:
                del self._numbers[next(iter(self._numbers))]
        return self._numbers[what]


def identity_of(function: Callable[..., Any]) -> str:
    """Return a text that no other function of this process has, unless it is the same one made again.

    A function that holds plain values is told by them, so that one that is made for each request finds what the one before has
    loaded; other objects count by which ones they are.
    """
    inner, held = _taken_apart(function)
    name = f"{inner.__module__}.{getattr(inner, '__qualname__', type(inner).__qualname__)}".replace("@", "-")
    texts = list(map(_text, held))
    if None not in texts:
        name += f"~{exact(held)}" if held else ""
        texts = []
    told = tuple([number_of(one) if text is None else text for one, text in zip(held, texts, strict=False)])
    number = _number(name, (getattr(inner, "__code__", None), told))
    return name if number == 0 else f"{name}~{number}"


def _taken_apart(function: Any) -> tuple[Any, Sequence[object]]:
    """Return what bears the name and the code of a function, and what it holds."""
    held: list[object] = []
    while isinstance(function, functools.partial):
        held += [*function.args, *function.keywords, *function.keywords.values()]
        function = function.func
    if inspect.ismethod(function):
        held.append(function.__self__)
        function = function.__func__
    if not inspect.isfunction(function):  # it is an object that can be called
        return function, (*held, function)
    if function.__closure__ or "<locals>" in function.__qualname__:
        held += map(_content, function.__closure__ or ())
        held += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    return function, tuple(held)


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # it is filled later, nobody knows with what
        return object()


def _text(value: object) -> str | None:
    """Return a text that tells a plain value; ``None`` for others."""
    try:
        hash(value)  # what may change is not plain
        return exact(value)
    except (UncacheableArgument, TypeError):
        return None


def _number(name: str, what: object) -> int:
    """Return which of the functions of a name this is."""
    with _LOCK:
        known = _NAMESAKES.setdefault(name, _Namesakes())
        _NAMESAKES.move_to_end(name)
        if len(_NAMESAKES) > _MOST_NAMES:
            _NAMESAKES.popitem(last=False)
        return known.number(what)
