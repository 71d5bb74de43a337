"""Rules 1, 3, 17, 18, 20 and 53, for functions that load many items at once."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import weakref
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from tests.backends import leases
from tests.concurrency.meeting import PATIENCE, Gate, Loop, Worker, eventually, eventually_async, joined

from stillroom import Cache, MissingKeyContext, key_context
from stillroom._runtime import collecting
from stillroom._runtime.clock import SystemClock
from stillroom.keys.context import values_now
from stillroom.testing import FakeClock


class Rows:
    """A batch function of each colour with the same items, whose first run waits at a gate."""

    def __init__(self, cache: Cache, *, gated: bool = True, **settings: Any) -> None:
        self.cache = cache
        self.gate = Gate()
        self.runs: list[list[int]] = []
        self.error: Exception | None = None
        self._gated = gated
        shared: dict[str, Any] = {"ttl": 600, "name": "rows", "key": "row:{id}", **settings}

        @cache.batch(**shared)
        def plain(ids: list[int]) -> dict[int, str]:
            if self._begin(ids):
                self.gate.wait_here()
            return self._end(ids)

        @cache.batch(**shared)
        async def awaited(ids: list[int]) -> dict[int, str]:
            if self._begin(ids):
                await self.gate.wait_here_async()
            return self._end(ids)

        self.plain: Any = plain
        self.awaited: Any = awaited

    def _begin(self, ids: Sequence[int]) -> bool:
        self.runs.append(list(ids))
        return self._gated and len(self.runs) == 1

    def _end(self, ids: Sequence[int]) -> dict[int, str]:
        if self.error is not None:
            raise self.error
        return {one: f"row {one}" for one in ids if one < 500}

    @property
    def loaded(self) -> Counter[int]:
        """How often each item has been loaded."""
        return Counter(one for run in self.runs for one in run)

    def is_quiet(self) -> bool:
        """Whether nothing is left of what has happened."""
        return len(self.cache._core.flights) == 0 and not self.cache._core.flights._blocked and not leases(self.cache)


def waiting(cache: Cache) -> int:
    """Return how many calls wait for what others load."""
    return sum(len(flight._wakers) for flight in list(cache._core.flights._table.values()))


def collected(function: Any) -> int:
    """Return how many items wait in runs that others may still join."""
    collector: Any = function.invalidate.__self__.collector
    if hasattr(collector, "_open"):
        return sum(len(run.items) for run in list(collector._open.values()))
    return sum(len(run.seats) for opened in list(collector._loops.values()) for run in opened.values())


def found(*ids: int) -> dict[int, str]:
    return {one: f"row {one}" for one in ids}


async def ended(task: asyncio.Task[Any]) -> Any:
    """Return what a task gave or raised."""
    (result,) = await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), PATIENCE)
    return result


# Items in flight are waited for


def test_threads_wait_for_items_that_others_load() -> None:
    rows = Rows(Cache())
    first = Worker(lambda: rows.plain([1, 2]))
    rows.gate.reached()
    second = Worker(lambda: rows.plain([2, 3]))
    single = Worker(lambda: rows.plain.one(1))
    eventually(lambda: rows.runs == [[1, 2], [3]] and waiting(rows.cache) == 2)
    rows.gate.open()
    assert (first.join(), second.join(), single.join()) == (found(1, 2), found(2, 3), "row 1")
    assert rows.runs == [[1, 2], [3]]
    assert rows.is_quiet()


@pytest.mark.asyncio_only
async def test_tasks_wait_for_items_that_others_load() -> None:
    rows = Rows(Cache())
    first = asyncio.ensure_future(rows.awaited([1, 2, 1]))
    await rows.gate.reached_async()
    others = [asyncio.ensure_future(rows.awaited([2, 3])), asyncio.ensure_future(rows.awaited([3, 1]))]
    single = asyncio.ensure_future(rows.awaited.one(2))
    await eventually_async(lambda: rows.runs == [[1, 2], [3]])
    rows.gate.open()
    assert [await ended(task) for task in (first, *others, single)] == [found(1, 2), found(2, 3), found(3, 1), "row 2"]
    assert rows.runs == [[1, 2], [3]]
    assert rows.is_quiet()


def test_threads_and_loops_wait_for_each_other() -> None:
    rows, loops = Rows(Cache()), [Loop(), Loop()]
    try:
        first = loops[0].submit(rows.awaited([1, 2]))
        rows.gate.reached()
        second = loops[1].submit(rows.awaited([2, 3]))
        eventually(lambda: len(rows.runs) == 2)
        third = Worker(lambda: rows.plain([1, 2, 3, 4]))
        eventually(lambda: len(rows.runs) == 3)
        rows.gate.open()
        assert first.result(PATIENCE) == found(1, 2)
        assert second.result(PATIENCE) == found(2, 3)
        assert third.join() == found(1, 2, 3, 4)
        assert set(rows.loaded.values()) == {1}
        eventually(rows.is_quiet)
    finally:
        for loop in loops:
            loop.close()


def test_items_that_are_missing_are_waited_for_as_well() -> None:
    rows = Rows(Cache())
    first = Worker(lambda: rows.plain([1, 500]))
    rows.gate.reached()
    second = Worker(lambda: rows.plain([500, 1]))
    eventually(lambda: waiting(rows.cache) == 1)
    rows.gate.open()
    assert (first.join(), second.join()) == (found(1), found(1))
    assert rows.runs == [[1, 500]]


def test_batches_that_cross_do_not_wait_for_each_others_waiting() -> None:
    rows = Rows(Cache(), gated=False)
    chosen = random.Random(7)
    for _ in range(30):
        works = [chosen.sample(range(40), 20) for _ in range(6)]
        results = joined([lambda ids=ids: rows.plain(ids) for ids in works])  # type: ignore[misc]
        assert results == [found(*ids) for ids in works]
        assert set(rows.loaded.values()) == {1}
        rows.runs.clear()
        rows.plain.invalidate_all()
    assert rows.is_quiet()


def test_threads_and_tasks_that_cross() -> None:
    rows, loop = Rows(Cache(), gated=False), Loop()
    chosen = random.Random(11)
    try:
        for _ in range(20):
            works = [chosen.sample(range(30), 15) for _ in range(8)]
            tasks = [loop.submit(rows.awaited(ids)) for ids in works[:4]]
            results = joined([lambda ids=ids: rows.plain(ids) for ids in works[4:]])  # type: ignore[misc]
            assert [task.result(PATIENCE) for task in tasks] + results == [found(*ids) for ids in works]
            assert set(rows.loaded.values()) == {1}
            rows.runs.clear()
            rows.plain.invalidate_all()
        eventually(rows.is_quiet)
    finally:
        loop.close()


@pytest.mark.asyncio_only
async def test_nobody_waits_where_loads_are_not_shared() -> None:
    rows = Rows(Cache(), lock=None)
    first = asyncio.ensure_future(rows.awaited([1, 2]))
    await rows.gate.reached_async()
    assert await rows.awaited([2, 3]) == found(2, 3)
    rows.gate.open()
    assert await ended(first) == found(1, 2)
    assert rows.runs == [[1, 2], [2, 3]]


# Errors and invalidation


def test_a_failing_load_fails_for_all_who_wait_for_an_item() -> None:
    """Rule 20."""
    rows = Rows(Cache())
    rows.error = OSError("down")
    first = Worker(lambda: rows.plain([1, 2]))
    rows.gate.reached()
    others = [Worker(lambda: rows.plain([2])), Worker(lambda: rows.plain.one(1))]
    eventually(lambda: waiting(rows.cache) == 2)
    rows.gate.open()
    assert all(isinstance(worker.join(), OSError) for worker in (first, *others))
    assert rows.runs == [[1, 2]]
    assert rows.is_quiet()
    rows.error = None
    assert rows.plain([1, 2]) == found(1, 2)


def test_who_comes_after_an_invalidation_does_not_share_what_began_before() -> None:
    """Rule 1."""
    rows = Rows(Cache())
    first = Worker(lambda: rows.plain([1, 2]))
    rows.gate.reached()
    rows.plain.invalidate([2])
    assert rows.plain([2]) == found(2)
    second = Worker(lambda: rows.plain([1, 2]))
    eventually(lambda: waiting(rows.cache) == 1)
    rows.gate.open()
    assert (first.join(), second.join()) == (found(1, 2), found(1, 2))
    assert rows.runs == [[1, 2], [2]]


def test_refreshing_voids_loads_that_began_before() -> None:
    rows = Rows(Cache())
    first = Worker(lambda: rows.plain([1, 2]))
    rows.gate.reached()
    assert rows.plain.refresh([2, 3]) == found(2, 3)
    rows.gate.open()
    assert first.join() == found(1, 2)
    assert rows.runs == [[1, 2], [2, 3]]
    assert rows.plain([1, 2, 3]) == found(1, 2, 3)
    assert rows.is_quiet()


def test_stale_items_are_refreshed_together_behind(clock: FakeClock) -> None:
    rows = Rows(Cache(clock=clock), gated=False, ttl=10, stale_while_revalidate=100)
    rows.plain([1, 2, 3])
    clock.advance(11)
    assert rows.plain([1, 2]) == found(1, 2)
    eventually(lambda: rows.runs == [[1, 2, 3], [1, 2]] and rows.is_quiet())
    assert rows.plain([1, 2]) == found(1, 2)
    assert rows.runs == [[1, 2, 3], [1, 2]]


@pytest.mark.asyncio_only
async def test_stale_items_are_refreshed_together_behind_by_a_task(clock: Any) -> None:
    rows = Rows(Cache(clock=clock), gated=False, ttl=10, stale_while_revalidate=100)
    await rows.awaited([1, 2, 3])
    clock.advance(11)
    assert await rows.awaited([1, 2]) == found(1, 2)
    await eventually_async(lambda: rows.runs == [[1, 2, 3], [1, 2]] and rows.is_quiet())


# Cancelling


@pytest.mark.asyncio_only
@pytest.mark.parametrize("cancelled", [{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}])
async def test_cancelling_some_callers_leaves_the_others_served(cancelled: set[int]) -> None:
    """Rule 18."""
    rows = Rows(Cache())
    tasks = [asyncio.ensure_future(rows.awaited([1, 2]))]
    await rows.gate.reached_async()
    tasks += [asyncio.ensure_future(rows.awaited([2])), asyncio.ensure_future(rows.awaited.one(1))]
    await eventually_async(lambda: waiting(rows.cache) == 2)
    for number in cancelled:
        tasks[number].cancel()
    await asyncio.sleep(0)
    rows.gate.open()
    for number, (task, result) in enumerate(zip(tasks, (found(1, 2), found(2), "row 1"), strict=True)):
        assert isinstance(await ended(task), asyncio.CancelledError) if number in cancelled else await ended(task) == result
    assert rows.runs == [[1, 2]]
    await eventually_async(rows.is_quiet)


@pytest.mark.asyncio_only
async def test_a_run_is_cancelled_when_nobody_waits_for_any_of_its_items() -> None:
    cache, gate, ends = Cache(), Gate(), []

    @cache.batch(ttl=600)
    async def rows(ids: list[int]) -> dict[int, int]:
        try:
            await gate.wait_here_async()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        return {}

    tasks = [asyncio.ensure_future(rows([1, 2, 3]))]
    await gate.reached_async()
    tasks += [asyncio.ensure_future(rows([2, 3])), asyncio.ensure_future(rows([1]))]
    await eventually_async(lambda: waiting(cache) == 2)
    for task in tasks:
        assert ends == []
        task.cancel()
        assert isinstance(await ended(task), asyncio.CancelledError)
    assert ends == ["cancelled"]
    assert len(cache._core.flights) == 0
    assert not leases(cache)


@pytest.mark.asyncio_only
@pytest.mark.parametrize("turns", range(14))
async def test_cancelling_at_any_turn_leaves_nothing_behind(turns: int) -> None:
    rows = Rows(Cache(), gated=False)
    task = asyncio.ensure_future(rows.awaited([1, 2]))
    other = asyncio.ensure_future(rows.awaited([2, 3]))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await ended(task)
    assert await ended(other) == found(2, 3)
    await eventually_async(rows.is_quiet)
    assert await rows.awaited([1, 2, 3]) == found(1, 2, 3)


@pytest.mark.asyncio_only
async def test_a_run_that_raises_cancelled_error_by_itself_ends_for_everybody() -> None:
    cache = Cache()

    @cache.batch(ttl=600)
    async def rows(ids: list[int]) -> dict[int, int]:
        await asyncio.sleep(0.001)
        raise asyncio.CancelledError

    tasks = [asyncio.ensure_future(rows([1, 2])) for _ in range(3)]
    assert all([isinstance(await ended(task), asyncio.CancelledError) for task in tasks])
    assert len(cache._core.flights) == 0


def test_items_outlive_the_loop_that_was_loading_them() -> None:
    rows, loop = Rows(Cache()), Loop()
    lost = loop.submit(rows.awaited([1, 2]))
    rows.gate.reached()
    waiting = Worker(lambda: rows.plain([2, 3]))
    eventually(lambda: len(rows.runs) == 2)
    loop.stop()
    assert waiting.join() == found(2, 3)
    rows.gate.open()
    lost.cancel()
    loop.close()


# Functions that ask for what they are loading


def test_a_function_that_asks_for_its_own_items_does_not_hang() -> None:
    cache, runs = Cache(), []

    @cache.batch(ttl=600)
    def rows(ids: list[int]) -> dict[int, int]:
        runs.append(ids)
        if len(runs) == 1:
            assert rows([1, 2]) == {1: 1, 2: 2}
            assert rows.one(2) == 2
        return dict(zip(ids, ids, strict=True))

    assert joined([lambda: rows([1, 2])]) == [{1: 1, 2: 2}]


@pytest.mark.asyncio_only
@pytest.mark.parametrize("window", [None, 0.001])
async def test_a_coroutine_function_that_asks_for_its_own_items_does_not_hang(window: Any) -> None:
    cache, runs = Cache(), []

    @cache.batch(ttl=600, window=window)
    async def rows(ids: list[int]) -> dict[int, int]:
        runs.append(ids)
        if len(runs) == 1:
            assert await rows([1, 2, 3]) == {1: 1, 2: 2, 3: 3}
            assert await rows.one(2) == 2
        return dict(zip(ids, ids, strict=True))

    assert await asyncio.wait_for(rows([1, 2]), PATIENCE) == {1: 1, 2: 2}
    runs.clear()
    await rows.invalidate_all()
    assert await asyncio.wait_for(asyncio.gather(*map(rows.one, (1, 2))), PATIENCE) == [1, 2]


def test_functions_that_ask_each_other_crosswise_do_not_hang() -> None:
    cache, together = Cache(), threading.Barrier(2)

    @cache.batch(ttl=600)
    def left(ids: list[int]) -> dict[int, int]:
        if ids == [1]:
            together.wait(PATIENCE)
            right([1, 2])
        return dict(zip(ids, ids, strict=True))

    @cache.batch(ttl=600)
    def right(ids: list[int]) -> dict[int, int]:
        if ids == [1]:
            together.wait(PATIENCE)
            left([1, 2])
        return dict(zip(ids, ids, strict=True))

    assert joined([lambda: left([1]), lambda: right([1])]) == [{1: 1}, {1: 1}]


# Items that are asked for one by one


@pytest.mark.asyncio_only
async def test_items_asked_for_one_by_one_are_loaded_together(clock: Any) -> None:
    rows = Rows(Cache(clock=clock), gated=False, window=1, missing_ttl=60)
    await rows.awaited([9])
    tasks = [asyncio.ensure_future(rows.awaited.one(one)) for one in (1, 2, 9, 2, 500)]
    assert await ended(tasks[2]) == "row 9"
    await eventually_async(lambda: collected(rows.awaited) == 3 and waiting(rows.cache) == 4)
    assert rows.runs == [[9]]
    clock.advance(1)
    assert [await ended(task) for task in tasks] == ["row 1", "row 2", "row 9", "row 2", None]
    assert [sorted(run) for run in rows.runs] == [[9], [1, 2, 500]]
    assert rows.is_quiet()
    assert clock.pending == 0


@pytest.mark.asyncio_only
async def test_a_full_run_does_not_wait_for_its_window(clock: Any) -> None:
    rows = Rows(Cache(clock=clock), gated=False, window=1, max_size=3)
    found = await asyncio.wait_for(asyncio.gather(*(rows.awaited.one(one) for one in range(6))), PATIENCE)
    assert found == [f"row {one}" for one in range(6)]
    assert sorted(map(len, rows.runs)) == [3, 3]
    assert clock.pending == 0


@pytest.mark.asyncio_only
async def test_who_is_cancelled_takes_its_item_out(clock: Any) -> None:
    rows = Rows(Cache(clock=clock), gated=False, window=1)
    tasks = [asyncio.ensure_future(rows.awaited.one(one)) for one in (1, 2, 3)]
    await eventually_async(lambda: collected(rows.awaited) == 3)
    tasks[0].cancel()
    assert isinstance(await ended(tasks[0]), asyncio.CancelledError)
    clock.advance(1)
    assert [await ended(task) for task in tasks[1:]] == ["row 2", "row 3"]
    assert [sorted(run) for run in rows.runs] == [[2, 3]]


@pytest.mark.asyncio_only
async def test_a_run_that_everybody_has_left_does_not_begin(clock: Any) -> None:
    rows = Rows(Cache(clock=clock), window=1)
    tasks = [asyncio.ensure_future(rows.awaited.one(one)) for one in (1, 2)]
    await eventually_async(lambda: collected(rows.awaited) == 2)
    for task in tasks:
        task.cancel()
        await ended(task)
    assert clock.pending == 0
    assert rows.runs == []
    again = asyncio.ensure_future(rows.awaited.one(1))
    await eventually_async(lambda: collected(rows.awaited) == 1)
    clock.advance(1)
    await rows.gate.reached_async()
    again.cancel()
    await ended(again)
    assert rows.is_quiet()


@pytest.mark.asyncio_only
async def test_a_run_that_is_cancelled_before_its_first_step_ends_for_everybody(clock: Any) -> None:
    rows, known = Rows(Cache(clock=clock), gated=False, window=1), asyncio.all_tasks()
    waiting = asyncio.ensure_future(rows.awaited.one(1))
    while not collected(rows.awaited):  # noqa: ASYNC110 - not a turn later
        await asyncio.sleep(0)
    for task in asyncio.all_tasks() - known - {waiting}:  # the load's and the run's
        if task.get_coro().__name__ == "work":  # type: ignore[union-attr]
            task.cancel()
    assert isinstance(await ended(waiting), asyncio.CancelledError)
    assert (collected(rows.awaited), clock.pending) == (0, 0)
    again = asyncio.ensure_future(rows.awaited.one(1))
    await eventually_async(lambda: collected(rows.awaited) == 1)
    clock.advance(1)
    assert await ended(again) == "row 1"


@pytest.mark.memory_only("a load that its loop leaves behind cannot reach a server any more, and says so")
def test_a_loop_that_is_closed_with_an_open_run_is_let_go(clock: FakeClock) -> None:
    rows = Rows(Cache(clock=clock), gated=False, window=1, max_size=2)

    def leave_behind() -> weakref.ref[Any]:
        loop = asyncio.new_event_loop()
        loop.create_task(rows.awaited.one(1))  # noqa: RUF006 - all_tasks has it
        while not collected(rows.awaited):
            loop.run_until_complete(asyncio.sleep(0))
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()
        return weakref.ref(loop)

    async def use() -> None:
        await asyncio.gather(rows.awaited.one(2), rows.awaited.one(3))

    left = leave_behind()
    rows.cache._core.flights.clear()
    clock.advance(1)
    asyncio.run(use())
    gc.collect()
    assert left() is None


def test_threads_do_not_wait_for_a_window_that_could_not_be_opened(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(Cache(clock=clock), gated=False, window=1)
    with monkeypatch.context() as broken:
        broken.setattr(clock, "call_at", lambda when, callback: 1 / 0)
        assert isinstance(Worker(lambda: rows.plain.one(1)).join(), ZeroDivisionError)
    assert collected(rows.plain) == 0


@pytest.mark.parametrize("colour", ["plain", "awaited"])
def test_a_window_ends_though_its_timer_finds_no_thread(monkeypatch: pytest.MonkeyPatch, colour: str) -> None:
    rows = Rows(Cache(clock=TimerlessClock()), gated=False, window=0.001)
    monkeypatch.setattr(collecting, "LOOK_EVERY", 0.01)

    async def ask() -> Any:
        return await rows.awaited.one(1)

    assert Worker(lambda: rows.plain.one(1) if colour == "plain" else asyncio.run(ask())).join() == "row 1"


class TimerlessClock(SystemClock):
    """The system's clock, with no thread to be had."""

    def call_at(self, when: float, callback: Any) -> Any:
        return super().call_at(when + PATIENCE, callback)


