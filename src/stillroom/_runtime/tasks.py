"""The runtime of asyncio callers.

A load runs in a task of its own, so that cancelling the caller who happened to come first cancels nobody else. Everything here
belongs to the event loop that is running when it is called; nothing is remembered between calls except, weakly, per loop.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from ..protocols import Clock, Timer
from .flights import LOOK_EVERY, Flight, Result

__all__ = ["TaskRuntime"]

T = TypeVar("T")


class TaskRuntime:
    """Runs the core on the event loop of whoever awaits it."""

    blocking = False
    _BACKGROUND_LIMIT = 1024

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._behind: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, set[asyncio.Task[None]]]
        self._behind = weakref.WeakKeyDictionary()

    async def lead(self, flight: Flight, load: Coroutine[Any, Any, None]) -> bool:
        if not flight.claim():  # a thread that shares the key was faster
            load.close()
            await self.wait(flight, None)
            return False
        task = self._start(flight, load)
        await self.wait(flight, None)
        if task.cancelled():  # from within, by something that the user's function awaited
            raise asyncio.CancelledError
        if flight.result is Result.ABANDONED:
            task.result()  # raises whatever kept it from landing: an error of stillroom's own, or of a store's
        return True

    async def wait(self, flight: Flight, until: float | None) -> None:
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        wake = _waker(loop, ended)
        if not flight.on_end(wake):
            return
        timer = None if until is None else self._clock.call_at(until, wake)
        try:
            if until is None and flight.loop in (None, loop):
                await ended
            while not ended.done() and (until is None or self._clock.now() < until):
                await asyncio.wait((ended,), timeout=LOOK_EVERY)
                flight.end_if_lost()
        finally:
            flight.no_longer(wake)
            if timer is not None:
                timer.cancel()

    async def pause(self, length: float) -> None:
        await asyncio.sleep(length)

    def spawn(self, flight: Flight, load: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        behind = self._behind.setdefault(asyncio.get_running_loop(), set())
        if len(behind) >= self._BACKGROUND_LIMIT:
            return False
        if flight.claim():
            task = self._start(flight, load())
            behind.add(task)
            task.add_done_callback(behind.discard)
        return True

    async def called_off(self, flight: Flight) -> None:
        if flight.call_off is not None:
            flight.call_off()
            if asyncio._get_running_loop() is flight.loop:  # on another loop, the caller's patience is not to depend on it
                await self.wait(flight, None)

    def later(self, when: float, act: Callable[[], None]) -> Timer:
        return self._clock.call_at(when, _from_any_thread(asyncio.get_running_loop(), act))

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.get_running_loop().create_task(work)
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            _looked_at(task)
            raise cancelled
        return task.result()

    async def gather(self, works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        return await asyncio.gather(*works)

    def _start(self, flight: Flight, load: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        loop = asyncio.get_running_loop()
        task = loop.create_task(load)
        flight.call_off = _from_any_thread(loop, task.cancel)
        for one in (flight, *flight.carried.values()):
            one.loop, one.is_lost = loop, lambda: not loop.is_running()

        # A task that is cancelled before its first step never gets to say so itself; nor does one that its loop left behind.
        task.add_done_callback(lambda _: flight.end(Result.ABANDONED))
        task.add_done_callback(_looked_at)
        return task


def _from_any_thread(loop: asyncio.AbstractEventLoop, act: Callable[[], object]) -> Callable[[], None]:
    def call() -> None:
        if asyncio._get_running_loop() is loop:
            act()
            return
        try:
            loop.call_soon_threadsafe(act)
        except RuntimeError:  # the loop is closed, and with it goes everybody who waited there
            pass

    return call


def _looked_at(task: asyncio.Task[Any]) -> None:
    """Take note of a task's error, which its leader raises, so that asyncio does not say that nobody did."""
    if not task.cancelled():
        task.exception()


def _waker(loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]) -> Callable[[], None]:
    def set_result() -> None:
        if not ended.done():
            ended.set_result(None)

    return _from_any_thread(loop, set_result)
