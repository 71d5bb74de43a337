"""A clock that stands still until the test moves it."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

from ..durations import Duration, seconds

__all__ = ["FakeClock"]


class _FakeTimer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeClock:
    """A clock for tests; give it to `Cache` as ``clock=``.

    Args:
        start: the time at first, in seconds.

    Example:
        >>> clock = FakeClock()
        >>> clock.advance("1h30m")
        >>> clock.now()
        5400.0
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._timers: list[tuple[float, int, _FakeTimer]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"FakeClock({self._now!r})"

    def now(self) -> float:
        """Return the time."""
        return self._now

    def advance(self, duration: Duration) -> None:
        """Let time pass. Wake-ups that fall due happen in their order, each at its time, in the caller's thread."""
        target = self._now + seconds(duration, "duration")
        while True:
            with self._lock:
                if not self._timers or self._timers[0][0] > target:
                    self._now = target
                    return
                when, _, timer = heapq.heappop(self._timers)
                self._now = max(self._now, when)
            if timer.callback is not None:
                timer.callback()

    def call_at(self, when: float, callback: Callable[[], None]) -> _FakeTimer:
        """Call ``callback`` once `advance` has brought the time to ``when``; at once if that has come already."""
        timer = _FakeTimer(callback)
        with self._lock:
            is_due = when <= self._now
            if not is_due:
                heapq.heappush(self._timers, (when, next(self._order), timer))
        if is_due:
            callback()
        return timer

    @property
    def pending(self) -> int:
        """How many wake-ups are being waited for."""
        with self._lock:
            return sum(timer.callback is not None for _, _, timer in self._timers)
