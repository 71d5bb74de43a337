"""Rule 25: whoever asks, directly or through others, for what it is loading itself never waits for itself.

All of this runs in threads and tasks that are given up after a few seconds.
"""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest
from tests.concurrency.meeting import PATIENCE, Gate, Loop, Worker, eventually, eventually_async, passengers

from stillroom import Cache


@pytest.fixture
def cache() -> Cache:
    return Cache()


def test_a_function_may_ask_for_its_own_key(cache: Cache) -> None:
    """Rule 25."""
    depth: list[int] = []

    @cache(ttl=600)
    def load(k: int) -> int:
        depth.append(k)
        return load(k) + 1 if len(depth) < 3 else 0

    assert Worker(lambda: load(1)).join() == 2
    assert load(1) in (0, 1, 2)


@pytest.mark.parametrize("how", ["await", "gather", "task", "to_thread", "many", "refresh"])
def test_a_coroutine_function_may_ask_for_its_own_key(cache: Cache, how: str) -> None:
    """Rule 25: also through tasks and threads that it starts and waits for."""
    depth: list[int] = []

    @cache(ttl=600, name="f", key="f:{k}")
    def blocking(k: int) -> int:
        depth.append(k)
        return 0

    @cache(ttl=600, name="f", key="f:{k}")
    async def load(k: int) -> int:
        depth.append(k)
        if len(depth) >= 3:
            return 0
        if how == "await":
            return await load(k)
        if how == "gather":
            return sum(await asyncio.gather(load(k), load(k), load(k + 1)))
        if how == "task":
            return await asyncio.ensure_future(load(k))
        if how == "many":
            return sum(await load.many([k, k + 1]))
        if how == "refresh":
            return await load.refresh(k)
        return await asyncio.to_thread(blocking, k)

    assert asyncio.run(asyncio.wait_for(load(1), PATIENCE)) == 0
    assert len(cache._core.flights) == 0


@pytest.mark.parametrize("length", [2, 3])
def test_threads_that_load_each_others_keys_do_not_wait_for_each_other(cache: Cache, length: int) -> None:
    """Rule 25: A asks for B while B asks for A; also in longer rings."""
    meet = threading.Barrier(length)

    depths = threading.local()

    @cache(ttl=600)
    def load(k: int) -> int:
        depths.value = getattr(depths, "value", 0) + 1
        if depths.value > 1:
            return k
        meet.wait(PATIENCE)
        return load((k + 1) % length)

    workers = [Worker(partial(load, k)) for k in range(length)]
    assert all(isinstance(worker.join(), int) for worker in workers)
    assert len(cache._core.flights) == 0


@pytest.mark.parametrize("length", [2, 3])
def test_tasks_that_load_each_others_keys_do_not_wait_for_each_other(cache: Cache, length: int) -> None:
    """Rule 25."""
    begun: list[int] = []

    @cache(ttl=600)
    async def load(k: int) -> int:
        begun.append(k)
        if len(begun) > length:
            return k
        await eventually_async(lambda: len(begun) >= length)
        return await load((k + 1) % length)

    async def main() -> list[int]:
        return await asyncio.wait_for(asyncio.gather(*(load(k) for k in range(length))), PATIENCE)

    assert len(asyncio.run(main())) == length
    assert len(cache._core.flights) == 0


def test_threads_and_tasks_that_load_each_others_keys_do_not_wait_for_each_other(cache: Cache) -> None:
    """Rule 25: a task loads A and asks for B, a thread loads B and asks for A."""
    begun = threading.Barrier(2)

    @cache(ttl=600, name="f", key="f:{k}")
    def blocking(k: str, deep: bool = False) -> str:
        if not deep:
            begun.wait(PATIENCE)
            blocking("A", True)
        return k

    @cache(ttl=600, name="f", key="f:{k}")
    async def awaited(k: str, deep: bool = False) -> str:
        if not deep:
            await asyncio.to_thread(begun.wait, PATIENCE)
            await awaited("B", True)
        return k

    loop = Loop()
    task, thread = loop.submit(awaited("A")), Worker(lambda: blocking("B"))
    assert task.result(PATIENCE) == "A"
    assert thread.join() == "B"
    assert len(cache._core.flights) == 0
    loop.close()


def test_a_blocking_call_on_the_loops_own_thread_does_not_wait_for_a_task_of_that_loop(cache: Cache) -> None:
    """Rule 25."""
    gate = Gate()

    @cache(ttl=600, name="f", key="f:{k}")
    def blocking(k: int) -> str:
        return "blocking"

    @cache(ttl=600, name="f", key="f:{k}")
    async def awaited(k: int) -> str:
        await gate.wait_here_async()
        return "awaited"

    async def main() -> tuple[str, str]:
        task = asyncio.ensure_future(awaited(1))
        await gate.reached_async()
        here = blocking(1)
        gate.open()
        return here, await task

    assert Worker(lambda: asyncio.run(main())).join() == ("blocking", "awaited")
    assert len(cache._core.flights) == 0


@pytest.mark.parametrize("first", ["the thread waits for the task", "the loop's thread waits for the thread"])
def test_a_blocking_call_on_a_loops_thread_does_not_wait_for_what_waits_for_that_loop(cache: Cache, first: str) -> None:
    """Rule 25, through others: a thread loads K and needs a task of the loop; the loop's thread, blocking, asks for K."""
    gate = Gate()
    in_k, go_on = threading.Event(), threading.Event()

    @cache(ttl=600, name="f", key="f:{k}")
    def blocking(k: str) -> str:
        if k == "K" and threading.current_thread() is not loop._thread:
            in_k.set()
            assert go_on.wait(PATIENCE)
            return "K" + blocking("L")
        return k

    @cache(ttl=600, name="f", key="f:{k}")
    async def awaited(k: str) -> str:
        await gate.wait_here_async()
        return k

    async def ask() -> str:
        return blocking("K")

    loop = Loop()
    task = loop.submit(awaited("L"))
    gate.reached()
    thread = Worker(lambda: blocking("K"))
    assert in_k.wait(PATIENCE)
    if first == "the thread waits for the task":
        go_on.set()
        eventually(lambda: passengers(cache) == 3)
        asked = loop.submit(ask())
    else:
        asked = loop.submit(ask())
        eventually(lambda: passengers(cache) == 3, within=1)
        go_on.set()
    try:
        assert asked.result(PATIENCE) in ("K", "KL")
    except BaseException:
        _break_up(cache)
        raise
    finally:
        gate.open()
    assert task.result(PATIENCE) == "L"
    assert thread.join() == "KL"
    loop.close()


def _break_up(cache: Any) -> None:
    """End all flights, so that a test that found a deadlock leaves no thread behind."""
    for flight in list(cache._core.flights._table.values()):
        cache._core.flights.abandon(flight)


def test_a_load_that_is_run_behind_may_ask_for_its_own_key(cache: Cache) -> None:
    """Rule 25."""
    loads: list[int] = []

    @cache(ttl=0.001, stale_while_revalidate=100)
    def load(k: int) -> int:
        loads.append(k)
        return load(k) if len(loads) in (2, 3) else len(loads)

    load(1)
    eventually(lambda: load(1) and len(loads) > 4)
    eventually(lambda: len(cache._core.flights) == 0)


def test_a_generator_may_ask_for_its_own_key(cache: Cache) -> None:
    """Rule 25."""
    depth: list[int] = []

    @cache(ttl=600)
    def items(k: int) -> Any:
        depth.append(k)
        yield k
        if len(depth) < 3:
            yield from items(k)

    assert Worker(lambda: list(items(1))).join() == [1, 1, 1]
