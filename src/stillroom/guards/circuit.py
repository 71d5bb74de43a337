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

__all__ = ["Circuit", "End", "Mode", "Standing", "State", "Ticket", "Turn", "admit", "force", "look", "report"]

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
    """What came of a step.

    Attributes:
        standing: how things stand now.
        epoch: the number of the state.
        is_let_through: the call is.
        is_trial: the call is a trial.
        became: the state, if it has changed to open or closed.
    """

    standing: Standing
    epoch: int
    is_let_through: bool = False
    is_trial: bool = False
    became: Mode | None = None


class Ticket(NamedTuple):
    """What is known of a call that was let through.

    Attributes:
        epoch: that of the state which let it through.
        token: what it goes by; tells a trial from others.
        is_trial: it is one.
    """

    epoch: int
    token: bytes
    is_trial: bool = False


class State:
    """A circuit.

    Attributes:
        mode: closed, open or half open.
        epoch: the number of this state; zero if it was never open.
        until: when it is no longer open.
        length: for how long it was opened last.
        passed: how many trials have succeeded.
        counts: of each part of the window, its number, the calls that have ended in it, and how many of them failed.
        calls, errors: their sums.
        trials: the tokens of the trials that go on, and when they are given up.
        ends_at: when all this is of no more use.
    """

    __slots__ = ("calls", "counts", "ends_at", "epoch", "errors", "length", "mode", "passed", "trials", "until")

    def __init__(self) -> None:
        self.mode: Mode = "closed"
        self.epoch = 0
        self.until = 0.0
        self.length = 0.0
        self.passed = 0
        self.counts: list[tuple[int, int, int]] = []
        self.calls = 0
        self.errors = 0
        self.trials: dict[bytes, float] = {}
        self.ends_at = 0.0


def look(circuit: Circuit, state: State, now: float) -> Turn:
    """Return how things stand, and change nothing."""
    mode, wait = state.mode, 0.0
    if mode == "open":
        wait = max(state.until - now, 0.0)
        mode = "open" if wait > 0 else "half_open"
    elif mode == "half_open":
        going = sorted(ends_at for ends_at in state.trials.values() if ends_at > now)
        beyond = state.passed + len(going) - circuit.half_open_calls  # a trial that was given up may have passed after all
        if beyond >= 0 and going:  # none may go on, and yet enough have passed, for a caller who wants fewer than others do
            wait = going[min(beyond, len(going) - 1)] - now
    _, calls, errors = _recent(circuit, state, now)
    return Turn(Standing(mode, calls, errors, wait), state.epoch)


def admit(circuit: Circuit, state: State, now: float, token: bytes) -> Turn:
    """Let a call through if the circuit does; as a trial, it goes by its token."""
    turn = look(circuit, state, now)
    standing, epoch = turn.standing, turn.epoch
    if standing.retry_after > 0:
        return turn
    if state.mode == "closed":
        return Turn(standing, epoch, is_let_through=True)
    if state.mode == "open":
        _enter(state, "half_open", now)
    state.trials = {one: ends_at for one, ends_at in state.trials.items() if ends_at > now}
    state.trials[token] = now + circuit.trial_for
    _keep(circuit, state, now)
    return look(circuit, state, now)._replace(is_let_through=True, is_trial=True)


def report(circuit: Circuit, state: State, now: float, ticket: Ticket, end: End) -> Turn:
    """Take note of how a call has ended that was let through; of one that says nothing, only the trial counts that it was."""
    became: Mode | None = None
    counts = bool(end) and ticket.epoch == state.epoch
    gave_way = state.trials.pop(ticket.token, None) is not None
    if counts:
        became = (_count if state.mode == "closed" else _judge)(circuit, state, now, end == "failed")
    if counts or gave_way:
        _keep(circuit, state, now)
    turn = look(circuit, state, now)
    return turn if became is None else turn._replace(became=became)


def force(circuit: Circuit, state: State, now: float, mode: Literal["open", "closed"]) -> Turn:
    """Open or close a circuit, whatever its state."""
    became = None if state.mode == mode else mode
    if mode == "open":
        _open(state, now, circuit.open_for)
    else:
        _close(state, now)
    _keep(circuit, state, now)
    return look(circuit, state, now)._replace(became=became)


def _count(circuit: Circuit, state: State, now: float, is_error: bool) -> Mode | None:
    part = _part(circuit, now)
    kept, calls, errors = _recent(circuit, state, now)
    _, ended, failed = kept.pop() if kept and kept[-1][0] == part else (part, 0, 0)
    kept.append((part, ended + 1, failed + is_error))
    state.counts, state.calls, state.errors = kept, calls + 1, errors + is_error
    if state.calls < circuit.min_calls or state.errors / state.calls < circuit.error_rate:
        return None
    _open(state, now, circuit.open_for)
    return "open"


def _judge(circuit: Circuit, state: State, now: float, is_error: bool) -> Mode | None:
    if is_error:
        _open(state, now, min(state.length * circuit.growth, circuit.max_open_for))
        return "open"
    state.passed += 1
    if state.passed < circuit.half_open_calls:
        return None
    _close(state, now)
    return "closed"


def _open(state: State, now: float, length: float) -> None:
    _enter(state, "open", now)
    state.length, state.until = length, now + length


def _close(state: State, now: float) -> None:
    _enter(state, "closed", now)
    state.counts, state.calls, state.errors = [], 0, 0


def _enter(state: State, mode: Mode, now: float) -> None:
    state.mode, state.epoch = mode, max(round(now * 1_000_000), state.epoch + 1)
    state.passed, state.trials = 0, {}


def _keep(circuit: Circuit, state: State, now: float) -> None:
    until = max(now, state.until) if state.mode == "open" else now
    trials = circuit.trial_for if state.mode == "half_open" else 0.0
    state.ends_at = until + circuit.window + trials + (KEPT if state.epoch else 0.0)


def _recent(circuit: Circuit, state: State, now: float) -> tuple[list[tuple[int, int, int]], int, int]:
    """Return the parts that count now, and the sums of their calls and errors.

    Numbers that are yet to come do not count: they are of another window, of before the rules have changed, or of a clock that
    has gone back since.
    """
    counts, part = state.counts, _part(circuit, now)
    if not counts or (counts[0][0] > part - PARTS and counts[-1][0] <= part):
        return counts, state.calls, state.errors
    counts = [one for one in counts if part - PARTS < one[0] <= part]
    return counts, sum(calls for _, calls, _ in counts), sum(errors for _, _, errors in counts)


def _part(circuit: Circuit, now: float) -> int:
    return int(now // (circuit.window / PARTS))
