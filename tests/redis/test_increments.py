"""Many callers of one process change the same number on a server: all of them count, and soon."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.servers.server import Server

from stillroom import Cache
from stillroom._runtime.clock import SystemClock
from stillroom._runtime.runtime import Runtime
from stillroom._runtime.turns import Turns
from stillroom.protocols import Key, Keyspace

MANY = 300
KEY = Key(Keyspace("", "name:", str), "n")


@pytest.mark.asyncio_only
async def test_tasks_that_count_at_the_same_time_all_count(redis_server: Server) -> None:
    cache = Cache(redis_server.url, on_error="raise")
    sums = await asyncio.gather(*[cache.aincr("visits") for _ in range(MANY)])
    assert sorted(sums) == list(range(1, MANY + 1))
    await cache.aclose()


def test_threads_that_count_at_the_same_time_all_count(redis_server: Server) -> None:
    cache = Cache(redis_server.url, on_error="raise")
    with ThreadPoolExecutor(20) as threads:
        sums = list(threads.map(cache.incr, ["visits"] * MANY))
    assert sorted(sums) == list(range(1, MANY + 1))
    cache.close()


@pytest.mark.asyncio_only
async def test_several_caches_of_one_server_all_count(redis_server: Server) -> None:
    caches = [Cache(redis_server.url, on_error="raise") for _ in range(5)]
    sums = await asyncio.gather(*[cache.aincr("visits") for cache in caches for _ in range(10)])
    assert sorted(sums) == list(range(1, 51))
    for cache in caches:
        await cache.aclose()


@pytest.mark.asyncio_only
async def test_a_blocking_caller_does_not_wait_for_a_task_of_its_own_thread(redis_server: Server) -> None:
    cache = Cache(redis_server.url)
    counting = asyncio.create_task(cache.aincr("visits"))
    await asyncio.sleep(0)
    assert cache.incr("visits") + await counting == 3
    await cache.aclose()


class Waits:
    """A runtime that notes what is waited for, and lets nobody wait."""

    blocking = False

    def __init__(self) -> None:
        self.waited: list[object] = []

    async def wait(self, flight: object, until: float | None) -> None:
        assert until is not None  # whoever is waited for may have vanished
        self.waited.append(flight)


@pytest.mark.asyncio_only
async def test_each_waits_for_the_one_before_and_nothing_is_left() -> None:
    runtime = Waits()
    as_runtime: Runtime = runtime  # type: ignore[assignment]
    turns = Turns(as_runtime, SystemClock())
    line = [turns.join(KEY) for _ in range(3)]
    for turn in line:
        await turns.wait(turn)
    assert runtime.waited == line[:2]
    for turn in line:
        turns.leave(turn)
    assert len(turns) == 0
    await turns.wait(turns.join(KEY))
    assert runtime.waited == line[:2]
