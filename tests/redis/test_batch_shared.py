"""Batch functions of several processes on one server: two caches, which share nothing but the server, stand for them."""

from __future__ import annotations

import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.concurrency.meeting import Gate, Worker, eventually, joined
from tests.servers.proxy import Proxy
from tests.servers.server import Server

from stillroom import Cache, StoreError


class Process:
    """A batch function as one process has it; its first run waits at a gate."""

    def __init__(self, cache: Cache, *, gated: bool = False, **settings: Any) -> None:
        self.cache = cache
        self.gate = Gate()
        self.runs: list[list[int]] = []

        @cache.batch(ttl=600, name="rows", key="row:{id}", missing_ttl=60, **settings)
        def rows(ids: list[int]) -> dict[int, str]:
            self.runs.append(ids)
            if gated and len(self.runs) == 1:
                self.gate.wait_here()
            return found(*ids)

        self.rows: Any = rows


def found(*ids: int) -> dict[int, str]:
    return {one: f"row {one}" for one in ids if one < 500}


@pytest.fixture
def new_cache(redis_server: Server) -> Iterator[Callable[..., Cache]]:
    """Returns caches on one server, with one prefix."""
    prefix, opened = secrets.token_hex(4), list[Any]()

    def new(url: str | None = None, **options: Any) -> Cache:
        cache = Cache(url or redis_server.url, prefix=prefix, **{"timeout": 5, **options})
        opened.append(cache._core.store)
        return cache

    yield new
    for store in opened:
        store.retire()


def test_items_that_another_process_loads_are_waited_for(new_cache: Callable[..., Cache]) -> None:
    first = Process(new_cache(), gated=True, lock="shared")
    second = Process(new_cache(), lock="shared")
    leading = Worker(lambda: first.rows([1, 2, 500]))
    first.gate.reached()
    following = Worker(lambda: second.rows([2, 3, 500]))
    eventually(lambda: second.runs == [[3]])
    first.gate.open()
    assert (leading.join(), following.join()) == (found(1, 2), found(2, 3))
    assert (first.runs, second.runs) == ([[1, 2, 500]], [[3]])


def test_processes_that_cross_load_each_item_once(new_cache: Callable[..., Cache]) -> None:
    processes = [Process(new_cache(), lock="shared") for _ in range(3)]
    chosen = random.Random(3)
    for _ in range(5):
        works = [(process, chosen.sample(range(20), 10)) for process in processes]
        results = joined([lambda one=one, ids=ids: one.rows(ids) for one, ids in works])  # type: ignore[misc]
        assert results == [found(*ids) for _, ids in works]
        loaded = Counter(one for process in processes for run in process.runs for one in run)
        assert set(loaded.values()) == {1}
        for process in processes:
            process.runs.clear()
        processes[0].rows.invalidate(range(20))


@pytest.mark.parametrize("lock", ["process", "shared"])
def test_an_invalidation_by_another_process_wins(new_cache: Callable[..., Cache], lock: Any) -> None:
    """Rule 1, across processes."""
    first = Process(new_cache(), gated=True, lock=lock)
    second = Process(new_cache(), lock=lock)
    leading = Worker(lambda: first.rows([1, 2]))
    first.gate.reached()
    second.rows.invalidate([2])
    passenger = Worker(lambda: first.rows([1, 2]))
    eventually(lambda: first.runs == [[1, 2], [2]])
    first.gate.open()
    assert (leading.join(), passenger.join()) == (found(1, 2), found(1, 2))
    assert second.rows.peek([1, 2]) == found(1, 2)


def test_near_copies_are_right(new_cache: Callable[..., Cache]) -> None:
    near = Process(new_cache(near="memory://"))
    far = Process(new_cache())
    feed = near.cache._core.store.feed  # type: ignore[union-attr]
    feed.start()
    eventually(lambda: feed.is_live)
    for _ in range(2):
        assert near.rows([1, 2, 500]) == found(1, 2)
    far.rows.put({1: "new"})
    far.rows.invalidate([2])
    eventually(lambda: near.rows([1])[1] == "new")
    near.rows.put({1: "newer"})
    assert near.rows([1, 2]) == {1: "newer", 2: "row 2"}
    assert near.runs == [[1, 2, 500], [2]]


@pytest.mark.parametrize("serializer", ["auto", "json", "msgpack"])
def test_missing_items_are_remembered_whatever_the_serializer(new_cache: Callable[..., Cache], serializer: Any) -> None:
    rows = Process(new_cache(secret=secrets.token_hex(20)), serializer=serializer)
    for _ in range(2):
        assert rows.rows([1, 500]) == found(1)
    assert rows.runs == [[1, 500]]


def test_during_an_outage_the_function_answers(redis_server: Server, new_cache: Callable[..., Cache]) -> None:
    """Rule 4: and memory stands in."""
    with Proxy(redis_server) as proxy:
        rows = Process(new_cache(proxy.url, timeout=0.2))
        assert rows.rows([1]) == found(1)
        proxy.refuse()
        proxy.cut()
        assert rows.rows([1, 2]) == found(1, 2)
        for _ in range(8):
            rows.rows([1, 2, 3])
        assert rows.rows([1, 2, 3]) == found(1, 2, 3)
        before = len(rows.runs)
        assert rows.rows([1, 2, 3]) == found(1, 2, 3)
        assert len(rows.runs) == before


def test_whoever_wants_to_hear_of_an_outage_does(redis_server: Server, new_cache: Callable[..., Cache]) -> None:
    with Proxy(redis_server) as proxy:
        rows = Process(new_cache(proxy.url, timeout=0.2, on_error="raise"))
        assert rows.rows([1]) == found(1)
        proxy.refuse()
        proxy.cut()
        with pytest.raises(StoreError):
            rows.rows([1, 2])
        assert len(rows.cache._core.flights) == 0


def test_a_value_that_cannot_be_stored_costs_the_others_nothing(new_cache: Callable[..., Cache]) -> None:
    cache, runs = new_cache(), list[list[int]]()

    @cache.batch(ttl=600, name="mixed", returns=dict)
    def rows(ids: list[int]) -> Any:
        runs.append(ids)
        return {one: object() if one == 2 else one for one in ids}

    for _ in range(2):
        assert list(rows([1, 2, 3])) == [1, 2, 3]
    assert runs == [[1, 2, 3], [2]]
