"""Rule 18: cancelling one caller cancels nobody else; and whoever leads can be lost without harm."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import Any

import pytest
from tests.backends import leases
from tests.concurrency.meeting import PATIENCE, Gate, Loop, Worker, eventually, eventually_async, passengers
from tests.concurrency.test_sharing import Pair

from stillroom import Cache


async def ended(task: asyncio.Task[Any]) -> Any:
    """Return what a task gave or raised."""
    (result,) = await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), PATIENCE)
    return result


@pytest.mark.asyncio_only
@pytest.mark.parametrize("cancelled", [{0}, {1}, {0, 1}, {1, 2, 3}, {0, 3}])
async def test_cancelling_some_callers_leaves_the_others_served(cancelled: set[int]) -> None:
    """Rule 18: the leader, a waiter, or several; with one load in all."""
    pair = Pair(Cache())
    tasks = [asyncio.ensure_future(pair.awaited(1)) for _ in range(5)]
    await pair.gate.reached_async()
    await eventually_async(lambda: passengers(pair.cache) == 5)
    for number in cancelled:
        tasks[number].cancel()
    await asyncio.sleep(0)
    pair.gate.open()
    for number, task in enumerate(tasks):
        result = await ended(task)
        assert isinstance(result, asyncio.CancelledError) if number in cancelled else result == 1
    assert pair.loads == [1]
    assert len(pair.cache._core.flights) == 0


@pytest.mark.asyncio_only
async def test_a_load_is_cancelled_when_nobody_waits_any_more() -> None:
    """Rule 18, and the next caller starts afresh."""
    cache, gate, ends = Cache(), Gate(), []

    @cache(ttl=600)
    async def load(k: int) -> int:
        try:
            await gate.wait_here_async()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        return k

    tasks = [asyncio.ensure_future(load(1)) for _ in range(3)]
    await gate.reached_async()
    for task in tasks[:2]:
        task.cancel()
        assert isinstance(await ended(task), asyncio.CancelledError)
        assert ends == []
    tasks[2].cancel()
    assert isinstance(await ended(tasks[2]), asyncio.CancelledError)
    assert ends == ["cancelled"]
    assert len(cache._core.flights) == 0
    assert not leases(cache)
    gate.open()
    assert await load(1) == 1


@pytest.mark.asyncio_only
async def test_a_waiter_has_its_own_timeout() -> None:
    """Rule 19."""
    pair = Pair(Cache())
    leader = asyncio.ensure_future(pair.awaited(1))
    await pair.gate.reached_async()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(pair.awaited(1), 0.01)
    pair.gate.open()
    assert await ended(leader) == 1
    assert pair.loads == [1]


@pytest.mark.asyncio_only
async def test_a_leaders_timeout_is_not_the_waiters() -> None:
    """Rule 19."""
    pair = Pair(Cache())
    leader = asyncio.ensure_future(asyncio.wait_for(pair.awaited(1), 0.05))
    await pair.gate.reached_async()
    waiter = asyncio.ensure_future(pair.awaited(1))
    assert isinstance(await ended(leader), asyncio.TimeoutError)
    pair.gate.open()
    assert await ended(waiter) == 1
    assert pair.loads == [1]


@pytest.mark.asyncio_only
async def test_a_load_that_raises_cancelled_error_by_itself_ends_for_everybody() -> None:
    """Rule 18: no endless loop, no hang."""
    cache, loads = Cache(), []

    @cache(ttl=600)
    async def load(k: int) -> int:
        loads.append(k)
        await asyncio.sleep(0.001)
        raise asyncio.CancelledError

    tasks = [asyncio.ensure_future(load(1)) for _ in range(5)]
    assert all([isinstance(await ended(task), asyncio.CancelledError) for task in tasks])
    assert len(loads) <= 5
    assert len(cache._core.flights) == 0


@pytest.mark.asyncio_only
async def test_cancelling_many_leaves_other_callers_of_its_keys_served() -> None:
    """Rules 18 and 53."""
    pair = Pair(Cache())
    many = asyncio.ensure_future(pair.awaited.many([1, 2]))
    await eventually_async(lambda: len(pair.loads) == 2)
    other = asyncio.ensure_future(pair.awaited(1))
    await eventually_async(lambda: passengers(pair.cache) == 3)
    many.cancel()
    assert isinstance(await ended(many), asyncio.CancelledError)
    pair.gate.open()
    assert await ended(other) == 1
    await eventually_async(lambda: len(pair.cache._core.flights) == 0)
    assert sorted(pair.loads) == [1, 2]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit])
def test_a_leader_thread_that_is_interrupted_hands_over(error: type[BaseException]) -> None:
    """Rule 18: the others are served by one more load."""
    cache, gate, loads = Cache(), Gate(), []

    @cache(name="f", key="f:{k}", ttl=600)
    def load(k: int) -> int:
        loads.append(k)
        if len(loads) == 1:
            gate.wait_here()
            raise error
        return k

    @cache(name="f", key="f:{k}", ttl=600)
    async def aload(k: int) -> int:
        loads.append(k)
        return k

    leader = Worker(lambda: load(1))
    gate.reached()
    loop = Loop()
    others = [Worker(lambda: load(1)) for _ in range(5)]
    tasks = [loop.submit(aload(1)) for _ in range(5)]
    eventually(lambda: passengers(cache) == 11)
    gate.open()
    assert isinstance(leader.join(), error)
    assert [other.join() for other in others] == [1] * 5
    assert [task.result(PATIENCE) for task in tasks] == [1] * 5
    assert len(loads) == 2
    loop.close()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_background_loads_go_on_after_some_were_interrupted(error: type[BaseException]) -> None:
    """Promise 7: whatever a background load raises, the pool keeps its threads."""
    cache = Cache()
    loads: list[int] = []
    broken = [True]

    @cache(ttl=0.01, stale_while_revalidate=1000)
    def load(k: int) -> int:
        loads.append(k)
        if broken[0] and len(loads) > 20:
            raise error
        return len(loads)

    for k in range(20):
        load(k)
    eventually(lambda: [load(k) for k in range(20)] and len(loads) >= 35)
    eventually(lambda: not cache._core.blocking.runtime._pool._jobs)  # type: ignore[attr-defined]
    broken[0] = False
    count = len(loads)
    eventually(lambda: [load(k) for k in range(20)] and len(loads) >= count + 20, within=2)


# Event loops that end


def test_a_loop_that_ends_with_asyncio_run_hands_its_loads_over() -> None:
    """Rules 18 and 27: the task is cancelled, and a thread that waited loads."""
    pair = Pair(Cache())
    worker: list[Worker] = []

    async def main() -> None:
        asyncio.ensure_future(pair.awaited(1)).add_done_callback(lambda task: task.cancelled())
        await pair.gate.reached_async()
        worker.append(Worker(lambda: pair.blocking(1)))
        await eventually_async(lambda: passengers(pair.cache) == 2)

    asyncio.run(main())
    pair.gate.open()
    assert worker[0].join() == 1
    assert pair.loads == [1, 1]


@pytest.mark.usefixtures("_looks_often")
@pytest.mark.parametrize("waiter", ["thread", "task"])
def test_a_loop_that_is_closed_with_a_load_in_progress_hands_it_over(waiter: str) -> None:
    """Rules 18 and 27: the load can never end, so whoever waits for it loads, on a thread or on another loop."""
    pair = Pair(Cache())
    lost, other = Loop(), Loop()
    kept = lost.submit(pair.awaited(1))
    pair.gate.reached()
    held = asyncio.all_tasks(lost.loop)  # keeps the tasks from being collected, which would end the load
    blocked = Worker(lambda: pair.blocking(1)) if waiter == "thread" else other.submit(pair.awaited(1))
    eventually(lambda: passengers(pair.cache) == 2)
    lost.close()
    pair.gate.open()
    try:
        assert (blocked.join() if waiter == "thread" else blocked.result(PATIENCE)) == 1
    finally:
        _end_of(held)
        del held, kept
        gc.collect()
        other.close()


@pytest.mark.parametrize("waiter", ["thread", "task"])
def test_whoever_comes_after_a_loop_was_closed_loads(waiter: str) -> None:
    """Rules 18 and 27."""
    pair = Pair(Cache())
    lost, other = Loop(), Loop()
    kept = lost.submit(pair.awaited(1))
    pair.gate.reached()
    held = asyncio.all_tasks(lost.loop)
    lost.close()
    pair.gate.open()
    later = Worker(lambda: pair.blocking(1)) if waiter == "thread" else other.submit(pair.awaited(1))
    assert (later.join() if waiter == "thread" else later.result(PATIENCE)) == 1
    _end_of(held)
    del held, kept
    gc.collect()
    other.close()


@pytest.mark.parametrize("what", ["load", "caller"])
def test_what_a_closed_loop_left_behind_is_collected_without_a_complaint(what: str) -> None:
    """Rule 27: the collector closes the coroutines in a context of its own, with no loop running."""
    pair = Pair(Cache())
    lost = Loop()
    kept = lost.submit(pair.awaited(1))
    pair.gate.reached()
    held = asyncio.all_tasks(lost.loop)
    lost.close()
    chosen = [task for task in held if ("Loader.load" in repr(task.get_coro())) == (what == "load")]
    try:
        for task in chosen:
            task.get_coro().close()
    finally:
        _end_of(held)
        del kept, held, chosen
        gc.collect()
    assert len(pair.cache._core.flights) == 0
    assert not leases(pair.cache, alive=True)


def _end_of(tasks: set[asyncio.Task[Any]]) -> None:
    """Let abandoned tasks go without a complaint."""
    for task in tasks:
        setattr(task, "_log_destroy_pending", False)  # noqa: B010 - mypy does not know it
        with suppress(Exception):
            task.get_coro().close()
