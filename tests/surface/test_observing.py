"""What can be seen of a cache: lists of calls, counts, events."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from stillroom import Cache, StillroomError
from stillroom.observe import events
from stillroom.observe.events import (
    CallAnswered,
    EntryEncoded,
    EntryEvicted,
    Event,
    Invalidated,
    LoadFailed,
    LoadFinished,
    Outcome,
    ResultRefused,
    StoreFailed,
)
from stillroom.stores.memory import MemoryStore
from stillroom.testing import ChaosStore, FakeClock


def outcomes(calls: list[CallAnswered]) -> list[str]:
    return [str(call.outcome) for call in calls]


# detect


def test_every_call_below_is_listed(cache: Any, clock: FakeClock) -> None:
    """Design 2.5: key, function, outcome, store, remaining ttl."""
    f = cache(ttl=60, name="f")(lambda a: a)
    with cache.detect() as calls:
        f(1)
        clock.advance(10)
        f(1)
        f.refresh(1)
        f.bypass(1)
    assert calls[0] == CallAnswered("f(1)", "f", Outcome.MISS, cache._core.store.name, 60.0, 0.0)
    assert calls[1] == CallAnswered("f(1)", "f", Outcome.HIT, cache._core.store.name, 50.0, 0.0)
    assert outcomes(calls) == ["miss", "hit", "refresh", "bypass"]
    f(1)
    assert len(calls) == 4


def test_every_outcome_is_told(cache: Any, clock: FakeClock) -> None:
    fails: list[bool] = []

    @cache(ttl=10, stale_if_error=60)
    def f(a):
        if fails:
            raise LookupError(a)
        return a

    with cache.detect() as calls:
        f(1)
        f(1)
        clock.advance(11)
        fails.append(True)
        f(1)
        with pytest.raises(LookupError):
            f(2)
        with cache.disabled(), pytest.raises(LookupError):
            f(1)
    assert outcomes(calls) == ["miss", "hit", "stale", "error", "bypass"]
    assert calls[2].ttl == -1.0
    assert calls[3].ttl is None
    assert f.stats.calls == 5


def test_how_long_an_answer_took_is_told(cache: Any, clock: FakeClock) -> None:
    @cache(ttl=60, name="f")
    def f(a):
        clock.advance(2)
        return a

    rows = cache.batch(ttl=60, returns=list)(lambda ids: [f(one) for one in ids])
    with cache.detect() as calls:
        f(1)
        f(1)
        f.many([1, 2])
        cache.get_or_load("name", lambda: f(3))
        rows([1, 4])
        f.bypass(5)
    of_f = [call.seconds for call in calls if call.function == "f"]
    assert of_f == [2.0, 0.0, 0.0, 2.0, 2.0, 0.0, 2.0, None]
    assert [call.seconds for call in calls if call.function != "f"] == [2.0, 2.0, 2.0]


def test_calls_within_calls_are_listed_innermost_first(cache: Any) -> None:
    inner = cache(ttl=60, name="inner")(lambda a: a)
    outer = cache(ttl=60, name="outer")(lambda a: [inner(a)])
    with cache.detect() as calls:
        outer(1)
        outer(1)
    assert [call.function for call in calls] == ["inner", "outer", "outer"]


def test_lists_nest(cache: Any) -> None:
    f = cache(ttl=60)(lambda a: a)
    with cache.detect() as outer:
        f(1)
        with cache.detect() as inner:
            f(2)
        f(3)
    assert (len(outer), len(inner)) == (3, 1)


def test_a_list_holds_the_calls_of_its_own_context(cache: Any) -> None:
    f = cache(ttl=60)(lambda a: a)
    with cache.detect() as calls:
        thread = threading.Thread(target=f, args=(1,))
        thread.start()
        thread.join()
        assert calls == []
        contextvars.copy_context().run(f, 2)
    assert [call.key[-3:] for call in calls] == ["(2)"]


@pytest.mark.asyncio_only
async def test_tasks_that_are_started_within_are_listed(cache: Any) -> None:
    @cache(ttl=60, name="f")
    async def f(a):
        await asyncio.sleep(0)
        return a

    async def elsewhere(started: asyncio.Event) -> None:
        await started.wait()
        await f("elsewhere")

    started = asyncio.Event()
    stranger = asyncio.create_task(elsewhere(started))
    with cache.detect() as calls:
        started.set()
        await asyncio.gather(f(1), f(2), f(1))
        await stranger
    assert sorted(call.key for call in calls) == ["f(1)", "f(1)", "f(2)"]


def test_verbs_and_helpers_that_read_are_no_calls(cache: Any) -> None:
    f = cache(ttl=60)(lambda a: a)
    with cache.detect() as calls:
        f.peek(1), f.put(1, 1), f.invalidate(1), f.key(1), f.invalidate_all()
        cache.get("a"), cache.set("a", 1), cache.delete("a"), cache.incr("n")
        cache.get_or_load("a", lambda: 1, ttl=4)
    assert [(call.key, call.function, str(call.outcome), call.ttl) for call in calls] == [("a", "get_or_load", "miss", 4.0)]


def test_many_lists_each_call(cache: Any) -> None:
    """Rule 52."""
    f = cache(ttl=60)(lambda a: a)
    f(1)
    with cache.detect() as calls:
        f.many([1, 2, 2])
    assert sorted(outcomes(calls)) == ["hit", "miss", "miss"]


@pytest.mark.memory_only("there is a plain hit path")
def test_a_list_ends_with_its_block_also_by_an_error(cache: Any) -> None:
    f = cache(ttl=60)(lambda a: a)
    f(1)
    with contextlib.suppress(LookupError), cache.detect() as calls:
        f(1)
        raise LookupError
    f(1)
    assert len(calls) == 1
    assert answered_by_plain_path(f)


def answered_by_plain_path(f: Any) -> bool:
    """Tell whether a hit is answered without a look into the store, by what the store's own count says."""
    ledger = f.stats._ledger
    through_engine = ledger.hits
    f(1)
    return bool(ledger.hits == through_engine)


