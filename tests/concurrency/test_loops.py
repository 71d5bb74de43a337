"""Rules 27 and 28: any number of event loops, none of them ever blocked."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import warnings
from functools import partial
from typing import Any

import blockbuster
import pytest
from tests.backends import new_chaos
from tests.concurrency.meeting import PATIENCE, Gate, Loop, Worker, eventually, joined, passengers

from stillroom import Cache

stores = pytest.mark.parametrize("plain", [True, False], ids=["plain", "engine"])


def made(plain: bool) -> Cache:
    return Cache() if plain else Cache(new_chaos())


@stores
def test_one_cache_serves_event_loops_one_after_the_other(plain: bool) -> None:
    """Rule 27: with loads, hits, refreshes behind and warm keys across loops."""
    cache, loads = made(plain), []

    @cache(ttl=0.001, stale_while_revalidate=1000)
    async def stale(k: int) -> int:
        loads.append(k)
        await asyncio.sleep(0)
        return k

    @cache(ttl=600)
    async def load(k: int) -> int:
        loads.append(k)
        await asyncio.sleep(0)
        return k

    @cache(ttl=0.01, keep_warm=True)
    async def warm(k: int) -> int:
        await asyncio.sleep(0)
        return k

    async def main(number: int) -> list[int]:
        await warm(1)
        await asyncio.sleep(0.002)
        return [*await asyncio.gather(load(1), load(number), stale(1)), *await load.many([1, number]), await load.refresh(1)]

    for number in range(2, 12):
        assert asyncio.run(main(number)) == [1, number, 1, 1, number, 1]
    eventually(lambda: len(cache._core.flights) == 0)


@stores
def test_one_cache_serves_an_event_loop_in_each_thread(plain: bool) -> None:
    """Rule 27."""
    cache, gate, loads = made(plain), Gate(), []

    @cache(ttl=600)
    async def load(k: int) -> int:
        loads.append(k)
        await gate.wait_here_async()
        return k

    async def main() -> list[int]:
        return await asyncio.gather(*(load(k) for k in (1, 2, 1, 2)))

    workers = [Worker(lambda: asyncio.run(main())) for _ in range(8)]
    eventually(lambda: passengers(cache) == 32)
    gate.open()
    assert [worker.join() for worker in workers] == [[1, 2, 1, 2]] * 8
    assert sorted(loads) == [1, 2]


def test_functions_decorated_and_used_without_a_loop_need_none() -> None:
    """Rule 27: not at import time either; blocking programs do without asyncio."""
    code = (
        "import sys, stillroom\n"
        "f = stillroom.cache(ttl=5, stale_while_revalidate=5)(lambda k: k)\n"
        "async def g(k): return k\n"
        "g = stillroom.cache(ttl=5)(g)\n"
        "assert f(1) == f(1) == 1 and f.many([1, 2]) == [1, 2]\n"
        "assert 'asyncio' not in sys.modules, 'asyncio was imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=10)


def test_loops_that_are_gone_leave_nothing() -> None:
    """Rules 27 and 30."""
    cache = Cache()

    @cache(ttl=0.001, stale_while_revalidate=1000)
    async def load(k: int) -> int:
        await asyncio.sleep(0)
        return k

    async def main() -> None:
        for _ in range(3):
            await load(1)
            await asyncio.sleep(0.002)

    for _ in range(20):
        asyncio.run(main())
    gc.collect()
    assert len(cache._core.tasks.runtime._behind) == 0  # type: ignore[attr-defined]
    assert len(cache._core.flights) == 0


def test_threads_wait_no_longer_for_a_load_than_its_loop_takes() -> None:
    """Rule 27: each on its own loop, none holds another up."""
    cache, gate = Cache(), Gate()

    @cache(ttl=600)
    async def load(k: int) -> int:
        if k == 1:
            await gate.wait_here_async()
        return k

    def run(k: int) -> int:
        return asyncio.run(load(k))

    loop = Loop()
    slow = loop.submit(load(1))
    gate.reached()
    assert joined(partial(run, k) for k in range(2, 6)) == [2, 3, 4, 5]
    gate.open()
    assert slow.result(PATIENCE) == 1
    loop.close()


@stores
@pytest.mark.asyncio_only
async def test_nothing_blocks_the_event_loop(plain: bool) -> None:
    """Rule 28: hits, misses, refreshes, batches, generators, verbs, events."""
    cache, gate = made(plain), Gate()

    @cache(ttl=600, tags=["all"])
    async def load(k: int) -> int:
        await asyncio.sleep(0)
        return k

    @cache(ttl=0.001, stale_while_revalidate=1000, stale_if_error=1000, soft_timeout=0.01)
    async def stale(k: int) -> int:
        await asyncio.sleep(0)
        return k

    @cache(ttl=0.005, keep_warm=True)
    async def warm(k: int) -> int:
        await asyncio.sleep(0)
        return k

    @cache(ttl=600)
    async def items(k: int) -> Any:
        yield k

    @cache(ttl=600, name="shared", key="shared")
    def thread() -> int:
        gate.wait_here()
        return 1

    @cache(ttl=600, name="shared", key="shared")
    async def task() -> int:
        return 2

    worker = Worker(thread)
    await gate.reached_async()
    with warnings.catch_warnings(), blockbuster.blockbuster_ctx("stillroom"):
        shared = asyncio.ensure_future(task())
        for _ in range(2):
            await load(1)
            await load.many([1, 2])
            await load.refresh(1)
            await load.put(1, 1)
            await load.peek(1)
            await stale(1)
            await asyncio.sleep(0.002)
            await stale(1)
            await warm(1)
            assert [item async for item in items(1)] == [1]
            await load.invalidate(1)
            await load.invalidate_all()
            await cache.aset("a", 1)
            await cache.aget("a")
            await cache.aget_many(["a", "b"])
            await cache.aincr("n")
            await cache.atouch("n", 5)
            await cache.aget_or_load("c", lambda: 1)
            assert sorted([name async for name in cache.ascan("*")]) == ["a", "c", "n"]
            await cache.adelete_match("*")
            await cache.ainvalidate(tags=["all"])
            await cache.aclear()
            await cache.aping()
        gate.open()
        assert await asyncio.wait_for(shared, PATIENCE) == 1
        await asyncio.sleep(0.02)
        await warm.invalidate(1)
        await asyncio.sleep(0.02)
    assert worker.join() == 1
    await cache.aclose()
