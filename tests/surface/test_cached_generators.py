"""Rule 16: generators are recorded whole or not at all, and a replay is exact."""

from __future__ import annotations

import gc
import inspect
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest
from tests.backends import new_chaos

from stillroom import Cache, UncacheableArgument
from stillroom.observe.events import CallAnswered, LoadFailed, Outcome
from stillroom.testing import FakeClock


class Source:
    """A generator function that tells what happens to it."""

    def __init__(self) -> None:
        self.runs = 0
        self.finished = 0
        self.sent: list[object] = []
        self.fails_after: int | None = None

    def items(self, count: int) -> Generator[Any, Any, str]:
        self.runs += 1
        try:
            for item in range(count):
                if item == self.fails_after:
                    raise LookupError(item)
                got = yield [item]
                if got is not None:
                    self.sent.append(got)
            return f"{count} items"
        finally:
            self.finished += 1


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def items(cache: Any, source: Source) -> Any:
    return cache(ttl=60, name="items")(lambda count: (yield from source.items(count)))


def drained(iterator: Generator[Any, Any, Any]) -> tuple[list[Any], Any]:
    """Return the items, and the value that the generator returned."""
    found = []
    while True:
        try:
            found.append(next(iterator))
        except StopIteration as end:
            return found, end.value


@pytest.mark.by_reference
def test_a_replay_brings_the_same_items_and_the_return_value(items: Any, source: Source) -> None:
    first, second = drained(items(3)), drained(items(count=3))
    assert first == second == ([[0], [1], [2]], "3 items")
    assert all(one is other for one, other in zip(first[0], second[0], strict=True))
    assert source.runs == 1


def test_an_empty_generator_is_recorded_too(items: Any, source: Source) -> None:
    """Rule 12."""
    assert drained(items(0)) == drained(items(0)) == ([], "0 items")
    assert source.runs == 1


def test_falsy_items_are_items(cache: Any) -> None:
    """Rule 12."""
    falsy: list[Any] = [None, 0, "", [], False]
    items = cache(ttl=60)(lambda: (yield from falsy))
    assert list(items()) == list(items()) == falsy
    assert items.stats.loads == 1


def test_nothing_runs_before_the_first_item_is_asked_for(items: Any, source: Source) -> None:
    items(3)
    assert (source.runs, items.stats.calls) == (0, 0)


def test_items_arrive_as_they_are_made(items: Any, source: Source) -> None:
    iterator = items(3)
    assert next(iterator) == [0]
    assert (source.runs, source.finished) == (1, 0)
    iterator.close()


def test_a_call_gives_a_generator(items: Any) -> None:
    list(items(2))
    for iterator in (items(2), items(5)):
        assert inspect.isgenerator(iterator)


@pytest.mark.parametrize("leave", [lambda iterator: iterator.close(), lambda iterator: None])
def test_an_abandoned_iteration_leaves_nothing_and_lets_the_source_clean_up(
    items: Any, source: Source, leave: Callable[[Any], None]
) -> None:
    iterator = items(3)
    next(iterator), next(iterator)
    leave(iterator)
    del iterator
    gc.collect()
    assert source.finished == 1
    assert items.peek(3, default="absent") == "absent"
    assert list(items(3)) == [[0], [1], [2]]
    assert source.runs == 2


def test_an_iteration_that_stopped_before_the_end_is_not_recorded(items: Any) -> None:
    iterator = items(2)
    assert [next(iterator), next(iterator)] == [[0], [1]]
    assert items.peek(2, default="absent") == "absent"
    assert next(iterator, "end") == "end"
    assert items.peek(2) == ([0], [1])


def test_an_iteration_that_fails_leaves_nothing_and_raises_the_error(items: Any, source: Source) -> None:
    source.fails_after = 2
    iterator = items(3)
    assert [next(iterator), next(iterator)] == [[0], [1]]
    with pytest.raises(LookupError, match="2"):
        next(iterator)
    assert source.finished == 1
    source.fails_after = None
    assert items.peek(3, default="absent") == "absent"
    assert list(items(3)) == [[0], [1], [2]]


def test_an_invalidation_during_the_iteration_wins(items: Any) -> None:
    """Rule 1."""
    iterator = items(3)
    next(iterator)
    items.invalidate(3)
    assert len(list(iterator)) == 2
    assert items.peek(3, default="absent") == "absent"


def test_two_iterations_at_the_same_time_do_not_mix(items: Any, source: Source) -> None:
    one, other = items(3), items(3)
    mixed = [next(one), next(other), next(one), next(other), next(other), next(one)]
    assert mixed == [[0], [0], [1], [1], [2], [2]]
    assert (next(one, None), next(other, None)) == (None, None)
    assert list(items(3)) == [[0], [1], [2]]
    assert source.runs == 2