@pytest.mark.memory_only("there is a plain hit path")
def test_the_plain_path_is_closed_only_while_somebody_wants_to_hear_of_calls(cache: Any) -> None:
    f = cache(ttl=60)(lambda a: a)
    f(1)
    assert answered_by_plain_path(f)
    with cache.detect():
        assert not answered_by_plain_path(f)
        with cache.detect():
            assert not answered_by_plain_path(f)
        assert not answered_by_plain_path(f)
    assert answered_by_plain_path(f)
    end_others = cache.subscribe(lambda event: None, Invalidated, LoadFinished)
    assert answered_by_plain_path(f)
    end_calls = cache.subscribe(lambda event: None, CallAnswered)
    end_all = cache.subscribe(lambda event: None)
    assert not answered_by_plain_path(f)
    end_calls()
    assert not answered_by_plain_path(f)
    end_all()
    assert answered_by_plain_path(f)
    end_others()


# stats


def test_counts_are_true(cache: Any) -> None:
    """Rule 52."""
    f = cache(ttl=60)(lambda a: 1 / a)
    f(1), f(1), f(1), f(2)
    with pytest.raises(ZeroDivisionError):
        f(0)
    f.bypass(1), f.refresh(1), f.peek(1)
    f.many([1, 5])
    stats = f.stats.snapshot()
    assert (stats.hits, stats.misses, stats.errors, stats.bypasses, stats.stale) == (3, 3, 1, 1, 0)
    assert stats.calls == f.stats.calls == 8
    assert (stats.loads, stats.refreshes) == (5, 1)
    assert stats.hit_ratio == f.stats.hit_ratio == 3 / 8
    assert cache.stats() == stats


def test_hits_of_entries_that_are_gone_still_count(cache: Any, clock: FakeClock) -> None:
    """Rule 52."""
    f = cache(ttl=60)(lambda a: a)
    f(1), f(1), f.invalidate(1)
    f(1), f(1), f.invalidate_all()
    f(1), f(1)
    clock.advance(60)
    f(1), f(1), cache.clear()
    f(1), f(1), f.refresh(1)
    f(1)
    assert (f.stats.hits, f.stats.misses, f.stats.calls) == (6, 5, 11)