@pytest.mark.asyncio_only
async def test_an_error_reaches_all_of_a_run(clock: Any) -> None:
    rows = Rows(Cache(clock=clock), gated=False, window=1)
    rows.error = OSError("down")
    tasks = [asyncio.ensure_future(rows.awaited.one(one)) for one in (1, 2)]
    await eventually_async(lambda: collected(rows.awaited) == 2)
    clock.advance(1)
    assert [type(await ended(task)) for task in tasks] == [OSError, OSError]
    assert [sorted(run) for run in rows.runs] == [[1, 2]]


def test_threads_are_collected(clock: FakeClock) -> None:
    rows = Rows(Cache(clock=clock), gated=False, window=1)
    workers = [Worker(lambda one=one: rows.plain.one(one)) for one in range(4)]  # type: ignore[misc]
    eventually(lambda: collected(rows.plain) == 4)
    clock.advance(1)
    assert [worker.join() for worker in workers] == [f"row {one}" for one in range(4)]
    assert [sorted(run) for run in rows.runs] == [[0, 1, 2, 3]]
    assert rows.is_quiet()
    rows.error = OSError("down")
    failing = [Worker(lambda one=one: rows.plain.one(one)) for one in (7, 8)]  # type: ignore[misc]
    eventually(lambda: collected(rows.plain) == 2)
    clock.advance(1)
    assert [type(worker.join()) for worker in failing] == [OSError, OSError]


