"""A small pool of daemon threads for background loads of blocking callers.

Not ``concurrent.futures``: its threads are joined when the interpreter exits, so that one hanging load would keep the
process from ending. These are not. A thread that has had nothing to do for a while ends.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable

from .forks import on_fork

__all__ = ["Pool"]


class Pool:
    """Runs jobs behind, a few at a time.

    Args:
        threads: how many jobs run side by side at most.
        backlog: how many more may wait for their turn; beyond that a job is refused.
        idle: after how many seconds without work a thread ends.
    """

    def __init__(self, threads: int = 8, backlog: int = 1024, idle: float = 5.0) -> None:
        self._limit = threads
        self._backlog = backlog
        self._idle = idle
        self._jobs: deque[tuple[contextvars.Context, Callable[[], None]]] = deque()
        self._wanted = threading.Condition()
        self._threads = 0
        self._waiting = 0
        on_fork(self)

    def submit(self, job: Callable[[], None]) -> bool:
        """Run a job behind, in a copy of the caller's context; false if too many wait already. It must not raise."""
        item = (contextvars.copy_context(), job)
        with self._wanted:
            if len(self._jobs) >= self._backlog:
                return False
            self._jobs.append(item)
            if self._waiting >= len(self._jobs):
                self._wanted.notify()
                return True
            if self._threads == self._limit:
                return True
            self._threads += 1
        return self._start_thread() or self._take_back(item)

    def _work(self) -> None:
        while True:
            item = self._next()
            if item is None:
                return
            context, job = item
            try:
                context.run(job)
            except BaseException:  # such as SystemExit out of a user's function: this thread ends, others take over
                self._ended()
                raise
            del item, context, job  # or this thread would keep the caller's arguments alive while it waits

    def _next(self) -> tuple[contextvars.Context, Callable[[], None]] | None:
        with self._wanted:
            while not self._jobs:
                self._waiting += 1
                woken = self._wanted.wait(self._idle)
                self._waiting -= 1
                if not woken and not self._jobs:
                    self._threads -= 1
                    return None
            return self._jobs.popleft()

    def _ended(self) -> None:
        with self._wanted:
            self._threads -= 1
            if not self._jobs:
                return
            self._threads += 1
        self._start_thread()

    def _start_thread(self) -> bool:
        try:
            threading.Thread(target=self._work, name="stillroom-background", daemon=True).start()
        except RuntimeError:  # too many threads, or the interpreter is about to exit
            with self._wanted:
                self._threads -= 1
            return False
        return True

    def _take_back(self, item: tuple[contextvars.Context, Callable[[], None]]) -> bool:
        """Take a job back for which no thread could be started; true if one of the others has it or will."""
        with self._wanted:
            if self._threads or item not in self._jobs:
                return True
            self._jobs.remove(item)
            return False

    def before_fork(self) -> None:
        self._wanted.acquire()

    def after_fork_in_parent(self) -> None:
        self._wanted.release()

    def after_fork_in_child(self) -> None:
        self._wanted = threading.Condition()
        self._jobs.clear()
        self._threads = self._waiting = 0
