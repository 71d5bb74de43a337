"""Locks hold for all processes, are renewed while they are held, and end with a process that is killed: rules 21 and 24."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from tests.servers.server import Server
from tests.servers.waiting import eventually

from stillroom import Cache, LockTimeout

HOLDER = """
import sys, threading
from stillroom import Cache

cache = Cache(sys.argv[1], timeout=5)
with cache.lock("report", ttl=float(sys.argv[2]), limit=int(sys.argv[3])) as lock:
    print(lock.fence, flush=True)
    threading.Event().wait(60)
"""


class Holder:
    """A process that holds a lock until it is killed."""

    def __init__(self, server: Any, ttl: float, limit: int = 1) -> None:
        args = [sys.executable, "-W", "error", "-c", HOLDER, server.url, str(ttl), str(limit)]
        self._process = subprocess.Popen(args, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.fence = int(self._process.stdout.readline())

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def is_free(cache: Cache, **settings: Any) -> bool:
    try:
        with cache.lock("report", wait=0.001, **settings):
            return True
    except LockTimeout:
        return False


@pytest.mark.parametrize("where", ["redis_server", "redis_cluster"])
def test_a_lock_outlives_its_ttl_while_it_is_held_and_its_holder_by_no_more(where: str, request: pytest.FixtureRequest) -> None:
    server: Any = request.getfixturevalue(where)
    cache = Cache(server.url, timeout=5)
    with Holder(server, ttl=1.0) as holder:
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            assert not is_free(cache)
            time.sleep(0.05)
        holder.kill()
        eventually(lambda: is_free(cache), 5)
        with cache.lock("report") as lock:
            assert lock.fence is not None
            assert lock.fence > holder.fence
    cache.close()


def test_a_semaphore_admits_so_many_processes(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    with Holder(redis_server, ttl=30, limit=2), cache.lock("report", limit=2):
        assert not is_free(cache, limit=2)
        assert is_free(cache, limit=3)
    cache.close()


def test_a_holder_finds_out_that_its_lock_is_gone_and_takes_nothing_from_the_next(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    with cache.lock("report", ttl=0.6) as former:
        assert former.held
        redis_server.flush()
        eventually(lambda: not former.held, 5)
        latter = cache.lock("report", ttl=30).__enter__()
    assert latter.held
    assert not is_free(cache)
    latter.__exit__(None, None, None)
    assert is_free(cache)
    cache.close()


def test_numbers_go_on_rising_where_the_last_one_is_lost(redis_server: Server) -> None:
    """As when a replica takes over that has not heard of it, or a server comes back empty."""
    cache = Cache(redis_server.url, timeout=5)
    fences = []
    for _ in range(3):
        with cache.lock("report") as lock:
            fences.append(lock.fence or 0)
        redis_server.flush()
    assert fences == sorted(set(fences))
    cache.close()


def test_who_wants_a_lock_again_at_once_does_not_starve_other_processes(redis_server: Server) -> None:
    mine, others = Cache(redis_server.url, timeout=5), Cache(redis_server.url, timeout=5)
    taken, got = [], threading.Event()

    def want_it_again_and_again() -> None:
        while not got.is_set():
            with mine.lock("report") as lock:
                taken.append(lock.fence)
                got.wait(0.1)

    hog = threading.Thread(target=want_it_again_and_again)
    hog.start()
    eventually(lambda: bool(taken), 5)
    with others.lock("report", wait="20s"):
        got.set()
    hog.join(10)
    assert len(taken) < 10, "after the first two questions it is the other's turn"
    for cache in (mine, others):
        cache.close()


def test_a_waiter_whose_loop_stands_still_holds_nobody_up(redis_server: Server) -> None:
    cache, holder, loop = Cache(redis_server.url, timeout=5), Cache(redis_server.url, timeout=5), asyncio.new_event_loop()

    async def wait() -> None:
        async with cache.lock("report"):
            pass

    async def begin() -> asyncio.Task[None]:
        waiting = asyncio.create_task(wait())
        has_turn = lambda: bool(redis_server.ask("EXISTS", "stillroom%{report}?"))  # noqa: E731 - it has asked again
        await asyncio.to_thread(eventually, has_turn, 5)
        return waiting

    with holder.lock("report"):
        waiting = loop.run_until_complete(begin())
    with cache.lock("report", wait="20s"):
        pass
    loop.run_until_complete(waiting)
    loop.run_until_complete(cache.aclose())
    loop.close()
    for one in (cache, holder):
        one.close()


def test_one_thread_at_a_time_holds_a_lock_also_when_an_outage_begins_and_ends(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=0.2)
    with cache.lock("report", ttl=1):
        redis_server.pause()
        assert not is_free(cache), "it was taken before the outage"
    with cache.lock("report", ttl=30) as lock:
        assert lock.fence is None, "it was taken during the outage"
        redis_server.resume()
        eventually(lambda: cache.health().state == "ok", 10)
        eventually(lambda: not redis_server.ask("EXISTS", "stillroom%{report}"), 10)
        assert not is_free(cache)
    eventually(lambda: is_free(cache), 5)
    cache.close()


def test_an_abandoned_lock_is_renewed_no_more(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    lock = cache.lock("report", ttl=0.5)
    lock.__enter__()
    del lock
    eventually(lambda: is_free(cache), 5)
    cache.close()


def test_nothing_but_the_last_number_is_left_behind(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    with cache.lock("report"):
        pass
    assert redis_server.ask("KEYS", "*") == [b"stillroom%{report}#"]
    cache.close()


@pytest.mark.parametrize("colour", ["threads", "tasks"])
def test_a_process_asks_equally_often_however_many_wait_in_it(redis_server: Server, colour: str) -> None:
    cache = Cache(redis_server.url, timeout=5)
    waiters, wait = 30, 1.0

    def once() -> None:
        with pytest.raises(LockTimeout), cache.lock("report", wait=wait):
            pass

    async def once_as_task() -> None:
        with pytest.raises(LockTimeout):
            async with cache.lock("report", wait=wait):
                pass

    async def all_tasks() -> None:
        await asyncio.gather(*(once_as_task() for _ in range(waiters)))
        await cache.aclose()

    with Holder(redis_server, ttl=30), redis_server.monitor() as seen:
        if colour == "tasks":
            asyncio.run(all_tasks())
        else:
            with ThreadPoolExecutor(waiters) as pool:
                list(pool.map(lambda _: once(), range(waiters)))
    asked = [command for command in seen if command.words[0] in (b"EVALSHA", b"EVAL") and command.client not in ("lua", "unix")]
    # Each asks as it comes, and about twice as it goes, and gives back what it might have got; 20 a second are for waiting.
    assert len(asked) <= 4 * waiters + 20 * wait
    cache.close()


def test_a_lock_passes_from_neighbour_to_neighbour_without_a_pause(redis_server: Server, monkeypatch: Any) -> None:
    monkeypatch.setattr("stillroom.stores.redis.turns._PAUSE", 3600.0)
    cache = Cache(redis_server.url, timeout=5)
    passed: list[int] = []

    async def hold(number: int) -> None:
        async with cache.lock("report"):
            passed.append(number)

    async def all_tasks() -> None:
        await asyncio.gather(*(hold(number) for number in range(20)))
        await cache.aclose()

    asyncio.run(all_tasks())
    assert sorted(passed) == list(range(20))


@pytest.mark.parametrize("steps", range(1, 8))
def test_a_lock_is_given_back_though_its_holder_is_cancelled_while_it_connects_anew(redis_server: Server, steps: int) -> None:
    async def main() -> None:
        cache = Cache(redis_server.url, timeout=5)
        is_held = asyncio.Event()

        async def hold() -> None:
            async with cache.lock("report", ttl=30):
                is_held.set()
                await asyncio.sleep(0)

        holder = asyncio.create_task(hold())
        await is_held.wait()
        redis_server.ask("CLIENT", "KILL", "TYPE", "normal")
        for _ in range(steps):
            await asyncio.sleep(0)
        holder.cancel()
        with suppress(asyncio.CancelledError):
            await holder
        assert redis_server.ask("ZCARD", "stillroom%{report}") == 0
        await cache.aclose()

    asyncio.run(main())
