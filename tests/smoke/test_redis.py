"""The main jobs on a real server, on every supported version of Python."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from stillroom import Cache

KEY = "one that is long enough"


@dataclass
class User:
    id: int
    name: str


@pytest.fixture
def url(redis_server: Any) -> str:
    return str(redis_server.url)


@pytest.fixture(params=["plain", "near", "signed and compressed"])
def cache(request: pytest.FixtureRequest, url: str) -> Iterator[Cache]:
    options: dict[str, dict[str, Any]] = {
        "plain": {},
        "near": {"near": "memory://"},
        "signed and compressed": {"secret": KEY, "compress": "zstd"},
    }
    cache = Cache(url, prefix=uuid.uuid4().hex, **options[request.param])
    yield cache
    cache.close()


def test_a_function_is_cached_and_invalidated(cache: Cache) -> None:
    loads: list[int] = []

    @cache(ttl="10m", key="user:{user_id}", tags=["team:{team}"])
    def get_user(user_id: int, team: int) -> User:
        loads.append(user_id)
        return User(user_id, "Ada" * 1000)

    assert get_user(1, 7) == get_user(1, 7) == cache.get("user:1")
    cache.invalidate(tags=["team:7"])
    assert get_user(1, 7).id == 1
    assert get_user.invalidate(1, 7)
    assert get_user.many([(1, 7), (2, 7)]) == [get_user(1, 7), get_user(2, 7)]
    assert loads == [1, 1, 1, 2]


def test_the_same_on_an_event_loop_after_the_other(cache: Cache) -> None:
    loads: list[int] = []

    @cache(ttl="10m")
    async def square(n: int) -> int:
        loads.append(n)
        return n * n

    async def main() -> list[int]:
        assert await square(3) == 9
        return list(await asyncio.gather(*(square(3) for _ in range(20))))

    assert asyncio.run(main()) == asyncio.run(main()) == [9] * 20
    assert loads == [3]


def test_verbs_and_locks(cache: Cache) -> None:
    cache.set("greeting", ("hello", 1), ttl=60)
    assert cache.get("greeting") == ("hello", 1)
    assert cache.incr("visits", 2) + cache.incr("visits") == 5
    assert sorted(cache.scan("*")) == ["greeting", "visits"]
    with cache.lock("a") as first:
        number = first.fence
    with cache.lock("a") as second:
        assert number is not None
        assert second.fence is not None
        assert second.fence > number
    cache.clear()
    assert cache.get("greeting") is None
    assert cache.health().state == "ok"


def test_an_application_answers_while_the_server_is_down() -> None:
    cache = Cache("redis://127.0.0.1:1", timeout=0.05)  # nobody listens there

    @cache(ttl=60)
    def f(n: int) -> int:
        return n

    try:
        assert [f(1) for _ in range(5)] == [1] * 5
        assert cache.health().state == "down"
    finally:
        cache.close()
