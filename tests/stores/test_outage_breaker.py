"""When a far store counts as lost, and when it is probed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.stores.outage.breaker import (
    Condition,
    answered,
    at_first,
    failed,
    lapsed,
    pause,
    recovered,
    succeeded,
)

Step = Callable[[Condition, float], Condition]

STEPS: dict[str, Step] = {
    "fails": lambda one, now: failed(one, now, "no", grave=False),
    "fails gravely": lambda one, now: failed(one, now, "no", grave=True),
    "succeeds": lambda one, _: succeeded(one),
    "answers": answered,
    "lapses": lambda one, now: lapsed(one, now, "still no"),
    "is back": recovered,
}


def after(*steps: str, every: float = 1.0) -> Condition:
    condition, now = at_first(0.0), 0.0
    for step in steps:
        now += every
        condition = STEPS[step](condition, now)
    return condition


@pytest.mark.parametrize(
    ("steps", "state", "failures"),
    [
        ((), "ok", 0),
        (("fails",), "ok", 1),
        (("fails", "fails"), "ok", 2),
        (("fails", "fails", "fails"), "down", 3),
        (("fails", "fails", "succeeds", "fails"), "ok", 1),
        (("fails gravely",), "down", 1),
        (("fails gravely", "succeeds"), "down", 1),
        (("fails gravely", "answers"), "recovering", 0),
        (("fails gravely", "lapses"), "down", 2),
        (("fails gravely", "answers", "lapses"), "down", 1),
        (("fails gravely", "answers", "succeeds", "fails"), "recovering", 1),
        (("fails gravely", "answers", "is back"), "ok", 0),
    ],
)
def test_each_step_leads_where_it_should(steps: tuple[str, ...], state: str, failures: int) -> None:
    condition = after(*steps)
    assert (condition.state, condition.failures) == (state, failures)


def test_a_condition_dates_from_when_it_began() -> None:
    assert after("fails gravely", "fails", "lapses").since == 1.0
    assert after("fails gravely", "lapses", "answers").since == 3.0
    assert after("fails gravely", "answers", "lapses").since == 3.0
    assert after("fails gravely", "answers", "lapses").lost_at == 1.0
    assert after("fails gravely", "answers", "is back").since == 3.0


def test_probes_come_less_and_less_often() -> None:
    pauses = [pause(after("fails gravely", *["lapses"] * times), 1.0) for times in range(8)]
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
    assert pause(after("fails gravely", *["lapses"] * 5000), 1.0) == 1.0


def test_chance_shortens_a_pause_by_half_at_most() -> None:
    down = after("fails gravely")
    assert (pause(down, 0.0), pause(down, 1.0)) == (0.025, 0.05)


def test_a_store_that_is_lost_again_at_once_is_probed_less_often() -> None:
    outage = ("fails gravely", "answers", "is back")
    assert pause(after(*outage, "fails gravely"), 1.0) == 0.1
    assert pause(after(*outage, *outage, "fails gravely"), 1.0) == 0.2
    assert pause(after(*outage, "fails gravely", every=5.0), 1.0) == 0.05


def test_an_early_failure_is_no_relapse() -> None:
    assert pause(after("fails gravely", every=0.0), 1.0) == 0.05


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=30))
def test_whatever_happens_a_condition_makes_sense(steps: list[str]) -> None:
    condition, now = at_first(0.0), 0.0
    for step in steps:
        if step in ("answers", "lapses", "is back") and condition.state == "ok":
            continue  # nobody probes a store that is asked
        now += 1.0
        before, condition = condition, STEPS[step](condition, now)
        assert 0.0 < pause(condition, 0.5) <= 1.0
        assert condition.since == (now if condition.state != before.state else before.since) or step == "is back"
        assert condition.failures >= 0
        if condition.state == "ok":
            assert condition.failures < 3
        else:
            assert condition.lost_at is not None
            assert condition.error
        if step == "fails gravely":
            assert condition.state != "ok"
