"""The middlewares for FastAPI, next to those of cashews."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import cashews.contrib.fastapi  # noqa: F401 - `library.contrib` is looked into
import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

import stillroom.compat.cashews as facade
import stillroom.compat.cashews.contrib.fastapi  # noqa: F401 - `facade.contrib` is looked into

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.asyncio_only


class Shop:
    """An application, with whatever middlewares a test wants."""

    def __init__(self, library: ModuleType, cache: Any, *middlewares: str, **settings: Any) -> None:
        web = library.contrib.fastapi
        self.price, self.loads = 1, 0
        self.app = FastAPI()
        for name in middlewares:
            options = {} if name == "CacheDeleteMiddleware" else {"cache_instance": cache, **settings}
            self.app.add_middleware(getattr(web, name), **options)

        @self.app.get("/price/{item}")
        @cache(ttl=web.cache_control_ttl(default="1m"), key="price:{item}")
        async def price(item: str) -> dict[str, Any]:
            self.loads += 1
            return {"item": item, "price": self.price}

        @self.app.get("/time")
        async def time() -> str:
            return "now"

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://shop")


def told(response: httpx.Response) -> Any:
    return response.status_code, response.headers.get("cache-control"), response.headers.get("age")


async def test_how_long_a_response_may_be_kept(same: Callable[..., Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        shop = Shop(library, cache, "CacheRequestControlMiddleware")
        async with shop.client() as client:
            answers = [
                told(await client.get("/price/tea")),
                told(await client.get("/price/tea")),
                told(await client.get("/time")),
            ]
        return answers, shop.loads

    nothing, kept = (200, "no-cache", None), (200, "private, max-age=60", "60")
    assert await same(program) == ([nothing, kept, nothing], 1)


async def test_who_may_keep_it(same: Callable[..., Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        shop = Shop(library, cache, "CacheRequestControlMiddleware", private=False, methods=("get", "post"))
        async with shop.client() as client:
            await client.get("/price/tea")
            return told(await client.get("/price/tea"))

    assert await same(program) == (200, "public, max-age=60", "60")


@pytest.mark.parametrize(
    ("asked", "first", "then"),
    [("no-cache", 2, 2), ("no-store", 2, 1), ("max-age=0", 2, 1), ("max-age=30", 1, 1), ("something", 1, 1)],
)
async def test_what_a_request_asks_for(same: Callable[..., Any], asked: str, first: int, then: int) -> None:
    async def program(library: Any, cache: Any) -> Any:
        shop = Shop(library, cache, "CacheRequestControlMiddleware")
        async with shop.client() as client:
            await client.get("/price/tea")
            shop.price = 2
            await client.get("/price/tea", headers={"Cache-Control": asked})
            loads = shop.loads
            return loads, (await client.get("/price/tea")).json()["price"]

    assert await same(program) == (first, then if first == 2 else 1)


async def test_a_request_may_choose_the_ttl(same: Callable[..., Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        shop = Shop(library, cache, "CacheRequestControlMiddleware")
        async with shop.client() as client:
            await client.get("/price/tea", headers={"Cache-Control": "max-age=30"})
            return await cache.get_expire("price:tea")

    assert await same(program) == 30


async def test_clients_that_have_the_content_get_304(same: Callable[..., Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        shop = Shop(library, cache, "CacheEtagMiddleware")
        async with shop.client() as client:
            first, second = await client.get("/price/tea"), await client.get("/price/tea")
            etag = second.headers["etag"]
            third = await client.get("/price/tea", headers={"If-None-Match": etag})
            other = await client.get("/price/tea", headers={"If-None-Match": '"other"'})
            plain = await client.get("/time")
        same_tag = first.headers["etag"] == etag == other.headers["etag"]
        return third.status_code, third.content, other.status_code, same_tag, "etag" in plain.headers, etag, shop.loads

    status, content, other, same_tag, has_plain, _, loads = await same(program)
    assert (status, content, other, same_tag, has_plain, loads) == (304, b"", 200, True, False, 1)


async def test_no_304_for_what_was_invalidated(seen_by_both: Callable[..., Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        shop = Shop(library, cache, "CacheEtagMiddleware")
        async with shop.client() as client:
            etag = (await client.get("/price/tea")).headers["etag"]
            shop.price = 2
            await cache.delete("price:tea")
            response = await client.get("/price/tea", headers={"If-None-Match": etag})
        return response.status_code

    seen = await seen_by_both(program)
    assert (seen.original, seen.facade) == (304, 200)


async def test_tags_of_requests_at_one_time_are_not_mixed_up(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    shop = Shop(facade, cache, "CacheEtagMiddleware")
    items = [f"item{number}" for number in range(10)]
    async with shop.client() as client:
        first = await asyncio.gather(*[client.get(f"/price/{item}") for item in items])
        then = await asyncio.gather(*[client.get(f"/price/{item}") for item in items])
    tags = [response.headers["etag"] for response in first]
    assert len(set(tags)) == 10
    assert tags == [response.headers["etag"] for response in then]
    await cache.close()


async def test_a_request_clears_what_it_would_be_answered_with(same: Callable[..., Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        shop = Shop(library, cache, "CacheDeleteMiddleware")
        async with shop.client() as client:
            await client.get("/price/tea")
            shop.price = 2
            old = (await client.get("/price/tea")).json()["price"]
            new = (await client.get("/price/tea", headers={"Clear-Site-Data": "cache"})).json()["price"]
            return old, new, (await client.get("/price/tea")).json()["price"], shop.loads

    assert await same(program) == (1, 2, 2, 2)


async def test_all_of_them_together(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()
    names = ("CacheDeleteMiddleware", "CacheEtagMiddleware", "CacheRequestControlMiddleware")
    async with Shop(facade, cache, *names).client() as client:
        await client.get("/price/tea")
        response = await client.get("/price/tea")
        assert response.headers["cache-control"] == "private, max-age=60"
        again = await client.get("/price/tea", headers={"If-None-Match": response.headers["etag"]})
        assert again.status_code == 304
    await cache.close()


async def body(response: Any) -> bytes:
    return b"".join([part async for part in response.body_iterator])


async def test_streams_are_cached_whole(open_cache: Callable[..., Any]) -> None:
    cache, loads = open_cache(), []

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(5):
            yield str(number).encode()

    @cache(ttl="1m", key="stream")
    async def stream() -> StreamingResponse:
        loads.append(1)
        return StreamingResponse(pieces(), status_code=201, headers={"X-Test": "a=b;c", "X-Other": "d"})

    unfinished = await stream()
    second = await stream()  # the first one was not sent yet
    for response in (unfinished, second):
        assert await body(response) == b"01234"
    third = await stream()
    assert await body(third) == b"01234"
    assert (third.status_code, third.headers["x-test"], third.headers["x-other"]) == (201, "a=b;c", "d")
    assert len(loads) == 2
    await cache.close()
