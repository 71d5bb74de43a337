"""When a function is much slower than it used to be: pure decisions over plain values.

Durations go by *grades*, each a tenth longer than the one before, so counts of them are small and exact. A function is slow
when the grade that most of its recent calls do not exceed (the *quantile*) is too far above the one that is *usual*.

Recent calls are counted in two blocks, each half of the window long: the one that goes on, and the one before. A block that is
over is added to the history, which consists of two spans in the same way, each half of the baseline long. The quantile of that
history is what is usual, but it moves by one grade in an eighth of the baseline at most. So what is usual takes about a whole
baseline to double, however slow the function has become, and yet a function that is slower for good is not refused for ever. At
first, for an eighth of the baseline, it moves freely.

While a function is slow, its calls are refused for some time. Then some are let through to *measure* it anew, and what they
tell decides. As with circuits, each state has an epoch, and a call counts only for the state that has let it through.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = [
    "Limits",
    "Mode",
    "Standing",
    "State",
    "Ticket",
    "Turn",
    "admit",
    "apart",
    "grade",
    "length",
    "look",
    "passing",
    "report",
]

Mode: TypeAlias = Literal["normal", "refusing", "measuring"]

STEP: Final = math.log(1.1)
SHORTEST: Final = 1e-6
HIGHEST: Final = 265
"""The grade of a day, and of whatever takes longer."""
EASE: Final = 8
"""In an eighth of the baseline, what is usual moves by a grade at most."""


class Limits(NamedTuple):
    """The rules.

    Attributes:
        distance: how many grades above the usual one are still normal.
        quantile: which fraction of the calls stays below the grade that counts.
        window: for how many seconds a call is recent.
        baseline: for how many seconds it is part of the history.
        min_calls: how many recent calls there have to be before anything is made of them; and so many measure.
        refuse_for: for how many seconds calls are refused.
    """

    distance: int
    quantile: float
    window: float
    baseline: float
    min_calls: int
    refuse_for: float


class Ticket(NamedTuple):
    """What is known of a call that was let through.

    Attributes:
        epoch: that of the state that has let it through.
        began: when it began.
        token: what it goes by, if it asked to measure.
    """

    epoch: int
    began: float
    token: bytes = b""


class Turn(NamedTuple):
    """What came of asking to be let through.

    Attributes:
        is_let_through: the call is.
        epoch: the number of the state.
        retry_after: after how many seconds the next call may be let through; zero if one would be now, to measure.
        slow: the grade for which calls are refused; ``None`` if none are.
        usual: the grade that is usual; ``None`` if that is not known yet.
    """

    is_let_through: bool
    epoch: int
    retry_after: float = 0.0
    slow: int | None = None
    usual: int | None = None

    @property
    def why(self) -> str:
        """Why the call is refused."""
        return f"it takes {length(self.slow or 0):.2g} s of late, and {length(self.usual or 0):.2g} s usually"


class Standing(NamedTuple):
    """How things stand.

    Attributes:
        mode: the state.
        calls: how many recent calls were counted.
        recent: the grade of recent calls, or that for which calls are refused; ``None`` if there is none.
        usual: the grade that is usual; ``None`` if that is not known yet.
        retry_after: after how many seconds the next call may be let through; zero if one would be now.
    """

    mode: Mode
    calls: int
    recent: int | None
    usual: int | None
    retry_after: float


class State:
    """What is known of a function.

    Attributes:
        mode: all is normal, or calls are refused, or some of them measure.
        epoch: the number of this state; zero if calls were never refused.
        since: since when calls are refused, or measure.
        measuring: the tokens of the calls that measure, and of which nobody has heard yet.
        slow: the grade for which calls are refused.
        block: the number of the block that goes on.
        now, before: the grades of this block, and of the one before.
        span: the number of the span that goes on.
        lately, earlier: the grades of this span, and of the one before.
        usual: the grade that is usual.
        settles_at: until when that moves freely; ``None`` before the first call.
        moves_at: when it may move next.
        ends_at: when all this is of no more use.
    """

    __slots__ = (
        "before",
        "block",
        "earlier",
        "ends_at",
        "epoch",
        "lately",
        "measuring",
        "mode",
        "moves_at",
        "now",
        "settles_at",
        "since",
        "slow",
        "span",
        "usual",
    )

    def __init__(self) -> None:
        self.mode: Mode = "normal"
        self.epoch = 0
        self.since = 0.0
        self.measuring: set[bytes] = set()
        self.slow: int | None = None
        self.block = 0
        self.now: Counter[int] = Counter()
        self.before: Counter[int] = Counter()
        self.span = 0
        self.lately: Counter[int] = Counter()
        self.earlier: Counter[int] = Counter()
        self.usual: int | None = None
        self.settles_at: float | None = None
        self.moves_at = 0.0
        self.ends_at = 0.0


def grade(seconds: float) -> int:
    """Return the grade of a duration."""
    return bisect_left(_LONGEST, seconds)


def length(of: int) -> float:
    """Return the longest duration of a grade, in seconds."""
    return float(SHORTEST * 1.1**of)


_LONGEST: Final = tuple(length(one) for one in range(HIGHEST))


def apart(factor: float) -> int:
    """Return how many grades apart two durations may be for which one is not more than a factor longer."""
    return math.ceil(math.log(factor) / STEP - 1e-9)  # less a matter of rounding


def passing(state: State | None) -> int | None:
    """Return the number of a state that lets all calls through, whatever the rules; ``None`` if it does not."""
    if state is None:
        return 0
    return state.epoch if state.mode == "normal" else None


def look(limits: Limits, state: State, now: float) -> Standing:
    """Return how things stand, and change nothing."""
    mode, wait = _wait(limits, state, now)
    recent = _recent(limits, state, now)
    found = _quantile(limits, recent) if state.mode == "normal" else state.slow
    return Standing(mode, recent.total(), found, state.usual, wait)


def admit(limits: Limits, state: State, now: float, token: bytes = b"") -> Turn:
    """Let a call through, unless the function is slow; then it may measure, if it has a token to go by."""
    if state.mode == "normal":
        return Turn(True, state.epoch)
    _, wait = _wait(limits, state, now)
    if wait > 0 or not token:
        return Turn(False, state.epoch, wait, state.slow, state.usual)
    if state.mode == "refusing":
        _enter(state, "measuring", now)
        state.since = now
    elif _left(limits, state, now) <= 0:
        state.measuring, state.since = set(), now
    state.measuring.add(token)
    _keep(limits, state, now)
    return Turn(True, state.epoch, 0.0, state.slow, state.usual)


def report(limits: Limits, state: State, now: float, ticket: Ticket, took: int | None) -> None:
    """Take note of the grade of a call that has ended; ``None`` if that says nothing, as when it was cancelled."""
    gave_way = ticket.token in state.measuring
    if gave_way:
        state.measuring.discard(ticket.token)
    if took is not None and ticket.epoch == state.epoch:
        (_count if state.mode == "normal" else _measure)(limits, state, now, took)
    elif not gave_way:
        return
    _keep(limits, state, now)


def _wait(limits: Limits, state: State, now: float) -> tuple[Mode, float]:
    """Return the state, and how long it lets nothing through."""
    left = _left(limits, state, now)
    if state.mode == "refusing":
        return ("refusing", left) if left > 0 else ("measuring", 0.0)
    is_full = state.mode == "measuring" and len(state.measuring) + state.now.total() >= limits.min_calls
    return state.mode, left if is_full else 0.0


def _left(limits: Limits, state: State, now: float) -> float:
    """Return what is left of the time for which calls are refused, or waited for those that measure."""
    # Before the beginning, a clock has gone back since; it may take any time until it is there again.
    return max(state.since + limits.refuse_for - now, 0.0) if now >= state.since else 0.0


def _count(limits: Limits, state: State, now: float, took: int) -> None:
    block = _number(now, limits.window)
    if state.settles_at is None:
        state.settles_at = state.moves_at = now + limits.baseline / EASE
        state.block = block
    if block != state.block:
        _turn_over(limits, state, now, block)
    state.now[took] += 1
    if state.usual is not None and took - state.usual > limits.distance:  # no other call can be the one too many
        _judge(limits, state, now, state.now + state.before)


def _measure(limits: Limits, state: State, now: float, took: int) -> None:
    state.now[took] += 1
    if state.now.total() >= limits.min_calls and not _judge(limits, state, now, state.now):
        measured = state.now
        _enter(state, "normal", now)
        state.block, state.now = _number(now, limits.window), measured


def _judge(limits: Limits, state: State, now: float, recent: Counter[int]) -> bool:
    """Have calls refused if recent ones are too slow; return whether they are."""
    found = _quantile(limits, recent)
    if recent.total() < limits.min_calls or state.usual is None or found is None or found - state.usual <= limits.distance:
        return False
    _learn(limits, state, now)
    _enter(state, "refusing", now)
    state.slow, state.since = found, now
    return True


def _turn_over(limits: Limits, state: State, now: float, block: int) -> None:
    _learn(limits, state, now)
    state.before = state.now if block == state.block + 1 else Counter()
    state.now, state.block = Counter(), block


def _learn(limits: Limits, state: State, now: float) -> None:
    """Add the block that goes on to the history, and see what is usual."""
    span = _number(now, limits.baseline)
    if span != state.span:
        state.earlier = state.lately if span == state.span + 1 else Counter()
        state.lately, state.span = Counter(), span
    state.lately = state.lately + state.now
    history = state.lately + state.earlier
    found = _quantile(limits, history)
    if found is None or history.total() < limits.min_calls:
        return
    if state.usual is None or now < (state.settles_at or 0.0):
        state.usual = found
    elif now >= state.moves_at and found != state.usual:
        state.usual += 1 if found > state.usual else -1
        state.moves_at = now + limits.baseline / EASE


def _enter(state: State, mode: Mode, now: float) -> None:
    state.mode, state.epoch = mode, max(round(now * 1_000_000), state.epoch + 1)
    state.slow = None if mode == "normal" else state.slow
    state.now, state.before, state.measuring = Counter(), Counter(), set()


def _recent(limits: Limits, state: State, now: float) -> Counter[int]:
    """Return the grades that count now; while a function is measured none grows old."""
    age = _number(now, limits.window) - state.block
    if state.mode != "normal" or age <= 0:
        return state.now + state.before
    return state.now if age == 1 else Counter()


def _quantile(limits: Limits, grades: Counter[int]) -> int | None:
    total, seen = grades.total(), 0
    for one in sorted(grades):
        seen += grades[one]
        if seen / total >= limits.quantile:  # not `seen >= quantile * total`, which rounding may lift above a whole number
            return one
    return None


def _keep(limits: Limits, state: State, now: float) -> None:
    state.ends_at = now + limits.baseline
    if state.mode != "normal":
        state.ends_at += _left(limits, state, now)


def _number(now: float, length: float) -> int:
    return int(now // (length / 2))
