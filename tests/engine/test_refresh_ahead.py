"""`refresh_ahead`: a hit late in a value's life refreshes it behind, by a fraction of the ttl or by XFetch."""

from __future__ import annotations

import math

import pytest
from tests.engine.scene import Origin, Scene

from stillroom.observe.events import LoadFailed, Outcome


async def test_a_hit_late_in_a_life_refreshes_behind_exactly_once(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=100, refresh_ahead=0.8)
    await load()
    scene.clock.advance(79.9)
    assert await load() == "v1"
    await scene.settled()
    assert origin.loads == 1
    scene.clock.advance(0.1)
    with origin.held():
        assert [await load() for _ in range(5)] == ["v1"] * 5
        await scene.until(lambda: origin.loads == 2)
        assert await load() == "v1"
    await scene.settled()
    assert await load() == "v2"
    assert origin.loads == 2


async def test_the_new_value_has_a_full_life_and_is_refreshed_in_its_turn(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=100, refresh_ahead=0.8)
    await load()
    for number in range(2, 6):
        scene.clock.advance(80)
        assert await load() == f"v{number - 1}"
        await scene.settled()
        assert await load() == f"v{number}"
    assert origin.loads == 5


async def test_without_hits_nothing_is_refreshed(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=100, refresh_ahead=0.8)
    await load()
    await scene.later(99)
    assert origin.loads == 1
    scene.clock.advance(1)
    assert await load() == "v2"


async def test_peeking_is_no_hit(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=100, refresh_ahead=0.8)
    await load()
    scene.clock.advance(90)
    assert await load.peek() == "v1"
    await scene.settled()
    assert origin.loads == 1


async def test_a_refreshing_hit_counts_as_a_hit(scene: Scene) -> None:
    """Rule 52."""
    load = scene.cached(ttl=100, refresh_ahead=0.8)
    await load()
    scene.clock.advance(90)
    with scene.cache.detect() as calls:
        await load()
    await scene.settled()
    assert [call.outcome for call in calls] == [Outcome.HIT]
    stats = load.function.stats
    assert (stats.hits, stats.misses, stats.loads) == (1, 1, 2)


async def test_a_failing_refresh_leaves_the_fresh_value_and_the_origin_alone(scene: Scene, origin: Origin) -> None:
    """Rule 37."""
    load = scene.cached(ttl=100, refresh_ahead=0.8)
    await load()
    scene.clock.advance(80)
    origin.error = OSError("down")
    for _ in range(5):
        assert await load() == "v1"
        await scene.settled()
    assert origin.loads == 2
    assert [event.behind for event in scene.reported(LoadFailed)] == [True]
    scene.clock.advance(1)
    assert await load() == "v1"
    await scene.settled()
    assert origin.loads == 3
    scene.clock.advance(19)
    with pytest.raises(OSError, match="down"):
        await load()


async def test_a_refresh_ahead_that_was_invalidated_meanwhile_does_not_count(scene: Scene, origin: Origin) -> None:
    """Rule 1."""
    load = scene.cached(ttl=100, refresh_ahead=0.8)
    await load()
    scene.clock.advance(80)
    with origin.held():
        await load()
        await scene.until(lambda: origin.loads == 2)
        await load.invalidate()
        late = scene.begin(load())
        await scene.until(lambda: origin.loads == 3)
    assert await late.result() == "v3"
    await scene.settled()
    assert await load() == "v3"


async def test_a_life_that_jitter_has_shortened_is_divided_as_it_is(scene: Scene, origin: Origin) -> None:
    scene.drawn = 1.0
    load = scene.cached(ttl=100, jitter=0.5, refresh_ahead=0.8)
    await load()
    scene.clock.advance(39.9)
    await load()
    await scene.settled()
    assert origin.loads == 1
    scene.clock.advance(0.1)
    assert await load() == "v1"
    await scene.settled()
    assert origin.loads == 2


# XFetch


async def test_xfetch_refreshes_when_cost_and_draw_reach_beyond_the_end(scene: Scene, origin: Origin) -> None:
    origin.cost = 2.0
    load = scene.cached(ttl=100, refresh_ahead="xfetch")
    await load()
    scene.drawn = math.exp(-5)  # 2 s x 5 = 10 s ahead
    scene.clock.advance(89.9)
    assert await load() == "v1"
    await scene.settled()
    assert origin.loads == 1
    scene.clock.advance(0.2)
    assert await load() == "v1"
    await scene.settled()
    assert origin.loads == 2
    assert await load() == "v2"


async def test_xfetch_with_the_largest_draw_never_refreshes_ahead(scene: Scene, origin: Origin) -> None:
    origin.cost = 2.0
    load = scene.cached(ttl=100, refresh_ahead="xfetch")
    await load()
    scene.clock.advance(99.9)
    for _ in range(20):
        assert await load() == "v1"
    await scene.settled()
    assert origin.loads == 1
    scene.clock.advance(0.1)
    assert await load() == "v2"


async def test_xfetch_draws_anew_for_each_hit(scene: Scene, origin: Origin) -> None:
    origin.cost = 10.0
    load = scene.cached(ttl=100, refresh_ahead="xfetch")
    await load()
    scene.clock.advance(50)
    for number in range(100):
        scene.drawn = (number + 1) / 100
        if scene.drawn > math.exp(-5):
            assert await load() == "v1"
    await scene.settled()
    assert origin.loads == 1
    scene.drawn = math.exp(-5.1)
    await load()
    await scene.settled()
    assert origin.loads == 2


async def test_xfetch_leaves_alone_what_costs_nothing(scene: Scene, origin: Origin) -> None:
    scene.drawn = 1e-300
    load = scene.cached(ttl=100, refresh_ahead="xfetch")
    await load()
    scene.clock.advance(99.9)
    assert await load() == "v1"
    await scene.settled()
    assert origin.loads == 1


async def test_xfetch_measures_the_cost_anew_with_each_load(scene: Scene, origin: Origin) -> None:
    origin.cost = 10.0
    load = scene.cached(ttl=100, refresh_ahead="xfetch")
    await load()
    origin.cost = 0.0
    await load.refresh()
    scene.clock.advance(99)
    scene.drawn = math.exp(-20)
    await load()
    await scene.settled()
    assert origin.loads == 2
