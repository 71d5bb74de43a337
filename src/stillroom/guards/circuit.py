"""When a circuit opens and closes: pure decisions over plain values.

*Closed*, a circuit lets all calls through and counts how they end. When too many have failed it *opens*, and lets none
through. After a while it is *half open*: it lets some calls through as trials. If all of them succeed it closes, and if one
fails it opens again.

Each state that a circuit goes through has a number, its *epoch*, and each call bears that of the state that has let it
through. How a call ends matters to that state only: one that began before the circuit opened says nothing of what came after.

Calls are counted by tenths of the window, of which the last ten count. So each counts for the length of the window at most, and
for nine tenths of it at least, and a circuit takes the same small memory however many calls there are.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = ["Circuit", "End", "Mode", "Standing", "State", "Ticket", "Turn", "admit", "force", "look", "passing", "report"]

Mode: TypeAlias = Literal["closed", "open", "half_open"]
End: TypeAlias = Literal["succeeded", "failed", ""]
"""How a call has ended; empty if that says nothing, as when it was cancelled."""

PARTS: Final = 10
"""In so many parts the window is counted."""
KEPT: Final = 3600.0
"""For so many seconds more is remembered that a circuit was open: calls that began before may last as long."""


class Circuit(NamedTuple):
    """The rules of a circuit.

    Attributes:
        error_rate: which fraction of the calls has to fail.
        window: in how many seconds.
        min_calls: how many calls have to end in that time, before anything is made of them.
        open_for: for how many seconds it is open.
        growth: the factor by which that grows with each time that a trial fails.
        max_open_for: how long it grows at most.
        half_open_calls: how many trials there are.
        trial_for: after how many seconds another trial takes the place of one of which nobody has heard.
    """

    error_rate: float
    window: float
    min_calls: int
    open_for: float
    growth: float
    max_open_for: float
    half_open_calls: int
    trial_for: float


class Standing(NamedTuple):
    """How things stand with a circuit.

    Attributes:
        state: ``"closed"``, ``"open"`` or ``"half_open"``.
        calls: how many calls that were let through while it was closed have ended within the window.
        errors: how many of them have failed.
        retry_after: after how many seconds the next call may be let through; zero if one would be now.
    """

    state: Mode
    calls: int
    errors: int
    retry_after: float

    @property
    def error_rate(self) -> float:
        """Which fraction of the calls has failed."""
        return self.errors / self.calls if self.calls else 0.0


class Turn(NamedTuple):
    """What came of asking to be let through.

    Attributes:
        is_let_through: the call is.
        epoch: the number of the state.
        retry_after: after how many seconds the next call may be let through; zero if one would be now, on trial.
        state: closed, open or half open.
        is_trial: the call is a trial.
    """

    is_let_through: bool
    epoch: int
    retry_after: float = 0.0
    state: Mode = "closed"
    is_trial: bool = False

    @property
    def why(self) -> str:
        """Why the call is refused."""
        return "the circuit is open" if self.state == "open" else "the circuit is half open, and its trials go on"


class Ticket(NamedTuple):
    """What is known of a call that was let through.

    Attributes:
        epoch: that of the state which let it through.
        token: what it goes by, if it asked to be a trial.
        is_trial: it is one.
    """

    epoch: int
    token: bytes = b""
    is_trial: bool = False


class State:
    """A circuit.

    Attributes:
        mode: closed, open or half open.
        epoch: the number of this state; zero if it was never open.
        since: when it was opened last.
        length: for how long.
        passed: how many trials have succeeded.
        counts: of each part of the window, its number, the calls that have ended in it, and how many of them failed.
        calls, errors: their sums.
        trials: the tokens of the trials that go on, and when they are given up.
        ends_at: when all this is of no more use.
    """

    __slots__ = ("calls", "counts", "ends_at", "epoch", "errors", "length", "mode", "passed", "since", "trials")

    def __init__(self) -> None:
        self.mode: Mode = "closed"
        self.epoch = 0
        self.since = 0.0
        self.length = 0.0
        self.passed = 0
        self.counts: list[list[int]] = []
        self.calls = 0
        self.errors = 0
        self.trials: dict[bytes, float] = {}
        self.ends_at = 0.0


def passing(state: State | None) -> int | None:
    """Return the number of a state that lets all calls through, whatever the rules; ``None`` if it does not."""
    if state is None:
        return 0
    return state.epoch if state.mode == "closed" else None


def look(circuit: Circuit, state: State, now: float) -> Standing:
    """Return how things stand, and change nothing."""
    mode, wait = _wait(circuit, state, now)
    recent = _recent(state, _part(circuit, now))
    return Standing(mode, sum(calls for _, calls, _ in recent), sum(errors for _, _, errors in recent), wait)


def admit(circuit: Circuit, state: State, now: float, token: bytes = b"") -> Turn:
    """Let a call through if the circuit does; as a trial, it goes by its token, and without one it is none."""
    if state.mode == "closed":
        return Turn(True, state.epoch)
    mode, wait = _wait(circuit, state, now)
    if wait > 0 or not token:
        return Turn(False, state.epoch, wait, mode)
    if state.mode == "open":
        _enter(state, "half_open", now)
    state.trials = {one: ends_at for one, ends_at in state.trials.items() if ends_at > now}
    state.trials[token] = now + circuit.trial_for
    _keep(circuit, state, now)
    return Turn(True, state.epoch, 0.0, "half_open", is_trial=True)


def report(circuit: Circuit, state: State, now: float, ticket: Ticket, end: End) -> Standing | None:
    """Take note of how a call has ended that was let through; of one that says nothing, only the trial counts that it was.

    Returns:
        How things stand, if that has opened or closed the circuit.
    """
    counts = end != "" and ticket.epoch == state.epoch
    gave_way = ticket.token in state.trials
    has_changed = False
    if gave_way:
        del state.trials[ticket.token]
    if counts:
        act = _count if state.mode == "closed" else _judge
        has_changed = act(circuit, state, now, end == "failed")
    if counts or gave_way:
        _keep(circuit, state, now)
    return look(circuit, state, now) if has_changed else None


def force(circuit: Circuit, state: State, now: float, mode: Literal["open", "closed"]) -> Standing | None:
    """Open or close a circuit, whatever its state; return how things stand, if that has changed it."""
    has_changed = state.mode != mode
    if mode == "open":
        _open(state, now, circuit.open_for)
    else:
        _close(state, now)
    _keep(circuit, state, now)
    return look(circuit, state, now) if has_changed else None


def _count(circuit: Circuit, state: State, now: float, is_error: bool) -> bool:
    part, counts = _part(circuit, now), state.counts
    last = counts[-1] if counts and counts[-1][0] == part else _turn_over(state, part)
    last[1] += 1
    state.calls += 1
    if is_error:
        last[2] += 1
        state.errors += 1
    if state.calls < circuit.min_calls or state.errors / state.calls < circuit.error_rate:
        return False
    _open(state, now, circuit.open_for)
    return True


def _judge(circuit: Circuit, state: State, now: float, is_error: bool) -> bool:
    if is_error:
        _open(state, now, min(state.length * circuit.growth, circuit.max_open_for))
        return True
    state.passed += 1
    if state.passed < circuit.half_open_calls:
        return False
    _close(state, now)
    return True


def _open(state: State, now: float, length: float) -> None:
    _enter(state, "open", now)
    state.length, state.since = length, now


def _close(state: State, now: float) -> None:
    _enter(state, "closed", now)
    state.counts, state.calls, state.errors = [], 0, 0


def _enter(state: State, mode: Mode, now: float) -> None:
    state.mode, state.epoch = mode, max(round(now * 1_000_000), state.epoch + 1)
    state.passed, state.trials = 0, {}


def _wait(circuit: Circuit, state: State, now: float) -> tuple[Mode, float]:
    """Return the state, and how long it lets nothing through."""
    if state.mode == "open":
        # Before the beginning, a clock has gone back since; it may take any time until it is there again.
        left = state.since + state.length - now if now >= state.since else 0.0
        return ("open", left) if left > 0 else ("half_open", 0.0)
    if state.mode == "half_open":
        going = sorted(ends_at for ends_at in state.trials.values() if ends_at > now)
        beyond = state.passed + len(going) - circuit.half_open_calls  # a trial that was given up may have passed after all
        if beyond >= 0 and going:  # none may go on, and yet enough have passed, for a caller who wants fewer than others do
            return "half_open", going[min(beyond, len(going) - 1)] - now
    return state.mode, 0.0


def _keep(circuit: Circuit, state: State, now: float) -> None:
    ends_at = now + circuit.window
    if state.epoch:  # it was open at some time
        ends_at += KEPT + {"closed": 0.0, "open": state.length, "half_open": circuit.trial_for}[state.mode]
    state.ends_at = ends_at


def _turn_over(state: State, part: int) -> list[int]:
    """Begin another part of the window, forget those that no longer count, and return the new one."""
    state.counts = _recent(state, part)
    state.calls = sum(calls for _, calls, _ in state.counts)
    state.errors = sum(errors for _, _, errors in state.counts)
    state.counts.append([part, 0, 0])
    return state.counts[-1]


def _recent(state: State, part: int) -> list[list[int]]:
    """Return the parts that count now.

    Numbers that are yet to come do not count: they are of another window, of before the rules have changed, or of a clock that
    has gone back since.
    """
    return [one for one in state.counts if part - PARTS < one[0] <= part]


def _part(circuit: Circuit, now: float) -> int:
    return int(now // (circuit.window / PARTS))
