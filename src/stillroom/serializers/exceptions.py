"""How exceptions are taken apart and put together again, for functions whose errors are remembered.

An exception is its class, its ``args``, what its built-in base keeps of its own (such as ``errno``), and its attributes.
Constructors of built-in exceptions run, those of others do not. Causes, contexts and tracebacks are not stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..keys.names import is_named
from .annotations import annotations_of
from .refusals import Refused
from .shapes import Shape, identity_of, slots_of

__all__ = ["ErrorShape", "named_subclasses"]

_args: Any = vars(BaseException)["args"]


class ErrorShape(Shape):
    """An exception class."""

    def __init__(self, kind: type[BaseException]) -> None:
        super().__init__(kind, identity_of(kind, "exception", [*annotations_of(kind).items()]), (".args", ".args", ".__dict__"))
        self._base: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
        self._native = slots_of(self._base)
        own = {name for base in kind.__mro__ if base.__module__ != "builtins" for name in vars(base)}
        if own & slots_of(kind).keys():
            raise Refused(kind, "it is an exception with slots")

    def take(self, value: Any) -> Iterable[Any]:
        try:
            _, given, *rest = self._base.__reduce__(value)
            members = [given, value.args, rest[0] if rest else None]
            if type(self.make(members)) is self.kind:  # some built-in exceptions cannot be made of what they tell
                return members
        except Exception as error:
            raise Refused(self.kind, f"it cannot be rebuilt ({type(error).__name__})") from error
        raise Refused(self.kind, "it cannot be rebuilt")

    def make(self, members: list[Any]) -> Any:
        given, args, state = members
        if type(given) is not tuple or type(args) is not tuple:
            raise ValueError("an exception holds something else than it should")
        made = self._base.__new__(self.kind, *given)
        self._base.__init__(made, *given)
        _args.__set__(made, args)  # past a `__setattr__` of the class's own
        attributes: dict[str, Any] = state or {}
        for name, held in attributes.items():
            slot = self._native.get(name)  # such as the name of an ImportError
            if slot is None:
                made.__dict__[name] = held
            else:
                slot.__set__(made, held)
        return made


def named_subclasses(roots: Iterable[type[BaseException]]) -> Iterator[type[BaseException]]:
    """Yield the classes that derive from some and that a name leads to, among those that there are in this process."""
    waiting, seen = [*roots], set[type[BaseException]]()
    while waiting:
        kind = waiting.pop()
        if kind in seen:
            continue
        seen.add(kind)
        waiting.extend(kind.__subclasses__())
        if is_named(kind):
            yield kind
