"""Caches that are disabled or closed: functions run as if they were not decorated, and nothing breaks."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.backends import new_chaos

from stillroom import Cache, ConfigurationError
from stillroom.testing import FakeClock


class Opaque:
    pass


# disabled()


@pytest.mark.by_reference
def test_calls_go_past_the_cache_until_the_block_ends(cache: Any) -> None:
    """Rule 50."""
    f = cache(ttl=60)(lambda a: object())
    g = cache(ttl=60, key="g:{a}")(lambda a: object())
    values = f(1), g(1)
    assert cache.enabled
    with cache.disabled():
        assert not cache.enabled
        assert f(1) is not f(1)
        assert g(1) is not g(1)
    assert cache.enabled
    assert (f(1), g(1)) == values
    assert f.stats.bypasses == 2


def test_disabling_ends_also_when_the_block_fails(cache: Any) -> None:
    """Rule 50."""
    with pytest.raises(LookupError), cache.disabled():
        raise LookupError
    assert cache.enabled


@pytest.mark.by_reference
def test_disabling_nests(cache: Any) -> None:
    """Rule 50: what was is restored."""
    f = cache(ttl=60)(lambda: [0])
    with cache.disabled():
        with cache.disabled():
            assert f() is not f()
        assert not cache.enabled
        assert f() is not f()
    assert f() is f()


def test_a_cache_that_is_off_from_the_start_stays_off(clock: FakeClock) -> None:
    """Rule 50."""
    cache = Cache(enabled=False, clock=clock)
    f = cache(ttl=60)(lambda: [0])
    assert not cache.enabled
    with cache.disabled():
        assert f() is not f()
    assert not cache.enabled
    assert f() is not f()


def test_disabling_reaches_all_threads(cache: Any) -> None:
    """Rule 50."""
    f = cache(ttl=60)(lambda: [0])
    f()
    seen: list[object] = []
    with cache.disabled():
        thread = threading.Thread(target=lambda: seen.extend([f(), f()]))
        thread.start()
        thread.join()
    assert seen[0] is not seen[1]


@pytest.mark.by_reference
@pytest.mark.asyncio_only
async def test_disabling_reaches_all_tasks_and_overlaps(cache: Any) -> None:
    """Rule 50: blocks of several tasks need not nest."""

    @cache(ttl=60)
    async def f():
        return object()

    async def block(entered: asyncio.Event, leave: asyncio.Event) -> None:
        with cache.disabled():
            entered.set()
            await leave.wait()

    value = await f()
    events = [(asyncio.Event(), asyncio.Event()) for _ in range(2)]
    tasks = [asyncio.create_task(block(*pair)) for pair in events]
    for entered, _ in events:
        await entered.wait()
    for (_, leave), task in zip(events, tasks, strict=True):
        assert await f() is not value
        leave.set()
        await task
    assert await f() is value


def test_arguments_that_cannot_be_keyed_are_fine_while_disabled(cache: Any) -> None:
    f = cache(ttl=60)(lambda thing: thing)
    thing = Opaque()
    with cache.disabled():
        assert f(thing) is thing
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'thing'"):
            f()


def test_a_disabled_method_gets_its_object(cache: Any) -> None:
    class Shop:
        __slots__ = ()

        @cache(ttl=60)
        def me(self):
            return self

    shop = Shop()
    with cache.disabled():
        assert shop.me() is shop


@pytest.mark.by_reference
def test_a_load_that_began_before_is_still_stored_but_not_served(cache: Any) -> None:
    @cache(ttl=60)
    def f():
        with cache.disabled():
            return object()

    assert f() is f()


def test_invalidations_count_while_disabled(cache: Any) -> None:
    """Rules 1 and 50."""
    f = cache(ttl=60, tags=["t"])(lambda a: object())
    uses: list[Callable[[], Any]] = [
        lambda: f.invalidate(1),
        f.invalidate_all,
        lambda: cache.invalidate(tags=["t"]),
        lambda: cache.invalidate(namespace="main"),
        cache.clear,
    ]
    for use in uses:
        value = f(1)
        with cache.disabled():
            use()
        assert f(1) is not value


def test_deletions_by_name_count_while_disabled(cache: Any) -> None:
    """Rules 1 and 50: what a program deletes while disabled must not be there again afterwards."""
    uses: list[Callable[[], Any]] = [
        lambda: cache.delete("a"),
        lambda: cache.delete_many(["a"]),
        lambda: cache.delete_match("a*"),
    ]
    for use in uses:
        cache.set("a", 1)
        with cache.disabled():
            use()
        assert cache.get("a") is None


def test_what_is_set_while_disabled_is_not_outlived_by_an_older_value(cache: Any) -> None:
    """Rule 1: the write is not stored, but what it replaced is out of date."""
    cache.set("a", "old")
    with cache.disabled():
        cache.set("a", "new")
    assert cache.get("a") != "old"


def test_helpers_go_past_the_cache_while_disabled(cache: Any) -> None:
    """Rules 50 and 53."""
    f = cache(ttl=60)(lambda a: object())
    value = f(1)
    with cache.disabled():
        many = f.many([1, 1, 2])
        assert value not in many
        assert f.peek(1, default="absent") == "absent"
        refreshed = f.refresh(2)
        assert f(2) is not refreshed
    assert f.peek(2, default="absent") == "absent"


def test_asynchronous_helpers_go_past_the_cache_while_disabled(cache: Any, run: Callable[[Any], Any]) -> None:
    """Rules 50 and 53."""

    @cache(ttl=60)
    async def f(a):
        return object()

    value = run(f(1))
    with cache.disabled():
        assert value not in run(f.many([1, 2]))
        assert run(f.peek(1, default="absent")) == "absent"


def test_verbs_find_and_keep_nothing_while_disabled(speak: Callable[[Cache], Any], clock: FakeClock) -> None:
    verbs = speak(Cache(enabled=False, clock=clock))
    loads: list[int] = []
    assert verbs.set("a", 1) is None
    assert verbs.get("a", "absent") == "absent"
    assert verbs.add("a", 1) is False
    assert verbs.set_many({"a": 1}) is None
    assert verbs.get_many(["a"]) == {}
    assert verbs.exists("a") is False
    assert verbs.ttl("a") is None
    assert verbs.touch("a", 5) is False
    assert verbs.scan() == []
    assert verbs.get_or_load("a", lambda: loads.append(1)) is None
    assert verbs.get_or_load("a", lambda: loads.append(1)) is None
    assert loads == [1, 1]
    assert verbs.delete("a") is False
    assert verbs.delete_many(["a"]) == 0
    assert verbs.delete_match("*") == 0
    assert verbs.ping() is True


def test_incr_keeps_nothing_while_disabled_as_set_and_touch_do(verbs: Any, cache: Any) -> None:
    with cache.disabled():
        verbs.incr("a", 5)
    assert verbs.get("a") is None


@pytest.mark.parametrize("use", ["key", "ttl", "tags"])
def test_bad_input_is_refused_while_disabled_too(verbs: Any, cache: Any, use: str) -> None:
    """A program that is tested with the cache off must not break when it is on."""
    bad: dict[str, Callable[[], Any]] = {
        "key": lambda: verbs.set("", 1),
        "ttl": lambda: verbs.set("a", 1, ttl=-1),
        "tags": lambda: verbs.set("a", 1, tags="t"),
    }
    with cache.disabled(), pytest.raises(ConfigurationError, match=use):
        bad[use]()


def test_get_or_load_raises_what_the_load_raises_while_disabled(cache: Any) -> None:
    for switched in (cache.disabled(), contextlib.nullcontext()):
        with switched, pytest.raises(StopIteration):
            cache.get_or_load("a", lambda: next(iter(())))


# close


def test_a_closed_cache_runs_functions_and_keeps_nothing(cache: Any) -> None:
    f = cache(ttl=60)(lambda a: object())
    g = cache(ttl=60, key="g:{a}", tags=["t"])(lambda a: object())
    f(1), g(1)
    assert cache.close() is None
    assert f(1) is not f(1)
    assert g(1) is not g(1)
    assert f.peek(1) is None
    assert f.put("put", 1) is None
    assert f(1) != "put"
    assert f.invalidate(1) is False
    assert len(f.many([1, 2])) == 2
    f.refresh(1), f.invalidate_all()


def test_verbs_of_a_closed_cache_find_nothing_and_raise_nothing(verbs: Any) -> None:
    verbs.set("a", 1)
    verbs.close()
    verbs.close()
    assert verbs.get("a") is None
    verbs.set("a", 1)
    assert verbs.get("a") is None
    assert verbs.add("a", 1) is False
    assert verbs.touch("a", 1) is False
    assert verbs.incr("a") == verbs.incr("a") == 1
    assert verbs.get_or_load("a", lambda: "loaded") == "loaded"
    assert (verbs.exists("a"), verbs.scan(), verbs.delete("a")) == (False, [], False)
    verbs.clear()
    verbs.invalidate(tags=["t"])


def test_generators_of_a_closed_cache_run(cache: Any) -> None:
    items = cache(ttl=60)(lambda count: (yield from range(count)))
    cache.close()
    assert list(items(2)) == list(items(2)) == [0, 1]
    assert items.stats.loads == 2


@pytest.mark.by_reference
def test_a_closed_cache_can_be_configured_anew(cache: Any) -> None:
    f = cache(ttl=60)(lambda a: object())
    cache.close()
    cache.configure("memory://")
    assert f(1) is f(1)


def test_functions_can_be_decorated_with_a_closed_cache(cache: Any) -> None:
    cache.close()
    f = cache(ttl=60)(lambda a: object())
    assert f(1) is not f(1)


# A store that fails


@pytest.mark.by_reference
@pytest.mark.parametrize("operation", ["read", "lease", "fill", "release"])
def test_a_failing_store_costs_no_call_its_result(clock: FakeClock, operation: str) -> None:
    """Rule 34."""
    store = new_chaos(clock)
    cache: Any = Cache(store, clock=clock)
    f = cache(ttl=60, name="f")(lambda a: [a])
    items = cache(ttl=60, name="items")(lambda count: (yield from range(count)))
    store.fail(operation)
    assert f(1) == f(1) == [1]
    assert f.refresh(1) == [1]
    assert f.many([1, 2]) == [[1], [2]]
    assert list(items(2)) == list(items(2)) == [0, 1]
    store.calm()
    assert f(1) is f(1)
