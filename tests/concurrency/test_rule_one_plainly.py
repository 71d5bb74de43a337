"""Rule 1 with the plain hit path open, and where it has been lost before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.backends import new_chaos
from tests.concurrency.meeting import PATIENCE, Gate, Loop, Worker, eventually

from stillroom import Cache
from stillroom.testing import FakeClock

WAYS = ("key", "function", "tag", "namespace", "clear", "put", "refresh", "delete", "set")


def invalidation(cache: Cache, function: Any, way: str) -> Callable[[], Any]:
    """Return a way to invalidate ``function(1)``, to be called from a thread."""
    ways: dict[str, Callable[[], Any]] = {
        "key": lambda: function.invalidate(1),
        "function": function.invalidate_all,
        "tag": lambda: cache.invalidate(tags=["t:1"]),
        "namespace": lambda: cache.invalidate(namespace="main"),
        "clear": cache.clear,
        "put": lambda: function.put("new", 1),
        "refresh": lambda: function.refresh(1),
        "delete": lambda: cache.delete("k:1"),
        "set": lambda: cache.set("k:1", "new", 600, tags=["t:1"]),
    }
    return ways[way]


SHAPES: dict[str, dict[str, Any]] = {
    "by arguments": {},
    "tagged": {"tags": ["t:{k}"]},
    "by name": {"key": "k:{k}"},
    "by name, tagged": {"key": "k:{k}", "tags": ["t:{k}"]},
}


def fits(shape: str, way: str) -> bool:
    return ("name" in shape or way not in ("delete", "set")) and ("tagged" in shape or way != "tag")


CASES = [(shape, way) for shape in SHAPES for way in WAYS if fits(shape, way)]


@pytest.mark.parametrize(("shape", "way"), CASES)
def test_what_a_load_brings_does_not_outlive_an_invalidation_in_its_middle(shape: str, way: str) -> None:
    """Rule 1: from another thread; a call in between is given the new value, and so are those after the load."""
    cache, gate, source = Cache(), Gate(), ["old"]

    @cache(ttl=600, **SHAPES[shape])
    def load(k: int) -> str:
        value = source[0]
        if value == "old":
            gate.wait_here()
        return value

    worker = Worker(lambda: load(1))
    gate.reached()
    source[0] = "new"
    Worker(invalidation(cache, load, way)).join()
    assert Worker(lambda: load(1)).join() == "new"
    gate.open()
    assert worker.join() in ("old", "new")
    assert [load(1), load(1), load.peek(1), *load.many([1])] == ["new"] * 4
    if "name" in shape:
        assert cache.get("k:1") == "new"


@pytest.mark.parametrize(("shape", "way"), CASES)
def test_a_plain_hit_ends_with_an_invalidation(shape: str, way: str) -> None:
    """Rule 1: threads that hit all the time are given nothing old once an invalidation has returned."""
    cache, source, floor, wrong = Cache(), [0], [0], []

    @cache(ttl=600, **SHAPES[shape])
    def load(k: int) -> int:
        return source[0]

    stop = threading.Event()

    def hit() -> None:
        while not stop.is_set():
            lowest = floor[0]
            answer = load(1)
            if answer < lowest:
                wrong.append((answer, lowest))

    writes: dict[str, Callable[[int], Any]] = {
        "put": lambda value: load.put(value, 1),
        "set": lambda value: cache.set("k:1", value, 600, tags=["t:1"]),
    }
    workers = [Worker(hit) for _ in range(2)]
    invalidate = invalidation(cache, load, way)
    for version in range(1, 40):
        source[0] = version
        writes[way](version) if way in writes else invalidate()
        floor[0] = version
    stop.set()
    assert [worker.join() for worker in workers] == [None, None]
    assert wrong == []


@pytest.mark.parametrize("way", ["key", "delete", "put"])
@pytest.mark.parametrize("policy", ["behind", "rescue", "soft timeout"])
def test_an_entry_that_was_read_before_its_invalidation_does_not_come_back_when_the_load_fails(policy: str, way: str) -> None:
    """Rule 1: it is neither put off into the store again, nor does it rescue a caller who came later."""
    policies: dict[str, dict[str, Any]] = {
        "behind": {"stale_while_revalidate": 1000, "stale_if_error": 1000},
        "rescue": {"stale_if_error": 1000},
        "soft timeout": {"stale_if_error": 1000, "soft_timeout": 1},
    }
    clock = FakeClock()
    store = new_chaos(clock)
    cache, source = Cache(store, clock=clock), ["old"]

    @cache(ttl=10, key="k:{k}", retry_after=500, **policies[policy])
    def load(k: int) -> str:
        if source[0] == "broken":
            raise LookupError
        return source[0]

    load(1)
    clock.advance(11)
    source[0] = "broken"
    store.after("read", invalidation(cache, load, way), times=1)
    Worker(lambda: load(1)).join()
    eventually(lambda: len(cache._core.flights) == 0)
    source[0] = "new"
    assert load(1) == "new"
    assert load.peek(1) == "new"


@pytest.mark.parametrize("way", ["function", "tag", "namespace", "clear"])
def test_a_caller_whose_read_failed_joins_no_load_from_before_an_invalidation(way: str) -> None:
    """Rule 1: where the store cannot tell which generations are in force, no flight can be known to belong to them."""
    store = new_chaos()
    cache, gate, source = Cache(store), Gate(), ["old"]

    @cache(ttl=600, key="k:{k}", tags=["t:{k}"])
    def load(k: int) -> str:
        value = source[0]
        if value == "old":
            gate.wait_here()
        return value

    store.fail("read")
    worker = Worker(lambda: load(1))
    gate.reached()
    source[0] = "new"
    invalidation(cache, load, way)()
    later = Worker(lambda: load(1))
    eventually(lambda: not later.thread.is_alive() or any(one.passengers > 1 for one in cache._core.flights._table.values()))
    gate.open()
    assert later.join() == "new"
    worker.join()


@pytest.mark.parametrize("loading", [False, True], ids=["stored", "loading"])
def test_delete_match_reaches_what_is_being_loaded_and_what_is_stale(loading: bool) -> None:
    """Rule 1: deleting by pattern is deleting by key, of all keys that match."""
    clock = FakeClock()
    cache, gate, source = Cache(clock=clock), Gate(), ["old"]

    @cache(ttl=10, key="k:{k}", stale_while_revalidate=1000)
    def load(k: int) -> str:
        value = source[0]
        if loading and value == "old":
            gate.wait_here()
        return value

    worker = Worker(lambda: load(1))
    if loading:
        gate.reached()
    else:
        worker.join()
        clock.advance(11)
    source[0] = "new"
    Worker(lambda: cache.delete_match("k:*")).join()
    answer = Worker(lambda: load(1)).join() if not loading else None
    gate.open()
    worker.join()
    assert load(1) == "new"
    assert answer in (None, "new")


@pytest.mark.parametrize("way", ["key", "tag", "clear"])
def test_an_invalidation_from_a_thread_reaches_loads_of_tasks(way: str) -> None:
    """Rule 1."""
    cache, gate, source = Cache(), Gate(), ["old"]

    @cache(ttl=600, key="k:{k}", tags=["t:{k}"], name="load")
    async def aload(k: int) -> str:
        value = source[0]
        if value == "old":
            await gate.wait_here_async()
        return value

    @cache(ttl=600, key="k:{k}", tags=["t:{k}"], name="load")
    def load(k: int) -> str:
        return source[0]

    loop = Loop()
    first = loop.submit(aload(1))
    gate.reached()
    source[0] = "new"
    invalidation(cache, load, way)()
    assert loop.submit(aload(1)).result(PATIENCE) == "new"
    assert load(1) == "new"
    gate.open()
    first.result(PATIENCE)
    assert asyncio.run(aload(1)) == load(1) == cache.get("k:1") == "new"
    loop.close()


@pytest.mark.parametrize("shape", [{"key": "k:{k}"}, {"ignore": ["t"]}], ids=["by name", "by arguments"])
def test_each_call_goes_by_its_own_tags_also_if_another_one_with_the_same_key_had_others(shape: dict[str, Any]) -> None:
    """Rule 1: whoever comes after the invalidation of one of its tags shares no load from before."""
    cache, gate, source = Cache(), Gate(), ["first"]

    @cache(ttl=600, tags=["t:{t}"], **shape)
    def load(k: int, t: int) -> str:
        value = source[0]
        if value == "old":
            gate.wait_here()
        return value

    load(1, 7)
    load.invalidate(1, 7)
    source[0] = "old"
    worker = Worker(lambda: load(1, 8))
    gate.reached()
    source[0] = "new"
    cache.invalidate(tags=["t:8"])
    later = Worker(lambda: load(1, 8))
    eventually(lambda: not later.thread.is_alive() or any(one.passengers > 1 for one in cache._core.flights._table.values()))
    gate.open()
    assert later.join() == "new"
    worker.join()
    assert load(1, 8) == "new"
