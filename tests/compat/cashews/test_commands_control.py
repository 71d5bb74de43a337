"""Disabling commands, middlewares, callbacks."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import pytest

import stillroom.compat.cashews as facade
from stillroom.compat.cashews import Command

pytestmark = pytest.mark.asyncio_only


async def test_single_commands_are_disabled(same: Callable[..., Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        await cache.set("key", 1)
        cache.disable(library.Command.SET, library.Command.DELETE)
        steps = [await cache.set("key", 2), await cache.delete("key"), await cache.get("key"), cache.is_full_disable]
        steps += [cache.is_disable(library.Command.SET), cache.is_enable(library.Command.SET), cache.is_disable()]
        steps += [cache.is_disable(library.Command.GET), cache.is_enable(library.Command.GET, library.Command.SET)]
        cache.enable(library.Command.SET)
        steps += [await cache.set("key", 3), await cache.get("key"), cache.is_enable()]
        cache.enable()
        return [*steps, cache.is_enable()]

    assert await same(program) == [None, None, 1, False, True, False, True, False, False, True, 3, False, True]


async def test_everything_is_disabled_for_a_block(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set("other", 1)
        with cache.disabling():
            steps = [
                cache.is_full_disable,
                await cache.set("key", 1),
                await cache.get("key", "nothing"),
                await cache.exists("key"),
            ]
            steps += [await cache.get("other"), await cache.incr("key"), await cache.ping(), await cache.get_expire("key")]
        return [*steps, cache.is_full_disable, await cache.get("other"), await cache.get("key")]

    assert await same(program) == [True, None, "nothing", None, None, None, None, None, False, 1, None]


async def test_what_is_set_while_all_is_disabled_is_not_served_as_it_was_before(seen_by_both: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set_many({"a": 1, "b": 1, "c": 1})
        with cache.disabling():
            await cache.set("a", 2)
            await cache.delete("b")
            await cache.set_many({"c": 2})
        return await cache.get_many("a", "b", "c")

    seen = await seen_by_both(program)
    assert seen.facade == (None, None, None)
    assert seen.original == (1, 1, 1)


async def test_going_through_keys_while_disabled_finds_nothing(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    await cache.set("key", 1)
    with cache.disabling():
        assert [key async for key in cache.scan("*")] == []
        assert [pair async for pair in cache.get_match("*")] == []
        assert await cache.get_many("key", "other", default=0) == (0, 0)
        assert await cache.get_keys_count() == 0
    await cache.close()


async def test_disabling_concerns_the_task_that_does_it(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        async def inside() -> Any:
            cache.disable()
            return await cache.get("key")

        await cache.set("key", 1)
        return await asyncio.create_task(inside()), await cache.get("key")

    assert await same(program) == (None, 1)


async def test_what_is_set_up_disabled_is_disabled_in_every_context() -> None:
    cache = facade.Cache()
    contextvars.Context().run(lambda: cache.setup("mem://", enable=False))
    assert cache.is_full_disable
    cache.enable()
    assert cache.is_enable()


async def test_prefixes_are_disabled_apart() -> None:
    cache = facade.Cache()
    cache.setup("mem://")
    cache.setup("mem://", prefix="user")
    await cache.set_many({"user": 1, "key": 1})
    with cache.disabling(prefix="user"):
        assert await cache.get_many("user", "key") == (None, 1)
        assert not cache.is_full_disable
        assert cache.is_disable(prefix="user")
    assert await cache.get("user") == 1


async def test_a_cache_without_setup_can_be_disabled(same: Callable[..., Any]) -> None:
    async def program(library: Any, _: Any) -> Any:
        cache = library.Cache()
        with cache.disabling():
            return "nothing happens"

    assert await same(program) == "nothing happens"


def noting(seen: list[Any], name: str) -> Any:
    async def middleware(call: Any, cmd: Any, backend: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append((name, cmd.value, args, dict(kwargs)))
        return await call(*args, **kwargs)

    return middleware


async def test_middlewares_see_every_command_as_in_cashews(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        seen: list[Any] = []
        cache.add_middleware(noting(seen, "all"))
        await cache.set("a", 1, expire="1m")
        await cache.set_many({"b": 2}, expire=5)
        await cache.set_raw("raw", b"1")
        await cache.get("a", default=0)
        await cache.get_raw("raw")
        await cache.get_many("a", "b", default=0)
        _keys = [key async for key in cache.scan("a*")]
        _pairs = [pair async for pair in cache.get_match("a*", batch_size=10)]
        await cache.exists("a")
        await cache.incr("n", 2, expire=7)
        await cache.expire("a", "2m")
        await cache.get_expire("a")
        await cache.get_bits("bits", 1, size=2)
        await cache.incr_bits("bits", 1, by=2, size=2)
        await cache.slice_incr("window", 0, 1, 5, expire="1m")
        await cache.set_add("set", "x", expire="1m")
        await cache.set_remove("set", "x")
        await cache.set_pop("set", 5)
        await cache.set_lock("lock", "v", "1m")
        await cache.is_locked("lock", wait=0)
        await cache.unlock("lock", "v")
        await cache.get_size("a")
        await cache.ping()
        await cache.delete("a")
        await cache.delete_many("a", "b")
        await cache.delete_match("a*")
        await cache.get_keys_count()
        await cache.clear()
        return seen

    assert {command for _, command, *_ in await same(program)} == {command.value for command in Command}


async def test_the_order_of_middlewares(seen_by_both: Callable[..., Any]) -> None:
    async def program(library: Any, _: Any) -> Any:
        seen: list[Any] = []
        cache = library.Cache()
        cache.setup("mem://?check_interval=0", middlewares=(noting(seen, "own 1"), noting(seen, "own 2")))
        cache.add_middleware(noting(seen, "all 1"))
        cache.add_middleware(noting(seen, "all 2"))
        await cache.get("key")
        with cache.disabling():
            await cache.get("key")
        return [name for name, *_ in seen]

    seen = await seen_by_both(program)
    assert seen.facade == seen.original == ["own 2", "own 1", "all 2", "all 1"] * 2


async def test_a_middleware_may_answer_itself(same: Callable[..., Any]) -> None:
    async def answer(call: Any, cmd: Any, backend: Any, *args: Any, **kwargs: Any) -> Any:
        return "mine" if kwargs.get("key") == "a" else await call(*args, **kwargs)

    async def program(_: Any, cache: Any) -> Any:
        cache.add_middleware(answer)
        await cache.set_many({"a": 1, "b": 2})
        return await cache.get("a"), await cache.get("b"), await cache.set("a", 3)

    assert await same(program) == ("mine", 2, "mine")


async def test_prefixes_and_lower_case(same: Callable[..., Any], url: str) -> None:
    async def program(library: Any, cache: Any) -> Any:
        other = library.Cache()
        backend = other.setup("mem://?check_interval=0", middlewares=(library.add_prefix("p:"),))
        lower = library.Cache()
        lower_backend = lower.setup("mem://?check_interval=0", middlewares=(library.all_keys_lower(),))
        for one in (other, lower):
            await one.set("KEY", 1)
            await one.set_many({"MANY": 2})
        steps = [await other.get("KEY"), await other.get_many("MANY"), [key async for key in backend.scan("*")]]
        steps += [await lower.get("key"), await lower.get_many("many"), [key async for key in lower_backend.scan("*")]]
        await other.delete_match("K*")
        await lower.delete_many("MANY")
        return [*steps, await other.exists("KEY"), await lower.exists("many")]

    assert await same(program) == [1, (2,), ["p:KEY", "p:MANY"], 1, (2,), ["key", "many"], False, False]


async def test_a_limit_of_memory(same: Callable[..., Any]) -> None:
    async def program(library: Any, _: Any) -> Any:
        cache = library.Cache()
        cache.setup("mem://?check_interval=0", middlewares=(library.memory_limit(min_bytes=30, max_bytes=10_000),))
        await cache.set("small", 1)
        await cache.set("right", "a" * 100)
        await cache.set("large", ["a" * 10_000])
        await cache.set_many({"tiny": 1, "fit": "b" * 100})
        await cache.set_many({"none": 1})
        return [await cache.exists(key) for key in ("small", "right", "large", "tiny", "fit", "none")]

    assert await same(program) == [False, True, False, False, True, False]


async def test_callbacks_are_told_of_key_and_result(same: Callable[..., Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        seen: list[Any] = []

        def note(key: str, result: Any) -> None:
            seen.append((key, result))

        async def note_all(cmd: Any, key: str, result: Any, backend: Any) -> None:
            seen.append((cmd.value, key, result))

        with cache.callback(note, cmd=library.Command.SET):
            await cache.set("a", 1)
            await cache.get("a")
        with cache.callbacks.callback(note_all):
            await cache.get("a")
            await cache.get("none")
            await cache.delete_match("a*")
        await cache.set("b", 1)
        return seen

    assert await same(program) == [("a", True), ("get", "a", 1)]


async def test_what_is_asked_for_is_forgotten_in_a_block(same: Callable[..., Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        await cache.set_many({"a": 1, "b": 2, "c": 3})
        with library.invalidate_further():
            steps = [await cache.get("a", "none"), [pair async for pair in cache.get_match("b*")], await cache.exists("c")]
        return [*steps, await cache.get_many("a", "b", "c")]

    assert await same(program) == ["none", [], True, (None, None, 3)]
