"""The texts of values that are made of named fields.

A *shape* tells how to read such a type: enum members, named tuples, dataclasses, and the classes of pydantic, attrs and
msgspec, which are recognised by the attributes they leave on the class, so none of them is imported. Fields that do not count
when two instances are compared do not count here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any

from .names import name_of
from .refusals import Refused, type_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from .walk import Encoder, Walk

__all__ = ["encoder_of_record", "is_value_record"]


def encoder_of_record(kind: type[Any]) -> Encoder | None:
    """Return an encoder for a type made of named fields, ``None`` if it is none.

    The encoder does not refer to the type, so that it may be kept for as long as the type lives.

    Raises:
        Refused: it is such a type, but no name leads to it, or equality of its instances is not equality of their fields.
    """
    if issubclass(kind, Enum):
        return _enum(name_of(kind))
    fields = _fields(kind)
    if fields is None and not _is_pydantic(kind):
        return None
    _require_equality(kind)
    return _pydantic(name_of(kind)) if fields is None else _record(name_of(kind), fields)


def is_value_record(kind: type[Any]) -> bool:
    """Tell whether the instances of a type made of named fields are values: compared and hashed by their fields."""
    if issubclass(kind, Enum):
        return True
    if _fields(kind) is None and not _is_pydantic(kind):
        return False
    config = getattr(kind, "__struct_config__", None)  # msgspec's structs have a hash method even where it always raises
    is_hashable = _has_own(kind, "__hash__") if config is None else bool(config.frozen)
    return is_hashable and _has_own(kind, "__eq__")


def _fields(kind: Any) -> tuple[str, ...] | None:
    """Return the fields of every kind of record but pydantic's, whose instances differ in theirs."""
    if tuple in kind.__mro__:
        return getattr(kind, "_fields", None)
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind) if field.compare)
    if hasattr(kind, "__attrs_attrs__"):
        return tuple(field.name for field in kind.__attrs_attrs__ if field.eq)
    if hasattr(kind, "__struct_fields__"):
        return tuple(kind.__struct_fields__)
    return None


def _is_pydantic(kind: type[Any]) -> bool:
    return hasattr(kind, "__pydantic_validator__") and hasattr(kind, "__pydantic_fields_set__")


_CONTENT = frozenset({int, float, complex, str, bytes, bytearray, list, dict, set, frozenset})


def _require_equality(kind: type[Any]) -> None:
    if not _has_own(kind, "__eq__"):
        raise Refused.unknown(kind, f"a value of type {type_name(kind)} equals only itself")
    if not _CONTENT.isdisjoint(kind.__mro__):
        raise Refused.unknown(kind, f"a value of type {type_name(kind)} holds more than its fields")


def _has_own(kind: type[Any], method: str) -> bool:
    return getattr(kind, method) not in (None, getattr(object, method))


def _enum(name: str) -> Encoder:
    def encode(value: Enum, walk: Walk) -> str:
        label = value._name_
        if label in type(value).__members__:
            return f"{name}[{label!a}]"
        # A combination of flags; only some versions of Python give it a name.
        return f"{name}({walk.texts(value, [value._value_], '.value')[0]})"

    return encode


def _record(name: str, fields: tuple[str, ...]) -> Encoder:
    pattern = f"{name}({','.join(f'{field}=%s' for field in fields)})"
    step = _to_field(fields)

    def encode(value: object, walk: Walk) -> str:
        return pattern % tuple(walk.texts(value, [getattr(value, field) for field in fields], step))

    return encode


def _pydantic(name: str) -> Encoder:
    def encode(value: Any, walk: Walk) -> str:
        members = _pydantic_members(value)
        texts = walk.texts(value, members.values(), _to_field(tuple(members)))
        # model_fields_set tells a given value from a default, and decides what model_dump(exclude_unset=True) gives.
        given = value.__pydantic_fields_set__
        labels = (label if label in given else f"{label}?" for label in members)
        return f"{name}({','.join(f'{label}={text}' for label, text in zip(labels, texts, strict=True))})"

    return encode


def _pydantic_members(value: Any) -> dict[str, object]:
    fields: Iterable[str] = getattr(value, "__pydantic_fields__", None) or value.__class__.model_fields
    state: dict[str, object] = value.__dict__
    members = {field: state[field] for field in fields if field in state}
    extra: dict[str, object] = value.__pydantic_extra__ or {}
    private: dict[str, object] = value.__pydantic_private__ or {}
    return members | dict(sorted(extra.items())) | dict(sorted(private.items()))


def _to_field(fields: Iterable[str]) -> Callable[[int], str]:
    names = tuple(fields)
    return lambda index: f".{names[index]}"
