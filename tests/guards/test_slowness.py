"""When a function is slow, by tables and by properties, in Python and in the script."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.guards.twin import Twin
from tests.servers.server import Server

from stillroom.guards.slow import Asking, Looking, Reporting
from stillroom.guards.slowness import Limits, Standing, State, Ticket, admit, apart, grade, length, look, report
from stillroom.stores.redis.scripts import BY_NAME

pytestmark = pytest.mark.memory_only("no cache is asked")

RULES = Limits(distance=apart(3), quantile=0.9, window=60, baseline=3600, min_calls=10, refuse_for=30)
EIGHTH_OF_BASELINE = 450


class Scene:
    """A function and its calls, by the time in seconds."""

    def __init__(self, **rules: Any) -> None:
        self.limits = RULES._replace(**rules)
        self.state = State()
        self.now = 0.0
        self._tokens = 0

    def begin(self) -> Ticket | None:
        """Begin a call; return its ticket, or ``None`` if it is refused."""
        self._tokens += 1
        token = b"%d" % self._tokens
        turn = admit(self.limits, self.state, self.now, token)
        return Ticket(turn.epoch, self.now, token) if turn.is_let_through else None

    def end(self, ticket: Ticket | None, took: float | None) -> Standing:
        """End a call; return how things stand then."""
        assert ticket is not None
        report(self.limits, self.state, self.now, ticket, None if took is None else grade(took))
        return self.turn

    def calls(self, took: float, count: int = 1, every: float = 1.0) -> int:
        """Make calls that take so long, one each second; return how many were let through."""
        passed = 0
        for _ in range(count):
            ticket = self.begin()
            if ticket is not None:
                self.end(ticket, took)
                passed += 1
            self.now += every
        return passed

    @property
    def turn(self) -> Standing:
        return look(self.limits, self.state, self.now)

    @property
    def mode(self) -> str:
        return self.turn.mode

    @property
    def usual(self) -> float | None:
        return None if self.turn.usual is None else length(self.turn.usual)


@pytest.mark.parametrize("seconds", [1e-6, 3e-5, 0.001, 0.25, 1.0, 59.0, 80_000.0])
def test_a_grade_is_no_more_than_a_tenth_too_long(seconds: float) -> None:
    assert seconds <= length(grade(seconds)) * (1 + 1e-9)
    assert length(grade(seconds)) < seconds * 1.1 * (1 + 1e-9)


def test_grades_have_a_lowest_and_a_highest() -> None:
    assert [grade(0), grade(-1), grade(1e-9)] == [0, 0, 0]
    assert grade(1e9) == grade(86_400 * 2)


@pytest.mark.parametrize("factor", [1.01, 1.1, 1.5, 2, 3, 10])
def test_so_many_grades_apart_is_never_less_than_the_factor_and_a_fifth_more_at_most(factor: float) -> None:
    for usual in (0.001 * 1.003**number for number in range(300)):
        assert grade(usual * factor * 0.9999) - grade(usual) <= apart(factor)
        assert grade(usual * factor * 1.2101) - grade(usual) > apart(factor)


def test_a_function_that_stays_as_it_was_is_never_refused() -> None:
    scene = Scene()
    assert sum(scene.calls(took, 10) for took in [0.1, 0.2, 0.15] * 400) == 12_000
    assert scene.usual == pytest.approx(0.2, rel=0.1)


def test_nothing_is_made_of_it_before_it_is_known_what_is_usual() -> None:
    scene = Scene()
    assert scene.calls(0.1, 9) == 9
    assert scene.calls(10, 20) == 20


def test_a_function_that_becomes_much_slower_is_refused_for_a_while() -> None:
    scene = Scene()
    scene.calls(0.1, 600)
    assert scene.calls(0.25, 60) == 60, "not slow enough"
    scene.calls(0.1, 60)
    passed = scene.calls(1.0, 20)
    assert passed <= 7, "a tenth of a window of calls is enough"
    turn = scene.turn
    assert turn.mode == "refusing"
    assert turn.recent is not None
    assert length(turn.recent) == pytest.approx(1.0, rel=0.1)
    assert turn.retry_after == pytest.approx(30 - (21 - passed))


def test_a_few_slow_calls_are_no_reason() -> None:
    scene = Scene()
    scene.calls(0.1, 600)
    for _ in range(100):
        assert scene.calls(5.0) == 1
        assert scene.calls(0.1, 12) == 12


def test_a_quantile_is_reached_by_as_many_calls_as_it_says_whatever_is_lost_by_rounding() -> None:
    scene = Scene(quantile=0.07, min_calls=100)
    scene.calls(0.1, 7, every=0)
    scene.calls(9.0, 93, every=0)
    assert scene.turn.recent == grade(0.1)


def test_too_few_calls_are_no_reason() -> None:
    scene = Scene()
    scene.calls(0.1, 600)
    scene.now += 100
    assert scene.calls(5.0, 50, every=10) == 50


def slowed() -> Scene:
    """Return a function whose calls have just been refused."""
    scene = Scene()
    scene.calls(0.1, 600)
    while scene.mode == "normal":
        scene.calls(1.0)
    return scene


def test_after_that_some_calls_measure_and_no_more() -> None:
    scene = slowed()
    scene.now += 30
    tickets = [scene.begin() for _ in range(15)]
    assert [ticket is not None for ticket in tickets] == [True] * 10 + [False] * 5
    assert scene.turn.retry_after == 30
    for ticket in tickets[:9]:
        assert scene.end(ticket, 0.1).mode == "measuring"
    assert scene.end(tickets[9], 0.1).mode == "normal"
    assert scene.begin() is not None


def test_calls_that_measure_and_are_still_slow_have_others_refused_again() -> None:
    scene = slowed()
    scene.now += 30
    assert scene.calls(1.0, 10, every=0) == 10
    assert scene.mode == "refusing"
    assert scene.turn.retry_after == 30


def test_calls_of_which_nobody_hears_make_room_for_others() -> None:
    scene = slowed()
    scene.now += 30
    tickets = [scene.begin() for _ in range(10)]
    scene.end(tickets[0], 0.1)
    scene.now += 29.9
    assert scene.begin() is None
    scene.now += 0.1
    assert sum(scene.begin() is not None for _ in range(20)) == 9


def test_a_call_that_says_nothing_gives_its_place_back() -> None:
    scene = slowed()
    scene.now += 30
    tickets = [scene.begin() for _ in range(10)]
    assert scene.begin() is None
    scene.end(tickets[3], None)
    assert scene.begin() is not None
    assert scene.begin() is None


def test_a_call_whose_place_was_given_away_gives_back_nobody_elses() -> None:
    scene = slowed()
    scene.now += 30
    lost = [scene.begin() for _ in range(10)]
    scene.now += 30
    assert all(scene.begin() for _ in range(10))
    for ticket in lost:
        scene.end(ticket, None)
    assert scene.begin() is None


def test_without_a_token_a_call_hears_whether_it_might_measure_and_does_not() -> None:
    scene = slowed()
    waits = [admit(scene.limits, scene.state, scene.now + later) for later in (0, 30)]
    assert [turn.is_let_through for turn in waits] == [False, False]
    assert [turn.retry_after > 0 for turn in waits] == [True, False]
    assert scene.state.mode == "refusing"


def test_what_was_refused_before_the_clock_went_back_is_not_refused_until_it_is_there_again() -> None:
    scene = slowed()
    scene.now -= 500
    assert scene.begin() is not None


def test_calls_that_began_before_say_nothing_of_what_came_after() -> None:
    scene = Scene()
    scene.calls(0.1, 600)
    early = [scene.begin() for _ in range(30)]
    while scene.mode == "normal":
        scene.calls(1.0)
    scene.now += 30
    measuring = [scene.begin() for _ in range(10)]
    for ticket in early:
        scene.end(ticket, 60.0)
    assert scene.turn.calls == 0
    for ticket in measuring:
        scene.end(ticket, 0.1)
    assert scene.mode == "normal"


def test_what_is_slow_becomes_usual_no_faster_than_it_was_said() -> None:
    scene = slowed()
    began, before = scene.now, scene.usual
    assert before is not None
    while scene.now < began + 3600:
        scene.calls(1.0)
        steps = (scene.now - began) // EIGHTH_OF_BASELINE + 1
        assert scene.usual is not None
        assert scene.usual <= before * 1.1**steps * 1.001


def test_what_is_slow_for_good_is_not_refused_for_ever() -> None:
    scene = slowed()
    scene.calls(1.0, 4 * 3600)
    assert scene.mode == "normal"
    assert scene.calls(1.0, 1000) == 1000


def test_after_a_bad_hour_what_was_usual_is_still_so() -> None:
    scene = slowed()
    while scene.now < 4200:
        scene.calls(1.0)
    scene.calls(0.1, 300)
    assert scene.mode == "normal"
    assert scene.usual is not None
    assert scene.usual < 0.25


def test_little_is_kept_however_many_calls_there_are() -> None:
    scene = Scene()
    for number in range(5000):
        scene.calls(1e-6 * 1.3 ** (number % 97), every=7)
    assert max(len(one) for one in (scene.state.now, scene.state.before, scene.state.lately, scene.state.earlier)) <= 266


limits = st.builds(
    Limits,
    distance=st.integers(0, 4),
    quantile=st.sampled_from([0.07, 0.5, 0.9, 1.0]),
    window=st.sampled_from([16.0, 64.0]),
    baseline=st.sampled_from([64.0, 256.0]),
    min_calls=st.integers(1, 3),
    refuse_for=st.sampled_from([4.0, 32.0]),
)
happenings = st.lists(
    st.tuples(
        st.sampled_from([0.0] * 8 + [0.5, 1.0, 4.0, 8.0, 30.0, 64.0, 600.0]),
        st.sampled_from(["admit"] * 5 + ["report"] * 6 + ["look"]),
        st.integers(0, 4) | st.just(0),
        st.sampled_from([0, 0, 1, 2, 8, 8, 20, 40, None, None]),
    ),
    min_size=60,
    max_size=120,
)


@given(limits, happenings)
def test_whoever_waits_as_long_as_told_is_let_through(limits: Limits, happenings: Any) -> None:
    state, now, tickets = State(), 0.0, [Ticket(0, 0.0, b"?")]
    for number, (pause, act, which, took) in enumerate(happenings):
        now += pause
        if act == "report":
            report(limits, state, now, tickets[which % len(tickets)], took)
            continue
        token = b"%d" % number
        turn = admit(limits, state, now, token)
        if not turn.is_let_through:
            assert turn.retry_after > 0
            now += turn.retry_after + 1e-9
            turn = admit(limits, state, now, token)
        assert turn.is_let_through
        tickets.append(Ticket(turn.epoch, now, token))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limits, limits, happenings)
def test_the_script_decides_as_python_does(redis_server: Server, limits: Limits, other: Limits, happenings: Any) -> None:
    twin, tickets = Twin(redis_server, BY_NAME), [Ticket(0, 0.0, b"?")]
    settled = [(limits.window / 2, "report", 0, 0)] * 8
    for number, (pause, act, which, took) in enumerate(settled + happenings):
        if number == len(happenings) // 2:
            limits = other  # in the midst of a deployment that changes the rules
        twin.advance(pause)
        token = b"%d" % number if which else b""
        steps: dict[str, Any] = {
            "admit": Asking(limits, token),
            "report": Reporting(limits, tickets[-1 - which % len(tickets)], took),
            "look": Looking(limits),
        }
        mine, its = twin.both(steps[act])
        assert its == (mine and mine._replace(retry_after=pytest.approx(mine.retry_after, abs=2e-6)))
        seen, also = twin.both(Looking(limits))
        assert also == seen._replace(retry_after=pytest.approx(seen.retry_after, abs=2e-6))
        if act == "admit" and mine.is_let_through:
            tickets.append(Ticket(mine.epoch, 0.0, token))
        elif act == "admit" and which:
            twin.advance(mine.retry_after)
