"""How long a value is fresh: the ttl in all of its forms, the jitter, and that the end of a life holds."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.engine.scene import Origin, Scene

from stillroom import ConfigurationError
from stillroom.observe.events import LoadFinished


@pytest.mark.parametrize("ttl", [600, 600.0, "10m", "9m60s", timedelta(minutes=10)], ids=repr)
async def test_a_value_is_fresh_for_its_ttl_and_no_longer(scene: Scene, origin: Origin, ttl: Any) -> None:
    load = scene.cached(ttl=ttl)
    assert await load() == "v1"
    scene.clock.advance(599.9)
    assert await load() == "v1"
    scene.clock.advance(0.1)
    assert await load() == "v2"
    scene.clock.advance(599.9)
    assert await load() == "v2"
    assert origin.loads == 2


async def test_the_ttl_counts_from_the_end_of_the_load(scene: Scene, origin: Origin) -> None:
    origin.cost = 30.0
    load = scene.cached(ttl=60)
    await load()
    assert scene.clock.now() == 30
    scene.clock.advance(59)
    assert await load() == "v1"
    scene.clock.advance(1)
    assert await load() == "v2"


@pytest.mark.parametrize("settings", [{}, {"ttl": None}], ids=repr)
async def test_without_a_ttl_a_value_is_fresh_until_invalidated(scene: Scene, origin: Origin, settings: dict[str, Any]) -> None:
    load = scene.cached(**settings)
    assert await load() == "v1"
    scene.clock.advance(1e9)
    assert await load() == "v1"
    assert await load.invalidate()
    assert await load() == "v2"


async def test_the_ttl_of_the_cache_holds_for_decorators_that_give_none(scene: Scene) -> None:
    scene.open(ttl=60)
    with_default = scene.cached(name="with the default")
    with_own, without = scene.cached(name="with its own", ttl=600), scene.cached(name="without", ttl=None)
    assert [await with_default(), await with_own(), await without()] == ["v1", "v2", "v3"]
    scene.clock.advance(60)
    assert [await with_default(), await with_own(), await without()] == ["v4", "v2", "v3"]
    scene.clock.advance(600)
    assert [await with_own(), await without()] == ["v5", "v3"]


async def test_each_key_has_a_life_of_its_own(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60)
    await load(1)
    scene.clock.advance(30)
    await load(2)
    scene.clock.advance(30)
    assert [await load(1), await load(2)] == ["v3", "v2"]


# A ttl that depends on the call


@pytest.mark.parametrize("shape", ["by name", "with the value", "value alone", "as called", "any"])
async def test_a_rule_gets_the_arguments_it_names_and_the_value(scene: Scene, shape: str) -> None:
    seen: list[object] = []

    def by_name(a: int) -> float:
        seen.append(a)
        return 10.0 * a

    def with_the_value(a: int, value: str) -> float:
        seen.append((a, value))
        return 10.0 * a

    def value_alone(value: str) -> float:
        seen.append(value)
        return 10.0

    def as_called(number: int) -> float:
        seen.append(number)
        return 10.0 * number

    def anything(*args: Any, **kwargs: Any) -> float:
        seen.append((args, kwargs))
        return 10.0

    rules = {"by name": by_name, "with the value": with_the_value, "value alone": value_alone, "as called": as_called}
    load = scene.cached(ttl=rules.get(shape, anything))
    assert await load(1) == "v1"
    scene.clock.advance(9.9)
    assert await load(1) == "v1"
    scene.clock.advance(0.1)
    assert await load(1) == "v2"
    expected = {"by name": 1, "with the value": (1, "v1"), "value alone": "v1", "as called": 1, "any": ((1,), {})}
    assert seen[0] == expected[shape]
    assert len(seen) == 2  # once for each load, never for a hit


@pytest.mark.parametrize(
    ("given", "seconds"), [(5, 5), (0.5, 0.5), ("1m", 60), (timedelta(seconds=7), 7), (None, math.inf)], ids=repr
)
async def test_a_rule_returns_any_form_of_a_ttl(scene: Scene, given: Any, seconds: float) -> None:
    load = scene.cached(ttl=lambda a: given)
    await load()
    if seconds == math.inf:
        scene.clock.advance(1e9)
        assert await load() == "v1"
        return
    scene.clock.advance(seconds - 0.01)
    assert await load() == "v1"
    scene.clock.advance(0.01)
    assert await load() == "v2"


@pytest.mark.parametrize("given", [0, 0.0, -1, -math.inf, timedelta(0), timedelta(seconds=-5)], ids=repr)
async def test_a_rule_that_returns_zero_or_less_keeps_the_value_out_of_the_store(
    scene: Scene, origin: Origin, given: Any
) -> None:
    load = scene.cached(ttl=lambda a: given)
    assert [await load(), await load()] == ["v1", "v2"]
    assert await load.peek(default="nothing") == "nothing"
    assert [event.stored for event in scene.reported(LoadFinished)] == [False, False]


@pytest.mark.parametrize("given", ["soon", "", True, math.nan, math.inf, [5], b"5", Decimal(5)], ids=repr)
async def test_a_rule_that_returns_no_ttl_is_told_so_by_name(scene: Scene, given: Any) -> None:
    load = scene.cached(ttl=lambda a: given)
    with pytest.raises(ConfigurationError) as caught:
        await load()
    assert caught.value.setting == "ttl"
    assert caught.value.given is given
    assert repr(given) in str(caught.value)
    assert len(scene.cache._core.flights) == 0


async def test_a_rule_that_raises_is_heard_and_nothing_is_stored(scene: Scene, origin: Origin) -> None:
    def rule(a: int) -> float:
        raise ZeroDivisionError(a)

    load = scene.cached(ttl=rule)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await load()
    assert origin.loads == 2


def test_a_rule_that_names_an_unknown_parameter_is_refused_at_decoration(scene: Scene) -> None:
    with pytest.raises(ConfigurationError, match="ttl must be a callable that names parameters of") as caught:
        scene.cached(ttl=lambda a, unknown: 5)
    assert caught.value.setting == "ttl"


async def test_put_asks_the_rule_as_well(scene: Scene) -> None:
    load = scene.cached(ttl=lambda a, value: {"short": 5, "long": 50}[value])
    await load.put("short", 1)
    await load.put("long", 2)
    scene.clock.advance(5)
    assert [await load.peek(1), await load.peek(2)] == [None, "long"]


async def test_a_rule_that_returns_zero_keeps_a_value_that_is_put_out_of_the_store(scene: Scene) -> None:
    load = scene.cached(ttl=lambda a: 0, stale_while_revalidate=60)
    await load.put("given")
    assert await load() == "v1"


# Jitter


@pytest.mark.parametrize(("drawn", "life"), [(1.0, 80.0), (0.5, 90.0), (1e-9, 100.0)])
async def test_jitter_shortens_a_life_by_up_to_its_fraction(scene: Scene, drawn: float, life: float) -> None:
    scene.drawn = drawn
    load = scene.cached(ttl=100, jitter=0.2)
    await load()
    scene.clock.advance(life - 0.1)
    assert await load() == "v1"
    scene.clock.advance(0.1)
    assert await load() == "v2"


async def test_jitter_spreads_what_was_loaded_together(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=100, jitter=0.5)
    for number in range(1, 11):
        scene.drawn = number / 10
        await load(number)
    alive = []
    for _ in range(10):
        scene.clock.advance(10)
        found = [await load.peek(number, default=None) for number in range(1, 11)]
        alive.append(sum(value is not None for value in found))
    assert alive == [10, 10, 10, 10, 9, 7, 5, 3, 1, 0]


async def test_jitter_leaves_alone_what_has_no_end(scene: Scene) -> None:
    load = scene.cached(ttl=lambda a: None, jitter=0.5)
    await load()
    scene.clock.advance(1e9)
    assert await load() == "v1"


# The end of a life


async def test_a_stuck_refresh_never_extends_a_life(scene: Scene, origin: Origin) -> None:
    """Rule 38."""
    load = scene.cached(ttl=60, stale_while_revalidate=30)
    await load()
    scene.clock.advance(60)
    with origin.held():
        assert await load() == "v1"
        await scene.until(lambda: origin.loads == 2)
        scene.clock.advance(29.9)
        assert await load() == "v1"
        scene.clock.advance(0.1)
        late = scene.begin(load())
        assert await load.peek(default="nothing") == "nothing"
        assert not late.done
    assert await late.result() == "v2"
    assert origin.loads == 2


async def test_a_stuck_refresh_ahead_never_extends_a_life(scene: Scene, origin: Origin) -> None:
    """Rule 38."""
    load = scene.cached(ttl=60, refresh_ahead=0.5)
    await load()
    scene.clock.advance(59)
    with origin.held():
        assert await load() == "v1"
        await scene.until(lambda: origin.loads == 2)
        scene.clock.advance(1)
        late = scene.begin(load())
        assert await load.peek(default="nothing") == "nothing"
    assert await late.result() == "v2"


async def test_failing_refreshes_never_extend_a_life(scene: Scene, origin: Origin) -> None:
    """Rule 38."""
    load = scene.cached(ttl=60, stale_while_revalidate=30, stale_if_error=30, retry_after=1)
    await load()
    scene.clock.advance(60)
    origin.error = OSError("down")
    for _ in range(15):
        assert await load() == "v1"
        await scene.later(2)
    with pytest.raises(OSError, match="down"):
        await load()


async def test_a_window_for_stale_values_does_not_make_them_fresh(scene: Scene) -> None:
    """Rule 4."""
    load = scene.cached(ttl=60, stale_if_error=600, key="name:{a}")
    await load(1)
    scene.clock.advance(60)
    assert await load.peek(1, default="nothing") == "nothing"
    assert scene.cache.get("name:1", default="nothing") == "nothing"
    assert not scene.cache.exists("name:1")
    assert [*scene.cache.scan()] == []