@pytest.mark.by_reference
def test_an_iteration_goes_on_by_the_recording_it_began_with(items: Any) -> None:
    first = list(items(3))
    iterator = items(3)
    assert next(iterator) is first[0]
    items.invalidate(3)
    assert [*iterator] == first[1:]


def test_what_is_sent_reaches_the_source_and_the_iteration_is_not_recorded(items: Any, source: Source) -> None:
    iterator = items(3)
    next(iterator)
    assert iterator.send("hello") == [1]
    assert list(iterator) == [[2]]
    assert source.sent == ["hello"]
    assert items.peek(3, default="absent") == "absent"


@pytest.mark.parametrize("falsy", [0, "", False])
def test_sending_something_falsy_is_sending_too(items: Any, source: Source, falsy: object) -> None:
    """Rule 12."""
    iterator = items(2)
    next(iterator)
    assert iterator.send(falsy) == [1]
    assert list(iterator) == []
    assert source.sent == [falsy]
    assert items.peek(2, default="absent") == "absent"


def test_what_is_sent_to_a_replay_has_no_effect(items: Any, source: Source) -> None:
    """A replay is exact: a caller who sends gets the next item, on a hit as on a miss."""
    list(items(3))
    iterator = items(3)
    assert next(iterator) == [0]
    assert iterator.send("hello") == [1]
    assert list(iterator) == [[2]]
    assert source.sent == []
    assert items.peek(3) == ([0], [1], [2])


def test_what_is_thrown_reaches_the_source(cache: Any) -> None:
    @cache(ttl=60)
    def stubborn():
        try:
            yield 1
        except ValueError:
            yield 2
        yield 3

    iterator = stubborn()
    next(iterator)
    assert iterator.throw(ValueError("no")) == 2
    assert list(iterator) == [3]
    assert stubborn.peek(default="absent") == "absent"
    assert list(stubborn()) == [1, 3]


def test_what_is_thrown_into_a_replay_is_raised_and_the_recording_stays(items: Any) -> None:
    list(items(2))
    iterator = items(2)
    next(iterator)
    with pytest.raises(ValueError, match="no"):
        iterator.throw(ValueError("no"))
    assert items.peek(2) == ([0], [1])


def test_wrong_arguments_are_refused_by_the_call_itself(items: Any) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'count'"):
        items()


def test_arguments_that_cannot_be_keyed_are_refused_by_name(cache: Any) -> None:
    items = cache(ttl=60)(lambda thing: (yield thing))
    with pytest.raises(UncacheableArgument, match="thing"):
        list(items(object()))
    thing = object()
    assert list(items.bypass(thing)) == [thing]


def test_a_recording_lives_as_long_as_its_ttl(items: Any, source: Source, clock: FakeClock) -> None:
    list(items(2))
    clock.advance(59)
    list(items(2))
    clock.advance(1)
    list(items(2))
    assert source.runs == 2


def test_the_ttl_counts_from_the_last_item(items: Any, clock: FakeClock) -> None:
    iterator = items(2)
    next(iterator)
    clock.advance(59)
    list(iterator)
    clock.advance(59)
    assert items.peek(2) == ([0], [1])


@pytest.mark.by_reference
def test_a_stale_recording_is_served_while_a_new_one_is_made_behind(source: Source, clock: FakeClock) -> None:
    store, filled = new_chaos(clock), threading.Event()
    items = Cache(store, clock=clock)(name="source", ttl=10, stale_while_revalidate=60)(source.items)
    first = list(items(2))
    clock.advance(11)
    store.after("fill", filled.set)
    assert [one is other for one, other in zip(items(2), first, strict=True)] == [True, True]
    assert filled.wait(10)
    assert [one is other for one, other in zip(items(2), first, strict=True)] == [False, False]
    assert drained(items(2))[1] == "2 items"
    assert (items.stats.stale, items.stats.hits, items.stats.misses) == (1, 2, 1)


def test_a_stale_recording_rescues_a_generator_that_fails_at_once(cache: Any, source: Source, clock: FakeClock) -> None:
    items = cache(name="source", ttl=10, stale_if_error=60)(source.items)
    list(items(2))
    clock.advance(11)
    source.fails_after = 0
    assert drained(items(2)) == ([[0], [1]], "2 items")
    assert items.stats.stale == 1


