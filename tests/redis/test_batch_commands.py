"""Rule 53: how many round trips batch functions take, as the server itself and a proxy before it see them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from tests.redis.test_commands import CountingProxy, Measured
from tests.servers.cluster import Cluster
from tests.servers.server import Server

from stillroom import Cache
from stillroom._runtime.runtime import Runtime
from stillroom.stores.redis.loops import LoopLinks
from stillroom.stores.redis.threads import ThreadLinks

MANY = 50


@pytest.fixture
def here(redis_server: Server, runtime: Runtime) -> Iterator[Measured]:
    proxy = CountingProxy(redis_server)
    with proxy:
        made = Measured(redis_server, proxy, is_async=not runtime.blocking)
        yield made
        made.cache._core.store.retire()  # type: ignore[union-attr]


def batch_on(cache: Cache, is_async: bool, runs: list[list[int]], **settings: Any) -> Any:
    """Return a batch function of either colour."""

    def rows(ids: list[int]) -> dict[int, int]:
        runs.append(ids)
        return {one: one for one in ids if one < 1000}

    async def rows_async(ids: list[int]) -> dict[int, int]:
        return rows(ids)

    decorator: Any = cache.batch(ttl=600, name="rows", tags=["all", "tag:{id}"], **settings)
    return decorator(rows_async if is_async else rows)


async def test_fifty_hits_take_one_round_trip(here: Measured, runtime: Runtime) -> None:
    rows = batch_on(here.cache, not runtime.blocking, [])
    await here.do(lambda: rows(range(MANY)))
    with here.measured():
        assert await here.do(lambda: rows(range(MANY))) == {one: one for one in range(MANY)}
    assert (here.commands, here.trips) == (["MGET"], 1)


async def test_fifty_misses_take_three_round_trips(here: Measured, runtime: Runtime) -> None:
    """One to look, one for all leases, one for all fills; and one run of the function."""
    runs: list[list[int]] = []
    rows = batch_on(here.cache, not runtime.blocking, runs, missing_ttl=60)
    await here.do(lambda: rows(range(MANY)))
    await here.do(lambda: rows.invalidate(range(MANY)))
    runs.clear()
    with here.measured():
        await here.do(lambda: rows(range(MANY)))
    assert runs == [list(range(MANY))]
    assert (here.commands, here.trips) == (["MGET", *["EVALSHA"] * (2 * MANY)], 3)


async def test_misses_among_hits_take_three_round_trips(here: Measured, runtime: Runtime) -> None:
    runs: list[list[int]] = []
    rows = batch_on(here.cache, not runtime.blocking, runs, missing_ttl=60)
    await here.do(lambda: rows([*range(MANY), 5000]))
    gone = [5, 40, 5000]
    await here.do(lambda: rows.invalidate(gone))
    with here.measured():
        await here.do(lambda: rows([*range(MANY), 5000]))
    assert runs[1:] == [gone]
    assert (here.commands, here.trips) == (["MGET", *["EVALSHA"] * 6], 3)


async def test_what_is_remembered_as_missing_takes_no_trip_more(here: Measured, runtime: Runtime) -> None:
    rows = batch_on(here.cache, not runtime.blocking, [], missing_ttl=60)
    await here.do(lambda: rows([1, 5000]))
    with here.measured():
        assert await here.do(lambda: rows([1, 5000])) == {1: 1}
    assert (here.commands, here.trips) == (["MGET"], 1)


async def test_items_are_refreshed_and_invalidated_together(here: Measured, runtime: Runtime) -> None:
    rows = batch_on(here.cache, not runtime.blocking, [])
    await here.do(lambda: rows(range(MANY)))
    with here.measured():
        await here.do(lambda: rows.refresh(range(MANY)))
    assert here.trips == 3
    with here.measured():
        assert await here.do(lambda: rows.invalidate(range(MANY))) == MANY
    assert here.trips <= 3  # whether an entry was fresh is told by its tags, which only the entry knows


async def test_more_items_than_fit_into_one_batch(here: Measured, runtime: Runtime) -> None:
    runs: list[list[int]] = []
    rows = batch_on(here.cache, not runtime.blocking, runs)
    wanted = range(1200)
    assert len(await here.do(lambda: rows(wanted))) == 1000
    assert len(await here.do(lambda: rows(wanted))) == 1000
    assert runs == [list(wanted), list(range(1000, 1200))]


async def test_large_values_are_sent_in_parts(here: Measured, runtime: Runtime) -> None:
    rows = here.cache.batch(ttl=600, name="large", returns=dict)(large_async if not runtime.blocking else large)
    for _ in range(2):
        assert len((await here.do(lambda: rows(range(30))))[29]) == 100_000
    assert rows.stats.loads == 1


def large(ids: list[int]) -> Any:
    return dict.fromkeys(ids, b"x" * 100000)


async def large_async(ids: list[int]) -> Any:
    return large(ids)


async def test_a_cluster_is_sent_one_batch_for_each_node(
    redis_cluster: Cluster, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 39."""
    exchanges: list[list[Any]] = []
    for links in (ThreadLinks, LoopLinks):
        original: Callable[..., Any] = links.exchange

        async def exchange(self: Any, given: Any, until: float, original: Callable[..., Any] = original) -> Any:
            exchanges.append([batch.node for batch in given])
            return await original(self, given, until)

        monkeypatch.setattr(links, "exchange", exchange)
    cache = Cache(redis_cluster.url, prefix=secrets.token_hex(4), timeout=5)
    try:
        runs: list[list[int]] = []
        rows = batch_on(cache, not runtime.blocking, runs)
        for items in (range(MANY), range(MANY, 2 * MANY)):
            exchanges.clear()
            found = rows(items)
            assert len(found if runtime.blocking else await found) == MANY
        assert runs == [list(range(MANY)), list(range(MANY, 2 * MANY))]
        assert all(len(nodes) == len(set(nodes)) for nodes in exchanges)
    finally:
        cache._core.store.retire()  # type: ignore[union-attr]
    assert len(exchanges) <= 4  # a tag of each item's own is made with its lease, and known only then


async def test_hits_are_found_by_a_glance_whatever_they_are_asked_with(here: Measured, runtime: Runtime) -> None:
    """Arguments that vary, items twice, and tags that follow from them."""
    runs: list[list[int]] = []

    def rows(shop: str, ids: list[int], *, net: bool = False) -> list[str]:
        runs.append(ids)
        return [f"{shop}{one}{net}" for one in ids]

    async def rows_async(shop: str, ids: list[int], *, net: bool = False) -> list[str]:
        return rows(shop, ids, net=net)

    settings: dict[str, Any] = {"ttl": 600, "over": "ids", "tags": ["shop:{shop}", "{shop}:{id}"], "copy": True}
    made: Any = here.cache.batch(**settings)(rows if runtime.blocking else rows_async)
    for _ in range(2):
        for shop, net in (("a", False), ("b", False), ("a", True)):
            found = await here.do(partial(made, shop, [2, 1, 2], net=net))
            assert found == [f"{shop}{one}{net}" for one in (2, 1, 2)]
    assert runs == [[2, 1]] * 3
    assert made.stats.hits == 6
    with here.measured():
        await here.do(lambda: made("a", [1, 2, 1]))
    assert (here.commands, here.trips) == (["MGET"], 1)
    await here.do(lambda: here.cache.invalidate(tags=["a:2"]) if runtime.blocking else here.cache.ainvalidate(tags=["a:2"]))
    assert await here.do(lambda: made("a", [1, 2])) == ["a1False", "a2False"]
    assert runs[3:] == [[2]]
