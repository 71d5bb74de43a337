"""`soft_timeout`: with a stale value at hand, nobody waits for a load longer than this."""

from __future__ import annotations

import pytest
from tests.engine.scene import Cached, Origin, Pending, Scene

from stillroom.observe.events import LoadFailed, Outcome


async def impatient(scene: Scene, load: Cached, loads: int, *args: int) -> Pending:
    """Start a call, and return when its load has begun and its patience is being measured."""
    caller = scene.begin(load(*args))
    await scene.until(lambda: scene.origin.loads == loads and scene.clock.pending)
    return caller


async def test_the_stale_value_is_served_in_time_and_the_load_goes_on_and_fills(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_if_error=600, soft_timeout=2)
    await load()
    scene.clock.advance(60)
    with origin.held():
        caller = await impatient(scene, load, 2)
        scene.clock.advance(1.9)
        assert not caller.done
        scene.clock.advance(0.1)
        assert await caller.result() == "v1"
        assert origin.ended == 1
    await scene.settled()
    assert origin.ended == 2
    assert await load() == "v2"
    assert origin.loads == 2


async def test_a_load_in_time_is_what_the_caller_gets(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_if_error=600, soft_timeout=2)
    await load()
    scene.clock.advance(60)
    with origin.held():
        caller = await impatient(scene, load, 2)
        scene.clock.advance(1.9)
    assert await caller.result() == "v2"
    await scene.until(lambda: scene.clock.pending == 0)


async def test_each_caller_has_a_patience_of_its_own(scene: Scene, origin: Origin) -> None:
    """Rule 19."""
    load = scene.cached(ttl=60, stale_if_error=600, soft_timeout=2)
    await load()
    scene.clock.advance(60)
    with origin.held():
        first = await impatient(scene, load, 2)
        scene.clock.advance(1)
        second = scene.begin(load())
        await scene.until(lambda: scene.clock.pending == 2)
        scene.clock.advance(1)
        assert await first.result() == "v1"
        assert not second.done
    assert await second.result() == "v2"
    assert origin.loads == 2


async def test_while_the_load_is_under_way_no_other_begins(scene: Scene, origin: Origin) -> None:
    """Rule 17."""
    load = scene.cached(ttl=60, stale_if_error=600, soft_timeout=2)
    await load()
    scene.clock.advance(60)
    with origin.held():
        for _ in range(3):
            caller = await impatient(scene, load, 2)
            scene.clock.advance(2)
            assert await caller.result() == "v1"
            await scene.until(lambda: scene.clock.pending == 0)
    await scene.settled()
    assert origin.loads == 2


async def test_without_a_stale_value_the_caller_waits(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_if_error=600, soft_timeout=2)
    with origin.held():
        caller = scene.begin(load())
        await scene.until(lambda: origin.loads == 1)
        scene.clock.advance(100)
        assert not caller.done
    assert await caller.result() == "v1"


async def test_a_value_that_is_too_old_does_not_shorten_the_wait(scene: Scene, origin: Origin) -> None:
    """Rule 38."""
    load = scene.cached(ttl=60, stale_if_error=600, soft_timeout=2)
    await load()
    scene.clock.advance(660)
    with origin.held():
        caller = scene.begin(load())
        await scene.until(lambda: origin.loads == 2)
        scene.clock.advance(100)
        assert not caller.done
    assert await caller.result() == "v2"


async def test_a_load_that_outlived_its_callers_patience_and_was_invalidated_does_not_fill(
    scene: Scene, origin: Origin
) -> None:
    """Rule 1."""
    load = scene.cached(ttl=60, stale_if_error=600, soft_timeout=2)
    await load()
    scene.clock.advance(60)
    with origin.held():
        caller = await impatient(scene, load, 2)
        scene.clock.advance(2)
        assert await caller.result() == "v1"
        await load.invalidate()
        late = scene.begin(load())
        await scene.until(lambda: origin.loads == 3)
    assert await late.result() == "v3"
    await scene.settled()
    assert await load() == "v3"


async def test_an_error_in_time_is_rescued_and_throttled(scene: Scene, origin: Origin) -> None:
    """Rule 37."""
    load = scene.cached(ttl=60, stale_if_error=600, soft_timeout=2)
    await load()
    scene.clock.advance(60)
    origin.error = OSError("down")
    for _ in range(3):
        assert await scene.begin(load()).result() == "v1"
    await scene.settled()
    assert origin.loads == 2
    (event,) = scene.reported(LoadFailed)
    assert event.rescued


async def test_an_error_after_the_patience_is_reported_and_throttled(scene: Scene, origin: Origin) -> None:
    """Rule 37."""
    load = scene.cached(ttl=60, stale_if_error=600, soft_timeout=2, retry_after=10)
    await load()
    scene.clock.advance(60)
    with origin.held():
        caller = await impatient(scene, load, 2)
        scene.clock.advance(2)
        assert await caller.result() == "v1"
        origin.error = OSError("down")
    await scene.settled()
    assert len(scene.reported(LoadFailed)) == 1
    assert await load() == "v1"
    assert origin.loads == 2


async def test_an_error_that_is_not_covered_is_raised(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_if_error=600, errors=OSError, soft_timeout=2)
    await load()
    scene.clock.advance(60)
    origin.error = KeyError("a")
    with pytest.raises(KeyError):
        await scene.begin(load()).result()


async def test_a_value_served_in_time_is_a_stale_answer(scene: Scene, origin: Origin) -> None:
    """Rule 52."""
    load = scene.cached(ttl=60, stale_if_error=600, soft_timeout=2)
    await load()
    scene.clock.advance(60)
    with scene.cache.detect() as calls, origin.held():
        caller = await impatient(scene, load, 2)
        scene.clock.advance(2)
        await caller.result()
    await scene.settled()
    stats = load.function.stats
    assert (stats.calls, stats.misses, stats.stale, stats.loads) == (2, 1, 1, 2)
    if scene.is_async:  # a thread of its own has a context of its own
        assert [call.outcome for call in calls] == [Outcome.STALE]


async def test_where_there_is_no_room_for_a_load_behind_the_stale_value_is_served_at_once(
    scene: Scene, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = scene.cache._core
    if scene.is_async:
        monkeypatch.setattr(core.tasks.runtime, "_BACKGROUND_LIMIT", 0)
    else:
        monkeypatch.setattr(core.blocking.runtime._pool, "_backlog", 0)  # type: ignore[attr-defined]
    load = scene.cached(ttl=60, stale_if_error=600, soft_timeout=2)
    await load()
    scene.clock.advance(60)
    assert await load() == "v1"
    assert origin.loads == 1
    assert len(core.flights) == 0


async def test_callers_who_share_no_loads_are_impatient_one_by_one(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_if_error=600, soft_timeout=2, lock=None)
    await load()
    scene.clock.advance(60)
    with origin.held():
        callers = [scene.begin(load()) for _ in range(2)]
        await scene.until(lambda: origin.loads == 3 and scene.clock.pending == 2)
        scene.clock.advance(2)
        assert [await caller.result() for caller in callers] == ["v1", "v1"]
    await scene.settled()
    assert await load() in {"v2", "v3"}
