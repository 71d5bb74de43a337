"""What is particular to ``mem://``: how many values there may be, and what users do with the backend itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio_only


@pytest.fixture
def url() -> str:
    return "mem://"


async def test_what_was_not_used_for_longest_leaves_first(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set_many({"a": 1, "b": 2, "c": 3})
        await cache.get("a")
        await cache.set("d", 4)
        first = [await cache.get(key) for key in "bcda"]
        await cache.set("c", 5)
        await cache.set("e", 6)
        return first, await cache.get_many("a", "b", "c", "d", "e"), await cache.get_keys_count()

    assert await same(program, size=3) == ([None, 3, 4, 1], (1, None, 5, None, 6), 3)


class User:
    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, User) and other.name == self.name

    __hash__ = None  # type: ignore[assignment]


class Single(User):
    def __copy__(self) -> Single:
        raise TypeError("there is but one")


async def test_changes_of_an_object_after_it_was_stored_are_not_stored(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        user, users = User("Ada"), [User("Ada")]
        await cache.set_many({"user": user, "users": users})
        user.name = "Eve"
        users.clear()
        return await cache.get_many("user", "users")

    assert await same(program) == (User("Ada"), [User("Ada")])


async def test_objects_that_cannot_be_copied_are_stored_themselves(open_cache: Callable[..., Any]) -> None:
    cache, single = open_cache(), Single("Ada")
    await cache.set("key", single)
    assert await cache.get("key") is single


@pytest.mark.parametrize("value", ["12", 1.5, True])
async def test_a_count_goes_on_from_whatever_is_a_number(same: Callable[..., Any], value: object) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set("key", value, expire=10)
        return await cache.incr("key"), await cache.get("key"), await cache.get_expire("key")

    count = int(value) + 1  # type: ignore[call-overload]
    assert await same(program) == (count, count, 10)


async def test_a_count_does_not_go_on_from_what_is_no_number(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set("key", "text")
        with pytest.raises(ValueError, match="invalid literal"):
            await cache.incr("key")
        return await cache.get("key")

    assert await same(program) == "text"


async def test_the_scheme_may_be_in_capitals(same: Callable[..., Any]) -> None:
    async def program(library: Any, _: Any) -> Any:
        return type(library.Cache().setup("MEM://")).__name__

    assert await same(program) == "Memory"
