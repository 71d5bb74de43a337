"""Locks by name: `cache.lock(name, ttl=…, wait=…)`."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from stillroom import Cache, ConfigurationError, LockTimeout, StillroomError
from stillroom._runtime.runtime import drive
from stillroom.guards.lock import Claim
from stillroom.testing import FakeClock

pytestmark = pytest.mark.memory_only("time is moved by hand")


@pytest.fixture
def cache(clock: FakeClock) -> Cache:
    return Cache(clock=clock)


def _table_size(cache: Cache) -> int:
    locks: Any = cache._core.locks
    return len(locks)


def is_free(cache: Cache) -> bool:
    """Tell whether a lock could be taken at once."""
    claim = Claim("report", 1.0, 1)
    taken = drive(cache._core.locks.take(claim))
    drive(cache._core.locks.let_go(claim))
    return taken is not None


def test_one_thread_at_a_time_holds_a_lock() -> None:
    """Rule 24: locks really wait."""
    cache = Cache()
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with cache.lock("report"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (inside, most) == (0, 1)
    assert _table_size(cache) == 0


@pytest.mark.asyncio_only
async def test_one_task_at_a_time_holds_a_lock() -> None:
    cache = Cache()
    inside, most = 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with cache.lock("report"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(100)))
    assert (inside, most) == (0, 1)
    assert _table_size(cache) == 0


@pytest.mark.asyncio_only
async def test_a_task_waits_for_a_thread() -> None:
    cache = Cache()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with cache.lock("report"):
            held.set()
            done.wait(5)

    thread = threading.Thread(target=hold)
    thread.start()
    await asyncio.to_thread(held.wait, 5)
    asyncio.get_running_loop().call_later(0.01, done.set)
    async with cache.lock("report") as lock:
        assert done.is_set()
        assert lock.held
    thread.join(5)


@pytest.mark.asyncio_only
async def test_who_wants_a_lock_again_at_once_starves_nobody() -> None:
    cache = Cache()
    got = asyncio.Event()

    async def want_it_again_and_again() -> None:
        while not got.is_set():
            async with cache.lock("report"):
                await asyncio.sleep(0)

    hog = asyncio.create_task(want_it_again_and_again())
    await asyncio.sleep(0)
    async with cache.lock("report", wait="20s"):
        got.set()
    await hog
    assert _table_size(cache) == 0


def test_threads_that_want_a_lock_again_at_once_starve_nobody() -> None:
    cache = Cache()
    held, got = threading.Event(), threading.Event()

    def want_it_again_and_again() -> None:
        while not got.is_set():
            with cache.lock("report"):
                held.set()
                got.wait(0.001)

    hog = threading.Thread(target=want_it_again_and_again)
    hog.start()
    held.wait(10)
    with cache.lock("report", wait="20s"):
        got.set()
    hog.join(10)
    assert _table_size(cache) == 0


def test_a_lock_is_promised_for_a_moment_only_to_waiters_whose_loop_stands_still() -> None:
    cache, loop = Cache(), asyncio.new_event_loop()

    async def wait() -> None:
        async with cache.lock("report"):
            pass

    async def begin() -> asyncio.Task[None]:
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        return waiting

    with cache.lock("report"):
        waiting = loop.run_until_complete(begin())
    with cache.lock("report", wait="10s"):
        pass
    loop.run_until_complete(waiting)
    loop.close()
    assert _table_size(cache) == 0


def test_a_lock_that_is_not_free_in_time_is_refused(cache: Cache, clock: FakeClock) -> None:
    refused: list[LockTimeout] = []

    def wait() -> None:
        with pytest.raises(LockTimeout) as caught, cache.lock("report", wait="5s"):
            pass
        refused.append(caught.value)

    with cache.lock("report", ttl="1h"):
        thread = threading.Thread(target=wait)
        thread.start()
        while not clock.pending:
            thread.join(0.001)
        clock.advance("5s")
        thread.join(5)
    assert [(one.name, one.waited) for one in refused] == [("report", 5.0)]


def test_a_lock_lasts_for_as_long_as_it_is_held(cache: Cache, clock: FakeClock) -> None:
    with cache.lock("report", ttl="10s") as lock:
        clock.advance("1h")
        assert lock.held
        assert not is_free(cache)
    assert not lock.held
    assert is_free(cache)


def test_a_holder_that_has_vanished_delays_others_by_the_ttl(cache: Cache, clock: FakeClock) -> None:
    """Rule 21."""
    lock = cache.lock("report", ttl="10s")
    lock.__enter__()
    del lock
    gc.collect()
    clock.advance("9s")
    assert not is_free(cache)
    clock.advance("2s")
    assert is_free(cache)


def test_so_many_may_hold_a_semaphore() -> None:
    cache = Cache()
    inside, most = 0, 0
    changing = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(30):
            with cache.lock("printers", limit=3):
                with changing:
                    inside += 1
                    most = max(most, inside)
                threading.Event().wait(0.0005)
                with changing:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (inside, most) == (0, 3)
    assert _table_size(cache) == 0


def test_a_lock_is_released_on_error(cache: Cache) -> None:
    """Rule 21."""
    with pytest.raises(KeyError), cache.lock("report"):
        raise KeyError("report")
    assert _table_size(cache) == 0


@pytest.mark.asyncio_only
async def test_a_lock_is_released_on_cancellation() -> None:
    """Rule 21."""
    cache = Cache()
    entered = asyncio.Event()

    async def hold() -> None:
        async with cache.lock("report"):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _table_size(cache) == 0


def test_one_object_is_for_one_block(cache: Cache) -> None:
    lock = cache.lock("report")
    with lock, pytest.raises(StillroomError, match="already"):
        lock.__enter__()


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"name": ""}, "name"),
        ({"ttl": 0}, "ttl"),
        ({"wait": -1}, "wait"),
        ({"ttl": "soon"}, "ttl"),
        ({"ttl": "1ms"}, "ttl"),
        ({"limit": 0}, "limit"),
        ({"limit": True}, "limit"),
    ],
)
def test_bad_settings_are_refused(cache: Cache, settings: dict[str, object], setting: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        cache.lock(**{"name": "report", **settings})  # type: ignore[arg-type]
    assert caught.value.setting == setting
