"""What is forgotten stays forgotten, whatever is being loaded meanwhile, and a near copy is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cashews
import pytest

import stillroom.compat.cashews as facade

if TYPE_CHECKING:
    from tests.servers.server import Server

pytestmark = pytest.mark.asyncio_only

FORGETTING = {
    "delete": lambda cache: cache.delete("user:1"),
    "delete_many": lambda cache: cache.delete_many("user:1", "user:2"),
    "delete_match": lambda cache: cache.delete_match("user:*"),
    "delete_tags": lambda cache: cache.delete_tags("users", "other"),
    "tag of one": lambda cache: cache.delete_tags("user:1"),
    "clear": lambda cache: cache.clear(),
    "set": lambda cache: cache.set("user:1", "set", expire="1m"),
}


class Users:
    """A function that is asked, and told when to answer."""

    def __init__(self, cache: Any, decorator: str) -> None:
        self.answer, self.begun, self.go = "old", asyncio.Event(), asyncio.Event()
        settings: dict[str, Any] = {"ttl": "1m", "key": "user:{number}", "tags": ["users", "user:{number}"], "prefix": ""}
        if decorator == "hit":
            settings["cache_hits"] = 10

        @getattr(cache, decorator)(**settings)
        async def user(number: int) -> str:
            answer = self.answer
            self.begun.set()
            await self.go.wait()
            return answer

        self.user = user


async def meet(library: Any, cache: Any, decorator: str, forget: str) -> Any:
    users = Users(cache, decorator)
    loading = asyncio.create_task(users.user(1))
    await users.begun.wait()
    users.answer = "new"
    await FORGETTING[forget](cache)
    users.go.set()
    await loading
    return await users.user(1)


@pytest.mark.parametrize("forget", FORGETTING)
@pytest.mark.parametrize("decorator", ["cache", "soft", "hit"])
async def test_no_load_in_flight_undoes_it(open_cache: Callable[..., Any], decorator: str, forget: str) -> None:
    cache = open_cache()
    await cache.clear()
    assert await meet(facade, cache, decorator, forget) == ("set" if forget == "set" else "new")
    await cache.close()


@pytest.mark.parametrize("forget", ["delete", "delete_match", "clear"])
async def test_in_cashews_it_does(forget: str) -> None:
    cache = cashews.Cache()
    cache.setup("mem://?check_interval=0")
    assert await meet(cashews, cache, "cache", forget) == "old"


async def test_a_deletion_in_the_middle_of_a_change_is_not_undone(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    for _ in range(30):
        await cache.set_add("set", "old")
        await asyncio.gather(cache.set_add("set", "new"), cache.delete("set"))
        assert "old" not in await cache.set_pop("set")
    await cache.close()


async def test_keys_with_signs_of_patterns_in_them_are_forgotten(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    keys = ["items:[1, 2]:page:1", "items:[1, 2]:page:2", "what?", "items:1:page:1", "whats"]
    await cache.set_many(dict.fromkeys(keys, 1))
    await cache.delete_match("items:[1, 2]:page:*")
    await cache.delete_match("what?")
    assert [key for key in keys if await cache.exists(key)] == []
    await cache.set_many(dict.fromkeys(keys, 1))
    await cache.delete_match("items:[1, 2]:page:2")
    assert [key for key in keys if await cache.exists(key)] == ["items:[1, 2]:page:1", "what?", "items:1:page:1", "whats"]
    await cache.delete_match("whats")
    assert not await cache.exists("whats")
    await cache.close()


async def test_near_copies_are_told(redis_server: Server) -> None:
    near, other = facade.Cache(), facade.Cache()
    near.setup(redis_server.url, client_side=True)
    other.setup(redis_server.url)
    loads: list[int] = []

    @near(ttl="1m", key="user:{number}", tags=["users"])
    async def user(number: int) -> int:
        loads.append(number)
        return len(loads)

    assert [await user(1) for _ in range(3)] == [1, 1, 1]
    for forget in (lambda: other.delete("user:1"), lambda: other.delete_match("user:*"), lambda: other.delete_tags("users")):
        before = await user(1)
        await forget()
        await eventually_newer(user, before)
    await other.set("key", 1)
    assert await near.get("key") == 1
    for cache in (near, other):
        await cache.close()


async def eventually_newer(user: Callable[[int], Any], before: int) -> None:
    while await user(1) == before:  # noqa: ASYNC110 - the server's message is nobody's to wait for
        await asyncio.sleep(0.001)
