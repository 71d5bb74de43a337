"""`keep_warm`: a key that is read is refreshed on expiry without being asked."""

from __future__ import annotations

import pytest
from tests.backends import new_chaos
from tests.engine.scene import Origin, Scene

from stillroom._engine import warm
from stillroom.observe.events import LoadFailed, StoreFailed


async def test_a_key_is_refreshed_at_its_end_without_being_asked(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, keep_warm=True)
    await load()
    await scene.later(59.9)
    assert origin.loads == 1
    await scene.later(0.1)
    assert origin.loads == 2
    assert await load.peek() == "v2"


async def test_while_it_is_read_a_key_stays_warm_and_nobody_waits(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, keep_warm=True, idle_after=30)
    await load()
    for number in range(1, 11):
        assert await load() == f"v{number}"
        await scene.later(59)
        assert await load() == f"v{number}"
        await scene.later(1)
    stats = load.function.stats
    assert (stats.misses, stats.hits) == (1, 20)
    assert origin.loads == 11


async def test_a_dear_load_begins_so_early_that_the_new_value_is_there_in_time(scene: Scene, origin: Origin) -> None:
    origin.cost = 5.0
    load = scene.cached(ttl=60, keep_warm=True)
    await load()
    origin.cost = 0.0
    await scene.later(54.9)
    assert origin.loads == 1
    await scene.later(0.1)
    assert origin.loads == 2


@pytest.mark.parametrize(("idle_after", "refreshes"), [(30, 0), (60, 1), (150, 2), (None, 2)])
async def test_a_key_that_nobody_reads_is_let_go(scene: Scene, origin: Origin, idle_after: object, refreshes: int) -> None:
    """Rule 30."""
    load = scene.cached(ttl=60, keep_warm=True, idle_after=idle_after)
    await load()
    for _ in range(20):
        await scene.later(60)
    assert origin.loads == 1 + refreshes
    assert scene.clock.pending == 0


async def test_a_hit_keeps_a_key_warm_for_another_while(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, keep_warm=True, idle_after=100)
    await load()
    await scene.later(60)
    await scene.later(30)
    assert await load() == "v2"  # at 90, by the plain path
    await scene.later(30)
    await scene.later(60)
    assert origin.loads == 4  # at 60, at 120 and at 180
    await scene.later(60)
    assert origin.loads == 4
    assert scene.clock.pending == 0


async def test_a_hit_during_a_refresh_counts_as_well(scene: Scene, origin: Origin) -> None:
    origin.cost = 10.0
    load = scene.cached(ttl=60, keep_warm=True, idle_after=70)
    await load()  # fresh from 10 to 70, so it is refreshed at 60
    origin.cost = 0.0
    with origin.held():
        scene.clock.advance(50)
        await scene.until(lambda: origin.loads == 2)
        scene.clock.advance(5)
        assert await load() == "v1"  # at 65
    await scene.settled()
    await scene.later(55)  # to 120, when the next refresh is due: 55 seconds after the hit, 110 after the first call
    assert origin.loads == 3


@pytest.mark.parametrize("settings", [{}, {"tags": ["tag"]}, {"key": "name:{a}"}], ids=str)
async def test_hits_on_every_sort_of_plain_path_count_as_reads(
    scene: Scene, origin: Origin, settings: dict[str, object]
) -> None:
    load = scene.cached(ttl=60, keep_warm=True, idle_after=15, **settings)
    await load()
    for _ in range(5):
        await scene.later(50)
        await load()
        await scene.later(10)
    assert origin.loads == 6


async def test_peeking_does_not_keep_a_key_warm(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, keep_warm=True, idle_after=15)
    await load()
    await scene.later(50)
    assert await load.peek() == "v1"
    await scene.later(10)
    assert origin.loads == 1


@pytest.mark.parametrize("how", ["key", "function", "tag", "clear"])
async def test_an_invalidated_key_is_let_go(scene: Scene, origin: Origin, how: str) -> None:
    load = scene.cached(ttl=60, keep_warm=True, tags=["tag"])
    await load()
    if how == "key":
        await load.invalidate()
    elif how == "function":
        await load.invalidate_all()
    elif how == "tag":
        scene.cache.invalidate(tags=["tag"])
    else:
        scene.cache.clear()
    await scene.later(300)
    assert origin.loads == 1
    assert scene.clock.pending == 0


@pytest.mark.memory_only("bounds are those of the memory store")
async def test_an_evicted_key_is_let_go(scene: Scene, origin: Origin) -> None:
    scene.open("memory://?max_entries=10")
    load, others = scene.cached(ttl=60, keep_warm=True), scene.cached(Origin(scene.clock))
    await load()
    for number in range(30):
        await others(number)
        await others(number)
    assert await load.peek(default="evicted") == "evicted"
    await scene.later(300)
    assert origin.loads == 1
    assert scene.clock.pending == 0


async def test_a_refresh_that_was_invalidated_meanwhile_does_not_count(scene: Scene, origin: Origin) -> None:
    """Rule 1."""
    load = scene.cached(ttl=60, keep_warm=True)
    await load()
    with origin.held():
        scene.clock.advance(60)
        await scene.until(lambda: origin.loads == 2)
        await load.invalidate()
    await scene.until(lambda: origin.ended == 2)
    await scene.settled()
    assert await load.peek(default="nothing") == "nothing"
    assert await load() == "v3"


async def test_an_invalidated_key_is_warm_again_from_its_next_load(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, keep_warm=True)
    await load()
    await load.invalidate()
    await scene.later(30)
    assert await load() == "v2"
    await scene.later(30)
    assert origin.loads == 2
    await scene.later(30)
    assert origin.loads == 3


