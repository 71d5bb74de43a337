"""Rules 17 and 20: one load per key, for threads, tasks and both; and what becomes of a load that fails."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest
from tests.backends import leases, new_chaos
from tests.concurrency.meeting import Gate, Loop, Worker, eventually, eventually_async, joined, passengers

from stillroom import Cache

stores = pytest.mark.parametrize("plain", [True, False], ids=["plain", "engine"])


def made(plain: bool) -> Cache:
    return Cache() if plain else Cache(new_chaos())


class Pair:
    """A blocking function and a coroutine function that share their entries, and a gate in their loads."""

    def __init__(self, cache: Cache, **policy: Any) -> None:
        self.cache = cache
        self.gate = Gate()
        self.loads: list[int] = []
        self.error: Exception | None = None
        self._lock = threading.Lock()

        @cache(name="pair", key="pair:{k}", ttl=600, **policy)
        def blocking(k: int) -> int:
            self.loads.append(k)
            self.gate.wait_here()
            return self._end(k)

        @cache(name="pair", key="pair:{k}", ttl=600, **policy)
        async def awaited(k: int) -> int:
            self.loads.append(k)
            await self.gate.wait_here_async()
            return self._end(k)

        self.blocking, self.awaited = blocking, awaited

    def _end(self, k: int) -> int:
        if self.error is not None:
            raise self.error
        return k


@stores
def test_64_threads_share_one_load(plain: bool) -> None:
    """Rule 17."""
    pair = Pair(made(plain))
    workers = [Worker(lambda: pair.blocking(1)) for _ in range(64)]
    eventually(lambda: passengers(pair.cache) == 64)
    pair.gate.open()
    assert [worker.join() for worker in workers] == [1] * 64
    assert pair.loads == [1]
    assert len(pair.cache._core.flights) == 0


@stores
def test_1000_tasks_share_one_load(plain: bool) -> None:
    """Rule 17."""
    pair = Pair(made(plain))

    async def main() -> list[int]:
        tasks = [asyncio.ensure_future(pair.awaited(1)) for _ in range(1000)]
        await eventually_async(lambda: passengers(pair.cache) == 1000)
        pair.gate.open()
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == [1] * 1000
    assert pair.loads == [1]
    assert len(pair.cache._core.flights) == 0


@stores
@pytest.mark.parametrize("leader", ["thread", "task"])
def test_threads_and_tasks_of_several_loops_share_one_load(plain: bool, leader: str) -> None:
    """Rule 17: whoever leads."""
    pair = Pair(made(plain))
    loops = [Loop() for _ in range(3)]
    first = Worker(lambda: pair.blocking(1)) if leader == "thread" else loops[0].submit(pair.awaited(1))
    pair.gate.reached()
    threads = [Worker(lambda: pair.blocking(1)) for _ in range(20)]
    tasks = [loop.submit(pair.awaited(1)) for loop in loops for _ in range(100)]
    eventually(lambda: passengers(pair.cache) == 321)
    pair.gate.open()
    assert [worker.join() for worker in threads] == [1] * 20
    assert [task.result(5) for task in tasks] == [1] * 300
    assert (first.join() if leader == "thread" else first.result(5)) == 1
    assert pair.loads == [1]
    for loop in loops:
        loop.close()


@stores
def test_a_thread_and_its_own_keys_are_not_held_up_by_others(plain: bool) -> None:
    """Rule 17: only callers of the same key wait."""
    cache = made(plain)
    gate = Gate()

    @cache(ttl=600)
    def load(k: int) -> int:
        if k == 1:
            gate.wait_here()
        return k

    worker = Worker(lambda: load(1))
    gate.reached()
    assert joined(partial(load, k) for k in range(2, 10)) == list(range(2, 10))
    gate.open()
    assert worker.join() == 1


@stores
def test_many_joins_loads_that_are_in_progress_already(plain: bool) -> None:
    """Rules 17 and 53."""
    pair = Pair(made(plain))
    worker = Worker(lambda: pair.blocking(1))
    pair.gate.reached()
    many = Worker(lambda: pair.blocking.many([1, 1, 2]))
    loop = Loop()
    tasks = loop.submit(pair.awaited.many([2, 1]))
    eventually(lambda: len(pair.loads) == 2 and passengers(pair.cache) >= 4)
    pair.gate.open()
    assert worker.join() == 1
    assert many.join() == [1, 1, 2]
    assert tasks.result(5) == [2, 1]
    assert sorted(pair.loads) == [1, 2]
    loop.close()


def test_a_caller_who_looked_before_the_load_began_shares_it() -> None:
    """Rule 17: also if there were no generations yet, as after an invalidation where they are made when they are needed."""
    store, held = new_chaos(), Gate()
    pair = Pair(Cache(store))
    store.after("read", held.wait_here, times=1)
    early = Worker(lambda: pair.blocking(1))
    held.reached()
    leader = Worker(lambda: pair.blocking(1))
    pair.gate.reached()
    held.open()
    eventually(lambda: passengers(pair.cache) == 2 or len(pair.loads) > 1)
    pair.gate.open()
    assert [early.join(), leader.join()] == [1, 1]
    assert pair.loads == [1]


def test_a_caller_who_looked_after_an_invalidation_does_not_share_the_load_from_before() -> None:
    """Rule 1: the same, but the generations that the load began under are over."""
    store, held = new_chaos(), Gate()
    pair = Pair(Cache(store))
    leader = Worker(lambda: pair.blocking(1))
    pair.gate.reached()
    pair.blocking.invalidate_all()
    store.after("read", held.wait_here, times=1)
    later = Worker(lambda: pair.blocking(1))
    held.reached()
    held.open()
    eventually(lambda: len(pair.loads) == 2)
    pair.gate.open()
    assert [leader.join(), later.join()] == [1, 1]


@stores
def test_a_failing_load_gives_its_error_to_all_who_waited(plain: bool) -> None:
    """Rule 20, and nothing is remembered, no flight and no lease left."""
    pair = Pair(made(plain))
    pair.error = LookupError("lost")
    loop = Loop()
    threads = [Worker(lambda: pair.blocking(1)) for _ in range(8)]
    tasks = [loop.submit(pair.awaited(1)) for _ in range(8)]
    eventually(lambda: passengers(pair.cache) == 16)
    pair.gate.open()
    assert [worker.join() for worker in threads] == [pair.error] * 8
    assert [task.exception(5) for task in tasks] == [pair.error] * 8
    assert pair.loads == [1]
    assert len(pair.cache._core.flights) == 0
    pair.error = None
    assert pair.blocking(1) == 1
    assert pair.loads == [1, 1]
    loop.close()


@pytest.mark.parametrize("error", [StopIteration(1), StopAsyncIteration(), GeneratorExit(), asyncio.CancelledError()])
def test_awkward_errors_reach_the_caller_and_leave_nothing(error: BaseException) -> None:
    """Rules 18 and 20: also errors that coroutines give a meaning of their own."""
    cache = Cache()

    @cache(ttl=600)
    def load(k: int) -> int:
        raise error

    for _ in range(2):
        worker = Worker(lambda: load(1))
        assert worker.join() is error
    assert len(cache._core.flights) == 0
    assert not leases(cache)


def test_a_load_that_is_not_shared_is_made_by_each() -> None:
    """``lock=None``."""
    pair = Pair(Cache(), lock=None)
    threads = [Worker(lambda: pair.blocking(1)) for _ in range(4)]
    eventually(lambda: len(pair.loads) == 4)
    pair.gate.open()
    assert [worker.join() for worker in threads] == [1] * 4
    assert not leases(pair.cache)
