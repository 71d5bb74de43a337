"""How instances of allowed classes are taken apart and put together again.

A *shape* belongs to one class. Its identity is a digest of the class's name and of the names and types of its fields, so what
an older or newer version of the application has stored is not recognised, and counts as a miss. Instances are put together by
setting what they hold, without a call of ``__init__`` or ``__post_init__``; what they hold besides fields, such as a cached
property, is stored along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum, Flag
from hashlib import blake2b
from types import BuiltinFunctionType, MemberDescriptorType
from typing import Any, cast

from ..keys.names import claimed_name
from .annotations import text_of
from .refusals import Refused

__all__ = [
    "EnumShape",
    "NamedTupleShape",
    "ObjectShape",
    "RegisteredShape",
    "Shape",
    "StructShape",
    "blank",
    "identity_of",
    "require_plain_new",
    "slots_of",
]

Fields = Sequence[tuple[str, Any]]
"""Names and annotations."""

_NOT_STATE = frozenset({"__dict__", "__weakref__", "__msgspec_cached_hash__"})
_new_tuple = cast("Callable[..., Any]", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
_HASH = "_attrs_cached_hash"  # means something in one process only


def identity_of(kind: type[Any], family: str, fields: Fields = ()) -> bytes:
    """Return the digest of what must not change between storing an instance and rebuilding it."""
    name = claimed_name(kind) or f"{kind.__module__}.{kind.__qualname__}"
    text = ascii((family, name, [(label, text_of(annotation)) for label, annotation in fields]))
    return blake2b(text.encode(), digest_size=16).digest()


class Shape:
    """Takes instances of one class apart and puts them together.

    Attributes:
        kind: the class.
        identity: stands for the class and its shape in what is stored.
        steps: the paths from an instance to the members that `take` gives.
    """

    def __init__(self, kind: type[Any], identity: bytes, steps: Iterable[str]) -> None:
        self.kind = kind
        self.identity = identity
        self.steps = (*steps,)

    def take(self, value: Any) -> Iterable[Any]:
        """Return what an instance is made of.

        Raises:
            Refused: it could not be rebuilt from that.
        """
        raise NotImplementedError

    def make(self, members: list[Any]) -> Any:
        """Return an instance made of what `take` gave; whatever this raises means that it gave something else."""
        raise NotImplementedError


class RegisteredShape(Shape):
    """A class with functions of the user's."""

    def __init__(self, kind: type[Any], encode: Callable[[Any], Any], decode: Callable[[Any], Any]) -> None:
        super().__init__(kind, identity_of(kind, "registered"), (" (as registered)",))
        self._encode = encode
        self._decode = decode

    def take(self, value: Any) -> Iterable[Any]:
        try:
            return (self._encode(value),)
        except Exception as error:
            raise Refused(self.kind, f"its registered encode function failed with {type(error).__name__}") from error

    def make(self, members: list[Any]) -> Any:
        (member,) = members
        made = self._decode(member)
        if type(made) is not self.kind:
            raise ValueError(f"the decode function registered for {self.kind.__name__} gave a {type(made).__name__}")
        return made


class EnumShape(Shape):
    """An enumeration, whose members are known by name."""

    def __init__(self, kind: type[Enum]) -> None:
        super().__init__(kind, identity_of(kind, "enum"), (".name", ".value"))

    def take(self, value: Enum) -> Iterable[Any]:
        if value._name_ in self.kind.__members__:
            return value._name_, None
        if not isinstance(value, Flag):
            raise Refused(self.kind, "it is no member of its enumeration")
        return None, value._value_  # a combination; only some versions of Python give it a name

    def make(self, members: list[Any]) -> Any:
        name, value = members
        made = self.kind.__members__[name] if value is None else self.kind(value)
        if type(made) is not self.kind or (value is not None and made._value_ != value):
            raise ValueError(f"{self.kind.__name__} has no such member")
        return made


