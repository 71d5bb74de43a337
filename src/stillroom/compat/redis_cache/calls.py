"""One call of a decorated function, from its arguments to what is stored for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

__all__ = ["Call", "Failed", "Found"]

Found: TypeAlias = "tuple[str | None, str | bytes]"
"""What is stored: what else tells the arguments apart, and the result as the serializer has made it."""


class Failed(Exception):
    """A serializer has failed, as the cause says. It never reaches a caller."""


class Call:
    """One call.

    Attributes:
        args: its arguments by position.
        kwargs: those by name.
        key: what its result is called.
        mark: tells it from others of the same key; ``None`` for most.
        loaded: what the function has returned, in a list; empty if it has not run.
    """

    __slots__ = ("_function", "_serializer", "args", "key", "kwargs", "loaded", "mark")

    def __init__(
        self,
        function: Callable[..., Any],
        serializer: Callable[[Any], Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        key: str,
        mark: str | None,
    ) -> None:
        self._function = function
        self._serializer = serializer
        self.args = args
        self.kwargs = kwargs
        self.key = key
        self.mark = mark
        self.loaded: list[Any] = []

    def __call__(self) -> Found:
        """Run the function, and return what is to be stored."""
        value = self._function(*self.args, **self.kwargs)
        try:
            stored = _checked(self._serializer(value))
        except Exception as error:
            raise Failed from error
        self.loaded.append(value)
        return self.mark, stored

    def is_answered_by(self, found: Found) -> bool:
        """Tell whether what was found is the result of this call, and not of one whose arguments are alike as text."""
        return bool(self.loaded) or found[0] == self.mark


def _checked(made: Any) -> str | bytes:
    if isinstance(made, (str, bytes)):
        return made
    if isinstance(made, (int, float)) and not isinstance(made, bool):
        return repr(made)
    if isinstance(made, (bytearray, memoryview)):
        return bytes(cast("bytearray", made))
    raise TypeError(f"a serializer must return text or bytes, not a {type(made).__name__}")
