"""Which classes can be rebuilt, and what classes their fields name.

The classes of pydantic, attrs and msgspec are recognised by the attributes they leave on the class, so none is imported.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from enum import Enum
from typing import Any, cast

from .annotations import annotations_of, named_in, resolved
from .exceptions import ErrorShape
from .models import ModelShape, is_model
from .shapes import EnumShape, NamedTupleShape, ObjectShape, Shape, StructShape

__all__ = ["is_record", "records_in", "shape_for"]


def is_record(kind: type[Any]) -> bool:
    """Tell whether a class is of a sort that can be rebuilt without functions of the user's."""
    return (
        issubclass(kind, Enum | BaseException)
        or (tuple in kind.__mro__ and hasattr(kind, "_fields"))
        or dataclasses.is_dataclass(kind)
        or hasattr(kind, "__attrs_attrs__")
        or hasattr(kind, "__struct_fields__")
        or is_model(kind)
    )


def shape_for(kind: Any) -> Shape:
    """Return the shape of a record.

    Raises:
        Refused: its instances hold what cannot be rebuilt.
    """
    if issubclass(kind, Enum):
        return EnumShape(kind)
    if issubclass(kind, BaseException):
        return ErrorShape(kind)
    if tuple in kind.__mro__:
        return NamedTupleShape(kind, _annotated(kind, kind._fields))
    if dataclasses.is_dataclass(kind):
        fields = dataclasses.fields(kind)
        return ObjectShape(cast("type[Any]", kind), "dataclass", [(field.name, field.type) for field in fields])
    if hasattr(kind, "__attrs_attrs__"):
        return ObjectShape(kind, "attrs", [(field.name, field.type) for field in kind.__attrs_attrs__])
    if hasattr(kind, "__struct_fields__"):
        return StructShape(kind, "struct", _annotated(kind, kind.__struct_fields__))
    return ModelShape(kind)


def _annotated(kind: type[Any], names: tuple[str, ...]) -> list[tuple[str, Any]]:
    annotations = annotations_of(kind)
    return [(name, annotations.get(name)) for name in names]


def records_in(*annotations: Any) -> Iterator[type[Any]]:
    """Yield the records that annotations name, those that their fields name, and so on."""
    waiting, seen = [*annotations], set[type[Any]]()
    while waiting:
        for kind in named_in(waiting.pop()):
            if kind in seen:
                continue
            seen.add(kind)
            record = is_record(kind)
            if record:
                yield kind
            if (record and not issubclass(kind, Enum | BaseException)) or typing.is_typeddict(kind):
                waiting.extend(_inside(kind))


def _inside(kind: Any) -> Iterator[Any]:
    yield from resolved(kind)
    for field in getattr(kind, "__attrs_attrs__", ()):
        yield field.type
    if is_model(kind):  # pydantic finds names that are local to a function
        fields: dict[str, Any] = getattr(kind, "__pydantic_fields__", None) or kind.model_fields
        yield from [field.annotation for field in fields.values()]
