"""Which classes may be rebuilt: annotations, registration."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union

import msgspec
import pydantic
import pydantic.dataclasses
import pytest
from tests.serializers.samples import Colour, Model, Point, Session, User

from stillroom.errors import ConfigurationError, UncacheableValue
from stillroom.kinds import Recording
from stillroom.serializers import register_type, serializer_for

T = TypeVar("T")
Bound = TypeVar("Bound", bound=Point)
Name = NewType("Name", Point)


class Row(TypedDict):
    point: Point


@dataclasses.dataclass
class Outer:
    points: dict[str, list[Later | None]]


@dataclasses.dataclass
class Later:
    point: Point


class Page(pydantic.BaseModel, Generic[T]):
    items: list[T]


@pytest.mark.parametrize(
    "annotation",
    [
        *(
            Point,
            list[Point],
            Optional[Point],  # noqa: UP045 - both ways to write it
            Union[int, Point],  # noqa: UP007
            Point | None,
            Annotated[Point, object()],
            dict[str, list[Point]],
        ),
        *(Iterator[Point], AsyncIterator[Point], Awaitable[list[Point]], tuple[Point, ...], Callable[[], Point], type[Point]),
        *(Bound, Name, Row, list[Row], Outer, list[Outer], Page[Point], list["Point | None"] | Point),
    ],
)
def test_an_annotation_allows_the_classes_in_it(annotation: Any) -> None:
    serializer = serializer_for("auto", returns=annotation)
    assert serializer.load(serializer.dump({"a": Point(1)})) == {"a": Point(1)}


@pytest.mark.parametrize("annotation", [None, Any, object, int, "Point", list["Point"], dict, T, Callable[..., Any]])
def test_other_annotations_allow_none(annotation: Any) -> None:
    with pytest.raises(UncacheableValue):
        serializer_for("auto", returns=annotation).dump(Point(1))


def test_a_literal_allows_the_enumeration_of_its_members() -> None:
    serializer = serializer_for("auto", returns=Literal[Colour.RED])
    assert serializer.load(serializer.dump((Colour.RED,))) == (Colour.RED,)


def test_a_generic_model_comes_back_as_its_very_type() -> None:
    serializer = serializer_for("auto", returns=Page[Point])
    found = serializer.load(serializer.dump(Page[Point](items=[Point(1)])))
    assert type(found) is Page[Point]
    assert found.items == [Point(1)]


def test_a_subclass_is_another_class() -> None:
    class Near(User):
        pass

    with pytest.raises(UncacheableValue, match="names"):
        serializer_for("auto", returns=User).dump(Near("a"))


class Reg(NamedTuple):
    inner: Inner


@dataclasses.dataclass
class Inner:
    x: Any


def test_a_registered_class_is_allowed_everywhere_with_the_classes_of_its_fields() -> None:
    serializer = serializer_for("auto")
    with pytest.raises(UncacheableValue):
        serializer.dump(Reg(Inner(1)))
    assert register_type(Reg) is Reg
    assert serializer.load(serializer.dump([Reg(Inner((1,)))])) == [Reg(Inner((1,)))]


class Money:
    def __init__(self, cents: int) -> None:
        assert isinstance(cents, int)
        self.cents = cents


def test_functions_make_any_class_storable() -> None:
    register_type(Money, encode=lambda money: (money.cents,), decode=lambda parts: Money(*parts))
    serializer = serializer_for("auto")
    found = serializer.load(serializer.dump({"price": Money(5)}))["price"]
    assert (type(found), found.cents) == (Money, 5)


def test_what_registered_functions_do_wrong_is_contained() -> None:
    class Odd:
        pass

    serializer = serializer_for("auto")
    register_type(Odd, encode=lambda odd: vars(odd)["x"], decode=lambda x: Odd())
    with pytest.raises(UncacheableValue, match="its registered encode function failed with KeyError"):
        serializer.dump(Odd())
    odd = Odd()
    odd.x = Session()  # type: ignore[attr-defined]
    with pytest.raises(UncacheableValue, match="as registered"):
        serializer.dump([odd])
    odd.x = 1  # type: ignore[attr-defined]
    data = serializer.dump(odd)
    for decode in (lambda x: x, lambda x: 1 / 0):
        register_type(Odd, encode=lambda odd: 1, decode=decode)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="these bytes"):
            serializer.load(data)


def test_a_subclass_of_a_container_can_be_registered() -> None:
    class Tally(Counter[str]):
        pass

    register_type(Tally, encode=dict, decode=Tally)
    serializer = serializer_for("auto")
    found = serializer.load(serializer.dump(Tally("aab")))
    assert type(found) is Tally
    assert found == Tally("aab")


def test_of_a_class_that_is_defined_anew_the_last_one_stays_registered() -> None:
    def define() -> Any:
        @register_type
        @dataclasses.dataclass
        class Again:
            x: int

        return Again

    old, new = define(), define()
    serializer = serializer_for("auto")
    assert type(serializer.load(serializer.dump(new(1)))) is new
    with pytest.raises(UncacheableValue):
        serializer.dump(old(1))


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        ({"type": 5}, "type"),
        ({"type": int}, "type"),
        ({"type": dict, "encode": list, "decode": dict}, "type"),
        ({"type": Session}, "encode"),
        ({"type": Session, "encode": str}, "decode"),
        ({"type": Session, "decode": str}, "encode"),
        ({"type": Session, "encode": 5, "decode": str}, "encode"),
    ],
)
def test_what_cannot_be_registered_is_refused(arguments: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        register_type(**arguments)
    assert caught.value.setting == setting


def test_a_class_that_holds_more_than_its_fields_needs_functions() -> None:
    @dataclasses.dataclass
    class Named(list[int]):
        name: str

    with pytest.raises(ConfigurationError, match="being a list"):
        register_type(Named)
    with pytest.raises(UncacheableValue, match="being a list"):
        serializer_for("auto", returns=Named).dump(Named("a"))


def test_what_a_generator_gave_can_be_stored() -> None:
    register_type(Recording)
    serializer = serializer_for("auto", returns=Iterator[Point])
    recording = Recording((Point(1), (2,)), Point(3))
    found = serializer.load(serializer.dump(recording))
    assert type(found) is Recording
    assert found == recording


def test_classes_as_values_are_allowed_like_their_instances() -> None:
    serializer = serializer_for("auto", returns=Point)
    assert serializer.load(serializer.dump([int, tuple, Point])) == [int, tuple, Point]
    with pytest.raises(UncacheableValue):
        serializer.dump(Model)


def test_the_order_of_annotations_in_a_union_does_not_matter() -> None:
    class Item(msgspec.Struct):
        id: int

    data = serializer_for("auto", returns=Item | Point).dump([Item(1), Point(2)])
    assert serializer_for("auto", returns=Point | Item).load(data) == [Item(1), Point(2)]


@dataclasses.dataclass
class Holder(Generic[T]):
    held: T


def test_an_instance_of_a_generic_dataclass_comes_back() -> None:
    serializer = serializer_for("auto", returns=Holder[tuple[Point, ...]])
    found = serializer.load(serializer.dump(Holder[tuple[Point, ...]]((Point(1),))))
    assert type(found) is Holder
    assert found == Holder((Point(1),))


@pydantic.dataclasses.dataclass
class Checked:
    points: list[int]


def test_a_dataclass_of_pydantic_comes_back() -> None:
    serializer = serializer_for("auto", returns=Checked)
    assert serializer.load(serializer.dump((Checked(points=[1]),))) == (Checked(points=[1]),)
