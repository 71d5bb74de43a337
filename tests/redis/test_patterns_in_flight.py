"""Loads that end while the names that match a pattern are looked for, page by page."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from stillroom import Cache
from stillroom.stores.redis.wire import Wire

PAGES, LOADS = 5, 20
PATIENCE = 5.0


@pytest.mark.parametrize("bare_names", [False, True])
@pytest.mark.parametrize("page", range(1, 2 * PAGES, 2))
def test_none_of_them_outlives_the_deletion(
    redis_server: Any, monkeypatch: pytest.MonkeyPatch, bare_names: bool, page: int
) -> None:
    import redis

    with redis.Redis.from_url(redis_server.url) as client, client.pipeline() as pipeline:
        for number in range(PAGES * 1000):
            pipeline.set(f"other:{number}", "x")
        pipeline.execute()
    cache = Cache(redis_server.url, bare_names=bare_names, timeout=PATIENCE, ttl=60)
    source, have_begun, may_end = ["old"], threading.Barrier(LOADS + 1), threading.Event()

    @cache(key="user:{number}")
    def user(number: int) -> str:
        found = source[0]
        if found == "old":
            have_begun.wait(PATIENCE)
            may_end.wait(PATIENCE)
        return found

    on_one, pages = Wire.on_one, []

    async def stopping(self: Wire, *args: Any) -> Any:
        reply = await on_one(self, *args)
        pages.append(reply)
        if len(pages) == page:
            may_end.set()
            assert [one.result() for one in early] == ["old"] * LOADS
        return reply

    with ThreadPoolExecutor(LOADS) as pool:
        early = [pool.submit(user, number) for number in range(LOADS)]
        have_begun.wait(PATIENCE)
        source[0] = "new"
        monkeypatch.setattr(Wire, "on_one", stopping)
        cache.delete_match("user:*")
        monkeypatch.undo()
        assert len(pages) > page
    assert [user(number) for number in range(LOADS)] == ["new"] * LOADS
    cache.close()
