"""What the document of cashews shows of set-up, commands and detection works as it is written there."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI, Request

from stillroom.compat.cashews import Cache, CacheDetect, cache, context_cache_detect, mem

if TYPE_CHECKING:
    from tests.servers.server import Server

pytestmark = pytest.mark.asyncio_only


async def test_basic_commands() -> None:
    cache.setup("mem://")  # configure as in-memory cache
    await cache.clear()
    assert await cache.set(key="key", value={"any": True}, expire=60, exist=None) is True
    assert await cache.get("key") == {"any": True}
    await cache.set("key1", 1)
    assert await cache.get_many("key1", "key2") == (1, None)
    assert await cache.incr("counter") == 1
    assert await cache.delete("counter") is True
    await cache.expire("key", timeout=10)
    assert await cache.get_expire("key") == 10
    assert await cache.ping(message=None) == b"PONG"
    assert await cache.is_locked("lock", wait=60) is False
    async with cache.lock("lock", expire=10):
        assert await cache.is_locked("lock") is True
    assert await cache.set_lock("lock", value="value", expire=60) is True
    assert await cache.unlock("lock", "value") is True
    await cache.clear()
    assert await cache.get("key") is None


async def test_a_usage_example(redis_server: Server) -> None:
    cache.setup(redis_server.url)

    class User:
        uid = "ada"

    class Call:
        user = User()

    calls: list[str] = []

    @cache(ttl=timedelta(hours=3), key="user:{request.user.uid}")
    async def long_running_function(request: Call) -> str:
        calls.append(request.user.uid)
        return request.user.uid

    request = Call()
    assert [await long_running_function(request) for _ in range(2)] == ["ada", "ada"]
    assert calls == ["ada"]
    assert await cache.get("user:ada") == "ada"
    await cache.set(key=request.user.uid, value={"name": "Ada"}, expire=60)
    assert await cache.get("ada") == {"name": "Ada"}
    await cache.close()


async def test_where_a_result_comes_from() -> None:
    cache.setup("mem://")
    await cache.clear()

    @cache(ttl=10, key="my:{number}")
    async def called(number: int) -> int:
        return number

    func: Any = called  # type checkers know nothing of `_from_cache`
    cache_detect = CacheDetect()
    await func(5, _from_cache=cache_detect)
    assert cache_detect.keys == {}
    await func(5, _from_cache=cache_detect)
    assert len(cache_detect.keys) == 1

    with context_cache_detect as detector:
        await func(5)
        keys = detector.get()
    ((key, (seen,)),) = keys.items()
    assert (key, seen["name"], seen["backend"], seen["ttl"]) == ("my:5", "simple", "mem", 10)


async def test_a_simple_middleware_for_a_web_application() -> None:
    cache.setup("mem://")
    await cache.clear()
    await mem.clear()
    app = FastAPI()

    @app.middleware("http")
    async def add_from_cache_headers(request: Request, call_next: Any) -> Any:
        detector: Any
        with context_cache_detect as detector:
            response = await call_next(request)
            if detector.keys:
                key = next(iter(detector.keys.keys()))
                response.headers["X-From-Cache"] = key
                expire = await mem.get_expire(key)
                if expire == -1:
                    expire = await cache.get_expire(key)
                response.headers["X-From-Cache-Expire-In-Seconds"] = str(expire)
                if "exc" in detector.keys[key]:
                    response.headers["X-From-Cache-Exc"] = str(detector.keys[key]["exc"])
        return response

    @app.get("/price")
    @cache(ttl="1m", key="price")
    async def price() -> int:
        return 4

    @app.get("/rate")
    @mem(ttl="2m", key="rate")
    async def rate() -> int:
        return 5

    async with client_of(app) as client:
        for path, key, seconds in (("/price", "price", "60"), ("/rate", "rate", "120")):
            first, second = await client.get(path), await client.get(path)
            assert "x-from-cache" not in first.headers
            assert second.headers["x-from-cache"] == key
            assert second.headers["x-from-cache-expire-in-seconds"] == seconds
            assert "x-from-cache-exc" not in second.headers


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://shop")


async def test_a_cache_of_ones_own_and_switching_it_off() -> None:
    own = Cache()
    own.setup("mem://?size=500", enable=False)
    await own.set("key", 1)
    assert await own.get("key") is None
    own.setup("mem://?check_interval=10&size=10000")
    await own.set("key", 1)
    assert await own.get("key") == 1