def test_the_cache_counts_all_of_its_functions_and_what_is_asked_for_by_name(cache: Any, clock: FakeClock) -> None:
    f, g = (cache(ttl=60, key=key)(lambda a: a) for key in ("f:{a}", None))
    other = Cache(clock=clock)(ttl=60)(lambda a: a)
    f(1), f(1), g(1), g(1), other(1)
    cache.get_or_load("n", lambda: 1), cache.get_or_load("n", lambda: 1)
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.loads, stats.calls) == (3, 3, 3, 6)


@pytest.mark.memory_only("bounds are those of the memory store")
def test_evictions_are_counted(clock: FakeClock) -> None:
    cache = Cache(max_entries=2, clock=clock)
    f = cache(ttl=60)(lambda a: a)
    for a in range(5):
        f(a)
    assert f.stats.evictions == cache.stats().evictions == 3


def test_the_seconds_of_loads_are_counted(cache: Any, clock: FakeClock) -> None:
    @cache(ttl=60)
    def f(seconds):
        clock.advance(seconds)

    f(2), f(3), f(2)
    assert f.stats.load_seconds == cache.stats().load_seconds == 5.0


def test_counts_of_threads_are_true(cache: Any) -> None:
    """Rule 52."""
    f = cache(ttl=60)(lambda a: a)
    g = cache(ttl=60, key="g:{a}")(lambda a: a)

    def work() -> None:
        for number in range(500):
            f(number % 7), g(number % 7)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (f.stats.calls, g.stats.calls) == (2000, 2000)
    assert (f.stats.loads, g.stats.loads) == (7, 7)


def test_counts_are_shown(cache: Any) -> None:
    f = cache(ttl=60)(lambda a: a)
    f(1), f(1)
    for shown in (repr(f.stats), repr(f.stats.snapshot()), repr(cache.stats())):
        assert "hits=1" in shown
        assert "misses=1" in shown
    with pytest.raises(dataclasses.FrozenInstanceError):
        cache.stats().hits = 5


# subscribe


def test_everything_that_happens_is_told(cache: Any) -> None:
    heard: list[Event] = []
    f = cache(ttl=60, name="f", store_if="not_none")(lambda a: iter([a]) if a == 3 else 1 / a)
    cache.subscribe(lambda event: None if isinstance(event, EntryEncoded) else heard.append(event))
    f(1)
    with pytest.raises(ZeroDivisionError):
        f(0)
    f(3)
    f.invalidate(1)
    f.invalidate_all()
    cache.invalidate(tags=["t"], namespace="n")
    cache.clear()
    error, store = heard[2].error, cache._core.store.name  # type: ignore[attr-defined]
    assert heard == [
        LoadFinished("f(1)", "f", 0.0, True),
        CallAnswered("f(1)", "f", Outcome.MISS, store, 60.0, 0.0),
        LoadFailed("f(0)", "f", error, rescued=False, behind=False),
        CallAnswered("f(0)", "f", Outcome.ERROR, store, None, 0.0),
        heard[4],
        LoadFinished("f(3)", "f", 0.0, False),
        CallAnswered("f(3)", "f", Outcome.MISS, store, None, 0.0),
        Invalidated(keys=("f(1)",)),
        Invalidated(function="f"),
        Invalidated(tags=("t",), namespace="n"),
        Invalidated(everything=True),
    ]
    assert isinstance(error, ZeroDivisionError)
    assert isinstance(heard[4], ResultRefused)
    assert "iterator" in heard[4].reason


def test_a_listener_hears_the_kinds_it_asked_for(cache: Any) -> None:
    calls: list[Event] = []
    rest: list[Event] = []
    cache.subscribe(calls.append, CallAnswered)
    cache.subscribe(rest.append, LoadFinished, Invalidated)
    f = cache(ttl=60)(lambda a: a)
    f(1), f(1), f.invalidate(1)
    assert [type(event) for event in calls] == [CallAnswered, CallAnswered]
    assert [type(event) for event in rest] == [LoadFinished, Invalidated]


