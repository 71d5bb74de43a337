"""Loads of single items that begin at about the same time, and are run as one.

Whoever comes first opens a run, and others join it until its window is over or it is full. By the time that an item joins, its
lease has been taken and its flight has begun. So a run may load it at any later moment, and only one rule is to be kept here:
what the run's function asks for must not wait for any of those who wait for the run. It knows them all as what it is loading.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from .flights import LOADING, LOOK_EVERY, Flight
from .forks import on_fork

if TYPE_CHECKING:
    from ..protocols import Timer

__all__ = ["Send", "TaskCollector", "ThreadCollector"]

Send: TypeAlias = Callable[[Sequence[Any]], Any]
"""Loads several items, and returns what that brings for each, in the same order, or an awaitable of it. It raises nothing."""
Later: TypeAlias = "Callable[[float, Callable[[], None]], Timer]"
"""Has something called at a time."""


class ThreadCollector:
    """Collects loads of threads: the first of them runs the function.

    Args:
        now: tells the time.
        later: has a window end.
        window: how many seconds it takes.
        at_most: how many items make a run full; ``None`` if none do.
    """

    def __init__(self, now: Callable[[], float], later: Later, window: float, at_most: int | None) -> None:
        self._now = now
        self._later = later
        self._window = window
        self._at_most = at_most
        self._lock = threading.Lock()
        self._open: dict[Hashable, _ThreadRun] = {}
        on_fork(self)

    def load(self, item: Any, group: Hashable, send: Send) -> Any:
        """Return what is brought for an item, loaded together with others of its group."""
        with self._lock:
            run = self._open.get(group)
            leads = run is None
            if run is None:
                run = self._open[group] = _ThreadRun()
            place = len(run.items)
            run.items.append(item)
            run.loading += LOADING.get()
            if len(run.items) == self._at_most:
                del self._open[group]
                run.closed.set()
        if leads:
            self._lead(group, run, send)
        else:
            run.ended.wait()
        if run.outcomes is None:  # whoever led it was interrupted
            return send([item])[0]
        return run.outcomes[place]

    def _lead(self, group: Hashable, run: _ThreadRun, send: Send) -> None:
        timer: Timer | None = None
        until = self._now() + self._window
        try:
            timer = self._later(until, run.closed.set)
            while not run.closed.wait(LOOK_EVERY) and self._now() < until:  # a timer may find no thread to run on
                pass
            with self._lock:
                if self._open.get(group) is run:
                    del self._open[group]
            loading = LOADING.set(run.loading)
            try:
                run.outcomes = send(run.items)
            finally:
                LOADING.reset(loading)
        finally:
            if timer is not None:
                timer.cancel()
            with self._lock:
                if self._open.get(group) is run:
                    del self._open[group]
            run.ended.set()

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        self._open.clear()  # whoever leads them is a thread of the parent
        self._lock.release()


class _ThreadRun:
    """A run of threads: its items, and what it has brought."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.loading: tuple[Flight, ...] = ()
        self.outcomes: Sequence[Any] | None = None
        self.closed = threading.Event()
        self.ended = threading.Event()


class TaskCollector:
    """Collects loads of tasks, for each event loop by itself: a task of its own runs the function.

    Args:
        now: tells the time.
        later: has a window end.
        window: how many seconds it takes.
        at_most: how many items make a run full; ``None`` if none do.
    """

    def __init__(self, now: Callable[[], float], later: Later, window: float, at_most: int | None) -> None:
        self._now = now
        self._later = later
        self._window = window
        self._at_most = at_most
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _TaskRun]]
        self._loops = weakref.WeakKeyDictionary()

    async def load(self, item: Any, group: Hashable, send: Send) -> Any:
        """Return what is brought for an item, loaded together with others of its group."""
        loop = asyncio.get_running_loop()
        opened = self._loops.get(loop)
        if opened is None:
            opened = self._opened_on(loop)
        run = opened.get(group)
        if run is None:
            run = opened[group] = _TaskRun(opened, group, self._now, self._now() + self._window)
            run.timer = self._later(run.until, run.close)
            run.task = loop.create_task(run.work(send))
            run.task.add_done_callback(run.end)
        outcome: asyncio.Future[Any] = loop.create_future()
        run.seats[outcome] = item
        run.loading += LOADING.get()
        if len(run.seats) == self._at_most:
            run.close()
        try:
            return await outcome
        finally:
            run.leave(outcome)

    def _opened_on(self, loop: asyncio.AbstractEventLoop) -> dict[Hashable, _TaskRun]:
        """Return the runs of a loop that has had none so far; those that were open when their loop was closed are let go."""
        for other in list(self._loops):
            if other.is_closed():
                self._loops.pop(other, None)
        return self._loops.setdefault(loop, {})


class _TaskRun:
    """A run of tasks: its items, by where what it brings for them goes."""

    task: asyncio.Task[None]
    timer: Timer

    def __init__(self, opened: dict[Hashable, _TaskRun], group: Hashable, now: Callable[[], float], until: float) -> None:
        self.seats: dict[asyncio.Future[Any], Any] = {}
        self.loading: tuple[Flight, ...] = ()
        self.until = until
        self._now = now
        self._opened = opened
        self._group = group
        self._closed = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """Let nobody join any more, and begin."""
        if self._opened.get(self._group) is self:
            del self._opened[self._group]
        if not self._closed.done():
            self._closed.set_result(None)

    def leave(self, outcome: asyncio.Future[Any]) -> None:
        """Take an item out, if it has not been sent; if nobody waits any more, the run is called off."""
        self.seats.pop(outcome, None)
        if not self.seats and not self.task.done():
            self.close()
            self.timer.cancel()
            self.task.cancel()

    async def work(self, send: Send) -> None:
        while not self._closed.done() and self._now() < self.until:  # a timer may find no thread to run on
            await asyncio.wait((self._closed,), timeout=LOOK_EVERY)
        self.close()
        self.timer.cancel()
        if self.seats:
            await self._load(send)

    def end(self, _: asyncio.Task[None]) -> None:
        """Let nobody wait any more. No part of the task, which gets nowhere if it is cancelled before its first step."""
        self.close()
        self.timer.cancel()
        for outcome in list(self.seats):
            outcome.cancel()  # of no effect on those that are done

    async def _load(self, send: Send) -> None:
        LOADING.set(self.loading)
        outcomes, items = list(self.seats), list(self.seats.values())
        for outcome, one in zip(outcomes, await send(items), strict=True):
            if not outcome.done():
                outcome.set_result(one)
