"""`stale_if_error`: an old value stands in for a load that fails."""

from __future__ import annotations

import pytest
from tests.concurrency.meeting import passengers
from tests.engine.scene import Origin, Scene

from stillroom.observe.events import LoadFailed, Outcome


async def test_an_error_is_rescued_by_a_stale_value(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_if_error=600)
    await load()
    scene.clock.advance(60)
    origin.error = OSError("down")
    assert await load() == "v1"
    (event,) = scene.reported(LoadFailed)
    assert event.error is origin.error
    assert event.rescued
    assert not event.behind


async def test_while_the_origin_is_well_the_caller_waits_for_a_new_value(scene: Scene) -> None:
    load = scene.cached(ttl=60, stale_if_error=600)
    await load()
    scene.clock.advance(60)
    assert await load() == "v2"


async def test_the_window_begins_at_the_end_of_the_ttl_and_ends_for_good(scene: Scene, origin: Origin) -> None:
    """Rule 38."""
    load = scene.cached(ttl=60, stale_if_error=600, retry_after=1)
    await load()
    origin.error = OSError("down")
    scene.clock.advance(659.9)
    assert await load() == "v1"
    scene.clock.advance(0.1)
    with pytest.raises(OSError, match="down") as caught:
        await load()
    assert caught.value is origin.error


async def test_without_a_value_the_error_is_raised(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_if_error=600)
    origin.error = OSError("down")
    with pytest.raises(OSError, match="down"):
        await load()


@pytest.mark.parametrize(("retry_after", "pause"), [(None, 1.0), (30, 30.0)])
async def test_a_failing_origin_is_asked_no_more_often_than_retry_after(
    scene: Scene, origin: Origin, retry_after: object, pause: float
) -> None:
    """Rule 37."""
    load = scene.cached(ttl=60, stale_if_error=600, retry_after=retry_after)
    await load()
    scene.clock.advance(60)
    origin.error = OSError("down")
    for failures in (1, 2, 3):
        assert [await load() for _ in range(5)] == ["v1"] * 5
        assert origin.loads == 1 + failures
        scene.clock.advance(pause * 0.9)
        assert await load() == "v1"
        assert origin.loads == 1 + failures
        scene.clock.advance(pause * 0.1 + 1e-6)
    origin.error = None
    assert await load() == "v5"
    scene.clock.advance(59)
    assert await load() == "v5"


@pytest.mark.parametrize(
    ("errors", "error", "rescued"),
    [
        (None, OSError("down"), True),
        (None, KeyError("a"), True),
        (OSError, OSError("down"), True),
        (OSError, ConnectionError("down"), True),
        (OSError, KeyError("a"), False),
        ((OSError, KeyError), KeyError("a"), True),
        ((OSError, KeyError), IndexError("a"), False),
    ],
    ids=repr,
)
async def test_only_the_errors_named_are_covered(
    scene: Scene, origin: Origin, errors: object, error: Exception, rescued: bool
) -> None:
    load = scene.cached(ttl=60, stale_if_error=600, errors=errors)
    await load()
    scene.clock.advance(60)
    origin.error = error
    if rescued:
        assert await load() == "v1"
    else:
        for _ in range(2):
            with pytest.raises(type(error)) as caught:
                await load()
            assert caught.value is error
    assert [event.rescued for event in scene.reported(LoadFailed)] == ([True] if rescued else [False, False])


async def test_an_error_that_is_not_covered_leaves_the_value_for_one_that_is(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_if_error=600, errors=OSError)
    await load()
    scene.clock.advance(60)
    origin.error = KeyError("a")
    with pytest.raises(KeyError):
        await load()
    origin.error = OSError("down")
    assert await load() == "v1"


async def test_callers_who_joined_a_failing_load_are_rescued_too(scene: Scene, origin: Origin) -> None:
    """Rule 20."""
    load = scene.cached(ttl=60, stale_if_error=600)
    await load()
    scene.clock.advance(60)
    origin.error = OSError("down")
    with origin.held():
        callers = [scene.begin(load()) for _ in range(4)]
        await scene.until(lambda: origin.loads == 2 and passengers(scene.cache) == 4)
    assert [await caller.result() for caller in callers] == ["v1"] * 4
    assert origin.loads == 2


async def test_a_rescue_is_a_stale_answer(scene: Scene, origin: Origin) -> None:
    """Rule 52."""
    load = scene.cached(ttl=60, stale_if_error=600)
    with scene.cache.detect() as calls:
        await load()
        scene.clock.advance(60)
        origin.error = OSError("down")
        await load()
        await load()
    assert [call.outcome for call in calls] == [Outcome.MISS, Outcome.STALE, Outcome.STALE]
    stats = load.function.stats
    assert (stats.calls, stats.stale, stats.errors, stats.loads) == (3, 2, 0, 2)


async def test_an_invalidated_value_rescues_nobody(scene: Scene, origin: Origin) -> None:
    """Rule 1."""
    load = scene.cached(ttl=60, stale_if_error=600)
    await load()
    await load.invalidate()
    origin.error = OSError("down")
    with pytest.raises(OSError, match="down"):
        await load()


async def test_a_value_that_was_invalidated_during_the_failing_load_is_gone_afterwards(scene: Scene, origin: Origin) -> None:
    """Rule 1."""
    load = scene.cached(ttl=60, stale_if_error=600)
    await load()
    scene.clock.advance(60)
    origin.error = OSError("down")
    with origin.held():
        caller = scene.begin(load())
        await scene.until(lambda: origin.loads == 2)
        await load.invalidate()
    assert await caller.result() == "v1"  # this call began before the invalidation
    with pytest.raises(OSError, match="down"):
        await load()


async def test_an_explicit_refresh_that_fails_is_rescued_as_a_call_would_be(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_if_error=600)
    await load()
    origin.error = OSError("down")
    assert await load.refresh() == "v1"
    assert await load() == "v1"


@pytest.mark.parametrize("value", [None, 0, "", [], False], ids=repr)
async def test_a_falsy_value_rescues_like_any_other(scene: Scene, origin: Origin, value: object) -> None:
    """Rule 12."""
    load = scene.cached(ttl=60, stale_if_error=600)
    origin.answer = lambda number: value
    await load()
    scene.clock.advance(60)
    origin.error = OSError("down")
    for _ in range(3):
        assert await load() == value
    assert origin.loads == 2


def test_what_ends_the_program_is_not_rescued(scene: Scene, origin: Origin) -> None:
    class Ending(BaseException): ...

    load = scene.cached(ttl=60, stale_if_error=600).function
    load()
    scene.clock.advance(60)
    origin.error = Ending()
    with pytest.raises(Ending):
        load()
    assert len(scene.cache._core.flights) == 0
    origin.error = None
    assert load() == "v3"