def test_a_full_run_of_threads_begins_at_once(clock: FakeClock) -> None:
    rows = Rows(Cache(clock=clock), gated=False, window=1, max_size=2)
    results = joined([lambda one=one: rows.plain.one(one) for one in range(4)])  # type: ignore[misc]
    assert results == [f"row {one}" for one in range(4)]
    assert [len(run) for run in rows.runs] == [2, 2]
    assert clock.pending == 0


@pytest.mark.asyncio_only
async def test_only_calls_with_the_same_other_arguments_are_loaded_together(clock: Any) -> None:
    cache, runs = Cache(clock=clock), []

    @cache.batch(ttl=600, over="ids", window=1)
    async def rows(shop: str, ids: list[int]) -> dict[int, str]:
        runs.append((shop, sorted(ids)))
        return {one: f"{shop}{one}" for one in ids}

    tasks = [asyncio.ensure_future(rows.one(shop, one)) for shop in "ab" for one in (1, 2)]
    await eventually_async(lambda: collected(rows) == 4)
    clock.advance(1)
    assert [await ended(task) for task in tasks] == ["a1", "a2", "b1", "b2"]
    assert sorted(runs) == [("a", [1, 2]), ("b", [1, 2])]


@pytest.mark.asyncio_only
async def test_an_item_that_is_invalidated_within_its_window_is_sent_once(clock: Any) -> None:
    rows = Rows(Cache(clock=clock), gated=False, window=1)
    first = asyncio.ensure_future(rows.awaited.one(1))
    await eventually_async(lambda: collected(rows.awaited) == 1)
    await rows.awaited.invalidate([1])
    second = asyncio.ensure_future(rows.awaited.one(1))
    other = asyncio.ensure_future(rows.awaited.one(2))
    await eventually_async(lambda: collected(rows.awaited) == 3)
    clock.advance(1)
    assert [await ended(task) for task in (first, second, other)] == ["row 1", "row 1", "row 2"]
    assert [sorted(run) for run in rows.runs] == [[1, 2]]


