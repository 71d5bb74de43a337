"""Rules 50, 52 and 53: switching off, and true counts, with threads and tasks at work."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from tests.backends import Backend, new_chaos, new_store, stride
from tests.concurrency.meeting import PATIENCE, Worker, eventually, joined

from stillroom import Cache

stores = pytest.mark.parametrize("plain", [True, False], ids=["plain", "engine"])


@pytest.fixture(autouse=True)
def _threads_change_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00005)
    yield
    sys.setswitchinterval(interval)


def made(plain: bool, **options: Any) -> Cache:
    return Cache(new_store(**options) if plain else new_chaos(**options))


@stores
@pytest.mark.parametrize("named", [False, True], ids=["by arguments", "by name"])
def test_counts_are_true_whatever_happens_at_the_same_time(plain: bool, named: bool, backend: Backend) -> None:
    """Rule 52: one outcome per call; as many loads as runs of the function; with evictions and invalidations."""
    cache = made(plain, max_entries=20)
    rounds = 1500 // stride()
    runs: list[int] = []
    errors: list[int] = []
    settings: dict[str, Any] = {"key": "k:{k}", "tags": ["t:{k}"]} if named else {}

    @cache(ttl=0.005, stale_while_revalidate=0.005, **settings)
    def load(k: int) -> int:
        runs.append(k)
        if k == 7:
            raise LookupError
        return k

    def work(seed: int) -> int:
        chance = random.Random(seed)
        for number in range(rounds):
            k = chance.randrange(30)
            try:
                load(k) if number % 50 else load.many([k])
            except LookupError:
                errors.append(k)
            if number % 40 == 0:
                load.invalidate(k)
            if number % 300 == 0:
                load.invalidate_all()
            if number % 333 == 0:
                cache.clear()
        return rounds

    calls = sum(joined([partial(work, seed) for seed in range(8)]))
    eventually(lambda: load.stats.loads == len(runs))
    stats = load.stats.snapshot()
    assert stats.hits + stats.stale + stats.misses + stats.bypasses + stats.errors == stats.calls == calls
    assert stats.errors == len(errors)
    assert stats.hits > 0 < stats.misses
    assert cache.stats().evictions > 0 or not (plain and backend.is_memory)
    total = cache.stats()
    assert (total.hits, total.misses, total.errors) == (load.stats.hits, load.stats.misses, load.stats.errors)


@stores
def test_counts_are_true_for_tasks(plain: bool) -> None:
    """Rule 52."""
    cache, runs = made(plain), []

    @cache(ttl=600)
    async def load(k: int) -> int:
        runs.append(k)
        await asyncio.sleep(0)
        return k

    async def main() -> None:
        await asyncio.gather(*(load(k % 10) for k in range(500)))
        await load.many([1, 2, 2, 30])
        await asyncio.gather(*(load(k % 10) for k in range(500)))

    asyncio.run(main())
    stats = load.stats.snapshot()
    assert stats.calls == 1004
    assert stats.loads == len(runs) == 11


@stores
def test_switching_off_reaches_all_threads_and_tasks_and_ends_with_its_block(plain: bool) -> None:
    """Rule 50: nested, and after an error."""
    cache, loads = made(plain), []

    @cache(ttl=600)
    def load(k: int) -> int:
        loads.append(k)
        return k

    @cache(ttl=600)
    async def aload(k: int) -> int:
        loads.append(k)
        return k

    async def main() -> None:
        await asyncio.gather(*(aload(1) for _ in range(4)))

    def all_at_once() -> int:
        before = len(loads)
        joined([lambda: load(1)] * 4 + [lambda: asyncio.run(asyncio.wait_for(main(), PATIENCE))])
        return len(loads) - before

    assert all_at_once() == 2
    with cache.disabled():
        assert not cache.enabled
        assert all_at_once() == 8
        with cache.disabled():
            assert all_at_once() == 8
        assert all_at_once() == 8
        with pytest.raises(LookupError), cache.disabled():
            raise LookupError
        assert all_at_once() == 8
    assert cache.enabled
    assert all_at_once() == 0
    assert load.stats.bypasses == aload.stats.bypasses == 16


def test_invalidations_count_while_switched_off() -> None:
    """Rules 1 and 50."""
    cache = Cache()
    source = ["old"]

    @cache(ttl=600, tags=["all"], key="k")
    def load() -> str:
        return source[0]

    for number, act in enumerate(
        [load.invalidate, load.invalidate_all, cache.clear, lambda: cache.delete("k"), lambda: cache.invalidate(tags=["all"])]
    ):
        load()
        with cache.disabled():
            source[0] = str(number)
            act()
        assert load() == str(number)


def test_a_load_that_began_before_switching_off_still_serves() -> None:
    """Rule 50: in threads that are switched on and off meanwhile, every answer is right."""
    cache = Cache()

    @cache(ttl=600)
    def load(k: int) -> int:
        return k

    stop = threading.Event()

    def switch() -> None:
        while not stop.is_set():
            with cache.disabled():
                pass

    def work() -> bool:
        return all(load(k % 5) == k % 5 for k in range(3000))

    switcher = Worker(switch)
    assert all(joined([work] * 4))
    stop.set()
    switcher.join()
    assert cache.enabled
    assert load.stats.calls == 12_000
    load(1)
    before = load.stats.hits
    assert load(1) == 1
    assert load.stats.hits == before + 1, "it is on again, for good"


@stores
def test_one_and_many_share_keys_and_invalidation(plain: bool) -> None:
    """Rule 53."""
    cache, loads = made(plain), []

    @cache(ttl=600)
    def load(k: int, extra: int = 0) -> int:
        loads.append(k)
        return k

    assert load.many([1, (2,), {"k": 3}, (1, 0)]) == [1, 2, 3, 1]
    assert [load(1), load(2, 0), load(k=3)] == [1, 2, 3]
    load.invalidate(2)
    assert load.many([3, 2, 1]) == [3, 2, 1]
    assert loads == [1, 2, 3, 2] or sorted(loads) == [1, 2, 2, 3]
