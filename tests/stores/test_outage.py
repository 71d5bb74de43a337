"""A far store that is out of reach: what stands in for it, and what it is told afterwards."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from tests.stores.outage_scene import CHANGES, Far, Scene, each_change

from stillroom._runtime.runtime import drive
from stillroom.entry import MISSING
from stillroom.errors import ConfigurationError, StoreError, UncacheableArgument, UncacheableValue
from stillroom.protocols import Key, Keyspace, Lookup, Store
from stillroom.stores.memory import MemoryStore
from stillroom.stores.outage import Guarded, Outage
from stillroom.testing import FakeClock

every_change = pytest.mark.parametrize("change", CHANGES)
every_mode = pytest.mark.parametrize("on_error", ["fallback", "bypass", "raise"])
quiet_modes = pytest.mark.parametrize("on_error", ["fallback", "bypass"])


def test_it_is_a_store() -> None:
    store: Store = Scene().store
    assert isinstance(store, Store)
    assert store.name == "memory"


def test_a_setting_that_makes_no_sense_is_refused() -> None:
    clock = FakeClock()
    with pytest.raises(ConfigurationError) as caught:
        Outage(Far(clock), clock=clock, on_error="ignore")  # type: ignore[arg-type]
    assert caught.value.setting == "on_error"


# Within reach


async def test_a_store_within_reach_does_the_work() -> None:
    scene = Scene()
    assert await scene.load("Ada")
    assert await scene.value() == scene.kept() == "Ada"
    assert (scene.health.state, scene.health.failures, scene.health.error) == ("ok", 0, None)


@pytest.mark.parametrize(
    "error",
    [
        UncacheableArgument("no", parameter="x", type=object),
        UncacheableValue("no", type=object),
        ConfigurationError("no", setting="x"),
        TypeError("no"),
        ZeroDivisionError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_is_no_failure_of_the_store_is_raised_and_begins_no_outage(error: Exception) -> None:
    scene = Scene()
    lease = await scene.store.lease(scene.lookup())
    for operation in (
        "read",
        "lease",
        "fill",
        "release",
        "write",
        "add",
        "delete",
        "invalidate",
        "increment",
        "touch",
        "names",
    ):
        scene.far.fail(operation, error)
    for call in [
        scene.value,
        lambda: scene.store.fill(scene.key(), scene.entry(1), lease),
        lambda: scene.store.release(scene.key(), lease),
        lambda: scene.store.names(scene.space),
        *each_change(scene).values(),
    ]:
        with pytest.raises(type(error)):
            await call()
    assert (scene.health.state, scene.health.failures) == ("ok", 0)


# Losing it


@quiet_modes
async def test_a_few_failures_in_a_row_are_too_many(on_error: str) -> None:
    scene = Scene(on_error=on_error)
    scene.far.is_up = False
    for state in ("ok", "ok", "down"):
        assert await scene.value() is MISSING
        assert scene.health.state == state


async def test_failures_with_successes_in_between_are_not() -> None:
    scene = Scene()
    for _ in range(10):
        scene.far.fail("read", times=2)
        for _ in range(3):
            await scene.value()
    assert scene.health.state == "ok"


@every_mode
async def test_once_it_is_lost_it_is_not_asked_at_all(on_error: str) -> None:
    """Rule 33."""
    scene = Scene(on_error=on_error)
    given = await scene.store.lease(scene.lookup())
    scene.lose()
    asked = len(scene.far.calls)
    for call in [
        scene.value,
        lambda: scene.load(1),
        lambda: scene.store.fill(scene.key(), scene.entry(1), given),
        lambda: scene.store.release(scene.key(), given),
        lambda: scene.store.names(scene.space),
        *each_change(scene).values(),
    ]:
        try:
            await call()
        except StoreError:
            assert on_error == "raise"
    assert len(scene.far.calls) == asked


async def test_a_call_waits_for_a_store_that_hangs_only_once() -> None:
    """Rule 33: one that has waited in vain for a reading does not wait for a lease as well."""
    scene = Scene()
    scene.far.is_up = False
    assert await scene.value() is MISSING
    assert not await scene.load("Ada")
    assert scene.far.calls == ["read"]


async def test_a_success_ends_the_suspicion() -> None:
    scene = Scene()
    scene.far.fail("read", times=2)
    await scene.value()
    assert not await scene.load("Ada")
    await scene.value()
    assert not await scene.load("Ada")
    await scene.value()
    assert await scene.load("Ada")


@every_change
async def test_a_change_that_fails_is_too_much_at_once(change: str) -> None:
    """Rule 35: it may or may not have happened, so nothing that it concerns may be served before it has been replayed."""
    scene = Scene()
    await scene.load("old", "k", "t:red")
    scene.far.is_up = False
    await each_change(scene)[change]()
    assert scene.health.state == "down"
    scene.regain()
    assert await scene.value("k", "t:red") is MISSING


@every_change
async def test_a_change_that_happened_though_it_timed_out_is_undone(change: str) -> None:
    scene = Scene()
    await scene.load(1, "k", "t:red")
    if change == "add":
        await scene.store.delete((scene.key(),))
    operation = {"tag": "invalidate", "namespace": "invalidate", "everything": "invalidate"}.get(change, change)
    operation = {"renew": "lease", "match": "names"}.get(operation, operation)
    scene.far.after(operation, _time_out, times=1)
    await each_change(scene)[change]()
    assert scene.health.state == "down"
    scene.regain()
    assert scene.kept("k", "t:red") is MISSING


def _time_out() -> None:
    raise StoreError("timed out", store="memory", operation="some")


async def test_a_store_that_is_out_of_reach_from_the_start_is_one_like_any_other() -> None:
    scene = Scene()
    scene.far.is_up = False
    for _ in range(3):
        await scene.value()
    assert await scene.load("Ada")
    assert await scene.value() == "Ada"
    scene.regain()
    assert await scene.value() is MISSING


# Standing in


async def test_a_fallback_serves_in_its_place() -> None:
    """Rule 34."""
    scene = Scene()
    await scene.load("far", "a")
    scene.lose()
    assert await scene.value("a") is MISSING
    assert await scene.load("near", "a")
    assert await scene.value("a") == "near"
    assert await scene.store.write([(scene.lookup("b"), scene.entry("written"))]) == [True]
    assert not await scene.store.add(scene.lookup("b"), scene.entry("again"))
    assert await scene.store.increment(scene.lookup("c"), 1, scene.entry(1)) == 1
    assert await scene.store.increment(scene.lookup("c"), 1, scene.entry(1)) == 2
    assert await scene.store.touch(scene.key("a"), 9e9, 9e9)
    assert sorted(await scene.store.names(scene.space)) == ["a", "b", "c"]
    assert await scene.store.delete((scene.key("a"),)) == 1
    assert await scene.value("a") is MISSING
    with pytest.raises(TypeError):
        await scene.store.increment(scene.lookup("b"), 1, scene.entry(1))


async def test_the_very_call_that_found_out_is_served() -> None:
    scene = Scene()
    scene.far.is_up = False
    assert await scene.store.write([(scene.lookup(), scene.entry("Ada"))]) == [True]
    assert await scene.value() == "Ada"


async def test_a_fallback_forgets_with_the_outage() -> None:
    """Nothing of an earlier outage is served in a later one."""
    scene = Scene()
    scene.lose()
    await scene.load("then")
    scene.regain()
    scene.lose()
    assert await scene.value() is MISSING


async def test_a_fallback_is_made_as_asked() -> None:
    made: list[Store] = []

    def make() -> Store:
        made.append(MemoryStore(max_entries=1, clock=FakeClock()))
        return made[-1]

    scene = Scene(fallback=make)
    assert made == []
    scene.lose()
    await scene.load("a", "a")
    await scene.load("b", "b")
    assert [await scene.value("a"), await scene.value("b")].count(MISSING) == 1


async def test_past_the_cache_nothing_is_known_nor_kept() -> None:
    scene = Scene(on_error="bypass")
    await scene.load("far")
    scene.lose()
    assert not await scene.load("Ada")
    assert await scene.store.write([(scene.lookup(), scene.entry("Ada"))]) == [False]
    assert not await scene.store.add(scene.lookup(), scene.entry("Ada"))
    assert await scene.store.increment(scene.lookup(), 5, scene.entry(5)) == 5
    assert not await scene.store.touch(scene.key(), 1.0, 1.0)
    assert await scene.store.names(scene.space) == []
    assert await scene.store.delete((scene.key(),)) == 0
    assert await scene.value() is MISSING


@quiet_modes
async def test_nobody_shares_a_load_on_the_strength_of_a_reading_that_failed(on_error: str) -> None:
    """Rule 1: what was invalidated by other processes in between, nobody here can tell."""
    scene = Scene(on_error=on_error)
    scene.far.fail("read")
    (first, second), (third,) = (
        await scene.store.read((scene.lookup(), scene.lookup())),
        await scene.store.read((scene.lookup(),)),
    )
    assert len({first.generations, second.generations, third.generations}) == 3
    assert all(reading.generations for reading in (first, second, third))


async def test_callers_who_want_errors_get_them() -> None:
    scene = Scene(on_error="raise")
    given = await scene.store.lease(scene.lookup())
    scene.far.is_up = False
    with pytest.raises(StoreError, match="no answer"):
        await scene.value()
    with pytest.raises(StoreError, match="no answer"):
        await scene.store.delete((scene.key(),))
    for call in [
        scene.value,
        lambda: scene.load(1),
        lambda: scene.store.fill(scene.key(), scene.entry(1), given),
        lambda: scene.store.names(scene.space),
        *each_change(scene).values(),
    ]:
        with pytest.raises(StoreError, match="out of reach") as caught:
            await call()
        assert isinstance(caught.value.__cause__, StoreError)
        assert caught.value.__cause__.__traceback__ is None
    await scene.store.release(scene.key(), given)  # there is nothing to complain of: it ends by itself


# What it is told afterwards


@every_mode
@every_change
async def test_what_was_changed_during_an_outage_is_not_served_after_it(on_error: str, change: str) -> None:
    """Rule 35."""
    scene = Scene(on_error=on_error)
    await scene.load("old", "k", "t:red")
    scene.lose()
    try:
        await each_change(scene)[change]()
    except StoreError:
        assert on_error == "raise"
    done = change != "add" or on_error == "fallback"
    scene.regain()
    assert await scene.value("k", "t:red") is (MISSING if done else scene.kept("k", "t:red"))


async def test_a_value_that_was_not_added_changes_nothing() -> None:
    scene = Scene()
    await scene.load("far")
    scene.lose()
    await scene.load("near")
    assert not await scene.store.add(scene.lookup(), scene.entry("added"))
    scene.regain()
    assert await scene.value() == "far"


async def test_everything_is_replayed_in_order() -> None:
    """Rule 35."""
    scene = Scene()
    scene.lose()
    scene.far.told.clear()
    await scene.store.delete((scene.key("b"), scene.key("a")))
    await scene.store.invalidate(names=["t:red"])
    await scene.store.write([(scene.lookup("c"), scene.entry(1))])
    await scene.store.invalidate(namespaces=["other"])
    assert scene.health.pending == 6
    scene.regain()
    assert scene.far.told == ["the one that found out", "b", "a", {"name": "t:red"}, "c", {"namespace": "other"}]
    assert scene.health.pending == 0


async def test_nothing_is_served_before_everything_has_been_replayed() -> None:
    """Rule 35: a server that answers again is not asked while it still knows what was invalidated."""
    scene = Scene()
    await scene.load("old", "a")
    await scene.load("old", "k", "t:red")
    scene.lose()
    await scene.store.delete((scene.key("a"),))
    await scene.store.invalidate(names=["t:red"])
    seen: list[Any] = []

    def look() -> None:
        seen.extend([scene.health.state, drive(scene.value("a")), drive(scene.value("k", "t:red"))])

    for operation in ("ping", "delete", "invalidate"):
        _before(scene.far, operation, look)
    scene.regain()
    assert seen == ["down", MISSING, MISSING, *["recovering", MISSING, MISSING] * 2]
    assert await scene.value("a") is await scene.value("k", "t:red") is MISSING


def _before(far: Far, operation: str, act: Any) -> None:
    far._hooks.setdefault(("before", operation), []).append(act)


async def test_too_much_to_replay_ends_the_whole_namespace() -> None:
    """Rule 35: the queue is bounded."""
    scene = Scene(limit=100)
    for local in ("a", "b", "k"):
        await scene.load("old", local)
    elsewhere = Lookup(Key(Keyspace("other", "", str), "k"))
    await scene.store.write([(elsewhere, scene.entry("kept"))])
    scene.lose()
    for number in range(10_000):
        await scene.store.delete((scene.key(f"{number}"),))
        assert scene.health.pending <= 100
    await scene.store.delete((scene.key("a"),))
    scene.far.told.clear()
    scene.regain()
    assert scene.far.told == [{"namespace": "main"}]
    assert await scene.value("a") is await scene.value("k") is MISSING
    (reading,) = await scene.store.read((elsewhere,))
    assert reading.entry is not MISSING


async def test_what_is_invalidated_during_the_replay_is_replayed_too() -> None:
    """Rule 35."""
    scene = Scene()
    await scene.load("old", "late")
    await scene.load("old", "later", "t:red")
    scene.lose()

    def late() -> None:
        drive(scene.store.delete((scene.key("late"),)))
        scene.far.after("delete", lambda: drive(scene.store.invalidate(names=["t:red"])), times=1)

    scene.far.after("delete", late, times=1)
    scene.regain()
    assert scene.far.told == ["the one that found out", "late", {"name": "t:red"}]
    assert await scene.value("late") is await scene.value("later", "t:red") is MISSING


async def test_a_replay_that_fails_midway_goes_on_where_it_was() -> None:
    scene = Scene()
    scene.lose()
    await scene.store.invalidate(names=["t:red"])
    await scene.store.delete((scene.key("a"),))
    await scene.store.invalidate(names=["t:blue"])
    scene.far.is_up = True
    scene.far.told.clear()
    scene.far.fail("invalidate", times=1)
    scene.clock.advance(0.05)
    assert (scene.health.state, scene.health.pending) == ("down", 3)
    assert scene.far.told == ["the one that found out"]
    scene.clock.advance(0.1)
    assert scene.health.state == "ok"
    assert scene.far.told == ["the one that found out", {"name": "t:red"}, "a", {"name": "t:blue"}]


async def test_a_restarted_server_is_taken_as_it_is() -> None:
    """Rule 36."""
    scene = Scene()
    await scene.load("Ada")
    given = await scene.store.lease(scene.lookup("late"))
    scene.lose()
    drive(scene.far.inner.invalidate(everything=True))  # it is empty, and knows neither tokens nor leases
    scene.regain()
    assert await scene.value() is MISSING
    assert not await scene.store.fill(scene.key("late"), scene.entry(1, given), given)
    assert await scene.load("Ada")
    assert await scene.value() == "Ada"


# What is under way when the weather changes


async def test_a_load_that_began_before_an_outage_fills_nothing_in_it() -> None:
    scene = Scene()
    given = await scene.store.lease(scene.lookup())
    scene.lose()
    assert not await scene.store.fill(scene.key(), scene.entry("old", given), given)
    assert await scene.value() is MISSING


async def test_a_load_that_outlives_an_outage_counts_unless_it_was_invalidated() -> None:
    """Rule 1."""
    scene = Scene()
    given, doomed = await scene.store.lease(scene.lookup("a")), await scene.store.lease(scene.lookup("b"))
    tagged = await scene.store.lease(scene.lookup("c", "t:red"))
    scene.lose()
    await scene.store.delete((scene.key("b"),))
    await scene.store.invalidate(names=["t:red"])
    scene.regain()
    assert not await scene.store.fill(scene.key("b"), scene.entry("old", doomed), doomed)
    assert not await scene.store.fill(scene.key("c"), scene.entry("old", tagged), tagged)
    assert await scene.store.fill(scene.key("a"), scene.entry("Ada", given), given)
    assert [await scene.value(local) for local in "abc"] == ["Ada", MISSING, MISSING]


async def test_a_load_that_began_in_an_outage_fills_nothing_after_it() -> None:
    scene = Scene()
    scene.lose()
    given = await scene.store.lease(scene.lookup())
    scene.regain()
    assert not await scene.store.fill(scene.key(), scene.entry("old", given), given)
    await scene.store.release(scene.key(), given)
    scene.lose()
    assert not await scene.store.fill(scene.key(), scene.entry("old", given), given)
    assert await scene.value() is MISSING


async def test_what_one_store_knew_another_is_not_told() -> None:
    scene = Scene()
    lookup = scene.lookup()
    (far,) = await scene.store.read((lookup,))
    scene.lose()
    lease = await scene.store.lease(lookup, far)
    assert lease.reading.generations != far.generations
    assert await scene.store.fill(lookup.key, scene.entry("near", lease), lease)
    (near,) = await scene.store.read((scene.lookup("other"),))
    scene.regain()
    for known in (near, lease.reading):
        back = await scene.store.lease(scene.lookup("other"), known)
        assert back.reading.generations == far.generations
        assert await scene.store.fill(scene.key("other"), scene.entry("far", back), back)
        await scene.store.delete((scene.key("other"),))


async def test_what_the_far_store_knew_it_is_told() -> None:
    scene = Scene()
    (known,) = await scene.store.read((scene.lookup(),))
    lease = await scene.store.lease(scene.lookup(), known)
    assert lease.reading is known


async def test_a_reading_that_comes_back_in_an_outage_is_not_served() -> None:
    scene = Scene()
    await scene.load("old")

    def meanwhile() -> None:
        scene.lose()
        drive(scene.store.delete((scene.key(),)))

    scene.far.after("read", meanwhile, times=1)
    assert await scene.value() is MISSING


async def test_a_lease_that_comes_back_in_an_outage_is_given_anew() -> None:
    scene = Scene()
    scene.far.after("lease", scene.lose, times=1)
    assert await scene.load("Ada")
    assert await scene.value() == "Ada"
    scene.regain()
    assert await scene.value() is MISSING


@every_mode
async def test_the_far_store_need_not_keep_a_lease_alive_that_nobody_gives_back(on_error: str) -> None:
    scene = Scene(on_error=on_error)
    filled, released = await scene.store.lease(scene.lookup("a")), await scene.store.lease(scene.lookup("b"))
    scene.far.after("lease", scene.lose, times=1)
    for call in (
        lambda: scene.store.lease(scene.lookup("c")),
        lambda: scene.store.fill(scene.key("a"), scene.entry(1, filled), filled),
        lambda: scene.store.release(scene.key("b"), released),
    ):
        try:
            await call()
        except StoreError:
            assert on_error == "raise"
    assert len(scene.far.forgotten) == 3


async def test_a_lease_that_is_given_back_is_not_forgotten() -> None:
    scene = Scene()
    await scene.load("Ada")
    await scene.store.release(scene.key(), await scene.store.lease(scene.lookup()))
    scene.lose()
    await scene.load("Ada")
    await scene.store.release(scene.key(), await scene.store.lease(scene.lookup()))
    assert scene.far.forgotten == []


@every_change
async def test_a_change_that_succeeds_after_an_outage_began_holds_for_the_fallback(change: str) -> None:
    """Rule 1: what was loaded meanwhile, and before the change was made, does not count after it."""
    if change in ("renew", "match"):
        return  # these leave values as they are
    scene = Scene()
    if change != "add":
        await scene.load(0, "k", "t:red")
    operation = {"tag": "invalidate", "namespace": "invalidate", "everything": "invalidate"}.get(change, change)

    def meanwhile() -> None:
        scene.far.is_up = False
        drive(scene.store.invalidate(names=["t:other"]))
        assert drive(scene.load("old", "k", "t:red"))
        assert drive(scene.value("k", "t:red")) == "old"

    scene.far.after(operation, meanwhile, times=1)
    await each_change(scene)[change]()
    assert scene.health.state == "down"
    assert await scene.value("k", "t:red") is MISSING


@pytest.mark.parametrize("change", ["delete", "write", "add", "renew"])
async def test_a_change_that_is_to_be_noted_when_the_outage_ends_reaches_the_far_store(change: str) -> None:
    """Rule 35: what is noted after the last replay would be lost."""
    scene = Scene()
    turns: list[Callable[[], None]] = []

    def text(local: str) -> str:
        if turns:
            turns.pop()()
        return local

    scene.space = Keyspace("main", "", text)
    if change != "add":
        await scene.load("old")
    scene.lose()
    turns.append(scene.regain)
    await each_change(scene)[change]()
    assert turns == []
    assert scene.health.pending == 0
    assert await scene.value() == {"delete": MISSING, "write": 7, "add": 7, "renew": "old"}[change]
    asked = {"renew": "lease"}.get(change, change)
    assert asked in scene.far.calls[scene.far.calls.index("ping") + 2 :]


@every_mode
async def test_a_change_that_fails_after_an_outage_has_come_and_gone_begins_another(on_error: str) -> None:
    scene = Scene(on_error=on_error)
    await scene.load("old")

    def meanwhile() -> None:
        scene.lose()
        scene.regain()
        _time_out()

    scene.far.before("delete", meanwhile, times=1)
    try:
        assert await scene.store.delete((scene.key(),)) == 0
    except StoreError:
        assert on_error == "raise"
    assert scene.health.state == "down"
    scene.regain()
    assert await scene.value() is MISSING


async def test_a_reading_that_fails_after_an_outage_has_come_and_gone_says_nothing() -> None:
    scene = Scene()

    def meanwhile() -> None:
        scene.lose()
        scene.regain()
        _time_out()

    scene.far.before("read", meanwhile, times=1)
    assert await scene.value() is MISSING
    assert (scene.health.state, scene.health.failures) == ("ok", 0)


# Getting it back


async def test_it_comes_back_though_nobody_asks() -> None:
    scene = Scene()
    scene.lose()
    scene.clock.advance(60)
    assert scene.health.state == "down"
    assert scene.health.since == 60
    assert 60 < scene.far.calls.count("ping") < 70
    assert set(scene.far.calls) == {"delete", "ping"}
    assert scene.clock.pending == 1
    scene.far.is_up = True
    scene.clock.advance(1)
    assert (scene.health.state, scene.clock.pending) == ("ok", 0)


async def test_a_job_that_is_refused_is_tried_again() -> None:
    scene = Scene()
    scene.pool.refuses = True
    scene.lose()
    scene.far.is_up = True
    scene.clock.advance(5)
    assert "ping" not in scene.far.calls
    scene.pool.refuses = False
    scene.regain()


async def test_a_bug_of_the_store_is_logged_and_the_next_attempt_made(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.lose()
    scene.far.is_up = True
    scene.far.fail("delete", ZeroDivisionError("a bug"), times=1)
    scene.clock.advance(0.05)
    assert scene.health.error == "a bug"
    assert "raised what it should not" in caplog.text
    scene.regain()


@every_mode
async def test_a_store_that_is_closed_in_an_outage_is_left_alone(on_error: str, caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(on_error=on_error)
    scene.lose()
    try:
        await scene.load("Ada")
    except StoreError:
        assert on_error == "raise"
    scene.far.is_up = True
    await scene.store.close()
    assert "never reached it (1)" in caplog.text
    assert scene.clock.pending == 0
    asked = len(scene.far.calls)
    scene.clock.advance(60)
    assert await scene.value() is MISSING
    assert not await scene.load("Ada")
    for change in each_change(scene).values():
        await change()
    assert len(scene.far.calls) == asked
    assert (scene.health.pending, scene.clock.pending) == (0, 0)


async def test_a_store_that_is_closed_during_the_replay_is_left_alone() -> None:
    scene = Scene()
    scene.lose()
    await scene.store.invalidate(names=["t:red"])
    scene.far.after("delete", scene.outage.close, times=1)
    scene.far.is_up = True
    scene.clock.advance(60)
    assert "invalidate" not in scene.far.calls
    assert scene.clock.pending == 0


@quiet_modes
async def test_failing_to_close_is_no_failure_either(on_error: str) -> None:
    scene = Scene(on_error=on_error)
    scene.far.is_up = False
    await scene.store.close()


async def test_callers_who_want_errors_hear_that_it_was_not_closed() -> None:
    scene = Scene(on_error="raise")
    scene.far.is_up = False
    with pytest.raises(StoreError):
        await scene.store.close()


def test_an_outage_that_nobody_holds_any_more_is_over() -> None:
    scene = Scene()
    scene.lose()
    outage, clock, far = weakref.ref(scene.outage), scene.clock, scene.far
    del scene
    gc.collect()
    assert outage() is None
    asked = len(far.calls)
    clock.advance(60)
    assert len(far.calls) == asked
    assert clock.pending == 0


def test_both_colours_share_an_outage() -> None:
    scene = Scene()
    other = Guarded(scene.far, scene.outage)
    scene.lose()
    drive(scene.load("Ada"))
    (reading,) = drive(other.read((scene.lookup(),)))
    assert reading.entry is not MISSING
    drive(other.delete((scene.key(),)))
    assert drive(scene.value()) is MISSING


# Who is told


async def test_an_outage_and_its_end_are_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    scene = Scene()
    scene.lose()
    for change in each_change(scene).values():
        await change()
    scene.clock.advance(10)
    scene.regain()
    assert [type(one) for one in scene.diary.heard] == [StoreError, float]
    assert 10 < scene.diary.heard[1] < 12
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "out of reach" in caplog.messages[0]
    assert "is back after 1" in caplog.messages[1]


async def test_passwords_are_nobodys_business(caplog: pytest.LogCaptureFixture) -> None:
    """Rule 45."""
    scene = Scene()
    scene.lose()
    scene.clock.advance(1)
    assert scene.health.error == "no answer from redis://***@example"
    assert "hunter2" not in caplog.text + repr(scene.store) + repr(scene.outage)


async def test_a_watcher_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def lost(self, error: StoreError) -> None:
            raise ZeroDivisionError

        def regained(self, seconds: float) -> None:
            raise ZeroDivisionError

    scene = Scene(watcher=Broken())
    scene.lose()
    scene.regain()
    assert caplog.text.count("a watcher of the memory store failed") == 2


async def test_a_watcher_may_use_the_cache() -> None:
    heard: list[Any] = []

    class Busy:
        def lost(self, error: StoreError) -> None:
            heard.append(drive(scene.load("Ada")))

        def regained(self, seconds: float) -> None:
            heard.append(drive(scene.value()))
            if len(heard) == 2:
                scene.lose()

    scene = Scene(watcher=Busy())
    scene.lose()
    scene.far.is_up = True
    scene.clock.advance(0.05)
    assert heard == [True, MISSING, True]
    scene.regain()


async def test_nobody_need_listen() -> None:
    scene = Scene(watcher=None)
    scene.lose()
    scene.regain()


async def test_health_tells_how_things_stand() -> None:
    scene = Scene()
    scene.clock.advance(7)
    assert scene.health.since == 7
    scene.lose()
    assert (scene.health.state, scene.health.pending, scene.health.failures) == ("down", 1, 1)
    seen: list[str] = []
    scene.far.after("delete", lambda: seen.append(scene.health.state), times=1)
    scene.regain()
    assert seen == ["recovering"]
    assert (scene.health.state, scene.health.pending, scene.health.failures) == ("ok", 0, 0)
    assert scene.health.error
