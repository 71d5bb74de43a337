"""When circuits open and close, by tables and by properties, in Python and in the script."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.guards.twin import Twin
from tests.servers.server import Server

from stillroom.errors import RateLimited
from stillroom.guards.circuit import Circuit, Standing, State, Ticket, admit, force, look, report
from stillroom.guards.circuit_breaker import Asking, Closing, Judgement, Looking, Opening, Reporting
from stillroom.stores.redis.scripts import BY_NAME

pytestmark = pytest.mark.memory_only("no cache is asked")

RULES = Circuit(error_rate=0.5, window=10, min_calls=4, open_for=5, growth=2, max_open_for=15, half_open_calls=1, trial_for=3)


class Scene:
    """A circuit and its calls, by the time in seconds."""

    def __init__(self, **rules: Any) -> None:
        self.circuit = RULES._replace(**rules)
        self.state = State()
        self._tokens = 0

    def begin(self, now: float) -> Ticket | None:
        """Begin a call; return its ticket, or ``None`` if it is refused."""
        self._tokens += 1
        token = b"%d" % self._tokens
        turn = admit(self.circuit, self.state, now, token)
        return Ticket(turn.epoch, token, turn.is_trial) if turn.is_let_through else None

    def end(self, ticket: Ticket | None, now: float, end: Any) -> Any:
        """End a call; return what the circuit has become, if it has changed."""
        assert ticket is not None
        standing = report(self.circuit, self.state, now, ticket, end)
        return standing and standing.state

    def run(self, ends: str, now: float) -> list[Any]:
        """Make calls one after the other that fail, ``x``, or succeed; return what the circuit became with each."""
        return [self.end(self.begin(now), now, "failed" if end == "x" else "succeeded") for end in ends]

    def at(self, now: float) -> Standing:
        """Return how things stand."""
        return look(self.circuit, self.state, now)

    def opened(self, now: float = 0.0) -> Scene:
        """Have it opened."""
        assert self.run("xxxx", now)[-1] == "open"
        return self


@pytest.mark.parametrize(
    ("ends", "opens_at"),
    [
        ("xxxx", 4),
        ("xxx", None),  # too few
        ("x.x.", 4),
        ("x...", None),
        ("....xxx", None),
        ("....xxxx", 8),
        ("xxx.", 4),  # the rate counts, whichever call comes last
    ],
)
def test_a_circuit_opens_as_soon_as_enough_of_enough_calls_have_failed(ends: str, opens_at: int | None) -> None:
    scene = Scene()
    became = []
    for end in ends:
        became += scene.run(end, 1)
    assert [index for index, one in enumerate(became, 1) if one] == ([opens_at] if opens_at else [])
    assert scene.at(1).state == ("open" if opens_at else "closed")


def test_a_rate_is_reached_by_as_many_calls_as_it_says_whatever_is_lost_by_rounding() -> None:
    assert Scene(min_calls=100, error_rate=0.07).run("x" * 7 + "." * 93, 1)[-1] == "open"


def test_calls_count_for_the_window_at_most_and_for_nine_tenths_of_it_at_least() -> None:
    scene = Scene()
    scene.run("xxx", 0.99)
    assert [scene.at(now).calls for now in (0.99, 9.99, 10.0)] == [3, 3, 0]
    scene.run("xxx", 20.0)
    assert [scene.at(now).calls for now in (20.0, 29.99, 30.0)] == [3, 3, 0]


def test_calls_that_a_shorter_window_has_counted_are_not_counted_for_ever_by_a_longer_one() -> None:
    scene = Scene(window=1)
    scene.run("xxx", 100)
    scene.circuit = scene.circuit._replace(window=10)
    scene.run("...", 100)
    assert scene.at(100)[1:3] == (3, 0)
    assert scene.at(110)[1:3] == (0, 0)


def test_calls_that_were_counted_before_the_clock_went_back_are_not_counted_until_it_is_there_again() -> None:
    scene = Scene()
    scene.run("xxx", 100)
    scene.run("...", 50)
    assert scene.at(50)[1:3] == (3, 0)


def test_an_open_circuit_lets_nothing_through_until_its_time_is_over() -> None:
    scene = Scene().opened(100)
    assert [scene.begin(now) for now in (100, 104.9)] == [None, None]
    assert scene.at(102) == Standing("open", 4, 4, 3)
    assert scene.at(105).state == "half_open"
    assert scene.begin(105) is not None


def test_a_circuit_that_was_opened_before_the_clock_went_back_is_not_open_until_it_is_there_again() -> None:
    scene = Scene().opened(1000)
    assert scene.at(500).state == "half_open"
    assert scene.end(scene.begin(500), 500, "succeeded") == "closed"


def test_one_trial_at_a_time_decides() -> None:
    scene = Scene().opened()
    trial = scene.begin(5)
    assert trial is not None
    assert trial.is_trial
    assert scene.begin(5) is None
    assert scene.at(5.5) == Standing("half_open", 4, 4, 2.5)
    assert scene.end(trial, 6, "succeeded") == "closed"
    assert scene.at(6) == Standing("closed", 0, 0, 0)
    assert scene.run("xxx", 6) == [None] * 3, "it counts from the beginning"


def test_as_many_trials_as_wanted_have_to_succeed() -> None:
    scene = Scene(half_open_calls=3).opened()
    trials = [scene.begin(5) for _ in range(5)]
    assert [trial is not None for trial in trials] == [True, True, True, False, False]
    assert scene.end(trials[2], 6, "succeeded") is None
    assert scene.begin(6) is None, "three are trials in all"
    assert scene.end(trials[0], 6, "succeeded") is None
    assert scene.end(trials[1], 6, "succeeded") == "closed"


def test_callers_who_want_fewer_trials_than_others_of_the_circuit_are_let_through_in_the_end() -> None:
    scene = Scene(half_open_calls=4).opened()
    trials = [scene.begin(5) for _ in range(3)]
    assert [scene.end(trial, 5, "succeeded") for trial in trials[:2]] == [None] * 2
    scene.circuit = scene.circuit._replace(half_open_calls=1)
    assert scene.begin(6) is None
    assert scene.at(6).retry_after == 2, "the last that goes on is given up"
    assert scene.end(scene.begin(8), 8, "succeeded") == "closed"


def test_one_trial_that_fails_opens_it_again_and_the_others_say_nothing_any_more() -> None:
    scene = Scene(half_open_calls=3).opened()
    first, second, third = (scene.begin(5) for _ in range(3))
    assert scene.end(first, 6, "succeeded") is None
    assert scene.end(second, 6, "failed") == "open"
    assert scene.end(third, 7, "failed") is None
    assert scene.at(7) == Standing("open", 4, 4, 9)


def test_the_time_grows_with_each_trial_that_fails_up_to_its_bound_and_starts_anew_once_closed() -> None:
    scene, now, waits = Scene().opened(), 0.0, []
    for _ in range(4):
        waits.append(scene.at(now).retry_after)
        now += waits[-1]
        scene.run("x", now)
    assert waits == [5, 10, 15, 15]
    now += 15
    assert scene.run(".", now) == ["closed"]
    scene.opened(now)
    assert scene.at(now).retry_after == 5


def test_a_trial_of_which_nobody_hears_makes_room_for_another() -> None:
    scene = Scene().opened()
    lost = scene.begin(5)
    assert scene.begin(7.9) is None
    other = scene.begin(8)
    assert other is not None
    assert scene.begin(8) is None
    assert scene.end(lost, 9, "failed") == "open", "it has begun after the circuit was half open, so it tells"
    assert scene.end(other, 9, "succeeded") is None


def test_a_trial_that_was_given_up_and_passed_after_all_counts_and_keeps_others_out() -> None:
    scene = Scene(half_open_calls=2).opened()
    lost = scene.begin(5)
    scene.begin(7)
    scene.begin(8)  # in place of the first
    assert scene.end(lost, 8, "succeeded") is None
    assert scene.at(9) == Standing("half_open", 4, 4, 2)
    assert [scene.begin(now) is not None for now in (10, 11)] == [False, True]


def test_a_trial_that_says_nothing_gives_its_place_back() -> None:
    scene = Scene().opened()
    assert scene.end(scene.begin(5), 5, "") is None
    assert scene.begin(5) is not None


def test_without_a_token_a_call_hears_whether_it_might_be_a_trial_and_is_none() -> None:
    scene = Scene().opened()
    turns = [admit(scene.circuit, scene.state, now) for now in (4, 5)]
    assert [(turn.is_let_through, turn.state, turn.retry_after) for turn in turns] == [
        (False, "open", 1),
        (False, "half_open", 0),
    ]
    assert scene.begin(5) is not None
    assert admit(scene.circuit, scene.state, 5).retry_after == 3
    assert not scene.state.trials.keys() - {b"5"}


def test_a_trial_whose_epoch_its_caller_never_learnt_gives_its_place_back() -> None:
    scene = Scene().opened()
    trial = scene.begin(5)
    assert trial is not None
    scene.end(Ticket(0, trial.token), 5, "")
    assert scene.begin(5) is not None


def test_calls_that_began_before_it_opened_neither_close_nor_reopen_it() -> None:
    scene = Scene()
    early = [scene.begin(0) for _ in range(8)]
    scene.opened()
    assert scene.end(early[0], 1, "succeeded") is None
    assert scene.end(early[1], 1, "failed") is None
    assert scene.at(1) == Standing("open", 4, 4, 4)
    trial = scene.begin(5)
    assert [scene.end(early[2], 5, "succeeded"), scene.end(early[3], 5, "failed")] == [None, None]
    assert scene.at(5).state == "half_open"
    assert scene.end(trial, 6, "succeeded") == "closed"
    assert [scene.end(one, 6, "failed") for one in early[4:]] == [None] * 4
    assert scene.at(6) == Standing("closed", 0, 0, 0)


def test_opened_and_closed_by_hand_it_forgets_what_was_under_way() -> None:
    scene = Scene()
    early = scene.begin(0)
    assert force(scene.circuit, scene.state, 1, "open") == Standing("open", 0, 0, 5)
    assert force(scene.circuit, scene.state, 2, "open") is None
    assert scene.at(2).retry_after == 5
    assert force(scene.circuit, scene.state, 2, "closed") == Standing("closed", 0, 0, 0)
    assert scene.end(early, 2, "failed") is None
    assert scene.at(2) == Standing("closed", 0, 0, 0)


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (OSError(), "failed"),
        (ConnectionError(), ""),
        (ValueError(), "succeeded"),
        (RateLimited("", retry_after=1, limit=1, remaining=0), ""),
        (KeyboardInterrupt(), ""),
        (GeneratorExit(), ""),
    ],
)
def test_what_the_error_says_that_ends_a_call(error: BaseException, end: str) -> None:
    assert Judgement((OSError,), (ConnectionError,)).of(error) == end


# All times are exact in binary, and whole numbers of microseconds; so is a tenth of each window.
circuits = st.builds(
    Circuit,
    error_rate=st.sampled_from([0.07, 0.1, 0.5, 0.75, 1.0]),
    window=st.sampled_from([1.25, 12.5, 50.0]),
    min_calls=st.integers(1, 4),
    open_for=st.sampled_from([5.0, 20.0]),
    growth=st.sampled_from([1.0, 1.5, 2.0]),
    max_open_for=st.sampled_from([20.0, 60.0]),
    half_open_calls=st.integers(1, 3),
    trial_for=st.sampled_from([5.0, 30.0]),
)
happenings = st.lists(
    st.tuples(
        st.sampled_from([0.0] * 8 + [1.25, 2.5, 5.0, 12.5, 20.0, 4000.0]),
        st.sampled_from(["admit"] * 8 + ["report"] * 8 + ["look", "open", "close"]),
        st.integers(0, 5) | st.just(0),
        st.sampled_from(["failed", "failed", "succeeded", "succeeded", "", ""]),
    ),
    min_size=40,
    max_size=80,
)


@given(circuits, happenings)
def test_no_more_trials_go_on_at_a_time_than_there_may_be(circuit: Circuit, happenings: Any) -> None:
    state, now = State(), 0.0
    going: dict[Ticket, float] = {}
    for number, (pause, act, which, end) in enumerate(happenings):
        now += pause
        going = {ticket: ends_at for ticket, ends_at in going.items() if ends_at > now and ticket.epoch == state.epoch}
        if act == "admit":
            turn = admit(circuit, state, now, b"%d" % number)
            assert turn.is_let_through == (turn.is_trial or state.mode == "closed")
            if turn.is_trial:
                going[Ticket(turn.epoch, b"%d" % number, True)] = now + circuit.trial_for
        elif act == "report" and going:
            ticket = list(going)[which % len(going)]
            del going[ticket]
            report(circuit, state, now, ticket, end)
        trials = [ticket for ticket in going if ticket.epoch == state.epoch]
        assert len(trials) + state.passed <= circuit.half_open_calls


@given(circuits, happenings)
def test_whoever_waits_as_long_as_told_is_let_through(circuit: Circuit, happenings: Any) -> None:
    state, now, tickets = State(), 0.0, [Ticket(0, b"")]
    for number, (pause, act, which, end) in enumerate(happenings):
        now += pause
        if act == "report":
            report(circuit, state, now, tickets[which % len(tickets)], end)
            continue
        turn = admit(circuit, state, now, b"%d" % number)
        if not turn.is_let_through:
            assert turn.retry_after > 0
            now += turn.retry_after + 1e-9
            turn = admit(circuit, state, now, b"%d" % number)
        assert turn.is_let_through
        tickets.append(Ticket(turn.epoch, b"%d" % number, turn.is_trial))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(circuits, circuits, happenings)
def test_the_script_decides_as_python_does(redis_server: Server, circuit: Circuit, other: Circuit, happenings: Any) -> None:
    twin, tickets = Twin(redis_server, BY_NAME), [Ticket(0, b"?")]
    for number, (pause, act, which, end) in enumerate(happenings):
        if number == len(happenings) // 2:
            circuit = other  # in the midst of a deployment that changes the rules
        twin.advance(pause)
        token = b"%d" % number if which else b""
        steps: dict[str, Any] = {
            "admit": Asking(circuit, token),
            "report": Reporting(circuit, tickets[-1 - which % len(tickets)], end),
            "look": Looking(circuit),
            "open": Opening(circuit),
            "close": Closing(circuit),
        }
        mine, its = twin.both(steps[act])
        assert its == (mine and mine._replace(retry_after=pytest.approx(mine.retry_after, abs=2e-6)))
        seen, also = twin.both(Looking(circuit))
        assert also == seen._replace(retry_after=pytest.approx(seen.retry_after, abs=2e-6))
        if act == "admit" and mine.is_let_through:
            tickets.append(Ticket(mine.epoch, token, mine.is_trial))
        elif act == "admit" and which:
            twin.advance(mine.retry_after)
