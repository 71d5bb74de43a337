"""`@cache.locked(...)` on functions of all kinds, in memory and on Redis."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from stillroom import Cache, ConfigurationError, LockTimeout
from stillroom.testing import FakeClock


class Room:
    """Counts who is inside at a time."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self._lock = threading.Lock()

    def enter(self) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def leave(self) -> None:
        with self._lock:
            self.inside -= 1


def in_threads(work: Any, count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_threads_than_the_limit_are_through_at_a_time(limit: int) -> None:
    cache, room = Cache(), Room()

    @cache.locked(limit=limit)
    def f() -> None:
        room.enter()
        threading.Event().wait(0.02)
        room.leave()

    in_threads(f, 4)
    assert (room.inside, room.most) == (0, limit)


@pytest.mark.asyncio_only
async def test_one_task_is_through_at_a_time_and_gets_its_result() -> None:
    cache, room = Cache(), Room()

    @cache.locked()
    async def f(a: int) -> int:
        room.enter()
        await asyncio.sleep(0)
        room.leave()
        return a

    assert await asyncio.gather(*(f(a) for a in range(5))) == [0, 1, 2, 3, 4]
    assert (room.inside, room.most) == (0, 1)


def test_callers_with_other_keys_do_not_wait() -> None:
    cache = Cache()
    both = threading.Barrier(2)

    @cache.locked(key="{a}", wait="5s")
    def f(a: int) -> int:
        both.wait(5)
        return a

    threads = [threading.Thread(target=f, args=(a,)) for a in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not both.broken


def test_locks_above_each_other_are_different_ones() -> None:
    cache = Cache()

    @cache.locked(key="{source}", wait="20ms")
    @cache.locked(key="{target}", wait="20ms")
    def move(source: int, target: int) -> int:
        return source

    assert move(1, 1) == 1


def test_who_waits_too_long_is_told() -> None:
    cache = Cache()

    @cache.locked(wait="20ms")
    def f(depth: int) -> int:
        return f(depth - 1) if depth else 0

    with pytest.raises(LockTimeout) as caught:
        f(1)
    assert caught.value.waited >= 0.02
    assert f(0) == 0, "it has been given back"


def test_a_lock_may_be_given_for_ever() -> None:
    cache = Cache()

    @cache.locked(ttl=1e15, wait=1e15, limit=10**400)
    def f() -> int:
        return 1

    assert f() == 1
    assert cache.health().state == "ok"


def test_an_error_gives_the_lock_back() -> None:
    cache = Cache()

    @cache.locked(wait="20ms")
    def f(a: int) -> float:
        return 1 / a

    with pytest.raises(ZeroDivisionError):
        f(0)
    assert f(1) == 1


@pytest.mark.asyncio_only
async def test_a_cancellation_gives_the_lock_back() -> None:
    cache = Cache()
    entered = asyncio.Event()

    @cache.locked(wait="5s")
    async def f(a: int) -> int:
        entered.set()
        if a == 0:
            await asyncio.Event().wait()
        return a

    holder = asyncio.create_task(f(0))
    await entered.wait()
    waiter = asyncio.create_task(f(1))
    await asyncio.sleep(0)
    given_up = asyncio.create_task(f(2))
    await asyncio.sleep(0)
    given_up.cancel()
    holder.cancel()
    assert await waiter == 1
    for task in (holder, given_up):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await f(3) == 3


def test_a_generator_holds_the_lock_until_its_end() -> None:
    cache = Cache()

    @cache.locked(wait="20ms")
    def f(n: int) -> Iterator[int]:
        yield from range(n)

    items = f(3)
    assert next(items) == 0
    with pytest.raises(LockTimeout):
        next(f(1))
    assert list(items) == [1, 2]
    abandoned = f(2)
    next(abandoned)
    abandoned.close()  # type: ignore[attr-defined]
    assert list(f(2)) == [0, 1]


@pytest.mark.asyncio_only
async def test_so_does_an_asynchronous_generator() -> None:
    cache = Cache()

    @cache.locked(wait="20ms")
    async def f(n: int) -> AsyncIterator[int]:
        for item in range(n):
            yield item

    items: Any = f(2)
    assert await items.__anext__() == 0
    with pytest.raises(LockTimeout):
        await f(1).__anext__()
    await items.aclose()
    assert [item async for item in f(2)] == [0, 1]


def test_methods_lock_by_what_their_key_says() -> None:
    cache = Cache()

    class Account:
        def __init__(self, number: int) -> None:
            self.number = number

        @cache.locked(key="{self.number}", wait="20ms")
        def settle(self, other: Any = None) -> int:
            return other.settle() if other is not None else self.number

    assert Account(1).settle(Account(2)) == 2
    with pytest.raises(LockTimeout):
        Account(1).settle(Account(1))


@pytest.mark.memory_only("time is moved by hand")
def test_an_old_value_rescues_who_has_waited_too_long(clock: FakeClock) -> None:
    cache = Cache(clock=clock)

    @cache(ttl="1m", stale_if_error="1h")
    @cache.locked(wait="1ms", name="f")
    def f() -> int:
        return 1

    assert f() == 1
    clock.advance("2m")
    found: list[int] = []
    with cache.lock("main:f:"):
        waiting = threading.Thread(target=lambda: found.append(f()))
        waiting.start()
        while waiting.is_alive():
            clock.advance(0.01)
            waiting.join(0.001)
    assert found == [1]


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [({"ttl": 0}, "ttl"), ({"wait": "soon"}, "wait"), ({"limit": 0}, "limit"), ({"key": "{b}"}, "key"), ({"name": 5}, "name")],
)
def test_settings_that_make_no_sense_are_refused_at_once(settings: Any, wrong: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Cache().locked(**settings)(lambda a: a)
    assert caught.value.setting == wrong
