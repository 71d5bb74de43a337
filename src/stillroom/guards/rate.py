"""How often something may happen: pure arithmetic over plain values.

Two ways to count. A *sliding window* remembers when each call of the last ``period`` was let through, and lets no more than
``limit`` through in any ``period``, wherever that begins; it takes memory for ``limit`` times. A *token bucket* (in the form of
the generic cell rate algorithm, ITU-T I.371) remembers one time only: ``limit`` calls a ``period`` on average, of which
``burst`` may come at once.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple, TypeAlias

__all__ = ["Bucket", "Rate", "Standing", "State", "Window", "look", "take"]

_EXACT: Final = 1e-6
"""What times are exact to, in seconds: a difference below that is one of rounding."""


class Rate(NamedTuple):
    """A limit.

    Attributes:
        limit: how many calls.
        period: in how many seconds.
        burst: how many at once, for a token bucket; ``None`` for a sliding window.
        ban: for how many seconds all calls are refused after one too many; zero for none.
    """

    limit: int
    period: float
    burst: int | None = None
    ban: float = 0.0


class Standing(NamedTuple):
    """How things stand with a limit.

    Attributes:
        is_open: the call was let through, or the next one would be.
        remaining: how many more would be let through at this moment.
        retry_after: after how many seconds the next one would be; zero if one would be now.
    """

    is_open: bool
    remaining: int
    retry_after: float


class Window:
    """When calls were let through, the oldest first."""

    __slots__ = ("banned_until", "times")

    def __init__(self) -> None:
        self.times: deque[float] = deque()
        self.banned_until = 0.0


class Bucket:
    """When the bucket will be full again, if nobody takes anything (the *theoretical arrival time* of the algorithm)."""

    __slots__ = ("banned_until", "full_at")

    def __init__(self) -> None:
        self.full_at = 0.0
        self.banned_until = 0.0


State: TypeAlias = "Window | Bucket"


def look(rate: Rate, state: State, now: float) -> Standing:
    """Return how things stand, and change nothing."""
    if now < state.banned_until:
        return Standing(False, 0, state.banned_until - now)
    if isinstance(state, Window):
        since = now - rate.period
        recent = [at for at in state.times if at > since]
        wait = recent[0] - since if len(recent) >= rate.limit else 0.0
        return Standing(wait <= 0, rate.limit - len(recent), wait)
    return _bucket(rate, state, now)


def _bucket(rate: Rate, bucket: Bucket, now: float) -> Standing:
    interval, burst = rate.period / rate.limit, rate.burst or 1
    owed = max(bucket.full_at - now, 0.0)
    wait = owed - interval * (burst - 1)
    remaining = min(int(burst - (owed - _EXACT) / interval), burst)
    return Standing(wait < _EXACT, max(remaining, 0), wait if wait >= _EXACT else 0.0)


def take(rate: Rate, state: State, now: float) -> Standing:
    """Let a call through if the limit admits it; return how things stand then."""
    if now < state.banned_until:
        return Standing(False, 0, state.banned_until - now)
    standing = _take_from_window(rate, state, now) if isinstance(state, Window) else _take_from_bucket(rate, state, now)
    if not standing.is_open and rate.ban:
        state.banned_until = now + rate.ban
        return standing._replace(retry_after=max(rate.ban, standing.retry_after))
    return standing


def _take_from_window(rate: Rate, window: Window, now: float) -> Standing:
    times, since = window.times, now - rate.period
    while times and times[0] <= since:
        times.popleft()
    if len(times) >= rate.limit:
        return Standing(False, 0, times[0] - since)
    times.append(now)
    return Standing(True, rate.limit - len(times), 0.0)


def _take_from_bucket(rate: Rate, bucket: Bucket, now: float) -> Standing:
    interval, burst, owed = rate.period / rate.limit, rate.burst or 1, bucket.full_at - now
    if owed < 0:
        owed = 0.0
    if owed - interval * (burst - 1) >= _EXACT:
        return _bucket(rate, bucket, now)
    bucket.full_at = now + owed + interval
    return Standing(True, max(min(int(burst - (owed - _EXACT) / interval), burst) - 1, 0), 0.0)
