"""Marks: what a result was loaded for, kept beside it.

cashews' keys are texts in which ``1`` and ``"1"``, ``None`` and ``""``, ``("a:b", "c")`` and ``("a", "b:c")`` look alike.
Commands need those very texts, so entries bear them as their names. But each result that a function has loaded is stored with a
mark, which tells exactly, types included, what the fields of its key were; and a call is served only with what bears its own
mark. Calls whose keys look alike take the name from each other, and never the value.

What was stored by a command bears no mark, and is for whoever asks.
"""

from __future__ import annotations

import itertools
import uuid
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, cast

from stillroom import Cache, UncacheableArgument

__all__ = ["Kept", "KeptOddly", "Raised", "exact", "mark_of", "number_of", "unmarked"]


class Raised:
    """Stands for an error that is remembered.

    Attributes:
        exc: the error.
    """

    __slots__ = ("exc",)

    def __init__(self, exc: Exception) -> None:
        self.exc = exc

    def __reduce__(self) -> tuple[type[Raised], tuple[Exception]]:
        return Raised, (self.exc,)


class Kept:
    """A result that a function has loaded.

    Attributes:
        mark: what it was loaded for.
        value: the result, or `Raised`.
    """

    __slots__ = ("mark", "value")

    def __init__(self, mark: str, value: Any) -> None:
        self.mark = mark
        self.value = value

    def __repr__(self) -> str:
        return f"Kept({self.mark!r}, {self.value!r})"

    def __reduce__(self) -> tuple[type[Kept], tuple[str, Any]]:
        return Kept, (self.mark, self.value)


class KeptOddly(Kept):
    """The same, where it takes more than handing the value over: it is `Raised`, or what an encoder has made."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type[Kept], tuple[str, Any]]:
        return KeptOddly, (self.mark, self.value)


def unmarked(stored: Any) -> Any:
    """Return what commands are to see of what is stored under a key."""
    return stored.value if isinstance(stored, Kept) else stored


@Cache()(name="_", ttl=1)
def _exactly(values: object) -> None:
    """Exist for its keys: stillroom's are exact."""


def exact(value: object) -> str:
    """Return a text that no value has that is of another type or not equal.

    Raises:
        UncacheableArgument: stillroom does not know how to key it.
    """
    return _exactly.key(value)


def mark_of(values: Sequence[object], text: Callable[[object], str]) -> str:
    """Return the mark of these values: the same for two sequences exactly if their members are equal and of the same types.

    Args:
        values: the values.
        text: how keys show a value. It stands for a value that stillroom does not know how to key, if its class says how
            instances are shown; otherwise it is told apart which instance it is.
    """
    try:
        return exact(tuple(values))
    except UncacheableArgument:
        return exact(tuple([_told(value, text) for value in values]))


class _Members(NamedTuple):
    """Stands for what has members that stillroom does not know how to key."""

    kind: str
    members: tuple[object, ...]


class _Shown(NamedTuple):
    """Stands for a value that stillroom does not know how to key."""

    module: str
    kind: str
    text: str


def _told(value: object, text: Callable[[object], str]) -> object:
    try:
        exact(value)
    except UncacheableArgument:
        kind: Any = type(value)
        if kind is dict:
            pairs = cast("dict[Any, Any]", value).items()
            return _Members("dict", tuple([(name, _told(member, text)) for name, member in pairs]))
        if kind in (list, tuple, set, frozenset):
            members = [_told(member, text) for member in cast("Iterable[Any]", value)]
            return _Members(kind.__name__, tuple(members if kind in (list, tuple) else sorted(members, key=exact)))
        shows_itself = kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__
        return _Shown(kind.__module__, kind.__qualname__, text(value) if shows_itself else number_of(value))
    return value


_PROCESS: Final = uuid.uuid4().hex
_COUNT: Final = itertools.count()
_NUMBERS: Final[dict[int, tuple[weakref.ref[Any], str]]] = {}


def number_of(instance: object) -> str:
    """Return what no other instance has or will have, in any process."""
    known = _NUMBERS.get(id(instance))
    if known is not None and known[0]() is instance:
        return known[1]
    number = f"{_PROCESS}.{next(_COUNT)}"
    address = id(instance)
    try:
        _NUMBERS[address] = (weakref.ref(instance, lambda gone: _forget(address, gone)), number)
    except TypeError:  # it cannot be watched, so it gets a new number each time
        pass
    return number


def _forget(address: int, gone: weakref.ref[Any]) -> None:
    if _NUMBERS.get(address, (None,))[0] is gone:
        del _NUMBERS[address]
