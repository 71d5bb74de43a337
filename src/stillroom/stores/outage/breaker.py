"""When a far store counts as lost, and when it is probed: functions over plain values, with the time as an argument.

::

    ok ── failures in a row, or one that leaves its effect unknown ──> down
    down ── it answers a probe ──> recovering ── everything is replayed ──> ok
    recovering ── a failure ──> down
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

__all__ = ["Condition", "State", "answered", "at_first", "failed", "lapsed", "pause", "recovered", "succeeded"]

State: TypeAlias = Literal["ok", "down", "recovering"]

THRESHOLD: Final = 3
"""So many failures in a row are no accident."""
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
RELAPSE: Final = 5.0
"""A store that is lost again within so many seconds was not really back: the pauses between its probes go on growing."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a far store is doing.

    Attributes:
        state: whether it is asked.
        since: when it came into this state.
        lost_at: when the last outage began; ``None`` if there was none yet.
        failures: how many operations and probes have failed since the last one that succeeded.
        attempts: how many attempts to get it back have failed, in this outage and those that it is a relapse of.
        error: what the last failure said.
    """

    state: State
    since: float
    lost_at: float | None = None
    failures: int = 0
    attempts: int = 0
    error: str | None = None


def at_first(now: float) -> Condition:
    """Return the condition of a store that nobody has asked yet: it has the benefit of the doubt."""
    return Condition("ok", now)


def failed(condition: Condition, now: float, error: str, *, grave: bool) -> Condition:
    """Return the condition after an operation has failed; a grave failure is one that nobody may ignore."""
    condition = replace(condition, failures=condition.failures + 1, error=error)
    if condition.state != "ok" or not (grave or condition.failures >= THRESHOLD):
        return condition
    is_relapse = condition.lost_at is not None and now < condition.since + RELAPSE
    return replace(condition, state="down", since=now, lost_at=now, attempts=condition.attempts + 1 if is_relapse else 0)


def succeeded(condition: Condition) -> Condition:
    """Return the condition after an operation has succeeded; during an outage that of a straggler says nothing."""
    return replace(condition, failures=0) if condition.state == "ok" and condition.failures else condition


def answered(condition: Condition, now: float) -> Condition:
    """Return the condition after a probe has been answered."""
    return replace(condition, state="recovering", since=now, failures=0) if condition.state == "down" else condition


def lapsed(condition: Condition, now: float, error: str) -> Condition:
    """Return the condition after a probe, or what followed it, has failed."""
    since = condition.since if condition.state == "down" else now
    failures, attempts = condition.failures + 1, condition.attempts + 1
    return replace(condition, state="down", since=since, failures=failures, attempts=attempts, error=error)


def recovered(condition: Condition, now: float) -> Condition:
    """Return the condition after everything has been replayed."""
    return replace(condition, state="ok", since=now, failures=0)


def pause(condition: Condition, draw: float) -> float:
    """Return for how many seconds to leave a lost store alone.

    Args:
        condition: how it is doing.
        draw: a random number from 0 to 1, so that the processes that have lost a server do not all come back at once.
    """
    longest: float = min(FIRST_PAUSE * 2 ** min(condition.attempts, 16), LONGEST_PAUSE)
    return longest * (1.0 + draw) / 2.0