class NamedTupleShape(Shape):
    """A named tuple."""

    def __init__(self, kind: type[Any], fields: Fields) -> None:
        names = [name for name, _ in fields]
        super().__init__(kind, identity_of(kind, "named tuple", fields), [*(f".{name}" for name in names), ".__dict__"])
        self._count = len(names)

    def take(self, value: Any) -> Iterable[Any]:
        if len(value) != self._count:
            raise Refused(self.kind, "it has not as many items as its class has fields")
        return *value, getattr(value, "__dict__", None) or None

    def make(self, members: list[Any]) -> Any:
        *items, rest = members
        if len(items) != self._count:
            raise ValueError("a named tuple has not as many items as its class has fields")
        made: Any = _new_tuple(self.kind, items)
        if rest:
            made.__dict__.update(rest)
        return made


class ObjectShape(Shape):
    """A class whose instances hold their fields in slots or ``__dict__``: a dataclass, an attrs class.

    Args:
        kind: the class.
        family: what made it one.
        fields: its fields.
    """

    def __init__(self, kind: type[Any], family: str, fields: Fields) -> None:
        self._names = tuple(name for name, _ in fields)
        self._slots = slots_of(kind)
        self._other_slots = {name: slot for name, slot in self._slots.items() if name not in self._names}
        super().__init__(kind, identity_of(kind, family, fields), [*(f".{name}" for name in self._names), ".__dict__", ""])
        if not kind.__dictoffset__ and any(name not in self._slots for name in self._names):
            raise Refused(kind, "a field of it has no place that stillroom knows of")
        self._check()

    def _check(self) -> None:
        require_plain_new(self.kind)

    def take(self, value: Any) -> Iterable[Any]:
        state: dict[str, Any] = dict(getattr(value, "__dict__", None) or {})
        state.pop("__orig_class__", None)  # what typing notes on an instance of a generic class
        members = [self._field(value, state, name) for name in self._names]
        for name in self._names:
            state.pop(name, None)
        other = {name: slot.__get__(value) for name, slot in self._other_slots.items() if _is_set(slot, value)}
        if _HASH in state or _HASH in other:
            (state if _HASH in state else other)[_HASH] = None
        return *members, state or None, other or None

    def _field(self, value: Any, state: dict[str, Any], name: str) -> Any:
        slot = self._slots.get(name)
        try:
            return state[name] if name in state else getattr(value, name) if slot is None else slot.__get__(value)
        except AttributeError:
            raise Refused(self.kind, f"it lacks its field {name}") from None

    def make(self, members: list[Any]) -> Any:
        *fields, state, other = members
        values = dict(zip(self._names, fields, strict=True))
        made = self._blank(values)
        for name, field in values.items():
            slot = self._slots.get(name)
            if slot is None:
                made.__dict__[name] = field
            else:
                slot.__set__(made, field)
        if state:
            made.__dict__.update(state)
        held: dict[str, Any] = other or {}
        for name, slot in held.items():
            self._other_slots[name].__set__(made, slot)
        return made

    def _blank(self, values: dict[str, Any]) -> Any:
        return blank(self.kind)


class StructShape(ObjectShape):
    """A class of msgspec's. Only its own constructor makes instances, and runs a ``__post_init__`` if there is one."""

    def _check(self) -> None:
        if "__init__" in vars(self.kind) or "__new__" in vars(self.kind):
            raise Refused(self.kind, "it has a constructor of its own")

    def _blank(self, values: dict[str, Any]) -> Any:
        return self.kind(**values)


def blank(kind: type[Any]) -> Any:
    """Return an instance that holds nothing yet, without running any code of the class."""
    return object.__new__(kind)


def slots_of(kind: type[Any]) -> dict[str, MemberDescriptorType]:
    """Return the slots of a class and its bases, by the names of their attributes."""
    found: dict[str, MemberDescriptorType] = {}
    for base in reversed(kind.__mro__):
        found.update({name: slot for name, slot in vars(base).items() if isinstance(slot, MemberDescriptorType)})
    return {name: slot for name, slot in found.items() if name not in _NOT_STATE}


def require_plain_new(kind: type[Any]) -> None:
    """Raise `Refused` for a class whose instances hold what only a constructor written in C can set."""
    for base in kind.__mro__[:-1]:
        # Types that are written in C and hold something, such as list and Exception, have a `__new__` of their own.
        if isinstance(vars(base).get("__new__"), BuiltinFunctionType):
            raise Refused(kind, f"it holds more than its fields, being a {base.__name__}")


def _is_set(slot: MemberDescriptorType, value: Any) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True
