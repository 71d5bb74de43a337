"""On a Cluster, on servers that hang, are gone or come back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.servers.proxy import Proxy

import stillroom.compat.cashews as facade
from stillroom.compat.cashews.exceptions import CacheBackendInteractionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.cluster import Cluster
    from tests.servers.server import Server

pytestmark = pytest.mark.asyncio_only


async def test_everything_works_on_a_cluster(redis_cluster: Cluster) -> None:
    cache = facade.Cache()
    backend: Any = cache.setup(f"redis://127.0.0.1:{redis_cluster.nodes[0].port}", cluster=True)
    assert backend.is_cluster
    await cache.set_many({f"key:{number}": number for number in range(50)}, expire="1m")
    assert await cache.get_many("key:7", "none", "key:49") == (7, None, 49)
    assert len([key async for key in cache.scan("key:*")]) == 50
    await cache.set("tagged", 1, tags=["t"])
    await cache.delete_tags("t")
    await cache.delete_many("key:1", "key:2", "key:3")
    await cache.delete_match("key:4*")
    assert await cache.get_keys_count() == 50 - 3 - 11
    await cache.set_add("set", "a", "b")
    assert sorted(await cache.set_pop("set")) == ["a", "b"]
    async with cache.lock("lock", expire=10), cache.transaction():
        assert await cache.incr("n") == 1
    assert await cache.get("n") == 1
    await cache.clear()
    assert await cache.get_keys_count() == 0
    await cache.close()


async def ask_everything(cache: Any) -> None:
    await cache.get("key")
    await cache.set("key", 1, expire="1m")
    await cache.incr("n")
    await cache.get_many("key", "n")
    await cache.delete_match("key*")
    await cache.set_add("set", "a")
    async with cache.lock("lock", expire=10):
        assert await cache.is_locked("lock")
    async with cache.transaction():
        await cache.delete("key")


async def test_a_server_that_hangs_holds_nobody_up(redis_server: Server) -> None:
    with Proxy(redis_server) as proxy:
        cache = facade.Cache()
        cache.setup(proxy.url, socket_timeout=0.1)
        await cache.set("key", 1)
        proxy.black_hole()
        await asyncio.wait_for(ask_everything(cache), 10)
        with pytest.raises(CacheBackendInteractionError):
            await cache.ping()
        await cache.close()


async def test_what_was_deleted_meanwhile_is_not_served_afterwards(redis_server: Server) -> None:
    with Proxy(redis_server) as proxy:
        cache = facade.Cache()
        cache.setup(proxy.url, socket_timeout=0.5)
        await cache.set_many({"a": 1, "b": 1, "c": 1})
        await cache.set("d", 1, tags=["t"])
        proxy.refuse()
        proxy.cut()
        await cache.delete("a")
        await cache.delete_match("b*")
        await cache.delete_tags("t")
        proxy.calm()
        while cache._get_backend("").native.health().state != "ok":  # noqa: ASYNC110 - it probes by itself
            await asyncio.sleep(0.01)
        assert await cache.get_many("a", "b", "d") == (None, None, None)
        await cache.close()


@pytest.mark.parametrize("command", ["get", "set", "lock", "delete_match", "transaction", "set_add"])
async def test_without_suppression_errors_are_raised(command: str) -> None:
    cache = facade.Cache()
    cache.setup("redis://127.0.0.1:1/", suppress=False)

    async def lock() -> None:
        async with cache.lock("key", expire=10):
            pass

    async def transaction() -> None:
        async with cache.transaction():
            await cache.set("key", 1)

    commands: dict[str, Callable[[], Any]] = {
        "get": lambda: cache.get("key"),
        "set": lambda: cache.set("key", 1),
        "lock": lock,
        "delete_match": lambda: cache.delete_match("k*"),
        "transaction": transaction,
        "set_add": lambda: cache.set_add("key", "a"),
    }
    with pytest.raises(CacheBackendInteractionError):
        await asyncio.wait_for(commands[command](), 10)
    await cache.close()


async def test_one_cache_in_one_loop_after_another(redis_server: Server) -> None:
    cache = facade.Cache()
    cache.setup(redis_server.url)

    def run() -> Any:
        return asyncio.run(used(cache))

    await cache.set("key", 1)
    assert list(await asyncio.gather(asyncio.to_thread(run), asyncio.to_thread(run))) == [1, 1]
    await cache.close()


async def used(cache: Any) -> Any:
    async with cache.transaction():
        return await cache.get("key")
