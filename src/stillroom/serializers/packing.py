"""One descent into a value that is to be stored: from the value to a tree of plain values and extensions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import NoneType
from typing import TYPE_CHECKING, Any

from .codecs import BIG, BY_TYPE, CLASS, KNOWN_CLASSES, PAIRS, RECORD, SURROGATES
from .refusals import DEEPEST, Refused, item_step

if TYPE_CHECKING:
    from .classes import Classes
    from .wire import Wire

__all__ = ["Packing"]

_AS_THEY_ARE: frozenset[type[Any]] = frozenset({NoneType, bool, float, bytes})
_NATIVE = range(-(1 << 63), 1 << 64)


class Packing:
    """One descent into a value.

    Args:
        wire: writes.
        classes: which classes may be stored.
    """

    __slots__ = ("_classes", "_level", "_wire")

    def __init__(self, wire: Wire, classes: Classes) -> None:
        self._wire = wire
        self._classes = classes
        self._level = 0

    def tree(self, value: Any) -> Any:
        """Return a value as a tree of plain values and extensions.

        Raises:
            Refused: the value, or something in it, would not come back as it is.
        """
        kind = type(value)  # pyright: ignore[reportUnknownVariableType]
        if kind in _AS_THEY_ARE:
            return value
        if kind is str:
            return value if value.isascii() else self._text(value)
        if kind is int:
            return value if value in _NATIVE else self._extension(BIG, _big(value))
        if kind is list:
            return self.trees(value, value, item_step)
        if kind is dict:
            return self._dict(value)
        codec = BY_TYPE.get(kind)  # pyright: ignore[reportUnknownArgumentType]
        if codec is not None:
            return self._extension(codec.code, codec.pack(value, self))
        return self._class(value) if issubclass(kind, type) else self._record(value)

    def trees(self, whole: object, members: Iterable[object], step: Callable[[int], str]) -> list[Any]:
        """Return the trees of the members of a value, in their order.

        Args:
            whole: the value.
            members: what it is made of.
            step: gives the path from the value to a member, from the member's index.
        """
        if self._level == DEEPEST:
            raise Refused.too_deep(type(whole))
        self._level += 1
        done: list[Any] = []
        try:
            for member in members:
                done.append(self.tree(member))  # noqa: PERF401 - how many are done is the path of the refused
        except Refused as refused:
            refused.steps.append(step(len(done)))
            raise
        self._level -= 1
        return done

    def content(self, whole: object, members: Iterable[object], step: Callable[[int], str] = item_step) -> bytes:
        """Return the members of a value as the content of an extension."""
        return self._wire.encode(self.trees(whole, members, step))

    def pairs(self, value: dict[Any, Any]) -> bytes:
        """Return the items of a dict as the content of an extension."""
        value = value.copy()  # another thread may change it between the two passes
        keys = self.trees(value, value, lambda _: ".keys()")
        members = self._values(value)
        return self._wire.encode([one for pair in zip(keys, members, strict=True) for one in pair])

    def _dict(self, value: dict[Any, Any]) -> Any:
        if all(type(key) is str and (key.isascii() or _is_writable(key)) for key in value):
            value = value.copy()
            return dict(zip(value, self._values(value), strict=True))
        return self._extension(PAIRS, self.pairs(value))

    def _values(self, value: dict[Any, Any]) -> list[Any]:
        return self.trees(value, value.values(), lambda index: item_step([*value][index]))

    def _text(self, value: str) -> Any:
        return value if _is_writable(value) else self._extension(SURROGATES, value.encode("utf-8", "surrogatepass"))

    def _class(self, value: type[Any]) -> Any:
        name = KNOWN_CLASSES.get(value)
        content = self._classes.shape_of(value).identity if name is None else name
        return self._extension(CLASS, self._wire.encode(content))

    def _record(self, value: object) -> Any:
        shape = self._classes.shape_of(type(value))
        content = self.content(value, [shape.identity, *shape.take(value)], lambda index: shape.steps[index - 1])
        return self._extension(RECORD, content)

    def _extension(self, code: int, content: bytes) -> Any:
        return self._wire.extension(code, content)


def _big(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _is_writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
