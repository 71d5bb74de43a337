"""Rule 30 and promise 7: whatever has been, nothing is left of it."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from tests.backends import Backend, leases, new_chaos, stride
from tests.concurrency.meeting import Worker, eventually, inner, joined

from stillroom import Cache
from stillroom._runtime import clock as system_clock
from stillroom.testing import FakeClock

KEYS = int(os.environ.get("STILLROOM_MANY_KEYS", "120_000"))


@pytest.fixture
def quick_switches() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00001)
    yield
    sys.setswitchinterval(interval)


def leftovers(cache: Cache) -> dict[str, int]:
    """Return how much there is of everything that must vanish by itself."""
    core, store = cache._core, inner(cache)
    warmer = core.blocking.engine.loader._warmer
    partitions = list(store._partitions)
    return {
        "flights": len(core.flights),
        "leases": sum(len(partition.leases) for partition in partitions),
        "names of generations": len(store._partitions.generations._names),
        "warm keys": len(warmer._timers) + len(warmer._read_at),
        "jobs": len(core.blocking.runtime._pool._jobs),  # type: ignore[attr-defined]
        "dropped": len(store._room.dropped),
        "graves": sum(len(grave) for partition in partitions for grave in partition.graves),
    }


@pytest.mark.memory_only("bounds are those of the memory store")
@pytest.mark.parametrize("named", [False, True], ids=["by arguments", "by name"])
def test_very_many_keys_leave_no_more_than_the_entries_allowed(named: bool) -> None:
    """Rule 30: no flights, leases, timers, generations; entries within the bound."""
    cache = Cache(max_entries=1000)
    settings: dict[str, Any] = {"key": "k:{k}", "tags": ["t:{k}"]} if named else {}
    count = KEYS // 4 if named else KEYS // 2

    @cache(ttl=600, **settings)
    def load(k: int) -> int:
        return k

    for k in range(count):
        load(k)
    assert inner(cache).size <= 1000
    left = leftovers(cache)
    assert left.pop("names of generations") <= 1001
    assert not any(left.values()), left
    cache.clear()
    gc.collect()
    assert leftovers(cache)["names of generations"] <= 1
    assert inner(cache).size == 0


@pytest.mark.memory_only("bounds are those of the memory store")
def test_very_many_keys_of_coroutine_functions_leave_nothing() -> None:
    """Rule 30."""
    cache = Cache(max_entries=1000)

    @cache(ttl=600, soft_timeout=5, stale_if_error=600)
    async def load(k: int) -> int:
        if k % 5 == 0:
            raise LookupError
        return k

    async def main() -> None:
        for k in range(0, KEYS // 10, 100):
            await asyncio.gather(*(load(k + n) for n in range(100)), return_exceptions=True)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert inner(cache).size <= 1000
    left = leftovers(cache)
    left.pop("names of generations")
    assert not any(left.values()), left


@pytest.mark.memory_only("bounds are those of the memory store")
def test_very_many_tags_that_are_invalidated_leave_nothing() -> None:
    """Rule 30."""
    cache = Cache()
    for k in range(20_000):
        cache.set(f"n{k}", k, tags=[f"t{k}"])
        cache.invalidate(tags=[f"t{k}"])
        cache.get(f"n{k}")
        cache.delete(f"missing{k}")
        cache.get_or_load(f"l{k % 10}", lambda: 1, tags=[f"u{k}"])
    assert inner(cache).size <= 10_000
    gc.collect()
    left = leftovers(cache)
    assert left.pop("names of generations") <= 10_001
    assert not any(left.values()), left


def test_timers_that_were_not_needed_are_swept() -> None:
    """Rule 30: each wait with a limit asks for a wake-up, and nearly all are cancelled."""
    cache = Cache(max_entries=10)
    ready = threading.Event()

    @cache(ttl=0.000001, stale_if_error=600, soft_timeout=500)
    def load(k: int) -> int:
        return k

    load(1)
    for _ in range(5000):
        load(1)
    ready.set()
    assert len(system_clock._wakeups._heap) <= 2 * 1024 + 10
    eventually(lambda: len(cache._core.flights) == 0)


@pytest.mark.memory_only("bounds are those of the memory store")
def test_warm_keys_are_bounded_and_let_go() -> None:
    """Rule 30: a warm key that nobody reads is let go, its timer and all that it holds."""
    clock = FakeClock()
    cache = Cache(clock=clock)

    @cache(ttl=10, keep_warm=True, idle_after=20)
    def load(k: int) -> int:
        return k

    for k in range(50):
        load(k)
    for _ in range(20):
        clock.advance(5)
        eventually(lambda: not cache._core.blocking.runtime._pool._jobs and len(cache._core.flights) == 0)  # type: ignore[attr-defined]
    eventually(lambda: leftovers(cache)["warm keys"] == 0, within=2)
    eventually(lambda: clock.pending == 0, within=2)


@pytest.mark.memory_only("it looks into the memory store")
@pytest.mark.parametrize("kind", ["blocking", "coroutine", "generator", "named", "method", "tagged"])
def test_functions_that_are_dropped_leave_nothing(kind: str) -> None:
    """Rule 30: neither the function, nor its values, nor its keyspace."""
    cache = Cache()
    cache.set("other", 0)
    before = leftovers(cache)
    partitions = len(list(inner(cache)._partitions))

    class Value:
        """Something that can be watched."""

    watched: list[Any] = []
    function: Any
    for number in range(100):
        function, value = _local(cache, kind, number, Value)
        watched += [weakref.ref(function), weakref.ref(value)]
        del function, value
    for _ in range(3):  # what goes in one pass is what held others until then
        gc.collect()
    cache.set("another", 0)  # what has vanished is cleared away with the next insertions
    for _ in range(2000):
        cache.set("other", 0)
    if kind == "named":  # a named entry belongs to its name
        cache.clear()
    gc.collect()
    assert [one for one in watched if one() is not None] == []
    assert len(list(inner(cache)._partitions)) <= partitions + 1
    assert len(cache._core._operations) == len(cache._core._templates) == 0
    assert leftovers(cache) == before


def _local(cache: Cache, kind: str, number: int, make: Any) -> tuple[Any, Any]:
    if kind == "coroutine":

        @cache(ttl=600)
        async def coroutine(k: int) -> Any:
            return make()

        return coroutine, asyncio.run(coroutine(number))
    if kind == "generator":

        @cache(ttl=600)
        def generator(k: int) -> Any:
            yield make()

        return generator, next(iter(list(generator(number))))
    if kind == "method":

        class Local:
            @cache(ttl=600)
            def method(self, k: int) -> Any:
                return make()

        return Local, Local().method(number)
    settings: Any = {"named": {"key": "local:{k}"}, "tagged": {"tags": ["{k}"]}}.get(kind, {})

    @cache(ttl=600, name="local", **settings)
    def blocking(k: int) -> Any:
        return make()

    return blocking, blocking(number)


def test_namespaces_of_functions_that_are_dropped_leave_nothing() -> None:
    """Rule 30: a namespace per tenant, say."""
    cache = Cache()
    for number in range(100):
        cache(ttl=600, namespace=f"tenant-{number}")(lambda k: k)(1)
    for _ in range(3):
        gc.collect()
    cache.set("other", 0)
    assert len(cache._core._names) <= 1


def test_caches_that_are_dropped_leave_nothing(backend: Backend) -> None:
    """Rule 30: threads, fork hooks and timers do not keep a cache alive."""
    backend.keeps_alive = False
    watched: list[Any] = []
    for number in range(20):
        cache = Cache()

        @cache(ttl=0.001, stale_while_revalidate=100)
        def load(k: int) -> int:
            return k

        @cache(ttl=600)
        async def aload(k: int) -> int:
            return k

        load(number), asyncio.run(aload(number))
        watched += [weakref.ref(cache), weakref.ref(cache._core), weakref.ref(cache._core.store), weakref.ref(load)]
        del cache, load, aload
    gc.collect()
    assert [one for one in watched if one() is not None] == []


def test_statistics_may_be_asked_for_while_functions_come_and_go(quick_switches: None) -> None:
    """Rules 30 and 52: registries are looked at and changed by several threads."""
    cache = Cache()
    stop = threading.Event()

    def decorate() -> None:
        while not stop.is_set():
            cache(ttl=5, name="x")(lambda k: k)(1)

    def look() -> None:
        for _ in range(1500):
            cache.stats()
            with cache.disabled():
                pass

    workers = [Worker(decorate) for _ in range(2)]
    try:
        assert joined([look, look]) == [None, None]
    finally:
        stop.set()
    assert [worker.join() for worker in workers] == [None, None]


def test_a_cache_may_be_configured_while_functions_come_and_go(quick_switches: None) -> None:
    """Rule 30."""
    cache = Cache()
    stop = threading.Event()

    def decorate() -> None:
        while not stop.is_set():
            assert cache(ttl=5, name="x")(lambda k: k)(1) == 1

    def configure() -> None:
        for _ in range(300 // stride()):
            cache.configure("memory://")

    workers = [Worker(decorate) for _ in range(2)]
    try:
        assert joined([configure]) == [None]
    finally:
        stop.set()
    assert [worker.join() for worker in workers] == [None, None]


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "engine"])
def test_abandoned_iterations_leave_no_lease(plain: bool) -> None:
    """Rules 16 and 30."""
    cache = Cache() if plain else Cache(new_chaos())

    @cache(ttl=600)
    def items(k: int) -> Any:
        yield from range(3)

    @cache(ttl=600)
    async def aitems(k: int) -> Any:
        for item in range(3):
            yield item

    async def main() -> None:
        for k in range(10):
            async for _ in aitems(k):
                break

    for k in range(10):
        next(iter(items(k)))
    asyncio.run(main())
    gc.collect()
    assert leases(cache) == []
    assert items.peek(1) is None
