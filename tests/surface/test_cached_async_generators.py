"""Rule 16 for asynchronous generators: recorded whole or not at all, and replayed exactly."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from stillroom.testing import FakeClock

pytestmark = pytest.mark.asyncio_only


class Source:
    """An asynchronous generator function that tells what happens to it."""

    def __init__(self) -> None:
        self.runs = 0
        self.finished = 0
        self.sent: list[object] = []
        self.fails_after: int | None = None
        self.over = asyncio.Event()

    async def items(self, count: int) -> AsyncGenerator[Any, Any]:
        self.runs += 1
        try:
            for item in range(count):
                await asyncio.sleep(0)
                if item == self.fails_after:
                    raise LookupError(item)
                got = yield [item]
                if got is not None:
                    self.sent.append(got)
        finally:
            await asyncio.sleep(0)
            self.finished += 1
            self.over.set()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def items(cache: Any, source: Source) -> Any:
    @cache(ttl=60, name="items")
    async def items(count: int) -> AsyncGenerator[Any, Any]:
        inner = source.items(count)
        try:
            sent = None
            while True:
                try:
                    item = await inner.asend(sent)
                except StopAsyncIteration:
                    return
                sent = yield item
        finally:
            await inner.aclose()

    return items


async def listed(iterator: Any) -> list[Any]:
    return [item async for item in iterator]


@pytest.mark.by_reference
async def test_a_replay_brings_the_same_items(items: Any, source: Source) -> None:
    first, second = await listed(items(3)), await listed(items(count=3))
    assert first == second == [[0], [1], [2]]
    assert all(one is other for one, other in zip(first, second, strict=True))
    assert source.runs == 1


async def test_an_empty_generator_is_recorded_too(items: Any, source: Source) -> None:
    """Rule 12."""
    assert await listed(items(0)) == await listed(items(0)) == []
    assert source.runs == 1


async def test_a_call_gives_an_asynchronous_generator(items: Any) -> None:
    iterator = items(1)
    assert inspect.isasyncgen(iterator)
    await iterator.aclose()


async def test_an_abandoned_iteration_leaves_nothing_and_lets_the_source_clean_up(items: Any, source: Source) -> None:
    iterator = items(3)
    await iterator.__anext__()
    await iterator.aclose()
    assert source.finished == 1
    assert await items.peek(3, default="absent") == "absent"
    assert await listed(items(3)) == [[0], [1], [2]]


async def alone() -> None:
    """Wait until the loop has closed what was dropped, which may take a word with the store."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others)


async def test_an_iteration_that_is_just_dropped_leaves_nothing(items: Any, source: Source) -> None:
    async for _ in items(3):
        break
    gc.collect()
    await source.over.wait()
    await alone()
    assert await items.peek(3, default="absent") == "absent"


async def test_a_cancelled_iteration_leaves_nothing_and_lets_the_source_clean_up(items: Any, source: Source) -> None:
    reached = asyncio.Event()

    async def consume() -> None:
        async for _ in items(3):
            reached.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(consume())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gc.collect()
    await source.over.wait()
    await alone()
    assert await items.peek(3, default="absent") == "absent"


async def test_an_iteration_that_is_cancelled_inside_the_source_leaves_nothing(cache: Any) -> None:
    reached, finished = asyncio.Event(), []

    @cache(ttl=60)
    async def stuck():
        try:
            yield 1
            reached.set()
            await asyncio.Event().wait()
        finally:
            finished.append(True)

    task = asyncio.create_task(listed(stuck()))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert finished == [True]
    assert await stuck.peek(default="absent") == "absent"
    assert stuck.stats.calls == 1


async def test_an_iteration_that_fails_leaves_nothing_and_raises_the_error(items: Any, source: Source) -> None:
    source.fails_after = 2
    with pytest.raises(LookupError):
        await listed(items(3))
    source.fails_after = None
    assert source.finished == 1
    assert await items.peek(3, default="absent") == "absent"
    assert await listed(items(3)) == [[0], [1], [2]]


async def test_an_invalidation_during_the_iteration_wins(items: Any) -> None:
    """Rule 1."""
    iterator = items(2)
    await iterator.__anext__()
    await items.invalidate(2)
    assert await listed(iterator) == [[1]]
    assert await items.peek(2, default="absent") == "absent"


async def test_concurrent_iterations_do_not_mix(items: Any, source: Source) -> None:
    assert await asyncio.gather(*(listed(items(3)) for _ in range(5))) == [[[0], [1], [2]]] * 5
    runs = source.runs
    assert await listed(items(3)) == [[0], [1], [2]]
    assert source.runs == runs


