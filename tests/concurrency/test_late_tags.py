"""Rule 1 for tags that loads add while they run: what an invalidation of one has ended is served to no call after it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from tests.concurrency.meeting import Worker

from stillroom import Cache, current_load

VERSIONS = 60


class Source:
    """A source whose value changes, and callers who check that they get nothing older than what was there before.

    Attributes:
        version: what the source has now.
        floor: the version whose invalidation has returned.
        wrong: what callers were given though it was older, beside what they should have had at least.
        is_over: nothing changes any more.
    """

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.version = self.floor = 0
        self.wrong: list[tuple[int, int]] = []
        self.is_over = threading.Event()

    def change(self) -> None:
        for version in range(1, VERSIONS):
            self.version = version
            self.cache.invalidate(tags=["late"])
            self.floor = version
        self.is_over.set()

    def call(self, function: Any) -> None:
        while not self.is_over.is_set():
            lowest = self.floor
            self.check(function(1), lowest)

    async def acall(self, function: Any) -> None:
        while not self.is_over.is_set():
            lowest = self.floor
            self.check(await function(1), lowest)
            await asyncio.sleep(0)

    def check(self, answer: int, lowest: int) -> None:
        if answer < lowest:
            self.wrong.append((answer, lowest))


SETTINGS: dict[str, dict[str, Any]] = {
    "by arguments": {},
    "tagged": {"tags": ["fixed"]},
    "by name": {"key": "k:{k}"},
    "renewed": {"stale_while_revalidate": 600, "refresh_ahead": 0.0001},
    "shared": {"lock": "shared"},
}


@pytest.mark.parametrize("settings", SETTINGS)
def test_threads_are_given_nothing_from_before_an_invalidation(settings: str) -> None:
    """Rule 1."""
    source = Source(Cache())

    @source.cache(ttl=600, **SETTINGS[settings])
    def load(k: int) -> int:
        version = source.version
        current_load().tags.add("late")
        return version

    workers = [Worker(lambda: source.call(load)) for _ in range(3)]
    source.change()
    for worker in workers:
        worker.join()
    assert source.wrong == []
    assert load(1) == VERSIONS - 1


@pytest.mark.parametrize("settings", SETTINGS)
def test_tasks_and_threads_together_are_given_nothing_from_before_an_invalidation(settings: str) -> None:
    """Rule 1."""
    source = Source(Cache())

    async def read() -> int:
        version = source.version
        await asyncio.sleep(0)
        current_load().tags.add("late")
        await asyncio.sleep(0)
        return version

    @source.cache(ttl=600, **SETTINGS[settings])
    async def load(k: int) -> int:
        return await read()

    async def callers() -> None:
        await asyncio.gather(*[source.acall(load) for _ in range(4)])

    changes = Worker(source.change)
    asyncio.run(callers())
    changes.join()
    assert source.wrong == []
    assert asyncio.run(load(1)) == VERSIONS - 1
