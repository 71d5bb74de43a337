"""What decorators of cashews get wrong under load, gone in the facade."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from stillroom.compat.cashews import Cache, CacheBackendInteractionError
from stillroom.compat.cashews.backends.interface import Backend
from stillroom.testing import FakeClock

pytestmark = pytest.mark.asyncio_only

Same = Callable[..., Any]

STRATEGIES: dict[str, Callable[[Any], Any]] = {
    "cache": lambda cache: cache(ttl=60, key="k:{a}"),
    "lock": lambda cache: cache(ttl=60, key="k:{a}", lock=True),
    "early": lambda cache: cache.early(ttl=60, key="k:{a}"),
    "soft": lambda cache: cache.soft(ttl=60, key="k:{a}"),
    "hit": lambda cache: cache.hit(ttl=60, cache_hits=1000, key="k:{a}"),
}
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)


@every_strategy
async def test_many_callers_of_calls_that_look_alike_load_once_for_each(
    open_cache: Callable[..., Any], strategy: Callable[[Any], Any]
) -> None:
    cache, loads = open_cache(), list[object]()

    @strategy(cache)
    async def load(a: object) -> str:
        loads.append(a)
        await asyncio.sleep(0.001)
        return repr(a)

    assert await load(1) == "1"
    assert {*await asyncio.gather(*(load("1") for _ in range(50)))} == {"'1'"}
    assert loads == [1, "1"]


@every_strategy
async def test_calls_that_look_alike_at_one_time_get_results_of_their_own(
    open_cache: Callable[..., Any], strategy: Callable[[Any], Any]
) -> None:
    cache = open_cache()

    @strategy(cache)
    async def load(a: object) -> str:
        await asyncio.sleep(0)
        return repr(a)

    arguments = [1, "1", None, "", True, "true", [1], (1,)] * 5
    assert await asyncio.gather(*map(load, arguments)) == [*map(repr, arguments)]


@every_strategy
async def test_an_error_of_one_call_is_not_answered_with_the_result_of_another(
    open_cache: Callable[..., Any], strategy: Callable[[Any], Any]
) -> None:
    cache = open_cache()

    @strategy(cache)
    async def load(a: object) -> object:
        if a == "1":
            raise KeyError(a)
        return a

    assert await load(1) == 1
    with pytest.raises(KeyError):
        await load("1")
    assert await load(1) == 1


async def test_an_old_result_stands_in_for_its_own_call_only(clock: FakeClock) -> None:
    cache, outcomes = Cache(), {"1": KeyError("down")}
    cache._add_backend(Backend(url="memory://", options={"clock": clock}))  # pyright: ignore[reportPrivateUsage]

    @cache.soft(ttl=600, soft_ttl=60, key="k:{a}")
    async def load(a: object) -> object:
        if a in outcomes:
            raise outcomes[a]
        return a

    assert await load(1) == 1
    clock.advance(61)
    with pytest.raises(KeyError):
        await load("1")

    @cache.failover(ttl=600, key="k:{a}")
    async def failing(a: object) -> object:
        if a in outcomes:
            raise outcomes[a]
        return a

    assert await failing(1) == 1
    with pytest.raises(KeyError):
        await failing("1")


async def test_a_tag_beats_a_load_that_began_before_it(open_cache: Callable[..., Any]) -> None:
    cache, began, go_on, rows = open_cache(), asyncio.Event(), asyncio.Event(), [1]

    @cache(ttl=60, key="row:{id}", tags=["rows", "row:{id}"])
    async def load(id: int) -> int:
        row = rows[0]
        began.set()
        await go_on.wait()
        return row

    early = asyncio.create_task(load(1))
    await began.wait()
    rows[0] = 2
    await cache.delete_tags("row:1")
    go_on.set()
    await early
    assert await load(1) == 2


async def test_what_is_loaded_in_a_transaction_that_fails_is_not_kept_with_its_changes(open_cache: Callable[..., Any]) -> None:
    cache, rows = open_cache(), [1]

    @cache(ttl=60, key="row")
    async def load() -> int:
        return rows[0]

    @cache.transaction()
    async def change() -> None:
        rows[0] = 2
        await cache.delete("row")
        assert await load() == 2
        rows[0] = 1
        raise KeyError

    assert await load() == 1
    with pytest.raises(KeyError):
        await change()
    assert await load() == 1


async def test_a_server_that_is_gone_is_no_error_unless_asked_for(redis_url_of_nobody: str) -> None:
    silent, loud = Cache(), Cache()
    silent.setup(redis_url_of_nobody)
    loud.setup(redis_url_of_nobody, suppress=False)

    async def load(a: int) -> int:
        return a

    assert await silent(ttl=60)(load)(1) == 1
    with pytest.raises(CacheBackendInteractionError):
        await loud(ttl=60)(load)(1)
    await silent.close()
    await loud.close()


DECORATORS: dict[str, Callable[[Cache], Any]] = {
    "early": lambda cache: cache.early(ttl=60),
    "soft": lambda cache: cache.soft(ttl=60),
    "hit": lambda cache: cache.hit(ttl=60, cache_hits=10),
    "failover": lambda cache: cache.failover(ttl=60),
    "lock": lambda cache: cache(ttl=60, lock=True),
    "locked": lambda cache: cache.locked(ttl=60),
    "rate_limit": lambda cache: cache.rate_limit(limit=10, period=60),
    "circuit_breaker": lambda cache: cache.circuit_breaker(errors_rate=50, period=60, ttl=60),
    "perf": lambda cache: cache.perf(ttl=60),
    "bloom": lambda cache: cache.bloom(capacity=100),
    "dual_bloom": lambda cache: cache.dual_bloom(capacity=100),
    "invalidate": lambda cache: cache.invalidate("key:*"),
}
NEVER_NEEDED = {"bloom", "dual_bloom"}
"""They call the function where there is no filter."""


@pytest.mark.parametrize("name", DECORATORS)
async def test_no_decorator_needs_a_server(name: str, redis_url_of_nobody: str) -> None:
    silent, loud = Cache(), Cache()
    silent.setup(redis_url_of_nobody)
    loud.setup(redis_url_of_nobody, suppress=False)

    async def load(a: int) -> int:
        return a

    assert [await DECORATORS[name](silent)(load)(1) for _ in range(2)] == [1, 1]
    with nullcontext() if name in NEVER_NEEDED else pytest.raises(CacheBackendInteractionError):
        assert await DECORATORS[name](loud)(load)(1) == 1
    await silent.close()
    await loud.close()


async def test_a_member_that_cannot_be_noted_is_told(redis_url_of_nobody: str) -> None:
    cache = Cache()
    cache.setup(redis_url_of_nobody)

    @cache.bloom(capacity=100)
    async def is_member(name: str) -> bool:
        return True

    with pytest.raises(CacheBackendInteractionError):
        await is_member.set("ada")  # type: ignore[attr-defined]
    await cache.close()


@pytest.fixture
def redis_url_of_nobody() -> str:
    """The url of a server that there is not."""
    return "redis://127.0.0.1:1/0"


async def test_functions_of_different_code_and_one_name_share_nothing(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    def first() -> Any:
        async def load(a: int) -> str:
            return f"first {a}"

        return load

    def second() -> Any:
        async def load(a: int) -> str:
            return f"second {a}"

        return load

    one, other = first(), second()
    for function in (one, other):
        function.__qualname__ = "load"
    one, other = cache(ttl=60, key="k:{a}")(one), cache(ttl=60, key="k:{a}")(other)
    assert [await one(1), await other(1), await one(1)] == ["first 1", "second 1", "first 1"]
