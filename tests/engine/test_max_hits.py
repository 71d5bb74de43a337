"""`max_hits` and `refresh_after_hits`: a value is used up by its hits."""

from __future__ import annotations

import pytest
from tests.concurrency.meeting import waiting
from tests.engine.scene import Origin, Scene

from stillroom.observe.events import Outcome


async def test_a_value_expires_after_so_many_hits(scene: Scene, origin: Origin) -> None:
    load = scene.cached(max_hits=2)
    assert [await load() for _ in range(7)] == ["v1", "v1", "v1", "v2", "v2", "v2", "v3"]


async def test_a_single_hit_is_possible(scene: Scene) -> None:
    load = scene.cached(max_hits=1)
    assert [await load() for _ in range(4)] == ["v1", "v1", "v2", "v2"]


async def test_each_key_has_hits_of_its_own(scene: Scene) -> None:
    load = scene.cached(max_hits=1)
    assert [await load(1), await load(2), await load(1), await load(2), await load(1)] == ["v1", "v2", "v1", "v2", "v3"]


async def test_age_ends_a_value_before_its_hits_are_used_up(scene: Scene) -> None:
    load = scene.cached(ttl=60, max_hits=100)
    await load()
    assert await load() == "v1"
    scene.clock.advance(60)
    assert await load() == "v2"


async def test_peeking_is_no_hit(scene: Scene) -> None:
    load = scene.cached(max_hits=1)
    await load()
    assert [await load.peek() for _ in range(3)] == ["v1"] * 3
    assert [await load(), await load()] == ["v1", "v2"]


async def test_a_value_that_was_put_has_all_its_hits(scene: Scene) -> None:
    load = scene.cached(max_hits=2)
    await load()
    await load()
    await load.put("given")
    assert [await load() for _ in range(3)] == ["given", "given", "v2"]


async def test_callers_who_come_together_after_the_last_hit_share_one_load(scene: Scene, origin: Origin) -> None:
    """Rule 17."""
    load = scene.cached(max_hits=1)
    await load()
    await load()
    with origin.held():
        first = scene.begin(load())
        await scene.until(lambda: origin.loads == 2)
        (flight,) = scene.cache._core.flights._table.values()
        others = [scene.begin(load()) for _ in range(3)]
        await scene.until(lambda: waiting(flight) == 4)
    assert [await caller.result() for caller in (first, *others)] == ["v2"] * 4
    assert origin.loads == 2


async def test_every_hit_is_counted_once(scene: Scene) -> None:
    """Rule 52."""
    load = scene.cached(max_hits=2)
    with scene.cache.detect() as calls:
        for _ in range(4):
            await load()
    assert [call.outcome for call in calls] == [Outcome.MISS, Outcome.HIT, Outcome.HIT, Outcome.MISS]
    stats = load.function.stats
    assert (stats.calls, stats.hits, stats.misses, stats.loads) == (4, 2, 2, 2)


async def test_refreshing_after_so_many_hits_happens_behind_and_once(scene: Scene, origin: Origin) -> None:
    load = scene.cached(max_hits=10, refresh_after_hits=3)
    assert [await load() for _ in range(4)] == ["v1"] * 4
    await scene.settled()
    assert origin.loads == 1
    with origin.held():
        assert [await load() for _ in range(3)] == ["v1"] * 3
        await scene.until(lambda: origin.loads == 2)
    await scene.settled()
    assert await load() == "v2"
    assert origin.loads == 2


async def test_a_refresh_that_is_too_slow_does_not_give_further_hits(scene: Scene, origin: Origin) -> None:
    """Rule 38."""
    load = scene.cached(max_hits=3, refresh_after_hits=1)
    await load()
    await load()
    with origin.held():
        assert [await load(), await load()] == ["v1", "v1"]
        await scene.until(lambda: origin.loads == 2)
        late = scene.begin(load())
        await scene.until(lambda: len(scene.cache._core.flights) == 1)
        assert not late.done
    assert await late.result() == "v2"


async def test_refreshes_that_fail_do_not_give_further_hits(scene: Scene, origin: Origin) -> None:
    """Rule 38."""
    load = scene.cached(max_hits=4, refresh_after_hits=2)
    await load()
    origin.error = OSError("down")
    for _ in range(4):
        assert await load() == "v1"
        await scene.settled()
        scene.clock.advance(2)  # so that the origin may be asked again
    origin.error = None
    loads = origin.loads
    assert await load() == f"v{loads + 1}"


async def test_a_value_that_expired_by_its_hits_rescues_and_spares_the_origin(scene: Scene, origin: Origin) -> None:
    """Rule 37."""
    load = scene.cached(ttl=600, max_hits=1, stale_if_error=60, retry_after=5)
    await load()
    await load()
    origin.error = OSError("down")
    assert [await load() for _ in range(4)] == ["v1"] * 4
    assert origin.loads == 2
    scene.clock.advance(5)
    assert await load() == "v1"
    assert origin.loads == 3
    scene.clock.advance(55)
    with pytest.raises(OSError, match="down"):
        await load()


async def test_a_value_that_expired_by_its_hits_is_fresh_no_more_after_it_has_rescued(scene: Scene, origin: Origin) -> None:
    """Rule 4."""
    load = scene.cached(ttl=600, max_hits=1, stale_if_error=60, retry_after=5)
    await load()
    await load()
    origin.error = OSError("down")
    await load()
    assert await load.peek(default="nothing") == "nothing"
    origin.error = None
    scene.clock.advance(5)
    assert await load() == "v3"


async def test_with_a_window_for_stale_values_hits_still_end_a_value(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_while_revalidate=600, max_hits=2)
    await load()
    scene.clock.advance(60)
    with origin.held():
        assert [await load(), await load()] == ["v1", "v1"]
        await scene.until(lambda: origin.loads == 2)
        late = scene.begin(load())
    assert await late.result() == "v2"
