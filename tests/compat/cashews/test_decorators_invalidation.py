"""`invalidate`, `invalidate_func` and `invalidate_further`: what a change makes out of date is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio_only

Same = Callable[..., Any]


async def test_the_example_of_the_document(open_cache: Callable[..., Any]) -> None:
    cache, loads = open_cache(), list[Any]()

    @cache(ttl="1d")
    async def user_items(user_id: int, fresh: bool = False) -> list[int]:
        loads.append(("user_items", user_id, fresh))
        return [user_id]

    @cache(ttl="3h")
    async def items(page: int = 1) -> list[int]:
        loads.append(("items", page))
        return [page]

    @cache(ttl="3h")
    async def others(page: int = 1) -> list[int]:
        loads.append(("others", page))
        return [page]

    @cache.invalidate(f"{__name__}:{others.__qualname__}:page:*")
    @cache.invalidate(items)
    @cache.invalidate(user_items, {"user_id": lambda user: user.id}, defaults={"fresh": True})
    async def create_item(user: Any) -> Any:
        return user.id

    async def load_all() -> list[Any]:
        loads.clear()
        for page in (1, 2):
            await items(page)
            await others(page=page)
        for user in (7, 8):
            for fresh in (False, True):
                await user_items(user, fresh=fresh)
        return list(loads)

    assert len(await load_all()) == 8
    assert await load_all() == []
    assert await create_item(SimpleNamespace(id=7)) == 7
    expected = [("items", 1), ("others", 1), ("items", 2), ("others", 2), ("user_items", 7, True)]
    assert await load_all() == expected


async def test_templates_are_filled_in_with_arguments(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        loads: list[Any] = []

        @cache(ttl=60, key="user:{id}:{page}")
        async def load(id: int, page: int = 1) -> int:
            loads.append((id, page))
            return id

        @cache.invalidate("user:{user_id}:*")
        async def by_name(user_id: int) -> str:
            return "by name"

        @cache.invalidate("user:{id}:{page}", args_map={"id": "user"}, defaults={"page": 2})
        async def by_map(user: int) -> str:
            return "by map"

        @cache.invalidate("user:{user.id}:1")
        async def by_attribute(user: Any) -> str:
            return "by attribute"

        seen = []
        for change in (lambda: by_name(1), lambda: by_map(1), lambda: by_attribute(SimpleNamespace(id=2))):
            loads.clear()
            for id in (1, 2):
                for page in (1, 2):
                    await load(id, page)
            seen.append(list(loads))
            seen.append(await change())
        return seen

    seen = await same(program)
    assert seen[2::2] == [[(1, 1), (1, 2)], [(1, 2)]]


async def test_what_has_failed_invalidates_nothing(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        loads: list[int] = []

        @cache(ttl=60, key="k")
        async def load() -> int:
            loads.append(1)
            return 1

        @cache.invalidate("k")
        async def change() -> None:
            raise KeyError

        await load()
        with pytest.raises(KeyError):
            await change()
        await load()
        return loads

    assert await same(program) == [1]


STRATEGIES: dict[str, Callable[[Any], Any]] = {
    "cache": lambda cache: cache(ttl=60),
    "prefix": lambda cache: cache(ttl=60, prefix="v2"),
    "early": lambda cache: cache.early(ttl=60),
    "soft": lambda cache: cache.soft(ttl=60),
    "hit": lambda cache: cache.hit(ttl=60, cache_hits=10),
    "key": lambda cache: cache(ttl=60, key="my:{b}:{a}"),
}


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
async def test_a_function_stands_for_its_results_whatever_its_strategy(
    open_cache: Callable[..., Any], strategy: Callable[[Any], Any]
) -> None:
    cache, loads = open_cache(), []

    @strategy(cache)
    async def load(a: object, b: object = None) -> int:
        loads.append((a, b))
        return 1

    async def loaded() -> list[Any]:
        loads.clear()
        for a in (1, "x:y", "a[b]*"):
            for b in (None, True):
                await load(a, b)
        return list(loads)

    @cache.invalidate(load)
    async def change(a: object) -> None: ...

    assert len(await loaded()) == 6
    await change("a[b]*")
    assert await loaded() == [("a[b]*", None), ("a[b]*", True)]
    await cache.invalidate_func(load, {"a": 1, "b": True})
    assert await loaded() == [(1, True)]
    await cache.invalidate_func(load)
    assert len(await loaded()) == 6


async def test_methods_change_things_too(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        loads: list[int] = []

        @cache(ttl=60, key="stock:{shop_id}")
        async def stock(shop_id: int) -> int:
            loads.append(shop_id)
            return shop_id

        class Shop:
            id = 5

            @cache.invalidate("stock:{self.id}")
            async def sell(self, count: int) -> int:
                return count

        await stock(5), await Shop().sell(1), await stock(5)
        return loads

    assert await same(program) == [5, 5]


async def test_a_load_under_way_is_invalidated(open_cache: Callable[..., Any]) -> None:
    cache, began, go_on, rows = open_cache(), asyncio.Event(), asyncio.Event(), [1]

    @cache(ttl=60, key="row:{id}")
    async def load(id: int) -> int:
        row = rows[0]
        began.set()
        await go_on.wait()
        return row

    @cache.invalidate("row:{id}")
    async def change(id: int) -> None:
        rows[0] = 2

    early = asyncio.create_task(load(1))
    await began.wait()
    await change(1)
    go_on.set()
    await early
    assert await load(1) == 2


async def test_in_its_block_everything_is_loaded_anew(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        await cache.set("k", 1)
        seen = [await cache.get("k")]
        with library.invalidate_further():
            seen.append(await cache.get("k"))
        return [*seen, await cache.get("k")]

    assert await same(program) == [1, None, None]
