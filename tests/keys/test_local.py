from __future__ import annotations

import copy
import math
import pickle
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.keys.samples import Plain, Point, same, values

from stillroom.errors import UncacheableArgument
from stillroom.keys import ENCODED, FLAT, INSTANCE, Instances, LocalKey, encode, local_key, text_of

NAMES = ("a", "b")
pairs = st.tuples(values, values)


def text(key: LocalKey) -> str:
    return text_of(NAMES, key, shared=True)


@given(pairs, pairs)
def test_local_keys_are_equal_exactly_if_their_texts_are(a: tuple[object, ...], b: tuple[object, ...]) -> None:
    """Rules 5 and 6: the memory store and a shared one agree on which calls are the same."""
    left, right = local_key(NAMES, a), local_key(NAMES, b)
    assert (left == right) is (text(left) == text(right)) is same(a, b)
    assert left != right or hash(left) == hash(right)


@given(pairs)
def test_the_text_is_that_of_the_values(given_values: tuple[object, ...]) -> None:
    assert text(local_key(NAMES, given_values)) == ",".join(encode(value, "x") for value in given_values)


@given(pairs, pairs)
def test_a_raw_lookup_finds_the_right_entry_or_none(stored: tuple[Any, ...], asked: tuple[Any, ...]) -> None:
    """Rule 13: no fast path skips the types."""
    entries: dict[Any, object] = {local_key(NAMES, stored): stored}
    a, b = asked
    try:
        found = entries.get((a, b, type(a), type(b)))
    except TypeError:
        return  # not hashable: the caller takes the general path
    assert found is None or same(found, asked)


@pytest.mark.parametrize("value", [None, True, 0, 10**30, "x", b"x", date(2024, 1, 2), UUID(int=0), 1.5, math.inf])
def test_flat_arguments_are_kept_as_they_are(value: object) -> None:
    expected: LocalKey = (value, type(value))  # type: ignore[assignment]  # all of these can be hashed
    assert local_key(("x",), (value,)) == expected
    assert type(value) in FLAT


@pytest.mark.parametrize("value", [0.0, -0.0, math.nan, (1,), [1], {"a": 1}, Point(1), int])
def test_all_others_are_kept_as_text(value: object) -> None:
    assert local_key(("x",), (value,)) == (encode(value, "x"), ENCODED)


def test_no_argument_imitates_the_text_of_another() -> None:
    assert local_key(("x",), ("(1,)",)) != local_key(("x",), ((1,),))
    assert local_key(("x",), ("(1,)",)) != ("(1,)", ENCODED)


def test_extra_arguments_and_keywords_differ() -> None:
    """Rule 5: ``*args`` differ from keywords."""
    names = ("args", "kwargs")
    assert local_key(names, ((1,), {})) != local_key(names, ((), {"a": 1}))
    assert local_key(names, ((), {"a": 1, "b": 2})) == local_key(names, ((), {"b": 2, "a": 1}))


def test_no_arguments_have_a_key_too() -> None:
    assert local_key((), ()) == ()
    assert text_of((), (), shared=True) == ""


def test_a_refusal_names_the_parameter() -> None:
    """Rule 8: unknown types are refused by name."""
    with pytest.raises(UncacheableArgument) as caught:
        local_key(NAMES, (1, [Plain()]))
    assert caught.value.parameter == "b[0]"


def test_the_number_of_an_instance_is_no_integer_argument() -> None:
    """Rule 10: self never meets a plain argument."""
    number = Instances().number(Plain())
    key = local_key(("self",), (number,))
    assert key == (number, INSTANCE)
    assert key != local_key(("self",), (int(number),))


def test_an_instance_has_a_text_for_display_only() -> None:
    """Rule 10: an instance that means nothing to other processes is refused there."""
    plain = Plain()
    number = Instances().number(plain)
    key = local_key(("self", "x"), (number, 1))
    assert text_of(("self", "x"), key, shared=False) == f"<Plain #{number:d}>,1"
    with pytest.raises(UncacheableArgument, match="means nothing to other processes") as caught:
        text_of(("self", "x"), key, shared=True)
    assert (caught.value.parameter, caught.value.type) == ("self", Plain)
    for way in ('key="...{self.id}"', "register_key_type(Plain, function)", "frozen dataclass", 'ignore=("self",)'):
        assert way in str(caught.value)


@pytest.mark.parametrize("mark", [ENCODED, INSTANCE])
def test_copies_of_a_mark_are_the_mark(mark: object) -> None:
    assert copy.deepcopy(mark) is copy.copy(mark) is pickle.loads(pickle.dumps(mark)) is mark
    assert repr(mark) in ("ENCODED", "INSTANCE")
