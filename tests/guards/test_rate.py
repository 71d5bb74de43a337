"""The arithmetic of rate limits, by tables and by properties, in Python and in the scripts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.guards.twin import Twin
from tests.servers.server import Server

from stillroom.guards.rate import Bucket, Rate, Standing, State, Window, look, take
from stillroom.guards.rate_limit import Taking
from stillroom.stores.redis.scripts import BY_NAME

pytestmark = pytest.mark.memory_only("it takes no cache")
EIGHTH = 0.125  # exact in binary, and a whole number of microseconds


def state_for(rate: Rate) -> State:
    return Window() if rate.burst is None else Bucket()


@pytest.mark.parametrize(
    ("rate", "at", "open_at"),
    [
        (Rate(2, 10), [0, 1, 2, 9.9, 10, 10.5, 11], [0, 1, 10, 11]),
        (Rate(1, 10), [0, 9.999, 10, 10, 20], [0, 10, 20]),
        (Rate(3, 1), [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1]),
        (Rate(2, 10, burst=1), [0, 1, 4.9, 5, 6, 10], [0, 5, 10]),
        (Rate(2, 10, burst=3), [0, 0, 0, 0, 5, 5, 30, 30, 30, 30], [0, 0, 0, 5, 30, 30, 30]),
        (Rate(1, 10, ban=30), [0, 5, 12, 34, 35, 36], [0, 35]),
        (Rate(2, 10, burst=1, ban=20), [0, 1, 20, 21], [0, 21]),
    ],
)
def test_calls_are_let_through_when_they_should_be(rate: Rate, at: list[float], open_at: list[float]) -> None:
    state = state_for(rate)
    assert [now for now in at if take(rate, state, now).is_open] == open_at


def test_who_is_refused_is_told_how_long_to_wait() -> None:
    window, rate = Window(), Rate(2, 10)
    assert take(rate, window, 0) == Standing(True, 1, 0.0)
    assert take(rate, window, 4) == Standing(True, 0, 0.0)
    assert take(rate, window, 6) == Standing(False, 0, 4)
    assert look(rate, window, 6) == Standing(False, 0, 4)
    assert look(rate, window, 10) == Standing(True, 1, 0.0)


def test_a_ban_is_not_prolonged_by_calls_that_it_refuses() -> None:
    window, rate = Window(), Rate(1, 10, ban=60)
    take(rate, window, 0)
    assert take(rate, window, 1).retry_after == 60
    assert take(rate, window, 31) == Standing(False, 0, 30)
    assert take(rate, window, 61).is_open


rates = st.builds(
    Rate,
    limit=st.integers(1, 5),
    period=st.integers(1, 80).map(lambda eighths: eighths * EIGHTH),
    burst=st.none() | st.integers(1, 4),
    ban=st.sampled_from([0.0, EIGHTH, 5.0]),
)
pauses = st.lists(st.integers(0, 40).map(lambda eighths: eighths * EIGHTH), max_size=40)


@given(rates, pauses)
def test_no_period_ever_sees_more_calls_than_the_limit(rate: Rate, pauses: list[float]) -> None:
    rate, window, now = rate._replace(burst=None), Window(), 0.0
    passed: list[float] = []
    for pause in pauses:
        now += pause
        if take(rate, window, now).is_open:
            passed.append(now)
    assert all(last - first >= rate.period for first, last in zip(passed, passed[rate.limit :], strict=False))
    assert len(window.times) <= rate.limit, "memory is bounded by the limit"


@given(rates, pauses)
def test_whoever_waits_as_long_as_told_is_let_through(rate: Rate, pauses: list[float]) -> None:
    state, now = state_for(rate), 0.0
    for pause in pauses:
        now += pause
        standing = take(rate, state, now)
        if not standing.is_open:
            assert standing.retry_after > 0
            now += standing.retry_after + 1e-9
            assert take(rate, state, now).is_open


@given(rates, pauses)
def test_to_look_changes_nothing_and_tells_what_would_be(rate: Rate, pauses: list[float]) -> None:
    state, now = state_for(rate), 0.0
    for pause in pauses:
        now += pause
        first, second = look(rate, state, now), look(rate, state, now)
        assert first == second
        taken = take(rate, state, now)
        assert taken.is_open == first.is_open
        if taken.is_open:
            assert taken.remaining == first.remaining - 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rates, st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=25))
def test_the_scripts_decide_as_python_does(redis_server: Server, rate: Rate, steps: list[tuple[int, bool]]) -> None:
    twin = Twin(redis_server, BY_NAME)
    for eighths, is_taken in steps:
        twin.advance(eighths * EIGHTH)
        mine, its = twin.both(Taking(rate, is_taken))
        assert (its.is_open, its.remaining) == (mine.is_open, mine.remaining)
        assert its.retry_after == pytest.approx(mine.retry_after, abs=2e-6)


def test_what_is_left_is_not_a_matter_of_rounding(redis_server: Server) -> None:
    twin, rate = Twin(redis_server, BY_NAME), Rate(5, 0.125, burst=2)
    assert twin.both(Taking(rate, True)) == (Standing(True, 1, 0.0),) * 2
    assert twin.both(Taking(rate, False)) == (Standing(True, 1, 0.0),) * 2


def test_what_has_been_let_through_is_spaced_by_the_bucket_once_it_is_empty() -> None:
    bucket, rate = Bucket(), Rate(4, 1, burst=2)
    passed = [at / 100 for at in range(300) if take(rate, bucket, at / 100).is_open]
    assert passed[:2] == [0.0, 0.01]
    assert all(later - earlier >= 0.24 for earlier, later in pairwise(passed[2:]))
