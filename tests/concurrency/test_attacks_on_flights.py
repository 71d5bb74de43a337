"""What an attack on loads in progress found: each of these once hung, leaked, or failed a caller who had no part in it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from tests.concurrency.apart import run_apart
from tests.concurrency.meeting import PATIENCE, Gate, Loop, Worker, eventually, eventually_async, passengers

from stillroom import Cache, LockTimeout
from stillroom._runtime import clock as clocks
from stillroom._runtime.pool import Pool
from stillroom.testing import FakeClock


@pytest.fixture
def cache(clock: FakeClock) -> Cache:
    return Cache(clock=clock)


# Flights that nobody has claimed


class Pair:
    """A blocking function and a coroutine function that share their flights, and a refresh that nobody gets to begin."""

    def __init__(self, cache: Cache, clock: FakeClock) -> None:
        self.cache, self.loads = cache, 0
        cache._core.blocking.runtime._pool = Pool(threads=0)  # type: ignore[attr-defined]  # takes jobs, and never does any

        @cache(ttl=10, stale_while_revalidate=10, name="load", key="load:{x}")
        def load(x: int) -> int:
            self.loads += 1
            return self.loads

        @cache(ttl=10, stale_while_revalidate=10, name="load", key="load:{x}")
        async def aload(x: int) -> int:
            await asyncio.sleep(0)
            self.loads += 1
            return self.loads

        self.load, self.aload = load, aload
        assert load(1) == 1
        clock.advance(15)
        assert load(1) == 1  # stale, and asks for a refresh
        (flight,) = cache._core.flights._table.values()
        assert not flight.claimed
        clock.advance(10)  # now there is nothing that could be served

    def nothing_is_left(self) -> None:
        assert len(self.cache._core.flights) == 0
        assert self.cache._core.flights._blocked == {}


def test_a_thread_takes_over_a_flight_that_nobody_has_claimed_and_leaves_nothing(cache: Cache, clock: FakeClock) -> None:
    """Rules 17 and 30: nor does its thread count as held up by it for ever."""
    pair = Pair(cache, clock)
    assert Worker(lambda: pair.load(1)).join() == pair.load(1) == 2
    pair.nothing_is_left()


def test_threads_that_use_up_their_values_leave_nothing_however_often_they_do(cache: Cache) -> None:
    """Rule 30: each refresh races with the caller who needs its value."""

    @cache(ttl=600, max_hits=2, refresh_after_hits=1)
    def load() -> object:
        return object()

    for _ in range(300):
        load()
    eventually(lambda: len(cache._core.flights) == 0)
    assert cache._core.flights._blocked == {}


@pytest.mark.parametrize("is_batch", [False, True])
def test_no_passenger_takes_over_a_refresh_which_voids_the_loads_before_it(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, is_batch: bool
) -> None:
    """Rule 1."""
    source, gate, loads = ["old"], Gate(), list[str]()

    def read(_: object) -> str:
        loads.append(source[0])
        if len(loads) == 1:
            gate.wait_here()
            return "old"
        return source[0]

    function: Any = cache.batch(ttl=60, returns=list)(lambda ids: [*map(read, ids)]) if is_batch else cache(ttl=60)(read)
    asked, value = ([1], ["new"]) if is_batch else (1, "new")
    before = Worker(lambda: function(asked))
    gate.reached()
    source[0] = "new"
    flights, during = cache._core.flights, list[Any]()
    start = flights.start

    def start_and_be_joined(*args: Any, **kwargs: Any) -> Any:
        flight = start(*args, **kwargs)
        assert flight is not None
        during.append(Worker(lambda: function(asked)))
        eventually(lambda: flight.result or flight._wakers)
        return flight

    with monkeypatch.context() as patched:
        patched.setattr(flights, "start", start_and_be_joined)
        assert function.refresh(asked) == value
    gate.open()
    before.join()
    assert [worker.join() for worker in during] == [value]
    assert function(asked) == value
    assert loads == ["old", "new"]


@pytest.mark.asyncio_only
async def test_a_task_takes_over_a_flight_that_nobody_has_claimed(cache: Cache, clock: FakeClock) -> None:
    """Rules 17 and 27: it does not wait for a thread that may have no time for it."""
    pair = Pair(cache, clock)
    assert [*await asyncio.wait_for(asyncio.gather(pair.aload(1), pair.aload(1)), PATIENCE)] == [2, 2]
    assert pair.loads == 2
    pair.nothing_is_left()


# Loads that wait for each other


@pytest.mark.asyncio_only
async def test_a_load_that_gives_up_one_of_two_waits_for_a_flight_is_still_seen_to_wait_for_it(cache: Cache) -> None:
    """Rule 25: else the other flight waits for it in turn, and both for ever."""
    gate = Gate()
    asked: list[int] = []

    @cache(ttl=600)
    async def one() -> str:
        first, second = asyncio.create_task(other()), asyncio.create_task(other())
        if not asked:
            await eventually_async(lambda: passengers(cache) == 4)  # the leaders of both flights, and these two
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(first, 0.01)
            gate.open()
        await asyncio.wait((first, second))
        return "one"

    @cache(ttl=600)
    async def other() -> str:
        await gate.wait_here_async()
        if not asked:
            asked.append(1)
            return "other of " + await one()
        return "other"

    leader = asyncio.create_task(other())
    await gate.reached_async()
    answers = await asyncio.wait_for(asyncio.gather(one(), leader), PATIENCE)
    assert [*answers] == ["one", "other of one"]
    assert len(cache._core.flights) == 0


# Locks, threads and timers


def test_a_lock_may_be_taken_by_a_finalizer_that_runs_while_one_is_being_taken() -> None:
    """Rule 26: the collector may run at any allocation."""
    run_apart(
        """
