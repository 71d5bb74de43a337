from __future__ import annotations

import sys
from collections import Counter, OrderedDict, defaultdict, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.errors import UncacheableArgument
from stillroom.keys import encode


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((), "()"),
        ((1,), "(1,)"),
        ((1, 2), "(1,2)"),
        ([1], "[1]"),
        ({"b", "a"}, "{'a','b'}"),
        (set(), "set()"),
        (frozenset(), "frozenset()"),
        (frozenset({1}), "frozenset({1})"),
        ({}, "{}"),
        ({"b": 1, "a": 2}, "{'a':2,'b':1}"),
        (OrderedDict(b=1, a=2), "OrderedDict('b':1,'a':2)"),
        (deque([1], 5), "deque([1],5)"),
        (range(3), "range(0,3,1)"),
        (slice(1, None), "slice(1,None,None)"),
    ],
)
def test_texts_read_like_python(value: object, text: str) -> None:
    assert encode(value, "x") == text


ranges = st.builds(range, st.integers(-3, 3), st.integers(-3, 3), st.sampled_from([-2, -1, 1, 2]))


@given(ranges, ranges)
def test_ranges_have_equal_texts_exactly_if_they_are_equal(a: range, b: range) -> None:
    assert (encode(a, "x") == encode(b, "x")) is (a == b)


def test_a_range_may_be_longer_than_memory() -> None:
    assert encode(range(sys.maxsize * 4), "x") == f"range(0,{sys.maxsize * 4},1)"


@given(st.lists(st.sampled_from([0, 8, 16, 32, 64]), unique=True))
def test_a_set_has_one_text_however_it_was_filled(members: list[int]) -> None:
    """Rule 7: the order in which a set happens to be iterated does not matter."""
    backwards = members[::-1]  # these collide in a small set, so the order of filling shows in the order of iteration
    assert encode(set(members), "x") == encode(set(backwards), "x")


def test_two_nans_in_one_dict_are_no_matter_of_order() -> None:
    a, b = float("nan"), float("nan")
    assert encode({a: 1, b: 2}, "x") == encode({b: 2, a: 1}, "x")


@pytest.mark.parametrize("value", [defaultdict(int), Counter(), {}.keys(), {}.items(), iter(())])
def test_containers_that_do_more_are_refused(value: object) -> None:
    with pytest.raises(UncacheableArgument):
        encode(value, "x")
