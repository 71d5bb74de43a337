"""`lock`: who shares a load."""

from __future__ import annotations

from typing import Any

import pytest
from tests.concurrency.meeting import waiting
from tests.engine.scene import Origin, Scene


@pytest.mark.parametrize("settings", [{}, {"lock": "process"}, {"lock": "shared"}], ids=str)
async def test_callers_of_one_key_share_a_load(scene: Scene, origin: Origin, settings: dict[str, Any]) -> None:
    """Rule 17."""
    load = scene.cached(ttl=60, **settings)
    with origin.held():
        first = scene.begin(load())
        await scene.until(lambda: origin.loads == 1)
        (flight,) = scene.cache._core.flights._table.values()
        others = [scene.begin(load()) for _ in range(5)]
        await scene.until(lambda: waiting(flight) == 6)
    assert [await caller.result() for caller in (first, *others)] == ["v1"] * 6
    assert origin.loads == 1
    stats = load.function.stats
    assert (stats.calls, stats.misses, stats.loads) == (6, 6, 1)


async def test_callers_of_different_keys_do_not_wait_for_each_other(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60)
    with origin.held():
        callers = [scene.begin(load(number)) for number in range(3)]
        await scene.until(lambda: origin.loads == 3)
    assert {await caller.result() for caller in callers} == {"v1", "v2", "v3"}


async def test_without_a_lock_each_caller_loads_for_itself(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, lock=None)
    with origin.held():
        callers = [scene.begin(load()) for _ in range(3)]
        await scene.until(lambda: origin.loads == 3)
        assert len(scene.cache._core.flights) == 0
    assert {await caller.result() for caller in callers} == {"v1", "v2", "v3"}
    stored = await load()
    assert stored in {"v1", "v2", "v3"}
    assert origin.loads == 3


async def test_without_a_lock_the_first_call_fills_the_cache_all_the_same(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, lock=None)
    assert [await load(), await load()] == ["v1", "v1"]
    scene.clock.advance(60)
    assert [await load(), await load()] == ["v2", "v2"]


async def test_without_a_lock_an_invalidation_still_wins(scene: Scene, origin: Origin) -> None:
    """Rule 1."""
    load = scene.cached(ttl=60, lock=None)
    with origin.held():
        callers = [scene.begin(load()) for _ in range(2)]
        await scene.until(lambda: origin.loads == 2)
        await load.invalidate()
    for caller in callers:
        assert await caller.result() in {"v1", "v2"}
    assert await load.peek(default="nothing") == "nothing"
    assert await load() == "v3"


async def test_without_a_lock_a_stale_value_is_refreshed_once_all_the_same(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_while_revalidate=60, lock=None)
    await load()
    scene.clock.advance(60)
    with origin.held():
        assert [await load() for _ in range(4)] == ["v1"] * 4
        await scene.until(lambda: origin.loads == 2)
    await scene.settled()
    assert await load() == "v2"
    assert origin.loads == 2


async def test_a_caller_after_an_invalidation_does_not_join_the_load_before_it(scene: Scene, origin: Origin) -> None:
    """Rule 1."""
    load = scene.cached(ttl=60)
    with origin.held():
        early = scene.begin(load())
        await scene.until(lambda: origin.loads == 1)
        await load.invalidate()
        late = scene.begin(load())
        await scene.until(lambda: origin.loads == 2)
    assert [await early.result(), await late.result()] == ["v1", "v2"]
    assert await load() == "v2"


async def test_a_key_that_fails_once_is_loaded_by_the_next_caller(scene: Scene, origin: Origin) -> None:
    """Rule 20."""
    load = scene.cached(ttl=60)
    origin.error = OSError("down")
    with pytest.raises(OSError, match="down"):
        await load()
    origin.error = None
    assert [await load(), await load()] == ["v2", "v2"]
    assert len(scene.cache._core.flights) == 0


@pytest.mark.memory_only("bounds are those of the memory store")
async def test_many_keys_leave_nothing_behind(scene: Scene, origin: Origin) -> None:
    """Rule 30."""
    scene.open("memory://?max_entries=100")
    load = scene.cached(ttl=60, stale_while_revalidate=60, stale_if_error=60, refresh_ahead=0.5)
    for number in range(3000):
        await load(number)
    core = scene.cache._core
    assert core.store.size <= 100  # type: ignore[union-attr]
    assert len(core.flights) == 0
    assert not any(partition.leases for partition in core.store._partitions)  # type: ignore[union-attr]
    assert scene.clock.pending == 0