class Tenants:
    """A batch function of each colour that looks up by itself which tenant it is for."""

    def __init__(self, clock: Any) -> None:
        self.runs: list[tuple[str, list[int]]] = []
        cache = Cache(clock=clock)
        shared: dict[str, Any] = {"ttl": 600, "name": "rows", "key": "{@tenant}:{id}", "window": 1}

        @cache.batch(**shared)
        def plain(ids: list[int]) -> dict[int, str]:
            return self._load(ids)

        @cache.batch(**shared)
        async def awaited(ids: list[int]) -> dict[int, str]:
            return self._load(ids)

        self.plain: Any = plain
        self.awaited: Any = awaited

    def _load(self, ids: list[int]) -> dict[int, str]:
        tenant = str(values_now()["tenant"])
        self.runs.append((tenant, sorted(ids)))
        return {one: f"{tenant}{one}" for one in ids}

    def ask(self, tenant: str, one: int) -> Any:
        with key_context(tenant=tenant):
            return self.plain.one(one)

    async def ask_async(self, tenant: str, one: int) -> Any:
        with key_context(tenant=tenant):
            return await self.awaited.one(one)


@pytest.mark.asyncio_only
async def test_tasks_with_another_key_context_are_not_loaded_together(clock: Any) -> None:
    tenants = Tenants(clock)
    tasks = [asyncio.ensure_future(tenants.ask_async(tenant, one)) for tenant in "ab" for one in (1, 2)]
    await eventually_async(lambda: collected(tenants.awaited) == 4)
    clock.advance(1)
    assert [await ended(task) for task in tasks] == ["a1", "a2", "b1", "b2"]
    assert sorted(tenants.runs) == [("a", [1, 2]), ("b", [1, 2])]


