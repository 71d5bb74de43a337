"""Types, strategies and helpers that the tests of serializers share."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections import OrderedDict, deque
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import PosixPath, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import hypothesis.strategies as st
import msgspec
import pydantic


class Colour(enum.Enum):
    RED = 1
    BLUE = 2
    ROUGE = 1


class Level(enum.IntEnum):
    LOW = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Pair(NamedTuple):
    left: Any
    right: Any = None


@dataclasses.dataclass
class User:
    name: Any
    friends: list[User] = dataclasses.field(default_factory=list)
    made: dataclasses.InitVar[int] = 0
    number: int = dataclasses.field(init=False, default=7)
    note: Any = dataclasses.field(default=None, kw_only=True, compare=False)

    def __post_init__(self, made: int) -> None:
        assert made == 0, "run once, when the test makes one"
        self.name = (self.name, "as made")

    @cached_property
    def loud(self) -> str:
        return str(self.name).upper()


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: Any
    y: Any = 0


@attrs.define
class Box:
    size: Any
    _secret: int = 1

    @cached_property
    def double(self) -> Any:
        return [self.size, self.size]


@attrs.frozen(cache_hash=True)
class Hashed:
    name: str


class Item(msgspec.Struct, frozen=True, kw_only=True):
    id: Any
    name: str = ""


class Counted(msgspec.Struct, dict=True):
    count: int

    def __post_init__(self) -> None:
        self.count += 1


class Model(pydantic.BaseModel, extra="allow"):
    id: Any
    inner: Any = None
    _private: Any = pydantic.PrivateAttr(default=3)


class Derived(Model):
    pass


class Session:
    """A class that nobody knows how to rebuild."""


class Failure(Exception):
    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


KNOWN = Colour | Level | Right | Pair | User | Point | Box | Hashed | Item | Counted | Model
"""The annotation that the tests use."""

zones = st.sampled_from(
    [
        None,
        timezone.utc,
        timezone(timedelta(hours=1)),
        timezone(timedelta(0), "zero"),
        ZoneInfo("Europe/Berlin"),
        ZoneInfo("UTC"),
    ]
)
scalars = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.integers(-(2**80), 2**80), st.floats(), st.binary(max_size=5)),
    st.text(max_size=5),
    st.text(st.characters(categories=["Cs", "Lu"]), max_size=3),
)
others = st.one_of(
    *(st.complex_numbers(), st.decimals(), st.fractions(), st.uuids(), st.dates(), st.timedeltas()),
    st.datetimes(timezones=zones).flatmap(lambda moment: st.sampled_from([moment, moment.replace(fold=1)])),
    st.times(timezones=zones),
    st.sampled_from(
        [Decimal("1.00"), Decimal("-0E+5"), Decimal("NaN12"), Decimal("sNaN"), Decimal("-Infinity"), Fraction(1, 3)]
    ),
    st.sampled_from([Colour.RED, Colour.BLUE, Level.LOW, Right.READ, Right.READ | Right.WRITE, Right(0)]),
    st.sampled_from([PurePosixPath("/a//b"), PureWindowsPath("c:x"), PosixPath("."), PosixPath("\udcff")]),
    st.sampled_from(
        [
            re.compile("a(b)?", re.IGNORECASE),
            re.compile(b"x"),
            range(3),
            range(9, 0, -3),
            slice(1, None, 2),
            int,
            Colour,
            Decimal,
        ]
    ),
    st.builds(Hashed, st.text(max_size=3)),
)


def is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


hashable = st.recursive(
    (scalars | others).filter(is_hashable),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=2),
    max_leaves=3,
)
leaves = scalars | others | st.binary(max_size=3).map(bytearray)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keyed = st.dictionaries(hashable, inner, max_size=3)
    lists = st.lists(inner, max_size=3)
    return st.one_of(
        *(lists, lists.map(tuple), st.dictionaries(st.text(max_size=3), inner, max_size=3), keyed, keyed.map(OrderedDict)),
        *(lists.map(deque), lists.map(lambda members: deque(members, 5))),
        *(st.sets(hashable, max_size=3), st.frozensets(hashable, max_size=3)),
        *(st.builds(Pair, inner, inner), st.builds(Point, inner, inner), st.builds(User, inner, note=inner)),
        *(st.builds(Box, inner), st.builds(lambda a: Item(id=a), inner), st.builds(Counted, st.integers(0, 9))),
        st.builds(lambda a, b: Model.model_validate({"id": a, "inner": b, "more": a}), inner, inner),
    )


values = st.recursive(leaves, _containers, max_leaves=5)
"""Values of all known types, nested and not."""


def state(value: Any) -> Any:
    """Return what a value consists of, as nested tuples of types and texts: equal for values that nothing tells apart."""
    kind = type(value)
    if isinstance(value, OrderedDict | dict):
        return kind, [(state(key), state(member)) for key, member in value.items()]
    if isinstance(value, set | frozenset):
        return kind, sorted([repr(state(member)) for member in value])
    if isinstance(value, deque):
        return kind, value.maxlen, [state(member) for member in value]
    if isinstance(value, tuple | list):
        return kind, [state(member) for member in value]
    if isinstance(value, pydantic.BaseModel):
        parts = (value.__dict__, value.__pydantic_fields_set__, value.__pydantic_extra__, value.__pydantic_private__)
        return kind, [state(part) for part in parts]
    if isinstance(value, User):
        return kind, state(dict(sorted({"number": value.number, **vars(value)}.items())))
    if isinstance(value, Point | Box | Item | Counted):
        names = [name for name in ("x", "y", "size", "_secret", "id", "name", "count") if hasattr(value, name)]
        return kind, [(name, state(getattr(value, name))) for name in names]
    if isinstance(value, datetime | time):
        zone = value.tzinfo
        return kind, value.replace(tzinfo=None, fold=0).isoformat(), value.fold, repr(zone), type(zone)
    if isinstance(value, UUID | date):
        return kind, str(value)
    return kind, repr(value)
