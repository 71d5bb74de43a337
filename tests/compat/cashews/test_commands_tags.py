"""Tags."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import stillroom.compat.cashews as facade

pytestmark = pytest.mark.asyncio_only


async def test_what_carries_a_tag_is_forgotten_with_it(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set("a", 1, tags=["t:1", "all"])
        await cache.set("b", 2, expire="1m", tags=("t:2", "all"))
        await cache.set("c", 3)
        await cache.incr("n", 5, tags=["t:1"])
        await cache.incr("n", 1, tags=["t:1"])
        steps = [await cache.get_many("a", "b", "c", "n"), await cache.delete_tags("t:1")]
        steps += [await cache.get_many("a", "b", "c", "n")]
        await cache.delete_tags("t:3", "all")
        return [*steps, await cache.get_many("a", "b", "c")]

    assert await same(program) == [(1, 2, 3, 6), None, (None, 2, 3, None), (None, None, 3)]


async def test_which_tags_a_key_carries(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        cache.register_tag("users", "user:{user_id}")
        cache.register_tag("user:{user_id}", "user:{user_id}")
        cache.register_tag("user:{user_id}", "items:user:{user_id}:page:{page}")
        cache.register_tag("org:{data.org}", "of:{data.org}:end")
        cache.register_tag("plain", "exactly (this)")
        keys = ("user:5", "items:user:7:page:2", "of:acme:end", "exactly (this)", "exactly that", "user:")
        return [list(cache.get_key_tags(key)) for key in keys]

    assert await same(program) == [["users", "user:5"], ["user:7"], ["org:acme"], ["plain"], [], ["users", "user:"]]


async def test_tags_reach_into_all_backends() -> None:
    cache = facade.Cache()
    cache.setup("mem://")
    cache.setup("mem://", prefix="user:")
    cache.setup_tags_backend("mem://")
    assert cache.tags_backend is not cache.setup("mem://", prefix="elsewhere")
    await cache.set("key", 1, tags=["t"])
    await cache.set("user:1", 1, tags=["t"])
    await cache.delete_tags("t")
    assert await cache.get_many("key", "user:1") == (None, None)


async def test_a_value_that_was_set_again_without_a_tag_stays(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    await cache.set("key", 1, tags=["t"])
    await cache.set("key", 2)
    await cache.delete_tags("t")
    assert await cache.get("key") == 2
    await cache.close()


async def test_what_replaces_the_result_of_a_function_carries_its_tags(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    @cache(ttl="1m", key="user:{number}", tags=["users", "user:{number}"])
    async def user(number: int) -> str:
        return "loaded"

    for store in (lambda: cache.set("user:1", "set"), lambda: cache.set_many({"user:1": "set", "other": 1})):
        assert await user(1) == "loaded"
        await store()
        assert await user(1) == "set"
        await cache.delete_tags("user:1")
        assert await user(1) == "loaded"
        await store()
        await cache.delete_tags("users")
        assert await cache.get("user:1") is None
    assert await cache.get("other") == 1
    await cache.close()


async def test_thousands_of_keys_are_forgotten_at_once(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        for number in range(300):
            await cache.set(f"key:{number}", number, tags=["t"])
        await cache.delete_tags("t")
        return [key async for key in cache.scan("key:*")]

    assert await same(program) == []


async def test_a_deletion_of_tags_is_final_for_what_is_being_set(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    for _ in range(20):
        setting = [asyncio.create_task(cache.set(f"key:{number}", number, tags=["t"])) for number in range(10)]
        await asyncio.gather(*setting)
        await cache.delete_tags("t")
        assert [key async for key in cache.scan("key:*")] == []
    await cache.close()
