"""`store_if`: what fails the predicate is returned, not stored."""

from __future__ import annotations

from typing import Any

import pytest
from tests.concurrency.meeting import waiting
from tests.engine.scene import Origin, Scene

from stillroom.observe.events import LoadFinished


async def test_what_fails_the_predicate_is_returned_and_not_stored(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, store_if=lambda value: value == "v3")
    assert [await load() for _ in range(5)] == ["v1", "v2", "v3", "v3", "v3"]
    assert [event.stored for event in scene.reported(LoadFinished)] == [False, False, True]


async def test_not_none_keeps_only_none_out_of_the_store(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, store_if="not_none")
    origin.answer = lambda number: None
    assert [await load(), await load()] == [None, None]
    assert origin.loads == 2
    origin.answer = lambda number: ""
    assert [await load(), await load()] == ["", ""]
    assert origin.loads == 3


@pytest.mark.parametrize("value", [0, "", [], False, 0.0], ids=repr)
async def test_not_none_stores_every_other_falsy_value(scene: Scene, origin: Origin, value: Any) -> None:
    """Rule 12."""
    origin.answer = lambda number: value
    load = scene.cached(ttl=60, store_if="not_none")
    for _ in range(3):
        found = await load()
        assert found == value
        assert type(found) is type(value)
    assert origin.loads == 1


async def test_the_predicate_is_asked_once_for_each_load_and_not_for_hits(scene: Scene, origin: Origin) -> None:
    asked: list[Any] = []

    def predicate(value: Any) -> bool:
        asked.append(value)
        return True

    load = scene.cached(ttl=60, store_if=predicate)
    await load()
    await load()
    await load.refresh()
    await load()
    assert asked == ["v1", "v2"]


async def test_callers_who_joined_the_load_get_what_was_not_stored(scene: Scene, origin: Origin) -> None:
    """Rule 17."""
    load = scene.cached(ttl=60, store_if=lambda value: False)
    with origin.held():
        first = scene.begin(load())
        await scene.until(lambda: origin.loads == 1)
        (flight,) = scene.cache._core.flights._table.values()
        second = scene.begin(load())
        await scene.until(lambda: waiting(flight) == 2)
    assert [await first.result(), await second.result()] == ["v1", "v1"]
    assert origin.loads == 1


async def test_a_predicate_that_raises_is_heard_and_nothing_is_stored(scene: Scene, origin: Origin) -> None:
    def predicate(value: str) -> bool:
        raise ZeroDivisionError(value)

    load = scene.cached(ttl=60, store_if=predicate)
    with pytest.raises(ZeroDivisionError, match="v1"):
        await load()
    assert await load.peek(default="nothing") == "nothing"
    assert len(scene.cache._core.flights) == 0


async def test_time_spent_in_a_load_is_counted_once_though_the_predicate_raises(scene: Scene, origin: Origin) -> None:
    """Rule 52."""
    origin.cost = 5.0
    load = scene.cached(ttl=60, store_if=lambda value: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await load()
    assert load.function.stats.load_seconds == 5.0


async def test_a_predicate_decides_about_background_loads_too(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, refresh_ahead=0.5, store_if="not_none")
    await load()
    scene.clock.advance(50)
    origin.answer = lambda number: None
    assert await load() == "v1"
    await scene.settled()
    assert origin.loads == 2
    assert await load() == "v1"
    await scene.settled()
