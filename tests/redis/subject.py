"""A function on a cache of one colour whose right answers are known, for tests of what goes wrong."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.servers.waiting import eventually

from stillroom import Cache


class Subject:
    """A cache of one colour, with a function whose right answers are known.

    Attributes:
        answers: from keys to what the source says.
        loads: the keys that were loaded.
    """

    def __init__(self, url: str, colour: str, **options: Any) -> None:
        self.cache = Cache(url, **options)
        self.answers: dict[str, Any] = {}
        self.loads: list[str] = []
        self.is_async = colour == "asyncio"
        self._loop = asyncio.new_event_loop() if self.is_async else None
        settings: dict[str, Any] = {"ttl": 1000, "tags": ["all", "k:{k}"], "name": "subject"}
        self.function = self.cache(**settings)(self._aload if self.is_async else self._load)
        self.alone = self.cache(**{**settings, "name": "alone"}, lock="shared")(self._aload if self.is_async else self._load)

    def _load(self, k: str) -> Any:
        self.loads.append(k)
        return self.answers[k]

    async def _aload(self, k: str) -> Any:
        return self._load(k)

    def run(self, work: Callable[[], Any]) -> Any:
        """Do something, on the loop if there is one."""
        if self._loop is None:
            return work()

        async def on_the_loop() -> Any:
            result = work()
            return await result if asyncio.iscoroutine(result) or hasattr(result, "__await__") else result

        return self._loop.run_until_complete(on_the_loop())

    def verb(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a verb of the right colour."""
        verb = getattr(self.cache, "a" + name if self.is_async else name)
        return self.run(lambda: verb(*args, **kwargs))

    def get(self, k: str) -> Any:
        """Call the function."""
        return self.run(lambda: self.function(k))

    def invalidate(self, k: str) -> None:
        """Invalidate one call."""
        self.run(lambda: self.function.invalidate(k))

    def is_right(self, k: str) -> bool:
        """Tell whether the function answers as its source does."""
        return bool(self.get(k) == self.answers[k])

    def is_well(self) -> bool:
        """Tell whether the store is asked, and has nothing to be told of."""
        health = self.cache.health()
        return health.state == "ok" and health.pending == 0

    def recovers(self, within: float = 3.0) -> None:
        """Wait until the store is asked again, and keeps what is loaded."""
        eventually(self.is_well, within, lambda: str(self.cache.health()))
        self.answers["probe"] = time.monotonic()
        self.invalidate("probe")
        assert self.is_right("probe")
        before = len(self.loads)
        assert self.is_right("probe")
        assert len(self.loads) == before, "a hit"

    def close(self) -> None:
        """Let go of everything."""
        self.run(self.cache.aclose if self.is_async else self.cache.close)
        if self._loop is not None:
            self._loop.close()


@contextmanager
def subjects(colour: str) -> Iterator[Callable[..., Subject]]:
    """Make subjects of one colour, and close them in the end."""
    made: list[Subject] = []

    def make(url: str, **options: Any) -> Subject:
        made.append(Subject(url, colour, **options))
        return made[-1]

    yield make
    for subject in made:
        subject.close()


TICK = 0.01
"""Seconds between two looks at whether the machine has time for this process."""


def timed(work: Callable[[], Any]) -> float:
    """Return how many seconds something takes, without those in which the machine had none for this process."""
    lost, over = 0.0, threading.Event()

    def tick() -> None:
        nonlocal lost
        is_over = False
        while not is_over:
            looked = time.monotonic()
            is_over = over.wait(TICK)
            lost += max(0.0, time.monotonic() - looked - 2 * TICK)

    ticking = threading.Thread(target=tick)
    ticking.start()
    began = time.monotonic()
    try:
        work()
    finally:
        took = time.monotonic() - began
        over.set()
        ticking.join()
    return took - lost