cache = Cache()
class Cycle:
    def __init__(self):
        self.me = self
    def __del__(self):
        with cache.lock("another"):
            ended.append(1)
ended = []
for threshold in range(1, 60):  # so that the collector comes by everywhere
    gc.set_threshold(threshold)
    for _ in range(60):
        Cycle()
        with cache.lock("one"):
            pass
gc.set_threshold(0)
assert len(ended) > 100, len(ended)
assert len(cache._core.locks) == 0
"""
    )


@contextmanager
def no_more_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        yield


def test_a_stale_value_is_served_though_no_thread_can_be_started(
    cache: Cache, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 34: and once threads can be started again, values are refreshed again."""
    loads: list[int] = []

    @cache(ttl=10, stale_while_revalidate=1000)
    def load(x: int) -> int:
        loads.append(x)
        return len(loads)

    before = [load(x) for x in range(10)]  # more than the pool has threads
    clock.advance(15)
    with no_more_threads(monkeypatch):
        assert [load(x) for x in range(10)] == before
        assert [load(x) for x in range(10)] == before
    assert len(cache._core.flights) == 0
    assert len(loads) == 10

    def refreshed(x: int) -> bool:
        return load(x) > 10

    for x in range(10):
        eventually(partial(refreshed, x))
    eventually(lambda: len(cache._core.flights) == 0)