def test_threads_with_another_key_context_are_not_loaded_together(clock: FakeClock) -> None:
    tenants = Tenants(clock)
    asked = [(tenant, one) for tenant in "ab" for one in (1, 2)]
    workers = [Worker(lambda tenant=tenant, one=one: tenants.ask(tenant, one)) for tenant, one in asked]  # type: ignore[misc]
    eventually(lambda: collected(tenants.plain) == 4)
    clock.advance(1)
    assert [worker.join() for worker in workers] == ["a1", "a2", "b1", "b2"]
    assert sorted(tenants.runs) == [("a", [1, 2]), ("b", [1, 2])]


def test_past_the_cache_no_key_context_is_needed() -> None:
    cache = Cache()

    @cache.batch(ttl=600, key="{@tenant}:{id}", window=0.001, max_size=1)
    def rows(ids: list[int]) -> list[int]:
        return ids

    assert (rows.bypass([1]), rows.one.bypass(1)) == ([1], 1)
    with cache.disabled():
        assert (rows([1]), rows.one(1), rows.one.refresh(1)) == ([1], 1, 1)
    with pytest.raises(MissingKeyContext):
        rows.one(1)


def test_batches_have_the_key_context_of_their_calls(clock: FakeClock) -> None:
    tenants = Tenants(clock)
    for tenant in "abab":
        with key_context(tenant=tenant):
            assert tenants.plain([1, 2]) == {1: f"{tenant}1", 2: f"{tenant}2"}
    assert tenants.runs == [("a", [1, 2]), ("b", [1, 2])]
    with pytest.raises(MissingKeyContext):
        tenants.plain([1])
