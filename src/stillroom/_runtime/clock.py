"""The system's clock, and one thread that wakes whoever asked for it.

The thread is a daemon, starts with the first wake-up that is asked for and ends with the last.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable

from .forks import on_fork

__all__ = ["SystemClock"]


class _Timer:
    """A wake-up asked of the system's clock."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None  # it leaves the heap when its time comes, or when too many like it lie there


class SystemClock:
    """The monotonic clock of the system: never goes back, whatever happens to the date."""

    now = staticmethod(time.monotonic)

    def call_at(self, when: float, callback: Callable[[], None]) -> _Timer:
        """Call ``callback`` in the timer thread once `now` has reached ``when``."""
        timer = _Timer(when, callback)
        _wakeups.add(timer)
        return timer


class _Wakeups:
    """All timers of the process, and the thread that serves them."""

    _SWEEP_ABOVE = 1024

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, _Timer]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._serving = False
        self._sweep_at = self._SWEEP_ABOVE
        on_fork(self)

    def add(self, timer: _Timer) -> None:
        with self._changed:
            if len(self._heap) >= self._sweep_at:
                self._sweep()
            heapq.heappush(self._heap, (timer.when, next(self._order), timer))
            if not self._serving:
                self._start()
            elif self._heap[0][2] is timer:
                self._changed.notify()

    def _start(self) -> None:
        try:
            threading.Thread(target=self._serve, name="stillroom-timers", daemon=True).start()
        except RuntimeError:  # too many threads, or the interpreter is about to exit: the next timer tries again
            return
        self._serving = True

    def _sweep(self) -> None:
        self._heap = [item for item in self._heap if item[2].callback is not None]
        heapq.heapify(self._heap)
        self._sweep_at = max(self._SWEEP_ABOVE, 2 * len(self._heap))

    def _serve(self) -> None:
        while True:
            callback = self._next()
            if callback is None:
                return
            try:
                callback()
            except Exception:
                import logging  # only now: most programs never have anything to log

                logging.getLogger("stillroom").exception("a timer failed")

    def _next(self) -> Callable[[], None] | None:
        """Wait for the next timer and return its callback, or ``None`` once there are none left."""
        with self._changed:
            while self._heap:
                when, _, timer = self._heap[0]
                if timer.callback is None:
                    heapq.heappop(self._heap)
                elif when <= time.monotonic():
                    heapq.heappop(self._heap)
                    return timer.callback
                else:
                    self._changed.wait(min(when - time.monotonic(), threading.TIMEOUT_MAX))
            self._serving = False
            return None

    def before_fork(self) -> None:
        self._changed.acquire()

    def after_fork_in_parent(self) -> None:
        self._changed.release()

    def after_fork_in_child(self) -> None:
        self._changed = threading.Condition()
        self._heap.clear()  # who waits for these, and what they would start, is in the parent
        self._serving = False


_wakeups = _Wakeups()