def test_an_impatient_caller_is_served_the_stale_value_though_no_thread_can_be_started(
    cache: Cache, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 34: with ``soft_timeout`` the load itself is the job that needs a thread."""
    loads: list[int] = []

    @cache(ttl=10, stale_if_error=1000, soft_timeout=600)
    def load(x: int) -> int:
        loads.append(x)
        return len(loads)

    assert load(1) == 1
    clock.advance(15)
    with no_more_threads(monkeypatch):
        assert load(1) == 1
    assert len(cache._core.flights) == 0
    assert Worker(lambda: load(1)).join() == 2


@pytest.mark.usefixtures("_looks_often")
@pytest.mark.parametrize("colour", ["blocking", "asyncio"])
def test_waiting_for_a_lock_ends_in_time_though_no_timer_thread_can_be_started(
    monkeypatch: pytest.MonkeyPatch, colour: str
) -> None:
    """Rules 19 and 34: and once threads can be started again, timers work again."""
    monkeypatch.setattr(clocks, "_wakeups", clocks._Wakeups())
    cache = Cache()

    async def wait() -> None:
        async with cache.lock("x", wait=0.03):
            pass

    def wait_in_a_thread() -> None:
        with cache.lock("x", wait=0.03):
            pass

    act: Callable[[], None] = wait_in_a_thread if colour == "blocking" else lambda: asyncio.run(wait())
    with cache.lock("x"):
        worker_may_start = threading.Event()

        def work() -> None:
            assert worker_may_start.wait(PATIENCE)
            act()

        worker = Worker(work)
        with no_more_threads(monkeypatch):
            worker_may_start.set()
            assert isinstance(worker.join(), LockTimeout)
        assert not clocks._wakeups._serving
        assert isinstance(Worker(act).join(), LockTimeout)
    woken = threading.Event()
    clocks.SystemClock().call_at(time.monotonic() + 0.01, woken.set)
    assert woken.wait(PATIENCE)


# Event loops that stand still


class Standing:
    """A load that has begun on an event loop that then stands still, without being closed."""

    def __init__(self, cache: Cache) -> None:
        self.begun, self.loads = threading.Event(), 0

        @cache(ttl=600, name="load", key="load:{x}")
        def load(x: int) -> str:
            return "of a thread"

        @cache(ttl=600, name="load", key="load:{x}")
        async def aload(x: int) -> str:
            self.loads += 1
            if self.loads == 1:
                self.begun.set()
                await asyncio.Event().wait()
            return "of another loop"

        self.load, self.aload = load, aload
        self.loop = Loop()
        self._caller = self.loop.submit(aload(1))
        assert self.begun.wait(PATIENCE)

    def stand(self) -> None:
        """Have the loop stand still, as it does once ``run_until_complete`` has returned."""
        self.loop.stop()

    def close(self) -> None:
        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=PATIENCE)

        self.loop.loop.run_until_complete(end())
        self.loop.loop.close()


@pytest.fixture
def standing(cache: Cache) -> Iterator[Standing]:
    made = Standing(cache)
    yield made
    made.close()


def call(standing: Standing, colour: str) -> str:
    answer: str = standing.load(1) if colour == "thread" else asyncio.run(standing.aload(1))
    return answer


callers = pytest.mark.parametrize(("colour", "answer"), [("thread", "of a thread"), ("loop", "of another loop")])


@callers
def test_nobody_boards_the_flight_of_an_event_loop_that_stands_still(
    standing: Standing, cache: Cache, colour: str, answer: str
) -> None:
    """Rule 27."""
    standing.stand()
    assert Worker(lambda: call(standing, colour)).join() == answer
    assert len(cache._core.flights) == 0


@callers
@pytest.mark.usefixtures("_looks_often")
def test_whoever_waits_for_a_load_is_not_held_up_when_its_event_loop_comes_to_stand_still(
    standing: Standing, cache: Cache, colour: str, answer: str
) -> None:
    """Rule 27: they look about, and load by themselves."""
    worker = Worker(lambda: call(standing, colour))
    eventually(lambda: passengers(cache) == 2)
    standing.stand()
    assert worker.join() == answer
    eventually(lambda: len(cache._core.flights) == 0)
    assert cache._core.flights._blocked == {}


def test_a_waiters_timeout_is_its_own_though_the_loop_of_the_load_is_busy(cache: Cache) -> None:
    """Rules 18 and 19: the last one to leave calls the load off, and does not wait until another loop has done so."""
    busy, go_on = threading.Event(), threading.Event()

    @cache(ttl=600)
    async def load(x: int) -> int:
        await asyncio.Event().wait()
        return x

    async def lead() -> None:
        leader = asyncio.create_task(load(1))
        await eventually_async(lambda: passengers(cache) == 2)
        leader.cancel()
        await asyncio.sleep(0)
        busy.set()
        go_on.wait(PATIENCE)

    async def wait() -> float:
        waiter = asyncio.create_task(load(1))
        await eventually_async(busy.is_set)
        began = time.monotonic()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(waiter, 0.02)
        return time.monotonic() - began

    loop = Loop()
    leading = loop.submit(lead())
    try:
        eventually(lambda: passengers(cache) == 1)
        took: Any = Worker(lambda: asyncio.run(wait())).join()
        assert not go_on.is_set()
        assert took < 1
    finally:
        go_on.set()
        leading.result(PATIENCE)
        eventually(lambda: not asyncio.all_tasks(loop.loop))
        loop.close()
    assert len(cache._core.flights) == 0
