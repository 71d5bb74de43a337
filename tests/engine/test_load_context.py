"""`current_load`: what a function learns of its load while it runs, and what it says of its value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.backends import new_chaos
from tests.engine.scene import Cached, Origin, Scene

from stillroom import ConfigurationError, LoadAborted, StillroomError, current_load
from stillroom.load import Load
from stillroom.testing import ChaosStore

Act = Callable[[Load], Any]


def cached(scene: Scene, act: Act, /, **settings: Any) -> Cached:
    """Return a cached function that does something with its load after it has read its source.

    It returns what that brings, or if that is nothing, what it has read.
    """

    def load(a: int = 1) -> Any:
        value = scene.origin.load()
        return _or(act(current_load()), value)

    async def load_async(a: int = 1) -> Any:
        value = await scene.origin.load_async()
        return _or(act(current_load()), value)

    return scene.decorated(load_async if scene.is_async else load, **settings)


def _or(said: Any, value: Any) -> Any:
    return value if said is None else said


@pytest.fixture
def chaos(scene: Scene) -> ChaosStore:
    """The store of the scene, which does things in the middle of others."""
    store: ChaosStore = new_chaos(scene.clock)
    scene.open(store)
    return store


async def known(scene: Scene, *tags: str) -> None:
    """Let the process meet tags, so that a shared store can vouch for them; see `Sightings`."""
    meet = cached(scene, lambda load: load.tags.add(*tags), name="meet")
    await meet()
    scene.origin.loads = scene.origin.ended = 0


# The ttl


@pytest.mark.parametrize("ttl", [30, 30.0, timedelta(seconds=30), "30s"])
async def test_a_load_says_for_how_long_its_value_is_fresh(scene: Scene, ttl: Any) -> None:
    load = cached(scene, lambda load: setattr(load, "ttl", ttl), ttl=60)
    assert await load() == "v1"
    scene.clock.advance(29)
    assert await load() == "v1"
    scene.clock.advance(1)
    assert await load() == "v2"


async def test_a_ttl_of_none_lasts_until_invalidated(scene: Scene) -> None:
    load = cached(scene, lambda load: setattr(load, "ttl", None), ttl=60)
    await load()
    scene.clock.advance(1e6)
    assert await load() == "v1"
    await load.invalidate()
    assert await load() == "v2"


async def test_a_policy_without_an_end_can_be_given_one(scene: Scene) -> None:
    load = cached(scene, lambda load: setattr(load, "ttl", 30))
    await load()
    scene.clock.advance(30)
    assert await load() == "v2"


@pytest.mark.parametrize("ttl", [0, -1, "soon", True, float("nan")])
async def test_a_ttl_that_is_none_reaches_the_caller_as_an_error(scene: Scene, ttl: Any) -> None:
    load = cached(scene, lambda load: setattr(load, "ttl", ttl), ttl=60)
    with pytest.raises(ConfigurationError, match="ttl must be"):
        await load()


async def test_the_ttl_shown_is_the_one_that_counts(scene: Scene) -> None:
    shown: list[Any] = []

    def act(load: Load) -> None:
        shown.append(load.ttl)
        load.ttl = "1m"
        shown.append(load.ttl)
        load.ttl = None
        shown.append(load.ttl)

    await cached(scene, act, ttl=30)()
    assert shown == [30.0, 60.0, None]


async def test_the_windows_around_the_ttl_follow_it(scene: Scene, origin: Origin) -> None:
    load = cached(scene, lambda load: setattr(load, "ttl", 100), ttl=10, refresh_ahead=0.5, stale_while_revalidate=20)
    await load()
    scene.clock.advance(49)
    assert await load() == "v1"
    await scene.settled()
    assert origin.loads == 1
    scene.clock.advance(2)
    assert await load() == "v1"
    await scene.settled()
    assert origin.loads == 2
    with origin.held():
        scene.clock.advance(119)
        assert await load() == "v2"
    await scene.settled()


async def test_the_ttl_is_spread_as_that_of_the_policy(scene: Scene) -> None:
    load = cached(scene, lambda load: setattr(load, "ttl", 100), ttl=10, jitter=0.5)
    await load()
    scene.clock.advance(49)
    assert await load() == "v1"
    scene.clock.advance(2)
    assert await load() == "v2"


async def test_a_ttl_that_was_set_takes_the_place_of_a_rule(scene: Scene) -> None:
    def rule(a: int) -> float:
        raise AssertionError("nobody is to ask")

    load = cached(scene, lambda load: setattr(load, "ttl", 100), ttl=rule)
    await load()
    scene.clock.advance(99)
    assert await load() == "v1"


# Not to be stored, failed, not modified


async def test_a_value_that_is_skipped_is_returned_and_not_stored(scene: Scene) -> None:
    load = cached(scene, lambda load: load.skip(), ttl=60)
    assert [await load(), await load()] == ["v1", "v2"]


async def test_a_load_that_gives_up_is_rescued_by_a_stale_value(scene: Scene, origin: Origin) -> None:
    load = cached(
        scene, lambda load: load.fail("busy") if origin.loads > 1 else None, ttl=60, stale_if_error=600, errors=KeyError
    )
    assert await load() == "v1"
    scene.clock.advance(60)
    assert await load() == "v1"
    assert origin.loads == 2


async def test_a_load_that_gives_up_without_a_stale_value_raises(scene: Scene) -> None:
    load = cached(scene, lambda load: load.fail("busy"), ttl=60, stale_if_error=600, key="thing:{a}")
    with pytest.raises(LoadAborted, match="the load of thing:1 has failed: busy") as caught:
        await load()
    assert (caught.value.reason, caught.value.key) == ("busy", "thing:1")


async def test_a_load_that_gives_up_can_be_remembered(scene: Scene, origin: Origin) -> None:
    load = cached(scene, lambda load: load.fail("busy"), ttl=60, cache_errors={LoadAborted: 10})
    for _ in range(2):
        with pytest.raises(LoadAborted):
            await load()
    assert origin.loads == 1


async def test_a_value_that_has_not_changed_is_good_for_another_ttl(scene: Scene, origin: Origin) -> None:
    seen: list[Any] = []

    def act(load: Load) -> Any:
        seen.append((load.has_stale, load.stale_value))
        return load.not_modified() if load.has_stale else None

    load = cached(scene, act, ttl=60, stale_if_error=600)
    await load()
    scene.clock.advance(60)
    assert await load() == "v1"
    scene.clock.advance(59)
    assert await load() == "v1"
    assert origin.loads == 2
    scene.clock.advance(1)
    assert await load() == "v1"
    assert seen == [(False, None), (True, "v1"), (True, "v1")]


@pytest.mark.parametrize("settings", [{"stale_while_revalidate": 60}, {"refresh_ahead": 0.5}, {"keep_warm": True}])
async def test_loads_behind_know_the_value_that_they_replace(scene: Scene, origin: Origin, settings: dict[str, Any]) -> None:
    load = cached(scene, lambda load: load.not_modified() if load.has_stale else None, ttl=60, **settings)
    await load()
    scene.clock.advance(59 if "refresh_ahead" in settings else 61)
    await load()
    await scene.settled()
    assert origin.loads == 2
    assert await load() == "v1"
    assert origin.loads == 2


async def test_an_explicit_refresh_knows_it_too(scene: Scene, origin: Origin) -> None:
    load = cached(scene, lambda load: load.not_modified() if load.has_stale else None, ttl=60)
    assert [await load(), await load.refresh(), await load()] == ["v1", "v1", "v1"]
    assert origin.loads == 2


async def test_without_a_stale_value_nothing_can_go_on_being_good(scene: Scene) -> None:
    load = cached(scene, lambda load: load.not_modified(), ttl=60)
    with pytest.raises(StillroomError, match="has_stale"):
        await load()


async def test_a_remembered_error_is_no_stale_value(scene: Scene, origin: Origin) -> None:
    seen: list[bool] = []
    load = cached(scene, lambda load: seen.append(load.has_stale), ttl=60, cache_errors={OSError: 10})
    origin.error = OSError("down")
    with pytest.raises(OSError, match="down"):
        await load()
    origin.error = None
    await load.refresh()
    assert seen == [False]


async def test_none_is_a_stale_value_like_any_other(scene: Scene, origin: Origin) -> None:
    seen: list[Any] = []
    origin.answer = lambda _: None
    load = cached(scene, lambda load: seen.append((load.has_stale, load.stale_value)), ttl=60)
    await load()
    await load.refresh()
    assert seen == [(False, None), (True, None)]


async def test_what_is_copied_cannot_be_spoilt_through_the_stale_value(scene: Scene, origin: Origin) -> None:
    origin.answer = lambda number: [number]

    def act(load: Load) -> None:
        if load.has_stale:
            load.stale_value.append("spoilt")
            raise OSError("down")

    load = cached(scene, act, ttl=60, stale_if_error=600, copy=True)
    await load()
    scene.clock.advance(60)
    assert await load() == [1]


# Which load


async def test_outside_of_a_load_there_is_none() -> None:
    with pytest.raises(StillroomError, match="outside of a load"):
        current_load()


async def test_a_load_is_told_nothing_once_it_has_ended(scene: Scene) -> None:
    kept: list[Load] = []
    load = cached(scene, kept.append, ttl=60, key="thing:{a}")
    assert await load() == "v1"
    attempts: list[Callable[[Load], Any]] = [
        lambda load: load.tags.add("late"),
        lambda load: setattr(load, "ttl", 1),
        lambda load: load.skip(),
        lambda load: load.fail("late"),
    ]
    for attempt in attempts:
        with pytest.raises(StillroomError, match="the load of thing:1 has ended"):
            attempt(kept[0])
    assert await load() == "v1"


async def test_each_load_sees_its_own_and_the_outer_one_is_back_afterwards(scene: Scene) -> None:
    seen: list[str] = []
    inner = cached(scene, lambda load: seen.append(load.key), ttl=60, key="inner:{a}")

    def outer(a: int) -> Any:
        value = inner.function(a)
        seen.append(current_load().key)
        return value

    async def outer_async(a: int) -> Any:
        value = await inner.function(a)
        seen.append(current_load().key)
        return value

    await scene.decorated(outer_async if scene.is_async else outer, ttl=60, key="outer:{a}")(7)
    assert seen == ["inner:7", "outer:7"]
    with pytest.raises(StillroomError):
        current_load()


async def test_past_the_cache_a_load_has_no_effect_and_is_not_the_outer_one(scene: Scene) -> None:
    def act(load: Load) -> None:
        assert not load.has_stale
        load.ttl = 1
        load.tags.add("inner")
        load.skip()

    inner = cached(scene, act, ttl=60)

    def outer(a: int = 1) -> Any:
        return inner.function.bypass(a)

    async def outer_async(a: int = 1) -> Any:
        return await inner.function.bypass(a)

    load = scene.decorated(outer_async if scene.is_async else outer, ttl=60)
    assert [await load(), await load()] == ["v1", "v1"]
    with scene.cache.disabled():
        assert [await inner(), await inner.refresh(), await inner.many([1])] == ["v2", "v3", ["v4"]]


async def test_a_batch_gives_each_of_its_loads_its_own(scene: Scene) -> None:
    seen: list[str] = []
    load = cached(scene, lambda load: seen.append(load.key), ttl=60, key="thing:{a}")
    await load.many([1, 2])
    assert sorted(seen) == ["thing:1", "thing:2"]


@pytest.mark.parametrize("tag", ["", 7, None, ["a"]])
async def test_what_is_no_tag_is_refused(scene: Scene, tag: Any) -> None:
    load = cached(scene, lambda load: load.tags.add(tag), ttl=60)
    with pytest.raises(ConfigurationError, match="tags must be a text"):
        await load()


# Tags


async def test_a_tag_that_a_load_has_added_ends_its_value(scene: Scene) -> None:
    load = cached(scene, lambda load: load.tags.add("team:7", "team:8"), ttl=60)
    await known(scene, "team:7", "team:8")
    assert [await load(), await load()] == ["v1", "v1"]
    scene.cache.invalidate(tags=["team:9"])
    assert await load() == "v1"
    scene.cache.invalidate(tags=["team:8"])
    assert await load() == "v2"


async def test_a_tag_that_is_met_for_the_first_time_costs_one_more_load_at_most(scene: Scene, origin: Origin) -> None:
    load = cached(scene, lambda load: load.tags.add("team:7"), ttl=60)
    for _ in range(4):
        await load()
    assert origin.loads <= 2


async def test_tags_of_the_decorator_and_of_the_load_both_count(scene: Scene) -> None:
    load = cached(scene, lambda load: load.tags.add("late", "fixed"), ttl=60, tags=["fixed"], key="thing:{a}")
    await known(scene, "late")
    assert [await load(), await load()] == ["v1", "v1"]
    scene.cache.invalidate(tags=["fixed"])
    assert [await load(), await load()] == ["v2", "v2"]
    scene.cache.invalidate(tags=["late"])
    assert await load() == "v3"


@pytest.mark.parametrize("fixed", [[], ["fixed"]])
@pytest.mark.parametrize(("when", "operation"), [("after", "lease"), ("before", "fill")])
async def test_an_invalidation_wins_over_a_load_that_adds_its_tag_later(
    scene: Scene, chaos: ChaosStore, fixed: list[str], when: str, operation: str
) -> None:
    """Rule 1."""
    await known(scene, "late")
    load = cached(scene, lambda load: load.tags.add("late"), ttl=60, tags=fixed)
    hook = chaos.before if when == "before" else chaos.after
    hook(operation, lambda: scene.cache.invalidate(tags=["late"]), times=1)
    assert [await load(), await load()] == ["v1", "v2"]


@pytest.mark.parametrize("is_known", [True, False])
async def test_an_invalidation_between_the_source_and_the_tag_wins(scene: Scene, origin: Origin, is_known: bool) -> None:
    """Rule 1: the token that is in force when the tag is added says nothing of the value."""
    if is_known:
        await known(scene, "late")

    def act(load: Load) -> None:
        if origin.loads == 1:
            scene.cache.invalidate(tags=["late"])
        load.tags.add("late")

    load = cached(scene, act, ttl=60)
    assert [await load(), await load()] == ["v1", "v2"]


async def test_an_invalidation_after_the_tag_was_added_wins(scene: Scene, origin: Origin) -> None:
    """Rule 1."""
    await known(scene, "late")

    def act(load: Load) -> None:
        load.tags.add("late")
        if origin.loads == 1:
            scene.cache.invalidate(tags=["late"])

    load = cached(scene, act, ttl=60)
    assert [await load(), await load()] == ["v1", "v2"]


@pytest.mark.parametrize("ending", ["value", "skip", "error"])
async def test_a_call_after_an_invalidation_is_not_given_what_a_load_before_it_brings(
    scene: Scene, origin: Origin, ending: str
) -> None:
    """Rule 1: it boards the flight, for nobody knows yet that the load will add the tag."""
    await known(scene, "late")

    def act(load: Load) -> None:
        load.tags.add("late")
        if ending == "skip":
            load.skip()
        if ending == "error" and origin.ended == 1:
            raise OSError("down")

    load = cached(scene, act, ttl=60)
    with origin.held():
        first = scene.begin(load())
        await scene.until(lambda: origin.loads == 1)
        scene.cache.invalidate(tags=["late"])
        second = scene.begin(load())
        (flight,) = scene.cache._core.flights._table.values()
        await scene.until(lambda: flight.passengers == 2)
    assert await second.result() == "v2"
    if ending == "error":
        with pytest.raises(OSError, match="down"):
            await first.result()
    else:
        assert await first.result() == "v1"


async def test_calls_that_share_a_load_share_what_it_brings_with_tags_added(scene: Scene, origin: Origin) -> None:
    """Rule 17."""
    await known(scene, "late")
    load = cached(scene, lambda load: load.tags.add("late"), ttl=60)
    with origin.held():
        calls = [scene.begin(load()) for _ in range(5)]
        await scene.until(lambda: origin.loads == 1)
        (flight,) = scene.cache._core.flights._table.values()
        await scene.until(lambda: flight.passengers == 5)
    assert [await call.result() for call in calls] == ["v1"] * 5
    assert origin.loads == 1


async def test_a_value_that_goes_on_being_good_goes_on_carrying_its_tags(scene: Scene) -> None:
    """Rule 1: also over several renewals, none of which adds the tag again."""

    def act(load: Load) -> Any:
        if load.has_stale:
            return load.not_modified()
        load.tags.add("late")
        return None

    await known(scene, "late")
    load = cached(scene, act, ttl=60, stale_if_error=600)
    await load()
    for _ in range(3):
        scene.clock.advance(60)
        assert await load() == "v1"
    scene.cache.invalidate(tags=["late"])
    assert await load() != "v1"


async def test_a_stale_value_that_is_returned_as_it_is_counts_as_not_modified(scene: Scene) -> None:
    """Rule 1."""

    def act(load: Load) -> Any:
        if load.has_stale:
            return load.stale_value
        load.tags.add("late")
        return None

    await known(scene, "late")
    load = cached(scene, act, ttl=60)
    await load()
    assert await load.refresh() == "v1"
    scene.cache.invalidate(tags=["late"])
    assert await load() == "v3"


async def test_a_renewal_that_an_invalidation_of_the_former_tags_overtook_is_not_stored(
    scene: Scene, chaos: ChaosStore
) -> None:
    """Rule 1."""

    def act(load: Load) -> Any:
        if load.has_stale:
            return load.not_modified()
        load.tags.add("late")
        return None

    await known(scene, "late")
    load = cached(scene, act, ttl=60)
    await load()
    chaos.before("fill", lambda: scene.cache.invalidate(tags=["late"]), times=1)
    assert await load.refresh() == "v1"
    assert await load() == "v3"


async def test_a_call_after_an_invalidation_is_not_given_a_renewal_that_began_before_it(scene: Scene, origin: Origin) -> None:
    """Rule 1: nothing that the renewing load says names the tag of the value that it hands back."""

    def act(load: Load) -> Any:
        if load.has_stale:
            return load.not_modified()
        load.tags.add("late")
        return None

    await known(scene, "late")
    load = cached(scene, act, ttl=60, stale_if_error=600)
    await load()
    scene.clock.advance(60)
    with origin.held():
        first = scene.begin(load())
        await scene.until(lambda: origin.loads == 2)
        scene.cache.invalidate(tags=["late"])
        second = scene.begin(load())
        (flight,) = scene.cache._core.flights._table.values()
        await scene.until(lambda: flight.passengers == 2)
    assert await first.result() == "v1"
    assert await second.result() == "v3"


async def test_a_value_that_was_put_off_goes_on_carrying_the_tags_that_its_load_has_added(scene: Scene, origin: Origin) -> None:
    """Rule 1: a failed load stores the entry again."""
    await known(scene, "late")
    load = cached(scene, lambda load: load.tags.add("late"), ttl=60, stale_if_error=600, retry_after=100)
    await load()
    scene.clock.advance(60)
    origin.error = OSError("down")
    assert [await load(), await load()] == ["v1", "v1"]
    assert origin.loads == 2
    scene.cache.invalidate(tags=["late"])
    with pytest.raises(OSError, match="down"):
        await load()


async def test_a_value_that_was_put_off_by_a_call_with_other_tags_goes_on_carrying_its_own(scene: Scene) -> None:
    """Rule 1."""
    state = {"down": False}

    def get(user: int, team: int) -> str:
        if state["down"]:
            raise OSError("down")
        return f"{user} in {team}"

    async def get_async(user: int, team: int) -> str:
        return get(user, team)

    load = scene.decorated(
        get_async if scene.is_async else get, ttl=60, stale_if_error=600, key="user:{user}", tags=["team:{team}"]
    )
    await load(1, 7)
    scene.clock.advance(60)
    state["down"] = True
    assert await load(1, 8) == "1 in 7"
    scene.cache.invalidate(tags=["team:7"])
    with pytest.raises(OSError, match="down"):
        await load(1, 8)


async def test_a_remembered_error_carries_the_tags_too(scene: Scene, origin: Origin) -> None:
    """Rule 1: what was not there may be there now."""
    await known(scene, "late")

    def act(load: Load) -> None:
        load.tags.add("late")
        if origin.ended == 1:
            raise LookupError("not there")

    load = cached(scene, act, ttl=60, cache_errors={LookupError: 30})
    for _ in range(2):
        with pytest.raises(LookupError):
            await load()
    scene.cache.invalidate(tags=["late"])
    assert await load() == "v2"


async def test_the_tags_of_a_new_value_are_those_that_its_own_load_has_added(scene: Scene, origin: Origin) -> None:
    await known(scene, "tag:1", "tag:2")
    load = cached(scene, lambda load: load.tags.add(f"tag:{origin.loads}"), ttl=60)
    await load()
    await load.refresh()
    scene.cache.invalidate(tags=["tag:1"])
    assert await load() == "v2"
    scene.cache.invalidate(tags=["tag:2"])
    assert await load() == "v3"


async def test_a_load_with_more_tags_than_an_entry_can_carry_is_returned(scene: Scene) -> None:
    load = cached(scene, lambda load: load.tags.add(*[f"{number}:{'x' * 500}" for number in range(300)]), ttl=60)
    assert [await load(), await load(), await load()] in (["v1"] * 3, ["v1", "v2", "v3"])
