"""Commands that set, get and forget values do what they do in cashews."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from stillroom.compat.cashews import Command, add_prefix

pytestmark = pytest.mark.asyncio_only


@dataclass
class User:
    name: str
    surname: str


async def error_of(waiting: Any) -> str:
    try:
        await waiting
    except Exception as error:
        return type(error).__name__
    return "none"


VALUES = [
    0, 1, 10**30, True, False, 1.5, "", "text", "17", {"any": True}, {1: "a"}, [1, 2], (1, 2), {1, 2}, frozenset([1]),
    timedelta(3), User("Ada", "King"), None,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_values_come_back_as_they_went_in(same: Callable[..., Any], value: object) -> None:
    async def program(_: Any, cache: Any) -> Any:
        stored = await cache.set(key="key", value=value, expire=60, exist=None)
        found = await cache.get("key", default="nothing")
        return stored, found, type(found)

    assert await same(program) == (True, value, type(value))


async def test_negative_numbers_are_found(seen_by_both: Callable[..., Any], url: str) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set("key", -5)
        return await cache.get("key", default="nothing")

    seen = await seen_by_both(program)
    assert seen.facade == -5
    assert seen.original == (-5 if url == "mem://" else "nothing")


async def test_bytes_of_digits_stay_bytes(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    for value in (b"", b"a", b"123"):
        await cache.set("key", value)
        assert await cache.get("key") == value
    await cache.close()


async def test_what_is_not_there_is_the_default(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        return await cache.get("key"), await cache.get("key", default=3), await cache.get("key", 4)

    assert await same(program) == (None, 3, 4)


async def test_many_are_set_and_got_in_the_order_asked(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        nothing = await cache.set_many({"a": 1, "b": [2]}, expire="1m")
        return nothing, await cache.get_many("b", "c", "a"), await cache.get_many("c", default=0), await cache.get_many()

    assert await same(program) == (None, ([2], None, 1), (0,), ())


async def test_exist_says_whether_there_must_be_one(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        steps = [await cache.set("key", 1, exist=True), await cache.get("key")]
        steps += [await cache.set("key", 2, exist=False), await cache.get("key")]
        steps += [await cache.set("key", 3, exist=False), await cache.get("key")]
        steps += [await cache.set("key", 4, exist=True), await cache.get("key")]
        return steps

    assert await same(program) == [False, None, True, 2, False, 2, True, 4]


async def test_forgetting(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set_many({f"user:{number}": number for number in range(5)})
        steps = [await cache.delete("user:0"), await cache.delete("user:0"), await cache.exists("user:0")]
        steps += [await cache.delete_many("user:1", "user:9"), await cache.exists("user:1"), await cache.exists("user:2")]
        await cache.set("users", "all")
        steps += [await cache.delete_match("user:*"), await cache.get_many("user:2", "user:3", "users")]
        await cache.clear()
        return [*steps, await cache.exists("users")]

    assert await same(program) == [True, False, False, None, False, True, None, (None, None, "all"), False]


@pytest.mark.parametrize("expire", [60, 60.0, "1m", "60", "60s", timedelta(minutes=1)])
async def test_lengths_of_life(same: Callable[..., Any], expire: Any) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set("key", "value", expire=expire)
        left = await cache.get_expire("key")
        return left, type(left)

    assert await same(program) == (60, int)


async def test_what_is_set_without_end_over_what_has_one(same: Callable[..., Any], url: str) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set_many({"a": 1, "b": 1, "c": 1}, expire=60)
        await cache.set("a", 2)
        await cache.set_many({"b": 2, "new": 2})
        await cache.incr("c")
        return [await cache.get_expire(key) for key in ("a", "b", "c", "new")]

    assert await same(program) == ([60, 60, 60, -1] if url == "mem://" else [-1, -1, 60, -1])


async def test_without_end_and_not_there(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set("key", "value")
        steps = [await cache.get_expire("key"), await cache.get_expire("none")]
        await cache.expire("key", timeout="1h30m")
        await cache.expire("none", timeout=10)
        return [*steps, await cache.get_expire("key"), await cache.exists("none")]

    assert await same(program) == [-1, -2, 5400, False]


async def test_what_is_not_there_looks_as_it_did_in_both_releases(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    left = await cache.get_expire("none")
    assert isinstance(left, int)
    assert left == -1
    assert left == -2
    assert left not in (0, 1, -3)
    assert left < 0
    assert str(left) == "-2"
    await cache.close()


async def test_a_wrong_text_for_a_length_is_refused(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        return await error_of(cache.set("key", 1, expire="soon"))

    assert await same(program) == "ValueError"


async def test_what_has_expired_is_gone(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set("key", "value", expire=0.01)
        while await cache.exists("key"):  # noqa: ASYNC110 - nobody tells when something expires
            await asyncio.sleep(0.005)
        return await cache.get("key", "gone"), await cache.get_expire("key")

    assert await same(program) == ("gone", -2)


async def test_counting(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        steps = [await cache.incr("key"), await cache.incr("key", 5), await cache.incr("key", -2), await cache.get("key")]
        await cache.set("set", 10)
        return [*steps, await cache.incr("set"), await cache.incr("timed", expire=30), await cache.get_expire("timed")]

    assert await same(program) == [1, 6, 4, 4, 11, 1, 30]


async def test_what_a_command_puts_in_place_of_a_result_is_served(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        @cache(ttl="1m", key="visits:{page}")
        async def visits(page: int) -> int:
            return 10

        steps = [await visits(1), await cache.set("visits:1", 11, exist=True), await visits(1)]
        steps += [
            await cache.set("visits:2", 12, exist=False),
            await visits(2),
            await cache.set("visits:2", 13),
            await visits(2),
        ]
        return [*steps, await cache.incr("visits:2"), await visits(2)]

    assert await same(program) == [10, True, 11, True, 12, True, 13, 14, 14]


async def test_counting_on_from_the_result_of_a_function(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        @cache(ttl="1m", key="visits:{page}", tags=["pages"])
        async def visits(page: int) -> int:
            return 10

        steps = [await visits(1), await cache.incr("visits:1"), await cache.incr("visits:1", 5), await cache.get("visits:1")]
        left = 58 <= await cache.get_expire("visits:1") <= 60
        await cache.delete_tags("pages")
        return [*steps, left, await cache.get("visits:1")]

    assert await same(program) == [10, 11, 16, 16, True, None]


async def test_what_is_no_number_is_not_counted_on_from(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    await cache.set("key", "text")
    assert await error_of(cache.incr("key")) == "ValueError"
    assert await cache.get("key") == "text"
    await cache.close()


async def test_going_through_keys(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set_many({f"user:{number}:name": str(number) for number in range(250)})
        await cache.set("other", 1)
        keys = [key async for key in cache.scan("user:*")]
        pairs = [pair async for pair in cache.get_match("user:1*:name")]
        return sorted(keys), sorted(pairs), await cache.get_keys_count()

    keys, pairs, count = await same(program)
    assert (len(keys), len(pairs), count) == (250, 111, 251)


async def test_get_or_set_takes_values_functions_and_awaitables(same: Callable[..., Any]) -> None:
    async def slow() -> str:
        return "awaited"

    async def program(_: Any, cache: Any) -> Any:
        steps = [await cache.get_or_set("a", "value", expire="1m"), await cache.get_or_set("a", "other")]
        steps += [await cache.get_or_set("b", lambda: "called"), await cache.get("b")]
        steps += [await cache.get_or_set("c", slow), await cache.get_or_set("d", slow())]
        return [*steps, await cache.get_many("a", "b", "c", "d"), await cache.get_expire("a")]

    together = ("value", "called", "awaited", "awaited")
    assert await same(program) == ["value", "value", "called", "called", "awaited", "awaited", together, 60]


async def test_get_or_set_goes_through_middlewares(same: Callable[..., Any]) -> None:
    seen: list[Any] = []

    async def doubles(call: Any, command: Any, _: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(command.value)
        if command.value == "set":
            kwargs |= {"value": kwargs["value"] * 2, "expire": 50}
        return await call(*args, **kwargs)

    async def small(call: Any, command: Any, _: Any, *args: Any, **kwargs: Any) -> Any:
        return await call(*args, **kwargs) if command.value != "set" or kwargs["value"] != "big" else None

    async def program(_: Any, cache: Any) -> Any:
        seen.clear()
        steps = [await cache.get_or_set("a", lambda: "ab", expire=100), await cache.get_or_set("a", "other")]
        steps += [await cache.get_or_set("b", "big"), await cache.exists("b"), await cache.get_expire("a"), list(seen)]
        return steps

    commands = ["get", "set", "get", "get", "exists", "get_expire"]
    assert await same(program, middlewares=(doubles, small)) == ["ab", "abab", "big", False, 50, commands]


async def test_what_get_or_set_stores_carries_the_tags_of_its_key(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    cache.register_tag("users", "user:{number}")
    for default in ("value", lambda: "value"):
        assert await cache.get_or_set("user:1", default) == "value"
        await cache.delete_tags("users")
        assert await cache.get("user:1") is None
    await cache.close()


async def test_get_or_set_calls_a_function_once_for_all(open_cache: Callable[..., Any]) -> None:
    cache, calls = open_cache(), []

    async def load() -> int:
        calls.append(1)
        await asyncio.sleep(0.01)
        return 7

    assert await asyncio.gather(*[cache.get_or_set("key", load) for _ in range(20)]) == [7] * 20
    assert len(calls) == 1
    await cache.close()


async def passes_on(call: Any, _: Command, __: Any, *args: Any, **kwargs: Any) -> Any:
    return await call(*args, **kwargs)


@pytest.mark.parametrize("middlewares", [(), (passes_on,), (add_prefix("all:"),)])
@pytest.mark.parametrize("give", [lambda load: load, lambda load: load()], ids=["function", "coroutine"])
async def test_a_deletion_is_not_undone_by_a_load_in_flight(
    open_cache: Callable[..., Any], middlewares: Any, give: Callable[[Any], Any]
) -> None:
    cache, begun, go = open_cache(middlewares=middlewares), asyncio.Event(), asyncio.Event()

    async def load() -> str:
        begun.set()
        await go.wait()
        return "old"

    for forget in (lambda: cache.delete("key"), lambda: cache.delete_match("k*"), cache.clear):
        begun.clear()
        go.clear()
        loading = asyncio.create_task(cache.get_or_set("key", give(load), expire="1m"))
        await begun.wait()
        await forget()
        go.set()
        assert await loading == "old"
        assert await cache.get("key") is None
    await cache.close()


async def test_bits(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        steps = [await cache.get_bits("bits", 0, 5), await cache.incr_bits("bits", 1, 3)]
        steps += [await cache.get_bits("bits", 0, 1, 2, 3), await cache.incr_bits("bits", 1)]
        steps += [await cache.incr_bits("wide", 0, 1, size=4, by=9), await cache.incr_bits("wide", 0, 2, size=4, by=9)]
        return [*steps, await cache.get_bits("wide", 0, 1, 2, 3, size=4)]

    assert await same(program) == [(0, 0), (1, 1), (0, 1, 0, 1), (1,), (9, 9), (15, 9), (15, 9, 9, 0)]


async def test_sets(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set_add("set", "a", "b", "c", expire="1m")
        await cache.set_remove("set", "b", "x")
        taken = await cache.set_pop("set", count=1)
        rest = await cache.set_pop("set")
        return (
            sorted([*taken, *rest]),
            len(taken),
            type(rest),
            list(await cache.set_pop("set")),
            list(await cache.set_pop("no")),
        )

    assert await same(program) == (["a", "c"], 1, list, [], [])


async def test_sets_without_members_are_not_kept(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    await cache.set_add("set", "a")
    await cache.set_remove("set", "a")
    await cache.set_remove("none", "a")
    assert [key async for key in cache.scan("*")] == []
    await cache.close()


async def test_windows(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        counts = [await cache.slice_incr("window", 0, at, maxvalue=3, expire="1m") for at in (1, 2, 3, 4)]
        return [*counts, await cache.slice_incr("window", 2, 5, maxvalue=3)]

    assert await same(program) == [1, 2, 3, 3, 3]


async def test_ping(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        return await cache.ping(), await cache.ping(message=None), await cache.ping(b"hello")

    assert await same(program) == (b"PONG", b"PONG", b"hello")


async def test_sizes_are_whole_numbers(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    await cache.set("small", "a")
    await cache.set("large", "a" * 10_000)
    assert await cache.get_size("none") == 0
    assert 0 < await cache.get_size("small") < 1_000 < 10_000 <= await cache.get_size("large")
    await cache.close()


async def test_names_of_commands_are_those_of_methods(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    assert [command.value for command in Command if not callable(getattr(cache, command.value))] == []
    assert Command["EXIST"] is Command["EXISTS"]
    await cache.close()
