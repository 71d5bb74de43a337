"""`stale_while_revalidate`: an old value is served at once and refreshed behind."""

from __future__ import annotations

import pytest
from tests.engine.scene import Origin, Scene

from stillroom.observe.events import LoadFailed, Outcome, RefreshRefused


async def test_a_stale_value_is_served_at_once_and_refreshed_behind_exactly_once(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_while_revalidate=30)
    await load()
    scene.clock.advance(60)
    with origin.held():
        assert [await load() for _ in range(5)] == ["v1"] * 5
        await scene.until(lambda: origin.loads == 2)
        assert [await load() for _ in range(5)] == ["v1"] * 5
    await scene.settled()
    assert await load() == "v2"
    assert origin.loads == 2


async def test_the_refreshed_value_has_a_full_life(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_while_revalidate=30)
    await load()
    scene.clock.advance(80)
    assert await load() == "v1"
    await scene.settled()
    scene.clock.advance(59.9)
    assert await load() == "v2"
    await scene.settled()
    assert origin.loads == 2


async def test_beyond_the_window_the_caller_waits(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_while_revalidate=30)
    await load()
    scene.clock.advance(90)
    assert await load() == "v2"


async def test_stale_answers_are_counted_as_such(scene: Scene) -> None:
    """Rule 52."""
    load = scene.cached(ttl=60, stale_while_revalidate=30)
    with scene.cache.detect() as calls:
        await load()
        await load()
        scene.clock.advance(70)
        await load()
    await scene.settled()
    assert [call.outcome for call in calls] == [Outcome.MISS, Outcome.HIT, Outcome.STALE]
    assert [call.ttl for call in calls] == [60, 60, -10]
    stats = load.function.stats
    assert (stats.calls, stats.misses, stats.hits, stats.stale, stats.loads) == (3, 1, 1, 1, 2)


async def test_each_key_is_refreshed_by_itself(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_while_revalidate=30)
    for number in (1, 2):
        await load(number)
    scene.clock.advance(60)
    assert await load(1) == "v1"
    await scene.settled()
    assert await load(1) == "v3"
    assert await load(2) == "v2"
    await scene.settled()
    assert origin.loads == 4


async def test_a_failing_refresh_is_reported_and_never_raised(scene: Scene, origin: Origin) -> None:
    """Rule 37."""
    load = scene.cached(ttl=60, stale_while_revalidate=30)
    await load()
    scene.clock.advance(60)
    origin.error = OSError("down")
    assert await load() == "v1"
    await scene.settled()
    assert await load() == "v1"
    (event,) = scene.reported(LoadFailed)
    assert event.error is origin.error
    assert event.behind
    assert not event.rescued
    assert event.key
    assert event.function.endswith("load" if not scene.is_async else "load_async")


@pytest.mark.parametrize(("retry_after", "pause"), [(None, 1.0), (7, 7.0), ("250ms", 0.25)])
async def test_a_failing_origin_is_asked_again_only_after_retry_after(
    scene: Scene, origin: Origin, retry_after: object, pause: float
) -> None:
    """Rule 37."""
    load = scene.cached(ttl=60, stale_while_revalidate=30, retry_after=retry_after)
    await load()
    scene.clock.advance(60)
    origin.error = OSError("down")
    for failures in (1, 2, 3):
        for _ in range(3):
            assert await load() == "v1"
            await scene.settled()
        assert origin.loads == 1 + failures
        await scene.later(pause * 0.9)
        assert await load() == "v1"
        await scene.settled()
        assert origin.loads == 1 + failures
        await scene.later(pause * 0.1 + 1e-6)
    origin.error = None
    assert await load() == "v1"
    await scene.settled()
    assert await load() == "v5"


async def test_beyond_the_window_a_failing_origin_is_heard_even_if_it_has_just_failed(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_while_revalidate=30, retry_after=600)
    await load()
    scene.clock.advance(60)
    origin.error = OSError("down")
    await load()
    await scene.settled()
    scene.clock.advance(30)
    with pytest.raises(OSError, match="down"):
        await load()


async def test_a_refresh_that_was_invalidated_meanwhile_does_not_count(scene: Scene, origin: Origin) -> None:
    """Rule 1."""
    load = scene.cached(ttl=60, stale_while_revalidate=30)
    await load()
    scene.clock.advance(60)
    with origin.held():
        await load()
        await scene.until(lambda: origin.loads == 2)
        await load.invalidate()
    await scene.until(lambda: origin.ended == 2)
    await scene.settled()
    assert await load() == "v3"


@pytest.mark.parametrize("how", ["key", "function", "tag", "namespace", "clear"])
async def test_a_refresh_that_fails_after_an_invalidation_does_not_bring_the_old_value_back(
    scene: Scene, origin: Origin, how: str
) -> None:
    """Rule 1."""
    load = scene.cached(ttl=60, stale_while_revalidate=30, stale_if_error=600, tags=["tag"])
    await load()
    scene.clock.advance(60)
    with origin.held():
        await load()
        await scene.until(lambda: origin.loads == 2)
        origin.error = OSError("down")
        if how == "key":
            await load.invalidate()
        elif how == "function":
            await load.invalidate_all()
        elif how == "tag":
            scene.cache.invalidate(tags=["tag"])
        elif how == "namespace":
            scene.cache.invalidate(namespace="main")
        else:
            scene.cache.clear()
    await scene.until(lambda: origin.ended == 2)
    await scene.settled()
    with pytest.raises(OSError, match="down"):
        await load()


async def test_a_refresh_that_there_is_no_room_for_is_reported_and_the_stale_value_served(
    scene: Scene, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 30."""
    core = scene.cache._core
    if scene.is_async:
        monkeypatch.setattr(core.tasks.runtime, "_BACKGROUND_LIMIT", 0)
    else:
        monkeypatch.setattr(core.blocking.runtime._pool, "_backlog", 0)  # type: ignore[attr-defined]
    load = scene.cached(ttl=60, stale_while_revalidate=30)
    await load()
    scene.clock.advance(60)
    assert [await load(), await load()] == ["v1", "v1"]
    assert len(scene.reported(RefreshRefused)) == 2
    assert len(core.flights) == 0
    scene.clock.advance(30)
    assert await load() == "v2"


async def test_a_caller_beyond_the_window_joins_the_refresh_that_is_under_way(scene: Scene, origin: Origin) -> None:
    """Rule 17."""
    load = scene.cached(ttl=60, stale_while_revalidate=30)
    await load()
    scene.clock.advance(60)
    with origin.held():
        await load()
        await scene.until(lambda: origin.loads == 2)
        scene.clock.advance(30)
        callers = [scene.begin(load()) for _ in range(3)]
    assert [await caller.result() for caller in callers] == ["v2"] * 3
    assert origin.loads == 2


async def test_a_refresh_whose_value_is_not_to_be_stored_is_tried_again(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_while_revalidate=30, store_if="not_none")
    await load()
    scene.clock.advance(60)
    origin.answer = lambda number: None
    assert await load() == "v1"
    await scene.settled()
    scene.clock.advance(30)
    assert await load() is None
