"""Which calls share a result: those that are equal, and no others, whatever the original made of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from cache_house.helpers import key_builder as original_key_builder
from hypothesis import given
from hypothesis import strategies as st
from tests.compat.cache_house.places import Init, Settings

from stillroom import UncacheableArgument
from stillroom.compat.cache_house.cache import cache
from stillroom.compat.cache_house.helpers import key_builder, pickle_decoder, pickle_encoder

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
ARGUMENTS = st.tuples(SCALARS | st.lists(SCALARS), SCALARS)


def key(*args: Any, **kwargs: Any) -> str:
    return key_builder("module", "name", args, kwargs)


def typed(value: Any) -> Any:
    return (type(value), [typed(one) for one in value]) if isinstance(value, (list, tuple)) else (type(value), repr(value))


@given(ARGUMENTS, ARGUMENTS)
def test_keys_are_equal_exactly_if_the_arguments_are(one: Any, other: Any) -> None:
    assert (key(*one) == key(*other)) == (typed(one) == typed(other))


@pytest.mark.parametrize(("one", "other"), [(([1],), ([2],)), (({},), ({"a": 1},)), ((None,), ("NoneType",)), ((1,), ("1",))])
def test_first_arguments_are_told_apart(one: Any, other: Any) -> None:
    assert key(*one) != key(*other)


def test_the_original_mixed_them_up() -> None:
    assert original_key_builder("module", "name", ([1],), {}) == original_key_builder("module", "name", ([2],), {})


@given(st.dictionaries(st.sampled_from("abc"), st.integers()))
def test_the_order_of_names_does_not_matter(kwargs: dict[str, int]) -> None:
    assert key(**kwargs) == key(**dict(reversed(kwargs.items())))


def test_hashes_are_those_of_the_original_where_these_are_sound() -> None:
    for args in [(1, 2), ("x",), ()]:
        mine, original = (builder("m", "f", args, {}) for builder in (key_builder, original_key_builder))
        assert mine == original.replace("::", ":")  # it shows one colon, and writes two


def test_long_texts_are_not_hashed_by_md5() -> None:
    mine, original = (builder("m", "f", ("x" * 60,), {}) for builder in (key_builder, original_key_builder))
    assert mine != original.replace("::", ":")


def test_encoder_and_decoder_are_pickle() -> None:
    assert pickle_decoder(pickle_encoder({"a": (1, 2)})) == {"a": (1, 2)}


# Functions


def results(function: Callable[..., Any], *calls: tuple[Any, ...]) -> list[Any]:
    return [function(*call) for call in calls]


def test_it_does_not_matter_how_arguments_are_given(init: Init, at: Settings) -> None:
    init(**at)
    runs = []

    @cache()
    def f(a: int, b: int = 2, *, c: int = 3) -> int:
        runs.append((a, b, c))
        return a + b + c

    assert {f(1), f(1, 2), f(a=1), f(b=2, a=1), f(1, c=3)} == {6}
    assert runs == [(1, 2, 3)]


def test_functions_of_one_name_are_told_apart(init: Init, at: Settings) -> None:
    init(**at)

    def make(n: Any) -> Any:
        @cache()
        def f(x: int) -> Any:
            return n, x

        return f

    assert results(make(1), (5,)) + results(make(2), (5,)) + results(make([3]), (5,)) + results(make([4]), (5,)) == [
        (1, 5),
        (2, 5),
        ([3], 5),
        ([4], 5),
    ]


def test_functions_of_one_name_in_one_module_are_told_apart(init: Init, at: Settings) -> None:
    init(**at)
    decorated = []
    for source in ('"one"', '"other"', '"one"'):
        namespace: dict[str, Any] = {"__name__": "anywhere", "cache": cache}
        exec(f"@cache()\ndef route():\n    return {source}", namespace)
        decorated.append(namespace["route"])
    assert results(decorated[0], ()) + results(decorated[1], ()) + results(decorated[2], ()) == ["one", "other", "one"]
    runs: list[int] = []
    one, other = [cache()(lambda n=n: runs.append(n)) for n in (1, 2)]
    one(), other(), one(), other()
    assert runs == [1, 2]


def test_defaults_tell_functions_apart(init: Init, at: Settings) -> None:
    init(**at)

    def make(n: int) -> Any:
        @cache()
        def f(x: int = n) -> int:
            return x

        return f

    assert [make(1)(), make(2)()] == [1, 2]


def test_methods_of_one_name_are_told_apart(init: Init, at: Settings) -> None:
    init(**at)

    class Tea:
        @cache()
        def name(self) -> str:
            return "tea"

    class Jam:
        @cache()
        def name(self) -> str:
            return "jam"

    assert [Tea().name(), Jam().name()] == ["tea", "jam"]


def test_methods_of_different_objects_and_functions_without_names(init: Init, at: Settings) -> None:
    init(**at)
    tea, jam = [cache()(Shelf(name).label) for name in ("tea", "jam")]
    assert [tea(), jam()] == ["tea", "jam"]
    four, five = [cache()(partial(max, n)) for n in (4, 5)]
    assert [four(1), five(1)] == [4, 5]


def test_two_functions_under_one_key_are_never_served_each_others_results(init: Init, at: Settings) -> None:
    init(**at)
    one, other = [cache(key_builder=lambda *a, **k: "k")(function) for function in (_one, _other)]
    assert [one(), other(), one(), other()] == ["one", "other", "one", "other"]


def _one() -> str:
    return "one"


def _other() -> str:
    return "other"


# Objects


class Shelf:
    def __init__(self, name: str) -> None:
        self.name = name

    def label(self) -> str:
        return self.name

    @cache(namespace="shelf")
    def cached_label(self, calls: list[int] | None = None) -> str:
        RUNS.append(self.name)
        return self.name


class Operation:
    @cache()
    def hello(self, x: int) -> int:
        RUNS.append(x)
        return x


RUNS: list[Any] = []


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    RUNS.clear()


def test_objects_without_attributes_stand_for_their_class(init: Init, at: Settings) -> None:
    init(**at)
    assert [Operation().hello(1), Operation().hello(1), len(RUNS)] == [1, 1, 1]


def test_objects_with_attributes_stand_for_themselves(init: Init, at: Settings) -> None:
    init(**at)
    tea, jam = Shelf("tea"), Shelf("jam")
    assert [tea.cached_label(), jam.cached_label(), tea.cached_label()] == ["tea", "jam", "tea"]
    assert RUNS == ["tea", "jam"]


def test_no_object_is_taken_for_one_that_is_gone(init: Init, at: Settings) -> None:
    init(**at)
    assert [Shelf(name).cached_label() for name in "abcabc"] == [*"abcabc"]


@dataclass(frozen=True)
class Room:
    number: int

    @cache()
    def door(self) -> int:
        RUNS.append(self.number)
        return self.number


def test_records_stand_for_their_values(init: Init, at: Settings) -> None:
    init(**at)
    assert [Room(1).door(), Room(1).door(), Room(2).door(), len(RUNS)] == [1, 1, 2, 2]


def test_class_methods_and_static_methods(init: Init, at: Settings) -> None:
    init(**at)

    class Base:
        @classmethod
        @cache()
        def name(cls) -> str:
            return cls.__name__

        @staticmethod
        @cache()
        def twice(x: int) -> int:
            return 2 * x

    class Derived(Base):
        pass

    assert [Base.name(), Derived.name(), Base.name(), Base.twice(2), Base().twice(2)] == ["Base", "Derived", "Base", 4, 4]


@pytest.mark.parametrize("arguments", [(1, object()), ([object()],), (sys,), (iter([1]),), ((x for x in "a"),)], ids=range(5))
def test_what_cannot_be_told_apart_is_run_uncached(
    init: Init, at: Settings, arguments: tuple[Any, ...], caplog: pytest.LogCaptureFixture
) -> None:
    init(**at)
    runs = []

    @cache()
    def f(*args: Any) -> int:
        runs.append(args)
        return len(runs)

    assert [f(*arguments), f(*arguments)] == [1, 2]
    assert "Proceeding without cache" in caplog.text


def test_the_key_builder_refuses_them() -> None:
    with pytest.raises(UncacheableArgument):
        key(1, object())


def test_a_child_numbers_its_objects_anew() -> None:
    before = key(Shelf("tea"))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, key(Shelf("tea")).encode())
        os._exit(0)
    os.waitpid(child, 0)
    in_parent, in_child = key(Shelf("tea")), os.read(reading, 200).decode()
    os.close(reading)
    os.close(writing)
    assert len({before, in_parent, in_child}) == 3


# Keys are remembered


EQUAL = [1, True, 1.0, 0.0, -0.0, 0, False, "1", b"1", None, ""]


@pytest.mark.parametrize("by_name", [False, True])
def test_equal_arguments_of_other_types_stay_other_arguments(init: Init, by_name: bool) -> None:
    init()

    @cache()
    def f(x: Any = 5, y: Any = 5) -> tuple[str, str]:
        return (repr(x), repr(y))

    for _ in range(2):
        for x in EQUAL:
            assert f(x) == (repr(x), "5")
            assert (f(y=x) if by_name else f(5, x)) == ("5", repr(x))


def test_a_default_that_changes_is_looked_at_each_time(init: Init) -> None:
    init()
    rates = [1]

    @cache()
    def f(x: int, rates: list[int] = rates) -> int:
        return x * rates[0]

    assert f(5) == 5
    rates[0] = 2
    assert f(5) == 10


def test_few_keys_are_remembered_and_none_that_are_long(init: Init, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stillroom.compat.cache_house._calls._REMEMBERED", 2)
    init()

    @cache()
    def f(x: Any) -> Any:
        return x

    for _ in range(2):
        for x in (1, 2, 3, "x" * 500):
            assert f(x) == x
