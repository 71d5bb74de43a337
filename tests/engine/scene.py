"""What the freshness tests play on: one cache on a fake clock, and functions of the colour that the test runs under.

A test is written once, as ``async def``. Under the blocking runtime the functions under test are plain ones, their background
loads run on pool threads, and callers who have to wait get a thread of their own. Under asyncio they are coroutine functions,
tasks and tasks.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from stillroom import Cache
from stillroom.observe.events import Event, LoadFailed, LoadFinished, RefreshRefused, ResultRefused, StoreFailed
from stillroom.protocols import Store
from stillroom.testing import FakeClock

PATIENCE = 5.0
"""For how many real seconds a test waits for something that ought to happen at once."""


class Origin:
    """What a function under test asks: it answers ``"v1"``, ``"v2"`` and so on, or as the test says.

    Attributes:
        loads: how many loads have begun.
        ended: how many have ended, well or not.
        error: what the next loads raise.
        cost: how many seconds on the clock a load takes.
        answer: returns the value of the load with that number.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.loads = 0
        self.ended = 0
        self.error: BaseException | None = None
        self.cost = 0.0
        self.answer: Callable[[int], Any] = lambda number: f"v{number}"
        self._opened = threading.Event()
        self._opened.set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold up all loads that have begun, or begin, until the block ends."""
        self._opened.clear()
        try:
            yield
        finally:
            self._opened.set()

    def release(self) -> None:
        """Let the loads go on."""
        self._opened.set()

    def load(self) -> Any:
        """Run a load of a blocking function."""
        number = self._begin()
        if not self._opened.wait(PATIENCE):
            raise TimeoutError("nobody let the load go on")
        return self._end(number)

    async def load_async(self) -> Any:
        """Run a load of a coroutine function."""
        number = self._begin()
        deadline = time.monotonic() + PATIENCE
        while not self._opened.is_set():
            if time.monotonic() > deadline:
                raise TimeoutError("nobody let the load go on")
            await asyncio.sleep(0)
        return self._end(number)

    def _begin(self) -> int:
        self.loads += 1
        return self.loads

    def _end(self, number: int) -> Any:
        if self.cost:
            self.clock.advance(self.cost)
        self.ended += 1
        if self.error is not None:
            raise self.error
        return self.answer(number)


class Cached:
    """A cached function that is awaited whatever its colour, as are its helpers."""

    def __init__(self, function: Any, is_async: bool) -> None:
        self.function = function
        self._is_async = is_async

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.function(*args, **kwargs)
        return await result if self._is_async else result

    def __getattr__(self, helper: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        return Cached(getattr(self.function, helper), self._is_async).__call__


class Pending:
    """A call that is under way."""

    def __init__(self, scene: Scene, work: Coroutine[Any, Any, Any]) -> None:
        self._scene = scene
        self._ended: Future[Any] = Future()
        if scene.is_async:
            self._task = asyncio.get_running_loop().create_task(self._run(work))
        else:
            threading.Thread(target=self._drive, args=(work,), daemon=True).start()

    @property
    def done(self) -> bool:
        """Whether the call has been answered."""
        return self._ended.done()

    async def result(self) -> Any:
        """Return what the call brought."""
        await self._scene.until(self._ended.done)
        return self._ended.result()

    async def _run(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            self._ended.set_result(await work)
        except Exception as error:
            self._ended.set_exception(error)

    def _drive(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            self._run(work).send(None)
        except StopIteration:
            return


class Scene:
    """One cache, one origin, one clock.

    Attributes:
        is_async: whether functions are coroutine functions.
        drawn: what the cache's next random numbers are.
        events: what the cache reported of loads and of its store.
    """

    def __init__(self, clock: FakeClock, is_async: bool) -> None:
        self.clock = clock
        self.is_async = is_async
        self.drawn = 1.0
        self.origin = Origin(clock)
        self.events: list[Event] = []
        self.open()

    def open(self, url: str | Store = "memory://", **settings: Any) -> Cache:
        """Begin anew with another cache."""
        self.cache = Cache(url, clock=self.clock, **settings)
        # Not CallAnswered: who listens to that closes the plain hit path.
        self.cache.subscribe(self.events.append, LoadFailed, LoadFinished, RefreshRefused, ResultRefused, StoreFailed)
        return self.cache

    def cached(self, origin: Origin | None = None, /, **settings: Any) -> Cached:
        """Return a cached function of one argument, which asks an origin."""
        source = origin or self.origin

        def load(a: int = 1) -> Any:
            return source.load()

        async def load_async(a: int = 1) -> Any:
            return await source.load_async()

        return self.decorated(load_async if self.is_async else load, **settings)

    def decorated(self, function: Callable[..., Any], **settings: Any) -> Cached:
        """Return the cached form of a function, which has the right colour already."""
        return Cached(self.cache(**settings)(function), self.is_async)

    def begin(self, work: Coroutine[Any, Any, Any]) -> Pending:
        """Start a call whose answer has to be waited for."""
        return Pending(self, work)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            if self.is_async:
                await asyncio.sleep(0)
            else:
                _give_way()

    async def settled(self) -> None:
        """Wait until nothing runs behind any more."""
        await self.until(self._is_idle)

    async def later(self, duration: Any) -> None:
        """Let time pass, and what it sets off come to its end."""
        self.clock.advance(duration)
        await self.settled()

    def reported(self, kind: type[Event]) -> list[Any]:
        """Return the events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def _is_idle(self) -> bool:
        core = self.cache._core
        pool = core.blocking.runtime._pool  # type: ignore[attr-defined]
        if len(core.flights) or pool._jobs or pool._waiting != pool._threads:
            return False
        return core._tasks is None or not any(core._tasks.runtime._behind.values())  # type: ignore[attr-defined]


def _give_way() -> None:
    time.sleep(0.0005)
