"""How a serializer says that a value cannot be stored.

Inside this package a value is refused by raising `Refused`, which gathers the path to the culprit on its way out; the
serializer turns it into the `UncacheableValue` that users see.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import UncacheableValue
from ..keys.refusals import type_name

__all__ = ["DEEPEST", "Refused", "item_step", "unnamed"]

DEEPEST = 100
"""How many levels a value may be nested; with three frames a level, far enough from Python's own recursion limit."""

_LONGEST_PATH = 8
_LONGEST_KEY = 40


class Refused(Exception):
    """A value cannot be stored.

    Attributes:
        kind: the type that cannot be stored.
        reason: why, as a clause.
        ways: the ways out; those for a type that could be made known unless given.
        steps: the path from the whole to the value, innermost step first.
    """

    def __init__(self, kind: Any, reason: str, ways: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.ways = tuple(ways) or _ways(kind)
        self.steps: list[str] = []

    @classmethod
    def too_deep(cls, kind: Any) -> Refused:
        """Make the refusal of a value that has no end, or none in sight."""
        return cls(kind, f"it contains itself, or is nested more than {DEEPEST} levels deep")

    def error(self) -> UncacheableValue:
        """Make the error for the user."""
        steps = self.steps[::-1]
        path = "".join(["value", *(steps if len(steps) <= _LONGEST_PATH else [*steps[:_LONGEST_PATH], "..."])])
        message = f"{path} cannot be stored: {self.reason}. Ways out: {'; '.join(self.ways)}."
        return UncacheableValue(message, type=self.kind, path=path)


def _ways(kind: type[Any]) -> tuple[str, ...]:
    return (
        "annotate the function with a return type that names each class it returns, such as a dataclass",
        f"make the type known with register_type({kind.__name__}, encode=..., decode=...)",
        'use serializer="pickle" with a secret',
    )


def unnamed(kind: type[Any]) -> Refused:
    """Make the refusal of a class that could be rebuilt, had anybody said that it may be."""
    reason = f"neither the function's return annotation nor register_type names {type_name(kind)}"
    ways = (
        f"annotate the function's result with {kind.__name__}",
        f"make it known with register_type({kind.__name__})",
        'use serializer="pickle" with a secret',
    )
    return Refused(kind, reason, ways)


def item_step(key: object) -> str:
    """Return the step of a path that leads to an item of a container."""
    if type(key) not in (str, int, bool, type(None)):
        return "[...]"
    text = repr(key) if type(key) is not int or -(1 << 64) < key < 1 << 64 else "..."
    return f"[{text}]" if len(text) <= _LONGEST_KEY else f"[{text[:_LONGEST_KEY]}...]"
