"""How stillroom says that a value cannot be part of a key, or that a name does not exist.

Inside this package a value is refused by raising `Refused`, which gathers the path to the culprit on its way out; `encode`
turns it into the `UncacheableArgument` that users see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import UncacheableArgument

__all__ = ["Refused", "alternatives", "type_name"]

_LONGEST_PATH = 5


class Refused(Exception):
    """A value cannot be keyed.

    Attributes:
        kind: the type that cannot be keyed.
        reason: why, as a clause.
        remedy: the way out besides leaving the parameter out and writing a key template; empty if there is none.
        steps: the path from the argument to the value, innermost step first.
    """

    def __init__(self, kind: type[Any], reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.remedy = remedy
        self.steps: list[str] = []

    @classmethod
    def unknown(cls, kind: type[Any], reason: str = "") -> Refused:
        """Make the refusal of a type that users can make known."""
        reason = reason or f"stillroom cannot tell when two values of type {type_name(kind)} are equal"
        remedy = f"make the type known with register_key_type({kind.__name__}, function)" if kind is not object else ""
        return cls(kind, reason, remedy)

    def error(self, parameter: str) -> UncacheableArgument:
        """Make the error for the user, who gave the value for ``parameter``."""
        path = parameter + self._path()
        root = re.split(r"[.\[({ ]", parameter, maxsplit=1)[0]
        if root.startswith("@"):
            ways = [f"name what counts of it, as in {{{root}.id}}"]
        else:
            ways = [f'leave the parameter out with ignore=("{root}",)', 'name what counts with key="..."']
        ways += [self.remedy] if self.remedy else []
        message = f"{path} cannot be part of a key: {self.reason}. Ways out: {'; '.join(ways)}."
        return UncacheableArgument(message, parameter=path, type=self.kind)

    def _path(self) -> str:
        steps = self.steps[::-1]
        return "".join(steps if len(steps) <= _LONGEST_PATH else [*steps[:_LONGEST_PATH], "..."])


def type_name(kind: type[Any]) -> str:
    """Return how messages call a type, which need not be a name that leads to it."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def alternatives(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the one that was probably meant, and all that there are."""
    import difflib  # only now that there is something to complain about

    names: Sequence[str] = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    return f"{guess}the parameters are {', '.join(names)}" if names else "there are no parameters"
