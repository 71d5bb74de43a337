"""Settings are orthogonal: one engine, one entry, whatever is combined."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.engine.scene import Origin, Scene

from stillroom.observe.events import LoadFailed, Outcome


async def test_rescue_refresh_ahead_and_tags(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=100, stale_if_error=600, refresh_ahead=0.8, tags=["all", "one:{a}"], retry_after=10)
    await load(1)
    scene.clock.advance(80)
    assert await load(1) == "v1"  # refreshed ahead
    await scene.settled()
    assert await load(1) == "v2"
    origin.error = OSError("down")
    scene.clock.advance(90)
    assert await load(1) == "v2"  # fails ahead of time
    await scene.settled()
    assert origin.loads == 3
    scene.clock.advance(10)
    assert [await load(1), await load(1)] == ["v2", "v2"]  # rescued, and throttled
    assert origin.loads == 4
    scene.cache.invalidate(tags=["one:2"])
    assert await load(1) == "v2"
    scene.cache.invalidate(tags=["one:1"])
    with pytest.raises(OSError, match="down"):
        await load(1)
    origin.error = None
    assert [await load(1), await load(1)] == ["v6", "v6"]


async def test_a_failed_refresh_ahead_throttles_the_load_at_the_end_too(scene: Scene, origin: Origin) -> None:
    """Rule 37."""
    load = scene.cached(ttl=100, stale_if_error=600, refresh_ahead=0.8, retry_after=30)
    await load()
    origin.error = OSError("down")
    scene.clock.advance(90)
    await load()
    await scene.settled()
    scene.clock.advance(20)
    assert await load() == "v1"
    assert origin.loads == 2
    scene.clock.advance(10)
    assert await load() == "v1"
    assert origin.loads == 3


async def test_first_the_window_to_revalidate_then_that_for_errors(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_while_revalidate=30, stale_if_error=600)
    await load()
    scene.clock.advance(70)
    with origin.held():
        assert await load() == "v1"  # at once
        await scene.until(lambda: origin.loads == 2)
        origin.error = OSError("down")
    await scene.settled()
    scene.clock.advance(30)
    assert await load() == "v1"  # after a load that failed
    assert origin.loads == 3
    assert [event.behind for event in scene.reported(LoadFailed)] == [True, False]
    scene.clock.advance(560)
    with pytest.raises(OSError, match="down"):
        await load()


async def test_stale_while_revalidate_and_hits_that_are_used_up(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_while_revalidate=600, max_hits=3)
    await load()
    await load()
    scene.clock.advance(60)
    assert await load() == "v1"
    await scene.settled()
    assert [await load() for _ in range(3)] == ["v2"] * 3
    assert await load() == "v3"


async def test_patience_is_needed_only_beyond_the_window_to_revalidate(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_while_revalidate=30, stale_if_error=600, soft_timeout=5)
    await load()
    scene.clock.advance(60)
    with origin.held():
        assert await load() == "v1"
        await scene.until(lambda: origin.loads == 2)
        scene.clock.advance(30)
        caller = scene.begin(load())  # joins the refresh
        await scene.until(lambda: scene.clock.pending)
        scene.clock.advance(5)
        assert await caller.result() == "v1"
    await scene.settled()
    assert await load() == "v2"
    assert origin.loads == 2


async def test_jitter_moves_the_windows_along(scene: Scene, origin: Origin) -> None:
    scene.drawn = 1.0
    load = scene.cached(ttl=100, jitter=0.5, stale_while_revalidate=30, stale_if_error=60)
    await load()
    scene.clock.advance(79.9)
    assert await load() == "v1"
    await scene.settled()
    assert origin.loads == 2
    origin.error = OSError("down")
    scene.clock.advance(109.9)
    assert await load() == "v2"
    scene.clock.advance(0.2)
    with pytest.raises(OSError, match="down"):
        await load()


async def test_a_rule_for_the_ttl_moves_the_windows_along(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=lambda a: timedelta(seconds=10 * a), stale_while_revalidate=30)
    await load(2)
    scene.clock.advance(49.9)
    assert await load(2) == "v1"
    await scene.settled()
    scene.clock.advance(50)
    assert await load(2) == "v3"


async def test_copies_stale_values_and_hits_that_are_used_up(scene: Scene, origin: Origin) -> None:
    """Rule 15."""
    origin.answer = lambda number: [number]
    load = scene.cached(ttl=60, stale_while_revalidate=600, max_hits=2, copy=True)
    for _ in range(3):
        value = await load()
        assert value == [1]
        value.append("spoilt")
    value = await load()
    assert value == [2]
    scene.clock.advance(60)
    value = await load()
    assert value == [2]
    value.append("spoilt")
    await scene.settled()
    assert await load() == [3]


async def test_warm_ahead_and_tags(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=100, keep_warm=True, refresh_ahead=0.5, tags=["tag"])
    await load()
    scene.clock.advance(50)
    assert await load() == "v1"
    await scene.settled()
    assert origin.loads == 2
    await scene.later(50)  # the first value's end: its timer went with it
    assert origin.loads == 2
    await scene.later(50)
    assert origin.loads == 3
    scene.cache.invalidate(tags=["tag"])
    await scene.later(500)
    assert origin.loads == 3


async def test_errors_remembered_where_no_value_can_rescue(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_if_error=60, errors=OSError, cache_errors={LookupError: 10})
    await load()
    scene.clock.advance(60)
    origin.error = KeyError("a")
    for _ in range(2):
        with pytest.raises(KeyError):
            await load()
    assert origin.loads == 2
    scene.clock.advance(10)
    origin.error = None
    assert await load() == "v3"


async def test_what_is_not_to_be_stored_and_a_value_that_may_rescue(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_if_error=600, store_if="not_none")
    await load()
    scene.clock.advance(60)
    origin.answer = lambda number: None
    assert await load() is None
    origin.error = OSError("down")
    assert await load() == "v1"


EVERYTHING: dict[str, Any] = {
    "ttl": 100,
    "stale_while_revalidate": 50,
    "stale_if_error": 500,
    "errors": OSError,
    "retry_after": 5,
    "refresh_ahead": 0.8,
    "keep_warm": True,
    "idle_after": 150,
    "max_hits": 50,
    "refresh_after_hits": 40,
    "soft_timeout": 3,
    "jitter": 0.1,
    "store_if": "not_none",
    "cache_errors": {KeyError: 20},
    "copy": True,
    "tags": ["tag"],
    "key": "name:{a}",
}


async def test_everything_at_once(scene: Scene, origin: Origin) -> None:
    scene.drawn = 1e-9
    load = scene.cached(**EVERYTHING)
    with scene.cache.detect() as calls:
        assert [await load(), await load()] == ["v1", "v1"]
        scene.clock.advance(85)
        assert await load() == "v1"  # refreshed ahead
        await scene.settled()
        assert await load() == "v2"
        await scene.later(100)  # kept warm
        assert await load() == "v3"
        origin.error = OSError("down")
        await scene.later(100)  # kept warm in vain
        assert await load() == "v3"
        await scene.settled()
        await load.invalidate()
        with pytest.raises(OSError, match="down"):
            await load()
        origin.error = KeyError("a")
        for _ in range(2):
            with pytest.raises(KeyError):
                await load()
    outcomes = [Outcome.MISS, Outcome.HIT, Outcome.HIT, Outcome.HIT, Outcome.HIT, Outcome.STALE]
    assert [call.outcome for call in calls] == [*outcomes, Outcome.ERROR, Outcome.ERROR, Outcome.HIT]
    stats = load.function.stats
    assert stats.calls == 9


@pytest.mark.parametrize("left_out", EVERYTHING)
async def test_a_hit_and_an_invalidation_with_every_setting_but_one(scene: Scene, origin: Origin, left_out: str) -> None:
    """Rule 1."""
    needs = {"keep_warm": "idle_after", "max_hits": "refresh_after_hits"}
    without = {left_out, needs.get(left_out)}
    if left_out == "ttl":
        without |= {"stale_while_revalidate", "stale_if_error", "errors", "refresh_ahead", "keep_warm", "idle_after", "jitter"}
        without |= {"soft_timeout", "retry_after"}
    if left_out == "stale_if_error":
        without |= {"errors", "soft_timeout"}
    load = scene.cached(**{name: given for name, given in EVERYTHING.items() if name not in without})
    assert [await load(), await load()] == ["v1", "v1"]
    await load.invalidate()
    assert [await load(), await load()] == ["v2", "v2"]
    scene.clock.advance(50)
    assert await load() == "v2"
