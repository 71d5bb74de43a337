"""Locks by key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from stillroom.compat.cashews import Command, LockedError

pytestmark = pytest.mark.asyncio_only


async def test_a_lock_is_taken_once_and_given_back_by_its_holder(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        steps = [await cache.set_lock("key", value="mine", expire=60), await cache.set_lock("key", value="yours", expire="1m")]
        steps += [await cache.is_locked("key"), bool(await cache.unlock("key", "mine")), await cache.is_locked("key")]
        return [*steps, await cache.set_lock("key", value="yours", expire=60)]

    assert await same(program) == [True, False, True, True, False, True]


async def test_nobody_gives_back_the_lock_of_another(seen_by_both: Callable[..., Any], url: str) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set_lock("key", value="mine", expire=60)
        return bool(await cache.unlock("key", "yours")), await cache.is_locked("key")

    seen = await seen_by_both(program)
    assert seen.facade == (False, True)
    assert seen.original == ((True, False) if url == "mem://" else (False, True))


async def test_a_lock_is_held_for_a_block(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        async with cache.lock("key", expire=10):
            steps = [await cache.is_locked("key"), await cache.is_locked("key", wait=0.02, step=0.01)]
        return [*steps, await cache.is_locked("key"), await cache.is_locked("key", wait=60)]

    assert await same(program) == [True, True, False, False]


async def test_who_will_not_wait_is_told(same: Callable[..., Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        async with cache.lock("key", expire=10):
            try:
                async with cache.lock("key", expire=10, wait=False):
                    return "entered"
            except library.LockedError as error:
                return issubclass(type(error), library.exceptions.CacheError), await cache.is_locked("key")

    assert await same(program) == (True, True)


async def test_a_lock_is_given_back_on_an_error(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    with pytest.raises(LockedError):
        async with cache.lock("key", expire=10), cache.lock("key", expire=10, wait=False):
            raise AssertionError("two holders")
    assert not await cache.is_locked("key")
    await cache.close()


async def test_who_is_cancelled_leaves_no_lock(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    async def hold() -> None:
        async with cache.lock("key", expire=60):
            await asyncio.Event().wait()

    for turns in range(12):
        holder = asyncio.create_task(hold())
        for _ in range(turns):
            await asyncio.sleep(0)
        holder.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holder
        assert not await cache.is_locked("key")
    await cache.close()


async def test_holders_take_turns(open_cache: Callable[..., Any]) -> None:
    cache, inside, most = open_cache(), 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with cache.lock("key", expire="10s"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*[work() for _ in range(10)])
    assert most == 1
    await cache.close()


async def test_while_locks_are_disabled_nobody_waits(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    await cache.set_lock("key", "other", expire=60)
    with cache.disabling(Command.SET_LOCK):
        await asyncio.wait_for(cache.lock("key", expire=10).__aenter__(), 5)
    await cache.close()


async def test_counters_of_bits_and_sets_lose_nothing_under_contention(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    await asyncio.gather(*[cache.incr_bits("bits", 3, size=8) for _ in range(20)])
    await asyncio.gather(*[cache.set_add("set", str(number)) for number in range(20)])
    await asyncio.gather(*[cache.slice_incr("window", 0, at + 1, maxvalue=100) for at in range(20)])
    assert await cache.get_bits("bits", 3, size=8) == (20,)
    assert len(list(await cache.set_pop("set", 100))) == 20
    assert await cache.slice_incr("window", 0, 50, maxvalue=100) == 21
    await cache.close()
