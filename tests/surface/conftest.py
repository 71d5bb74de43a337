"""What the tests of the public surface share: a cache on a clock that stands still, and verbs in both colours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stillroom import Cache
from stillroom.testing import FakeClock


@pytest.fixture
def cache(clock: FakeClock) -> Cache:
    return Cache(clock=clock)


@pytest.fixture
def run() -> Iterator[Callable[[Any], Any]]:
    """Returns what an awaitable brings; all that a test gives it runs on one event loop."""
    loops: list[asyncio.AbstractEventLoop] = []

    def run(awaitable: Any) -> Any:
        async def wait() -> Any:
            return await awaitable

        if not loops:
            loops.append(asyncio.new_event_loop())
        return loops[0].run_until_complete(wait())

    yield run
    for loop in loops:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class Spoken:
    """The verbs of a cache, spoken as one colour speaks them."""

    def __init__(self, cache: Cache, run: Callable[[Any], Any] | None) -> None:
        self.cache = cache
        self._run = run

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        if self._run is None:
            plain: Callable[..., Any] = getattr(self.cache, verb)
            return plain
        run, twin = self._run, getattr(self.cache, "a" + verb)
        return lambda *args, **kwargs: run(twin(*args, **kwargs))

    def scan(self, *args: Any) -> list[str]:
        if self._run is None:
            return sorted(self.cache.scan(*args))
        return sorted(self._run(_listed(self.cache.ascan(*args))))


async def _listed(items: Any) -> list[Any]:
    return [item async for item in items]


@pytest.fixture(params=["sync", "async"])
def speak(request: pytest.FixtureRequest, run: Callable[[Any], Any]) -> Callable[[Cache], Spoken]:
    """Returns the verbs of a cache, in one colour."""
    return lambda cache: Spoken(cache, None if request.param == "sync" else run)


@pytest.fixture
def verbs(speak: Callable[[Cache], Spoken], cache: Cache) -> Spoken:
    return speak(cache)
