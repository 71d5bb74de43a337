"""Types and strategies that the tests of keys share."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import hypothesis.strategies as st


class Colour(enum.Enum):
    RED = 1
    BLUE = 2
    ROUGE = 1


class Level(enum.IntEnum):
    LOW = 1


class Word(str, enum.Enum):
    A = "a"


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Pair(NamedTuple):
    left: object
    right: object


@dataclass(frozen=True)
class Point:
    x: object
    y: object = 0


@dataclass
class Twin:
    x: object
    y: object = 0


@dataclass
class Labelled:
    id: int
    label: str = field(default="", compare=False)


class Plain:
    """A class that nobody knows how to compare."""


class MyInt(int):
    pass


def function(x: object) -> object:
    return x


LEAVES: list[object] = [
    *(None, True, False, 0, 1, -1, 10**30, 0.0, -0.0, 1.0, math.nan, math.inf, -math.inf, 1e16, 1j, complex(0.0, -0.0)),
    *("", "0", "1", "1.0", "None", "nan", "'", '"', "\\", "a,b", "(1,)", "é", "\ud800", "\\ud800", "\n", ":", "%", "%3A"),
    *(b"", b"0", b"None", bytearray(b"0"), Decimal("1.0"), Decimal("1.00"), Decimal("NaN"), Decimal("-0"), Decimal(0)),
    *(date(2024, 1, 2), datetime(2024, 1, 2), datetime(2024, 1, 2, fold=1), datetime(2024, 1, 2, tzinfo=timezone.utc)),
    datetime(2024, 1, 2, 1, tzinfo=timezone(timedelta(hours=1))),
    *(UUID(int=0), Colour.RED, Colour.BLUE, Level.LOW, Word.A, Right.READ, Right.READ | Right.WRITE, Right(0)),
    *(int, str, Colour, Point, function, len, range(3), range(0, 3, 1), slice(1), timedelta(1)),
]
"""Values that are easily mistaken for one another."""

leaves = st.sampled_from(LEAVES) | st.integers(-2, 2) | st.text("a,'\\:%(", max_size=2)


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


hashable_leaves = st.sampled_from([leaf for leaf in LEAVES if _is_hashable(leaf)])


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keyed = st.dictionaries(hashable_leaves, inner, max_size=2)
    return st.one_of(
        st.lists(inner, max_size=2),
        st.lists(inner, max_size=2).map(tuple),
        st.sets(hashable_leaves, max_size=2),
        st.frozensets(hashable_leaves, max_size=2),
        keyed,
        keyed.map(OrderedDict),
        st.builds(Pair, inner, inner),
        st.builds(Point, inner, inner),
        st.builds(Twin, inner, inner),
    )


values = st.recursive(leaves, _containers, max_leaves=4)
"""Values that can be keyed, nested and not."""


def same(a: Any, b: Any) -> bool:
    """Tell whether two values have to share a key: what `encode` promises, written down a second time."""
    if type(a) is not type(b):
        return False
    if isinstance(a, OrderedDict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, dict):
        return _same_in_any_order(list(a.items()), list(b.items()))
    if isinstance(a, (set, frozenset)):
        return _same_in_any_order(list(a), list(b))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (Point, Twin)):
        return same([a.x, a.y], [b.x, b.y])
    if isinstance(a, datetime):
        return (a.replace(tzinfo=None), a.fold, a.tzinfo) == (b.replace(tzinfo=None), b.fold, b.tzinfo)
    if isinstance(a, Decimal):
        return bool(a.as_tuple() == b.as_tuple())
    if isinstance(a, complex):
        return same([a.real, a.imag], [b.real, b.imag])
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return bool(a == b)


def _same_in_any_order(left: list[object], right: list[object]) -> bool:
    rest = list(right)
    for member in left:
        match = next((index for index, other in enumerate(rest) if same(member, other)), None)
        if match is None:
            return False
        del rest[match]
    return not rest
