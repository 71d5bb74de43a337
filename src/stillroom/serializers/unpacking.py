"""From bytes to a value: msgspec reads what is plain, and asks here for the value of each extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .codecs import BIG, BY_CODE, CLASS, KNOWN_CLASSES, PAIRS, RECORD, SURROGATES

if TYPE_CHECKING:
    from .classes import Classes
    from .wire import Wire

__all__ = ["Unpacking"]

_KNOWN_BY_NAME = {name: kind for kind, name in KNOWN_CLASSES.items()}


class Unpacking:
    """Reads values.

    Whatever it raises means that the bytes are not what was written, or not for the classes that there are now.

    Args:
        wire: reads what is plain.
        classes: which classes may be built.

    Attributes:
        decode: returns the value that bytes stand for.
    """

    def __init__(self, wire: Wire, classes: Classes) -> None:
        self._classes = classes
        self.decode = wire.decoder(self._extension)

    def members(self, content: memoryview, count: int | None = None) -> list[Any]:
        """Return the members that are the content of an extension."""
        found: list[Any] = self.decode(content)
        if type(found) is not list or len(found) != (len(found) if count is None else count):
            raise ValueError("an extension's content is not what its code announces")
        return found

    def pairs(self, content: memoryview) -> dict[Any, Any]:
        """Return the items that are the content of an extension."""
        flat = self.members(content)
        items = dict(zip(flat[::2], flat[1::2], strict=True))
        if len(items) * 2 != len(flat):
            raise ValueError("a key occurs twice")
        return items

    def _extension(self, code: int, content: memoryview) -> Any:
        if code == RECORD:
            identity, *members = self.members(content)
            return self._classes.shape_by(identity).make(members)
        codec = BY_CODE.get(code)
        if codec is not None:
            return codec.unpack(content, self)
        if code == BIG:
            return int.from_bytes(content, "big", signed=True)
        if code == SURROGATES:
            return bytes(content).decode("utf-8", "surrogatepass")
        if code == PAIRS:
            return self.pairs(content)
        if code == CLASS:
            return self._class(self.decode(content))
        raise ValueError(f"there is no extension of type {code}")

    def _class(self, name: str | bytes) -> type[Any]:
        return _KNOWN_BY_NAME[name] if isinstance(name, str) else self._classes.shape_by(name).kind
