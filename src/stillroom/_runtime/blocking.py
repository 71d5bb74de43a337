"""The runtime of blocking callers: nothing here ever suspends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from ..protocols import Clock, Timer
from .attempts import in_turn
from .flights import LOOK_EVERY, Flight
from .pool import Pool
from .runtime import drive

__all__ = ["BlockingRuntime"]

T = TypeVar("T")


class BlockingRuntime:
    """Runs the core on the caller's thread, and background loads on a small pool."""

    blocking = True

    def __init__(self, clock: Clock, pool: Pool | None = None) -> None:
        self._clock = clock
        self._pool = pool or Pool()

    async def lead(self, flight: Flight, load: Coroutine[Any, Any, None]) -> bool:
        if flight.claim():
            await load
            return True
        load.close()
        await self.wait(flight, None)
        return False

    async def wait(self, flight: Flight, until: float | None) -> None:
        ended = threading.Event()
        if not flight.on_end(ended.set):
            return
        timer = None if until is None else self._clock.call_at(until, ended.set)
        try:
            while not ended.wait(LOOK_EVERY) and (until is None or self._clock.now() < until):
                flight.end_if_lost()
        finally:
            flight.no_longer(ended.set)
            if timer is not None:
                timer.cancel()

    async def pause(self, length: float) -> None:
        time.sleep(length)  # noqa: ASYNC251 - a coroutine by its form only

    def spawn(self, flight: Flight, load: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        def job() -> None:
            if flight.claim():
                drive(load())

        return self._pool.submit(job)

    async def called_off(self, flight: Flight) -> None:
        if flight.call_off is not None:  # a task's load; one that runs on a thread cannot be interrupted
            flight.call_off()

    def later(self, when: float, act: Callable[[], None]) -> Timer:
        return self._clock.call_at(when, act)

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        return await work

    async def gather(self, works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        return await in_turn(works)