async def test_what_is_sent_reaches_the_source_and_the_iteration_is_not_recorded(items: Any, source: Source) -> None:
    iterator = items(3)
    await iterator.__anext__()
    assert await iterator.asend("hello") == [1]
    assert await listed(iterator) == [[2]]
    assert source.sent == ["hello"]
    assert await items.peek(3, default="absent") == "absent"


async def test_what_is_sent_to_a_replay_has_no_effect(items: Any, source: Source) -> None:
    await listed(items(3))
    iterator = items(3)
    await iterator.__anext__()
    assert await iterator.asend("hello") == [1]
    assert await listed(iterator) == [[2]]
    assert source.sent == []


async def test_what_is_thrown_reaches_the_source(cache: Any) -> None:
    """As with generators of the other colour, and with the generator itself."""

    @cache(ttl=60)
    async def stubborn():
        try:
            yield 1
        except ValueError:
            yield 2
        yield 3

    iterator = stubborn()
    await iterator.__anext__()
    assert await iterator.athrow(ValueError("no")) == 2
    assert await listed(iterator) == [3]
    assert await stubborn.peek(default="absent") == "absent"
    assert await listed(stubborn()) == [1, 3]


async def test_what_is_thrown_into_a_replay_is_raised_and_the_recording_stays(items: Any) -> None:
    await listed(items(2))
    iterator = items(2)
    await iterator.__anext__()
    with pytest.raises(ValueError, match="no"):
        await iterator.athrow(ValueError("no"))
    assert await items.peek(2) == ([0], [1])


async def test_wrong_arguments_are_refused_by_the_call_itself(items: Any) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'count'"):
        items()


@pytest.mark.by_reference
async def test_a_stale_recording_is_served_while_a_new_one_is_made_behind(cache: Any, source: Source, clock: FakeClock) -> None:
    items = cache(name="source", ttl=10, stale_while_revalidate=60)(source.items)
    first = await listed(items(2))
    clock.advance(11)
    assert [one is other for one, other in zip(await listed(items(2)), first, strict=True)] == [True, True]
    await alone()
    assert [one is other for one, other in zip(await listed(items(2)), first, strict=True)] == [False, False]
    assert (items.stats.stale, items.stats.hits, items.stats.misses) == (1, 1, 1)


async def test_a_stale_recording_rescues_a_generator_that_fails_at_once(cache: Any, source: Source, clock: FakeClock) -> None:
    items = cache(name="source", ttl=10, stale_if_error=60)(source.items)
    await listed(items(2))
    clock.advance(11)
    source.fails_after = 0
    assert await listed(items(2)) == [[0], [1]]
    assert items.stats.stale == 1


async def test_copies_isolate_items(cache: Any, source: Source) -> None:
    """Rule 15."""
    items = cache(name="source", ttl=60, copy=True)(source.items)
    for _ in range(3):
        async for item in items(2):
            item.append("spoilt")
    assert await listed(items(2)) == [[0], [1]]


async def test_an_asynchronous_generator_has_all_helpers(items: Any, source: Source) -> None:
    """Rule 49."""
    assert await items.peek(2, default="absent") == "absent"
    assert await items.refresh(2) == ([0], [1])
    assert await listed(items(2)) == [[0], [1]]
    assert await items.many([2, (3,), {"count": 2}]) == [([0], [1]), ([0], [1], [2]), ([0], [1])]
    assert await items.invalidate(2) is True
    assert await items.put(["put"], 2) is None
    assert await listed(items(2)) == ["put"]
    assert items.key(2) == "items(2)"
    assert await listed(items.bypass(2)) == [[0], [1]]
    assert await items.invalidate_all() is None
    assert await items.peek(3, default="absent") == "absent"
    assert source.finished == source.runs


async def test_a_disabled_cache_hands_the_iteration_through(cache: Any, items: Any, source: Source) -> None:
    """Rule 50."""
    with cache.disabled():
        iterator = items(3)
        await iterator.__anext__()
        await iterator.aclose()
        assert source.finished == 1
        assert await listed(items(3)) == [[0], [1], [2]]
    assert items.stats.bypasses == 2


@pytest.mark.memory_only("instances are told apart by numbers, which mean nothing to other processes")
async def test_methods_may_be_asynchronous_generators(cache: Any) -> None:
    class Table:
        @cache(ttl=60)
        async def rows(self, count):
            for row in range(count):
                yield [row]

    table = Table()
    first = await listed(table.rows(2))
    assert (await listed(table.rows(count=2)))[0] is first[0]
    assert await table.rows.invalidate(2) is True
    assert (await listed(Table().rows(2)))[0] is not first[0]
