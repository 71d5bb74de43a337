"""The arithmetic of Bloom filters, and the scripts against it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.guards.twin import Twin
from tests.servers.server import Server

from stillroom.guards.filter import Shape, rate_of, shape_for
from stillroom.guards.filter_steps import Adding, Asking, Completing, Counting, Emptying, Progress
from stillroom.stores.redis.scripts import BY_NAME

pytestmark = pytest.mark.memory_only("it takes no cache")


@pytest.mark.parametrize(
    ("capacity", "rate", "bits", "hashes"), [(1000, 0.01, 9586, 7), (1000, 0.001, 14378, 10), (1, 0.5, 2, 1), (10, 0.9, 3, 1)]
)
def test_a_filter_is_as_small_as_it_can_be(capacity: int, rate: float, bits: int, hashes: int) -> None:
    assert shape_for(capacity, rate) == Shape(bits, hashes)


@pytest.mark.parametrize("rate", [0.1, 0.01, 0.002])
def test_the_rate_of_false_positives_is_within_a_fifth_of_what_was_asked_for(rate: float) -> None:
    capacity = 5000
    shape = shape_for(capacity, rate)
    state: Any = None
    for start in range(0, capacity, 500):
        state = Adding(shape, tuple(f"in {n}" for n in range(start, start + 500))).apply(state, 0).state
    strangers = int(1000 / rate)
    taken = sum(Asking(shape, f"out {n}").apply(state, 0).reply for n in range(strangers))
    assert taken / strangers == pytest.approx(rate, rel=0.2)
    assert rate_of(shape, capacity) == pytest.approx(rate, rel=0.05)


@given(st.sets(st.text(), max_size=50), st.integers(1, 60))
def test_no_member_is_ever_missed(members: set[str], capacity: int) -> None:
    shape = shape_for(capacity, 0.05)
    state = Adding(shape, tuple(members)).apply(None, 0).state
    assert all(Asking(shape, text).apply(state, 0).reply for text in members)


texts = st.sampled_from([f"text {n}" for n in range(12)])
fillings = st.tuples(
    st.integers(0, 2), st.integers(0, 2)
)  # which of those that have begun, the last one first; which of its steps
steps = st.one_of(
    st.builds(lambda some, may: ("add", tuple(some), may), st.lists(texts, max_size=4), st.booleans()),
    st.builds(lambda some, which: ("add to fill", tuple(some), which), st.lists(texts, max_size=4), fillings),
    st.builds(lambda text: ("test", text, None), texts),
    st.builds(lambda: ("count", None, None)),
    st.builds(lambda: ("empty", None, None)),
    st.builds(lambda which: ("whole", None, which), fillings),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, max_size=20))
def test_the_scripts_decide_as_python_does(redis_server: Server, steps: list[Any]) -> None:
    shape, twin = shape_for(8, 0.1), Twin(redis_server, BY_NAME)
    begun = [3, 2, 1]
    for kind, what, how in steps:
        step: Any = {
            "add": lambda: Adding(shape, what, how),  # noqa: B023 - called at once
            "add to fill": lambda: Adding(shape, what, False, Progress(begun[how[0]], how[1])),  # noqa: B023
            "test": lambda: Asking(shape, what),  # noqa: B023
            "count": lambda: Counting(shape),
            "empty": lambda: Emptying(shape),
            "whole": lambda: Completing(shape, Progress(begun[how[0]], how[1])),  # noqa: B023
        }[kind]()
        mine, its = twin.both(step)
        assert its == mine
        if kind == "empty":
            assert mine > begun[0]
            begun.insert(0, mine)
