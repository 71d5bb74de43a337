"""Transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import stillroom.compat.cashews as facade
from stillroom.compat.cashews import LockedError, TransactionMode

pytestmark = pytest.mark.asyncio_only
every_mode = pytest.mark.parametrize("mode", ["FAST", "LOCKED", "SERIALIZABLE"])


@every_mode
async def test_changes_are_applied_at_the_end(same: Callable[..., Any], mode: str) -> None:
    async def program(library: Any, cache: Any) -> Any:
        await cache.set_many({"a": 1, "b": 1, "n": 5})
        async with cache.transaction(library.TransactionMode[mode]):
            await cache.set("a", 2, expire="1m")
            await cache.delete("b")
            await cache.set_many({"c": 3})
            inside = [await cache.incr("n"), await cache.get_many("a", "b", "c"), await cache.get_expire("a")]
            outside = await asyncio.create_task(_outside(cache, "a", "b", "c"))
        return inside, outside, await cache.get_many("a", "b", "c", "n"), 58 <= await cache.get_expire("a") <= 60

    expected = [6, (2, None, 3), 60], (1, 1, None), (2, None, 3, 6), True
    assert await same(program) == expected


async def _outside(cache: Any, *keys: str) -> Any:
    """Read as a task that is in no transaction does."""
    import contextvars

    return await contextvars.Context().run(asyncio.get_running_loop().create_task, cache.get_many(*keys))


@every_mode
async def test_changes_are_dropped_on_an_error(same: Callable[..., Any], mode: str) -> None:
    async def program(library: Any, cache: Any) -> Any:
        await cache.set("a", 1)
        try:
            async with cache.transaction(library.TransactionMode[mode]):
                await cache.set("a", 2)
                await cache.delete_match("a*")
                raise ValueError("no")
        except ValueError as error:
            return str(error), await cache.get("a")

    assert await same(program) == ("no", 1)


async def test_a_function_is_a_transaction(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        @cache.transaction()
        async def move(fails: bool) -> str:
            """Move."""
            await cache.incr("from", -1)
            await cache.incr("to", 1)
            if fails:
                raise ValueError("no")
            return "moved"

        steps: list[Any] = [move.__name__, move.__doc__, await move(False)]
        try:
            await move(fails=True)
        except ValueError:
            steps.append("dropped")
        return [*steps, await cache.get("to")]

    assert await same(program) == ["move", "Move.", "moved", "dropped", 1]


async def test_calls_of_such_a_function_are_transactions_of_their_own(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    @cache.transaction(TransactionMode.FAST)
    async def store(key: str) -> None:
        await cache.set(key, 1)
        await asyncio.sleep(0)
        if key == "b":
            raise ValueError(key)

    await asyncio.gather(store("a"), store("b"), store("c"), return_exceptions=True)
    assert await cache.get_many("a", "b", "c") == (1, None, 1)
    await cache.close()


@every_mode
async def test_commit_and_rollback_in_between(same: Callable[..., Any], mode: str) -> None:
    async def program(library: Any, cache: Any) -> Any:
        async with cache.transaction(library.TransactionMode[mode], timeout=5) as opened:
            await cache.set("a", 1)
            await opened.commit()
            committed = await _outside(cache, "a")
            await cache.set("a", 2)
            await cache.set("b", 2)
            await opened.rollback()
            dropped = await cache.get_many("a", "b")
            await cache.set("c", 3)
        return committed, dropped, await cache.get_many("a", "b", "c")

    assert await same(program) == ((1,), (1, None), (1, None, 3))


async def test_one_within_another_is_part_of_it(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        async with cache.transaction() as outer:
            await cache.set("a", 1)
            async with cache.transaction() as inner:
                await cache.set("b", 2)
            steps = [inner is outer, await _outside(cache, "a", "b")]
            await cache.set("c", 3)
        return [*steps, await cache.get_many("a", "b", "c")]

    assert await same(program) == [True, (None, None), (1, 2, 3)]


async def test_the_one_around_goes_on_after_that_within(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        try:
            async with cache.transaction():
                async with cache.transaction():
                    await cache.set("a", 1)
                await cache.set("b", 2)
                raise ValueError("no")
        except ValueError:
            return await cache.get_many("a", "b")

    assert await same(program) == (None, None)


@pytest.mark.parametrize(
    ("mode", "key", "waits"), [("LOCKED", "a", 1), ("LOCKED", "b", 0), ("SERIALIZABLE", "b", 1), ("FAST", "a", 0)]
)
async def test_who_waits_for_whom(open_cache: Callable[..., Any], mode: str, key: str, waits: int) -> None:
    cache, begun, go = open_cache(), asyncio.Event(), asyncio.Event()
    cache.set_transaction_mode(TransactionMode[mode])

    async def first() -> None:
        async with cache.transaction():
            await cache.set("a", 1)
            begun.set()
            await go.wait()

    async def second() -> str:
        try:
            async with cache.transaction(timeout=0.05 if waits else 10):
                await cache.set(key, 2)
        except LockedError:
            return "locked"
        return "done"

    other = asyncio.create_task(first())
    await begun.wait()
    assert await second() == ("locked" if waits else "done")
    go.set()
    await other
    assert await second() == "done"
    assert await cache.get(key) == 2
    await cache.close()


async def test_counting_in_many_transactions_loses_nothing(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    async def count() -> None:
        async with cache.transaction(TransactionMode.LOCKED):
            await cache.set("n", (await cache.incr("n")))

    await asyncio.gather(*[count() for _ in range(10)])
    assert await cache.get("n") == 10
    await cache.close()


async def test_locks_act_at_once(same: Callable[..., Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        async with cache.transaction(library.TransactionMode.FAST):
            taken = await cache.set_lock("lock", "v", expire=10)
            seen = await asyncio.create_task(_is_locked(cache))
            await cache.incr_bits("bits", 1)
        return taken, seen, await cache.is_locked("lock"), await cache.get_bits("bits", 0, 1)

    assert await same(program) == (True, True, True, (0, 1))


async def _is_locked(cache: Any) -> Any:
    import contextvars

    return await contextvars.Context().run(asyncio.get_running_loop().create_task, cache.is_locked("lock"))


async def test_tasks_of_a_transaction_take_part_in_it(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    async def fail() -> None:
        async with cache.transaction():
            await asyncio.gather(*[cache.set("key", number) for number in range(5)])
            assert await cache.exists("key")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fail()
    assert not await cache.exists("key")
    await cache.close()


async def test_deletions_by_tag_are_part_of_it(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    await cache.set("key", 1, tags=["t"])

    async def fail() -> None:
        async with cache.transaction():
            await cache.delete_tags("t")
            assert await cache.get("key") is None
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fail()
    assert await cache.get("key") == 1
    async with cache.transaction():
        await cache.delete_tags("t")
    assert await cache.get("key") is None
    await cache.close()


async def test_functions_see_what_the_transaction_sees(open_cache: Callable[..., Any]) -> None:
    cache, database = open_cache(), {"ada": 1}

    @cache(ttl="1m", key="balance:{name}", tags=["balances"])
    async def balance(name: str) -> int:
        return database[name]

    async def fail() -> None:
        async with cache.transaction():
            database["ada"] = 2
            await cache.delete("balance:ada")
            assert await balance("ada") == 2
            assert await _outside(cache, "balance:ada") == (1,)
            database["ada"] = 1
            raise ValueError("no")

    assert await balance("ada") == 1
    with pytest.raises(ValueError, match="no"):
        await fail()
    assert await balance("ada") == 1
    async with cache.transaction():
        database["ada"] = 3
        await cache.delete_tags("balances")
        assert await balance("ada") == 3
    assert await balance("ada") == 3
    await cache.close()


async def test_transactions_extend_to_all_backends() -> None:
    cache = facade.Cache()
    cache.setup("mem://")
    cache.setup("mem://", prefix="user:")

    async def fail() -> None:
        async with cache.transaction():
            await cache.set_many({"key": 1, "user:1": 1})
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fail()
    assert await cache.get_many("key", "user:1") == (None, None)
    cache.set_transaction_timeout(3)
    assert cache.transaction_timeout == 3
