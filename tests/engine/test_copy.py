"""`copy=True`: what callers do to what they got, or gave, reaches nobody else (rule 15)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from tests.concurrency.meeting import waiting
from tests.engine.scene import Origin, Scene


@pytest.fixture
def kept(origin: Origin) -> list[Any]:
    """What the origin returned: it keeps all of it."""
    returned: list[Any] = []

    def answer(number: int) -> Any:
        returned.append({"n": [number]})
        return returned[-1]

    origin.answer = answer
    return returned


@pytest.mark.memory_only("values are shared with the cache only where they are held as they are")
async def test_by_default_callers_share_what_is_stored(scene: Scene, kept: list[Any]) -> None:
    """Rule 15: as `functools.lru_cache` does."""
    load = scene.cached(ttl=60)
    assert await load() is await load() is kept[0]


@pytest.mark.parametrize("whole_cache", [False, True])
async def test_what_a_caller_does_to_a_value_reaches_nobody(scene: Scene, kept: list[Any], whole_cache: bool) -> None:
    """Rule 15."""
    if whole_cache:
        scene.open(copy=True)
    load = scene.cached(ttl=60, **({} if whole_cache else {"copy": True}))
    for _ in range(4):  # a miss, then hits
        value = await load()
        assert value == {"n": [1]}
        value["n"].append("spoilt")
        value["more"] = "spoilt"
    assert kept == [{"n": [1]}]


async def test_what_the_origin_does_to_a_value_afterwards_reaches_nobody(scene: Scene, kept: list[Any]) -> None:
    """Rule 15."""
    load = scene.cached(ttl=60, copy=True)
    await load()
    kept[0]["n"].append("spoilt")
    assert await load() == {"n": [1]}


@pytest.mark.memory_only("values are shared with the cache only where they are held as they are")
async def test_a_function_may_say_otherwise_than_its_cache(scene: Scene, kept: list[Any]) -> None:
    scene.open(copy=True)
    load = scene.cached(ttl=60, copy=False)
    assert await load() is await load() is kept[0]


async def test_callers_who_joined_a_load_get_a_copy_each(scene: Scene, origin: Origin, kept: list[Any]) -> None:
    """Rule 15."""
    load = scene.cached(ttl=60, copy=True)
    with origin.held():
        first = scene.begin(load())
        await scene.until(lambda: origin.loads == 1)
        (flight,) = scene.cache._core.flights._table.values()
        others = [scene.begin(load()) for _ in range(3)]
        await scene.until(lambda: waiting(flight) == 4)
    values = [await caller.result() for caller in (first, *others)]
    assert origin.loads == 1
    for value in values:
        assert value == {"n": [1]}
        value["n"].append("spoilt")
    assert await load() == {"n": [1]}


async def test_what_is_put_and_peeked_is_copied_too(scene: Scene) -> None:
    """Rule 15."""
    load = scene.cached(ttl=60, copy=True)
    given = [1]
    await load.put(given)
    given.append(2)
    peeked = await load.peek()
    assert peeked == [1]
    peeked.append(3)
    assert await load() == [1]


async def test_what_is_asked_for_in_a_batch_is_copied_too(scene: Scene, kept: list[Any]) -> None:
    """Rule 15."""
    load = scene.cached(ttl=60, copy=True)
    one, *others = await load.many([1, 1, 2])
    before = deepcopy(others)  # which of the two keys is loaded first is the store's affair
    one["n"].append("spoilt")
    assert others == before
    assert await load.many([1, 2]) == before


async def test_an_explicit_refresh_gives_a_copy(scene: Scene, kept: list[Any]) -> None:
    """Rule 15."""
    load = scene.cached(ttl=60, copy=True)
    (await load.refresh())["n"].append("spoilt")
    assert await load() == {"n": [1]}


async def test_stale_and_rescuing_values_are_copies(scene: Scene, origin: Origin, kept: list[Any]) -> None:
    """Rule 15."""
    load = scene.cached(ttl=60, stale_while_revalidate=30, stale_if_error=600, copy=True)
    await load()
    origin.error = OSError("down")
    for _ in range(3):
        scene.clock.advance(61)
        value = await load()
        assert value == {"n": [1]}
        value["n"].append("spoilt")
        await scene.settled()


async def test_values_given_by_name_are_copied_where_the_cache_copies(scene: Scene) -> None:
    """Rule 15."""
    cache = scene.open(copy=True)
    given = [1]
    cache.set("a", given)
    given.append(2)
    cache.get("a").append(3)
    assert cache.get("a") == [1]
    loaded: list[int] = cache.get_or_load("b", list)
    loaded.append(4)
    assert cache.get_or_load("b", list) == []


async def test_what_can_be_used_only_once_is_returned_as_it_is(scene: Scene, origin: Origin) -> None:
    """Not stored, so there is nothing to be copied; and a generator cannot be."""
    origin.answer = lambda number: (number * item for item in (1, 2))
    load = scene.cached(ttl=60, copy=True)
    assert [*await load()] == [1, 2]
    assert [*await load()] == [2, 4]
