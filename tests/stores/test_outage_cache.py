"""Decorated functions and verbs while the store of their cache comes and goes."""

from __future__ import annotations

from contextvars import Context
from typing import Any

import pytest
from tests.stores.outage_scene import Scene

from stillroom import Cache
from stillroom.errors import StoreError

pytestmark = pytest.mark.asyncio_only  # the blocking side has the same engine, and the same store
quiet_modes = pytest.mark.parametrize("on_error", ["fallback", "bypass"])


class Shop:
    """A cache on a far store, and a function that returns what its source holds."""

    def __init__(self, **settings: Any) -> None:
        self.scene = Scene(**settings)
        self.cache = Cache(clock=self.scene.clock)
        self.cache._core.use(self.scene.store)
        self.source = "old"
        self.loads = 0

        @self.cache(ttl="10m", tags=["red"])
        async def get(key: str) -> str:
            self.loads += 1
            return self.source

        self.get = get


@quiet_modes
async def test_a_function_returns_its_result_whatever_becomes_of_the_store(on_error: str) -> None:
    """Rule 34."""
    shop = Shop(on_error=on_error)
    for is_up in (True, False, False, True, False, True):
        shop.scene.far.is_up = is_up
        for _ in range(5):
            assert await shop.get("a") == "old"
        shop.scene.clock.advance(3)


async def test_a_fallback_spares_loads() -> None:
    shop = Shop()
    shop.scene.lose()
    for _ in range(5):
        await shop.get("a")
    assert shop.loads == 1


every_means = pytest.mark.parametrize("means", ["key", "function", "tag", "namespace", "clear", "refresh", "put"])


async def invalidate(shop: Shop, means: str) -> None:
    """Say that what was loaded for ``"a"`` is out of date, by one means or another."""
    if means == "key":
        await shop.get.invalidate("a")
    elif means == "function":
        await shop.get.invalidate_all()
    elif means == "tag":
        await shop.cache.ainvalidate(tags=["red"])
    elif means == "namespace":
        await shop.cache.ainvalidate(namespace="main")
    elif means == "clear":
        await shop.cache.aclear()
    elif means == "refresh":
        assert await shop.get.refresh("a") == "new"
    else:
        await shop.get.put("new", "a")


@quiet_modes
@every_means
async def test_what_is_invalidated_in_an_outage_is_new_in_it_and_after_it(on_error: str, means: str) -> None:
    """Rules 1 and 35."""
    shop = Shop(on_error=on_error)
    assert await shop.get("a") == "old"
    shop.scene.lose()
    assert await shop.get("a") == "old"
    shop.source = "new"
    await invalidate(shop, means)
    assert await shop.get("a") == "new"
    shop.scene.regain()
    assert await shop.get("a") == "new"


@quiet_modes
@every_means
@pytest.mark.parametrize("lost", ["before", "inside"])
async def test_what_a_transaction_invalidates_in_an_outage_is_new_after_it(on_error: str, means: str, lost: str) -> None:
    """Rules 1 and 35."""
    shop = Shop(on_error=on_error)
    assert await shop.get("a") == "old"
    if lost == "before":
        shop.scene.lose()
    async with shop.cache.transaction():
        shop.source = "new"
        await invalidate(shop, means)
        if lost == "inside":
            shop.scene.lose()
        assert await shop.get("a") == "new"
    assert await shop.get("a") == "new"
    shop.scene.regain()
    assert await shop.get("a") == "new"


async def test_names_that_a_transaction_deletes_by_a_pattern_in_an_outage_are_gone_though_it_ends_after_it() -> None:
    shop = Shop()
    shop.cache._core.health = shop.scene.outage.health  # type: ignore[method-assign]  # as a store on servers tells
    await shop.cache.aset("user:1", "old")
    shop.scene.lose()
    async with shop.cache.transaction():
        await shop.cache.adelete_match("user:*")
        shop.scene.regain()
        Context().run(shop.cache.set, "user:1", "loaded meanwhile")
        assert await shop.cache.aget("user:1") is None
    assert await shop.cache.aget("user:1") is None


@quiet_modes
async def test_names_that_are_deleted_by_a_pattern_in_an_outage_are_gone_after_it(on_error: str) -> None:
    shop = Shop(on_error=on_error)
    await shop.cache.aset("user:1", "old")
    shop.scene.lose()
    await shop.cache.adelete_match("user:*")
    shop.scene.regain()
    assert await shop.cache.aget("user:1") is None


async def test_verbs_work_on_a_fallback() -> None:
    shop = Shop()
    shop.scene.lose()
    await shop.cache.aset("a", 1)
    assert await shop.cache.aincr("a") == 2
    assert not await shop.cache.aadd("a", 5)
    assert await shop.cache.aget_many(["a", "b"]) == {"a": 2}
    assert await shop.cache.adelete("a")


async def test_who_wants_errors_gets_them_from_verbs() -> None:
    shop = Shop(on_error="raise")
    shop.scene.far.is_up = False
    with pytest.raises(StoreError):
        await shop.cache.aset("a", 1)
    with pytest.raises(StoreError):
        await shop.cache.aget("a")