def test_a_generator_that_has_given_items_cannot_be_rescued(cache: Any, source: Source, clock: FakeClock) -> None:
    items = cache(name="source", ttl=10, stale_if_error=60)(source.items)
    list(items(2))
    clock.advance(11)
    source.fails_after = 1
    iterator = items(2)
    assert next(iterator) == [0]
    with pytest.raises(LookupError):
        next(iterator)
    assert items.stats.errors == 1


def test_a_failure_half_way_through_leaves_the_stale_recording_where_it_is(
    cache: Any, source: Source, clock: FakeClock
) -> None:
    items = cache(name="source", ttl=10, stale_if_error=60)(source.items)
    list(items(2))
    clock.advance(11)
    source.fails_after = 1
    with pytest.raises(LookupError):
        list(items(2))
    source.fails_after = 0
    assert list(items(2)) == [[0], [1]]


def test_a_failure_after_the_first_item_is_not_told_as_rescued(cache: Any, source: Source, clock: FakeClock) -> None:
    """Rule 52: what events tell is what happened."""
    items = cache(name="source", ttl=10, stale_if_error=60)(source.items)
    list(items(2))
    clock.advance(11)
    source.fails_after = 1
    failures: list[Any] = []
    cache.subscribe(failures.append, LoadFailed)
    with pytest.raises(LookupError):
        list(items(2))
    assert [event.rescued for event in failures] == [False]


def test_an_error_before_the_first_item_is_remembered_if_asked(cache: Any, source: Source) -> None:
    items = cache(name="source", ttl=10, cache_errors={LookupError: 5})(source.items)
    source.fails_after = 0
    for _ in range(2):
        with pytest.raises(LookupError):
            list(items(2))
    assert source.runs == 1


def test_store_if_sees_what_is_recorded_as_helpers_show_it(cache: Any, source: Source) -> None:
    """A user's predicate, and a rule for the ttl, know items, not stillroom's own classes."""
    seen: list[Any] = []
    items = cache(name="source", ttl=60, store_if=lambda value: not seen.append(value))(source.items)  # type: ignore[func-returns-value]
    list(items(2))
    assert seen == [([0], [1])]


def test_copies_isolate_items(cache: Any, source: Source) -> None:
    """Rule 15."""
    items = cache(name="source", ttl=60, copy=True)(source.items)
    for _ in range(3):
        for item in items(2):
            item.append("spoilt")
    assert list(items(2)) == [[0], [1]]


def test_a_generator_has_all_helpers(items: Any, source: Source) -> None:
    """Rule 49."""
    assert items.peek(2, default="absent") == "absent"
    assert items.refresh(2) == ([0], [1])
    assert drained(items(2)) == ([[0], [1]], "2 items")
    assert items.many([2, (3,), {"count": 2}]) == [([0], [1]), ([0], [1], [2]), ([0], [1])]
    assert items.invalidate(2) is True
    assert items.invalidate(2) is False
    assert items.put(iter(["put"]), 2) is None
    assert list(items(2)) == ["put"]
    assert items.key(2) == "items(2)"
    assert drained(items.bypass(2)) == ([[0], [1]], "2 items")
    assert items.invalidate_all() is None
    assert items.peek(3, default="absent") == "absent"
    assert source.finished == source.runs


@pytest.mark.memory_only("instances are told apart by numbers, which mean nothing to other processes")
def test_methods_may_be_generators(cache: Any) -> None:
    class Table:
        def __init__(self, rows: int) -> None:
            self.rows = rows

        @cache(ttl=60)
        def __iter__(self):
            for row in range(self.rows):
                yield [row]

        @cache(ttl=60)
        def some(self, count):
            yield from range(count)

    table = Table(2)
    assert list(table) == list(table) == [[0], [1]]
    assert next(iter(table)) is next(iter(table))
    assert list(table.some(2)) == list(table.some(count=2))
    assert table.some.invalidate(2) is True
    assert list(Table(1)) == [[0]]


def test_every_iteration_has_one_outcome(cache: Any, items: Any, source: Source) -> None:
    """Rule 52."""
    outcomes: list[Any] = []
    cache.subscribe(lambda event: outcomes.append(event.outcome), CallAnswered)
    list(items(2)), list(items(2))
    abandoned = items(3)
    next(abandoned)
    abandoned.close()
    source.fails_after = 0
    with pytest.raises(LookupError):
        list(items(3))
    with cache.disabled(), pytest.raises(LookupError):
        list(items(2))
    assert outcomes == [Outcome.MISS, Outcome.HIT, Outcome.MISS, Outcome.ERROR, Outcome.BYPASS]
    assert items.stats.calls == 5
    assert items.stats.loads == 3
