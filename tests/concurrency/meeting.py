"""Threads, tasks and loads that meet where a test wants them to. Nothing here waits for longer than `PATIENCE`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stillroom._runtime.flights import Flight

PATIENCE = 5.0
"""Seconds after which something hangs."""


class Worker:
    """A thread that keeps what its work returned or raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._work = work
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:
            self.error = error

    def join(self) -> Any:
        """Return what the work returned, or the error that it raised."""
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "hangs"
        return self.error if self.error is not None else self.result


def joined(works: Iterable[Callable[[], Any]]) -> list[Any]:
    """Do several things in threads, side by side, and return their results."""
    return [worker.join() for worker in [Worker(work) for work in works]]


class Gate:
    """Where loads wait until the test lets them go on; works in threads and in tasks."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def open(self) -> None:
        """Let everybody pass, from now on."""
        self._opened.set()

    def wait_here(self) -> None:
        """Wait, in a thread, until the gate opens."""
        self._reached.set()
        assert self._opened.wait(PATIENCE), "nobody opened the gate"

    async def wait_here_async(self) -> None:
        """Wait, in a task, until the gate opens."""
        self._reached.set()
        deadline = time.monotonic() + PATIENCE
        while not self._opened.is_set():
            assert time.monotonic() < deadline, "nobody opened the gate"
            await asyncio.sleep(0.001)

    def reached(self) -> None:
        """Wait, in a thread, until somebody waits here."""
        assert self._reached.wait(PATIENCE), "nobody came"

    async def reached_async(self) -> None:
        """Wait, in a task, until somebody waits here."""
        await eventually_async(self._reached.is_set)


def eventually(holds: Callable[[], Any], within: float = PATIENCE) -> None:
    """Wait, in a thread, until something holds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)


async def eventually_async(holds: Callable[[], Any], within: float = PATIENCE) -> None:
    """Wait, in a task, until something holds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.001)


def inner(cache: Any) -> Any:
    """Return the memory store of a cache, with what is private to it."""
    store = cache._core.store
    return getattr(store, "inner", store)


def passengers(cache: Any) -> int:
    """Return how many callers wait for the loads of a cache, leaders included."""
    return sum(map(waiting, list(cache._core.flights._table.values())))


def waiting(flight: Flight) -> int:
    """Return how many callers wait for a load, the leader included; not those who still ask whether its lease stands."""
    leader_is_told = flight.loop is not None and not flight.stays
    return min(flight.passengers, len(flight._wakers) + (0 if leader_is_told else 1))


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda *_: None)
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def submit(self, work: Any) -> Any:
        """Run a coroutine on the loop; return its future."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def stop(self) -> None:
        """Stop the loop without cancelling anything."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the loop hangs"

    def close(self) -> None:
        """Stop the loop and close it, whatever is pending."""
        self.stop()
        self.loop.close()