async def test_a_failing_refresh_is_reported_and_tried_again_while_the_value_may_rescue(scene: Scene, origin: Origin) -> None:
    """Rule 37."""
    load = scene.cached(ttl=60, keep_warm=True, stale_if_error=600, retry_after=10, idle_after=1000)
    await load()
    origin.error = OSError("down")
    await scene.later(60)
    assert origin.loads == 2
    (event,) = scene.reported(LoadFailed)
    assert event.behind
    assert event.error is origin.error
    assert await load() == "v1"
    assert origin.loads == 2
    await scene.later(9)
    assert origin.loads == 2
    await scene.later(1)
    assert origin.loads == 3
    origin.error = None
    await scene.later(10)
    assert await load.peek() == "v4"
    await scene.later(60)
    assert await load.peek() == "v5"


async def test_a_failing_refresh_is_tried_again_without_a_window_as_well(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, keep_warm=True, retry_after=10, idle_after=1000)
    await load()
    origin.error = OSError("down")
    await scene.later(60)
    assert origin.loads == 2
    origin.error = None
    await scene.later(10)
    assert await load.peek(default="nothing") == "v3"


async def test_after_a_failing_refresh_a_call_does_not_get_the_old_value(scene: Scene, origin: Origin) -> None:
    """Rule 38."""
    load = scene.cached(ttl=60, keep_warm=True, retry_after=10)
    await load()
    origin.error = OSError("down")
    await scene.later(60)
    with pytest.raises(OSError, match="down"):
        await load()


async def test_a_key_whose_value_is_not_stored_any_more_is_let_go(scene: Scene, origin: Origin) -> None:
    """Rule 30."""
    load = scene.cached(ttl=60, keep_warm=True, store_if="not_none", idle_after=1000)
    await load()
    origin.answer = lambda number: None
    await scene.later(60)
    assert origin.loads == 2
    await scene.later(5000)
    assert scene.clock.pending == 0
    assert await load() is None


@pytest.mark.parametrize("end", ["idle", "invalidated", "not stored", "failing"])
async def test_a_key_that_was_let_go_leaves_nothing_behind(scene: Scene, origin: Origin, end: str) -> None:
    """Rule 30."""
    load = scene.cached(ttl=60, keep_warm=True, idle_after=30 if end == "idle" else 90, store_if="not_none")
    for number in range(5):
        await load(number)
    if end == "invalidated":
        await load.invalidate_all()
    elif end == "not stored":
        origin.answer = lambda number: None
    elif end == "failing":
        origin.error = OSError("down")
    for _ in range(300):
        await scene.later(1)
    warmer = scene.cache._core.blocking.engine.loader._warmer
    assert scene.clock.pending == 0
    assert not warmer._timers
    assert not warmer._read_at


async def test_no_more_keys_are_kept_warm_than_the_limit(scene: Scene, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 30."""
    monkeypatch.setattr(warm, "LIMIT", 3)
    load = scene.cached(ttl=60, keep_warm=True)
    for number in range(10):
        await load(number)
    assert scene.clock.pending == 3
    await scene.later(60)
    assert origin.loads == 13
    assert [await load.peek(number, default=None) is not None for number in range(10)] == [False] * 7 + [True] * 3


async def test_calls_that_come_during_a_refresh_get_the_old_value_while_it_is_fresh_then_wait(
    scene: Scene, origin: Origin
) -> None:
    """Rules 17 and 38."""
    origin.cost = 5.0
    load = scene.cached(ttl=60, keep_warm=True)
    await load()
    origin.cost = 0.0
    with origin.held():
        scene.clock.advance(55)
        await scene.until(lambda: origin.loads == 2)
        assert await load() == "v1"
        scene.clock.advance(5)
        late = scene.begin(load())
    assert await late.result() == "v2"
    assert origin.loads == 2


async def test_a_ttl_that_depends_on_the_call_is_kept_to(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=lambda a: 10 * a, keep_warm=True)
    await load(3)
    await scene.later(29)
    assert origin.loads == 1
    await scene.later(1)
    assert origin.loads == 2


async def test_a_value_without_an_end_needs_no_warming(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=lambda a: None, keep_warm=True)
    await load()
    await scene.later(1e9)
    assert origin.loads == 1
    assert await load() == "v1"


async def test_a_store_that_fails_when_a_warm_key_is_due_is_reported_and_harms_nothing(scene: Scene, origin: Origin) -> None:
    """Rules 34 and 37: what goes wrong behind is an event, never an error in a thread or a task that nobody looks at."""
    chaos = new_chaos(scene.clock)
    scene.open(chaos)
    load = scene.cached(ttl=60, keep_warm=True)
    await load()
    chaos.fail("read", times=1)
    scene.clock.advance(60)
    await scene.until(lambda: scene.reported(StoreFailed))
    await scene.settled()
    assert await load() == "v2"


async def test_a_cache_that_cools_refreshes_nothing_and_keeps_what_is_stored(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, keep_warm=True)
    await load()
    scene.cache.cool()
    assert scene.clock.pending == 0
    await scene.later(59)
    assert await load() == "v1"
    await scene.later(60)
    assert origin.loads == 1


async def test_what_is_loaded_after_a_cache_has_cooled_is_kept_warm(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, keep_warm=True)
    await load()
    scene.cache.cool()
    await load.refresh()
    await scene.later(60)
    assert origin.loads == 3
