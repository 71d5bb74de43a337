from __future__ import annotations

import dataclasses
import re
import signal
from http import HTTPStatus
from typing import Any, NamedTuple

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from tests.keys.samples import Colour, Labelled, Level, Pair, Plain, Point, Right, Twin, Word, values

from stillroom.errors import UncacheableArgument
from stillroom.keys import encode, has_value_identity


class Vector(NamedTuple):
    x: int
    y: int = 0


@dataclasses.dataclass(eq=False)
class ByIdentity:
    x: int


@dataclasses.dataclass
class Named(list[int]):
    name: str


@attrs.define
class Box:
    size: int
    note: str = attrs.field(default="", eq=False)


@attrs.frozen
class Crate:
    size: int


@attrs.define(eq=False)
class Case:
    size: int


class Item(msgspec.Struct):
    id: int
    name: str = ""


class Fixed(msgspec.Struct, frozen=True):
    id: int


class Filters(pydantic.BaseModel):
    name: str | None = None
    tags: list[str] = []


class Open(pydantic.BaseModel, extra="allow", frozen=True):
    id: int


class Hidden(pydantic.BaseModel):
    id: int
    _secret: Any = pydantic.PrivateAttr(default=0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Colour.RED, "Colour['RED']"),
        (Colour.ROUGE, "Colour['RED']"),
        (Level.LOW, "Level['LOW']"),
        (Word.A, "Word['A']"),
        (Right.READ, "Right['READ']"),
        (Right.READ | Right.WRITE, "Right(3)"),
        (Right(0), "Right(0)"),
        (HTTPStatus.OK, "HTTPStatus['OK']"),
        (signal.SIGINT, "Signals['SIGINT']"),
        (re.IGNORECASE, "RegexFlag['IGNORECASE']"),
        (Vector(1), "Vector(x=1,y=0)"),
        (Point("a", (1,)), "Point(x='a',y=(1,))"),
        (Twin(1, 2), "Twin(x=1,y=2)"),
        (Labelled(1, "ignored"), "Labelled(id=1)"),
        (Box(1, "ignored"), "Box(size=1)"),
        (Crate(1), "Crate(size=1)"),
        (Item(1, "a"), "Item(id=1,name='a')"),
        (Filters(name="a", tags=["b"]), "Filters(name='a',tags=['b'])"),
        (Filters(name="a"), "Filters(name='a',tags?=[])"),
        (Open.model_validate({"id": 1, "b": 2, "a": 3}), "Open(id=1,a=3,b=2)"),
        (Hidden(id=1), "Hidden(id=1,_secret?=0)"),
    ],
)
def test_records_are_known_by_their_type_and_what_counts_in_comparison(value: object, text: str) -> None:
    assert encode(value, "x") == f"{type(value).__module__}.{text}"


@given(values)
def test_records_with_equal_fields_are_told_apart_by_type(value: object) -> None:
    """Rule 5: the same key only for the same types."""
    assert len({encode(kind(value, 0), "x") for kind in (Point, Twin, Pair)}) == 3


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Filters(name=None), Filters()),
        (Open.model_validate({"id": 1, "a": 1}), Open.model_validate({"id": 1, "b": 1})),
        (Level.LOW, 1),
        (Word.A, "a"),
        (Vector(1, 2), (1, 2)),
        (Point(1), Point(1.0)),
        (Point(True), Point(1)),
    ],
)
def test_what_a_function_can_tell_apart_is_told_apart(a: object, b: object) -> None:
    """Rule 5: same-typed at every level; and model_dump(exclude_unset=True) tells a given value from a default."""
    assert encode(a, "x") != encode(b, "x")


def test_private_attributes_count_as_pydantic_counts_them() -> None:
    one, other = Hidden(id=1), Hidden(id=1)
    other._secret = 5
    assert one != other
    assert encode(one, "x") != encode(other, "x")


@pytest.mark.parametrize("value", [Point(Plain()), Box(Plain()), Item(Plain()), Filters.model_construct(name=Plain())])  # type: ignore[arg-type]
def test_a_refusal_names_the_field(value: object) -> None:
    """Rule 8: the culprit is named."""
    with pytest.raises(UncacheableArgument) as caught:
        encode(value, "x")
    assert caught.value.parameter in ("x.x", "x.size", "x.id", "x.name")


@pytest.mark.parametrize("value", [ByIdentity(1), Case(1)])
def test_records_that_equal_only_themselves_are_refused(value: object) -> None:
    with pytest.raises(UncacheableArgument, match="equals only itself"):
        encode(value, "x")


def test_records_that_hold_more_than_their_fields_are_refused() -> None:
    with pytest.raises(UncacheableArgument, match="more than its fields"):
        encode(Named("a"), "x")


@pytest.mark.parametrize("kind", [Colour, Vector, Point, Crate, Fixed, Open])
def test_frozen_records_are_values(kind: type) -> None:
    """Rule 10: a hashable frozen record identifies itself."""
    assert has_value_identity(kind)


@pytest.mark.parametrize("kind", [Twin, ByIdentity, Box, Case, Item, Filters, Plain])
def test_mutable_records_are_not(kind: type) -> None:
    assert not has_value_identity(kind)
