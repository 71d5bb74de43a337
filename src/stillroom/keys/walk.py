"""One descent into a value, from the argument itself to its innermost members.

Every type has an *encoder*: a function of a value and the walk, which asks the walk for the texts of the members. The walk
keeps the rules that hold at every level: how deep it may go, and how a refused member's path is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from .refusals import Refused

__all__ = ["Encoder", "Walk"]

_DEEPEST = 200  # far beyond honest arguments, and far enough from Python's own recursion limit


class Walk:
    """One descent into a value.

    Args:
        encoder_of: gives the encoder of a type, or raises `Refused`.
    """

    __slots__ = ("_encoder_of", "_level")

    def __init__(self, encoder_of: Callable[[type[Any]], Encoder]) -> None:
        self._encoder_of = encoder_of
        self._level = 0

    def text(self, value: object) -> str:
        """Return the text of a value that is not nested in another."""
        kind = type(value)
        return self._encoder_of(kind)(value, self)

    def texts(self, whole: object, members: Iterable[object], step: str | Callable[[int], str]) -> list[str]:
        """Return the texts of the members of a value, in their order.

        Args:
            whole: the value.
            members: what it is made of.
            step: the path from the value to its members, such as ``.keys()``, or what gives it from a member's index.
        """
        if self._level == _DEEPEST:
            raise Refused(type(whole), f"it contains itself, or is nested more than {_DEEPEST} levels deep")
        self._level += 1
        done: list[str] = []
        try:
            for member in members:
                kind = type(member)
                done.append(self._encoder_of(kind)(member, self))
        except Refused as refused:
            refused.steps.append(step if isinstance(step, str) else step(len(done)))
            raise
        self._level -= 1
        return done


Encoder: TypeAlias = Callable[[Any, Walk], str]
"""Turns a value of one type into text."""
