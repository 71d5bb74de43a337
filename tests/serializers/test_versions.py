"""Two versions of an application that share a store, forward and back."""

from __future__ import annotations

import dataclasses
import enum
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import attrs
import msgspec
import pydantic
import pytest

from stillroom.serializers import serializer_for

Fields = list[tuple[str, Any]]
VERSIONS: list[Fields] = [
    [("id", int), ("name", str)],
    [("id", int)],
    [("id", int), ("name", str), ("email", str)],
    [("id", int), ("label", str)],
    [("name", str), ("id", int)],
    [("id", int), ("name", str | None)],
    [("id", int), ("name", list[str])],
]


def _dataclass(fields: Fields) -> type[Any]:
    return dataclasses.make_dataclass("User", fields)


def _slotted(fields: Fields) -> type[Any]:
    return dataclasses.make_dataclass("User", fields, slots=True, frozen=True, kw_only=True)


def _attrs(fields: Fields) -> type[Any]:
    return attrs.make_class("User", {name: attrs.field(type=kind) for name, kind in fields})


def _struct(fields: Fields) -> type[Any]:
    return msgspec.defstruct("User", fields)


def _model(fields: Fields) -> type[Any]:
    return type("User", (pydantic.BaseModel,), {"__annotations__": dict(fields), "__module__": __name__})


def _named_tuple(fields: Fields) -> type[Any]:
    made: Any = NamedTuple("User", fields)  # type: ignore[misc]
    return cast("type[Any]", made)


MAKERS: list[Callable[[Fields], type[Any]]] = [_dataclass, _slotted, _attrs, _struct, _model, _named_tuple]


def _made(maker: Callable[[Fields], type[Any]], fields: Fields) -> type[Any]:
    kind = maker(fields)
    kind.__module__ = __name__
    return kind


VALUES = {"id": 1, "name": "Ada", "email": "ada@example.org", "label": "a"}


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(("old", "new"), [*itertools.permutations(range(len(VERSIONS)), 2)])
def test_a_value_of_another_shape_is_never_built(maker: Callable[[Fields], type[Any]], old: int, new: int) -> None:
    """Rule 44."""
    before, after = _made(maker, VERSIONS[old]), _made(maker, VERSIONS[new])
    value = before(**{name: ["x"] if kind == list[str] else VALUES[name] for name, kind in VERSIONS[old]})
    data = serializer_for("auto", returns=before).dump([value])
    with pytest.raises(ValueError, match="whose fields have changed"):
        serializer_for("auto", returns=after).load(data)


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("fields", VERSIONS)
def test_a_value_of_the_same_shape_is_built_of_the_class_there_is_now(
    maker: Callable[[Fields], type[Any]], fields: Fields
) -> None:
    before, after = _made(maker, fields), _made(maker, fields)
    value = before(**{name: ["x"] if kind == list[str] else VALUES[name] for name, kind in fields})
    found = serializer_for("auto", returns=after).load(serializer_for("auto", returns=before).dump(value))
    assert type(found) is after
    assert [getattr(found, name) for name, _ in fields] == [getattr(value, name) for name, _ in fields]


@pytest.mark.parametrize(("left", "right"), [*itertools.permutations([_dataclass, _attrs, _struct, _model, _named_tuple], 2)])
def test_a_class_that_has_become_another_sort_of_class_is_another_class(left: Any, right: Any) -> None:
    before, after = _made(left, VERSIONS[0]), _made(right, VERSIONS[0])
    data = serializer_for("auto", returns=before).dump(before(id=1, name="Ada"))
    with pytest.raises(ValueError, match="whose fields have changed"):
        serializer_for("auto", returns=after).load(data)


def test_a_change_within_a_nested_class_is_seen() -> None:
    inner = [_made(_dataclass, fields) for fields in VERSIONS[:2]]
    outer = dataclasses.make_dataclass("Outer", [("user", Any)])
    data = serializer_for("auto", returns=outer | inner[0]).dump(outer(inner[0](1, "Ada")))
    with pytest.raises(ValueError, match="whose fields have changed"):
        serializer_for("auto", returns=outer | inner[1]).load(data)


def test_a_member_that_is_gone_is_refused() -> None:
    old: Any
    new: Any
    old, new = enum.Enum("Colour", ["RED", "BLUE"]), enum.Enum("Colour", ["BLUE"])
    data = [serializer_for("auto", returns=old).dump(member) for member in old]
    now = serializer_for("auto", returns=new)
    with pytest.raises(ValueError, match="these bytes"):
        now.load(data[0])
    assert now.load(data[1]) is new["BLUE"]


def test_two_classes_that_nothing_tells_apart_are_refused() -> None:
    one, other = (_made(_dataclass, VERSIONS[0]) for _ in range(2))
    both = serializer_for("auto", returns=one | other)
    refused = 0
    for kind in (one, other):
        try:
            assert type(both.load(both.dump(kind(1, "Ada")))) is kind
        except TypeError:
            refused += 1
    assert refused == 1


def test_an_error_with_other_fields_is_another_class() -> None:
    shared = serializer_for("auto", errors=(Exception,))
    one, other = (dataclasses.make_dataclass("Gone", fields, bases=(Exception,)) for fields in (VERSIONS[0], VERSIONS[1]))
    for kind in (one, other):
        kind.__module__ = __name__
    data = serializer_for("auto", returns=one).dump(one(id=1, name="Ada"))
    for reader in (shared, serializer_for("auto", returns=other)):
        with pytest.raises(ValueError, match="these bytes"):
            reader.load(data)