@pytest.mark.memory_only("bounds are those of the memory store")
def test_evictions_and_failures_of_the_store_are_told(clock: FakeClock) -> None:
    heard: list[Any] = []
    cache = Cache(max_entries=1, clock=clock)
    cache.subscribe(heard.append, EntryEvicted, StoreFailed)
    cache.set("a", 1)
    cache.set("b", 1)
    assert heard == [EntryEvicted("a")]
    chaos = ChaosStore(MemoryStore(clock=clock))
    cache.configure(chaos)
    chaos.fail("read", times=1)
    assert cache(ttl=60)(lambda a: [a])(1) == [1]
    assert [type(event) for event in heard] == [EntryEvicted, StoreFailed]
    assert heard[1].operation == "read"


def test_a_listener_that_unsubscribed_hears_nothing_more(cache: Any) -> None:
    heard: list[Event] = []
    end, end_other = cache.subscribe(heard.append, Invalidated), cache.subscribe(heard.append, Invalidated)
    cache.clear()
    end()
    end()
    cache.clear()
    assert len(heard) == 3
    end_other()
    cache.clear()
    assert len(heard) == 3


def test_a_listener_may_unsubscribe_while_it_is_told(cache: Any) -> None:
    heard: list[Event] = []
    ends: list[Callable[[], None]] = []
    ends.append(cache.subscribe(lambda event: ends[0](), Invalidated))
    cache.subscribe(heard.append, Invalidated)
    cache.clear(), cache.clear()
    assert len(heard) == 2


@pytest.mark.by_reference
def test_a_listener_that_fails_is_logged_and_costs_nobody_anything(cache: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 34."""
    heard: list[Event] = []

    def fail(event: Event) -> None:
        raise LookupError("the listener's own")

    cache.subscribe(fail)
    cache.subscribe(heard.append, CallAnswered, LoadFinished)
    f = cache(ttl=60)(lambda a: [a])
    with caplog.at_level(logging.ERROR, "stillroom"):
        assert f(1) is f(1)
    assert "the listener's own" in caplog.text
    assert len(heard) == 3


def test_a_listener_may_use_the_cache(cache: Any) -> None:
    """Rule 26: no lock is held while listeners run."""
    f = cache(ttl=60)(lambda a: [a])
    cache.subscribe(lambda event: cache.set("last", type(event).__name__), LoadFinished, Invalidated)
    f(1)
    assert cache.get("last") == "LoadFinished"
    f.invalidate(1)
    assert cache.get("last") == "Invalidated"


@pytest.mark.parametrize("listener", [5, None])
def test_what_cannot_be_called_is_no_listener(cache: Any, listener: Any) -> None:
    with pytest.raises((StillroomError, TypeError)):
        cache.subscribe(listener)
    cache.delete("a")


@pytest.mark.parametrize("kind", [int, "hit", [CallAnswered]])
def test_a_kind_that_is_no_event_is_refused_at_once(cache: Any, kind: Any) -> None:
    """Otherwise whoever uses the cache next is told, by a TypeError."""
    with pytest.raises((StillroomError, TypeError)):
        cache.subscribe(lambda event: None, kind)
    cache.set("a", 1)
    assert cache.delete("a") is True


def test_what_changes_nothing_tells_nothing(cache: Any) -> None:
    heard: list[Event] = []
    cache.subscribe(heard.append, Invalidated)
    assert cache.delete_match("nothing:*") == 0
    assert cache.delete_many([]) == 0
    assert heard == []


def test_every_event_is_frozen_and_documented() -> None:
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    assert {kind.__name__ for kind in kinds} == {*events.__all__} - {"Outcome"}
    for kind in kinds:
        assert kind.__doc__
        assert kind.__name__ in events.__all__
        fields = dataclasses.fields(kind)
        made = kind(**dict.fromkeys((field.name for field in fields), None))
        for field in fields:
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(made, field.name, 5)
        assert repr(made).startswith(kind.__name__)
