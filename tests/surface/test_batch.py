"""Rule 53: functions that are asked for many items at once, of which each is cached by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from stillroom import Cache, ConfigurationError, LoadAborted, current_load
from stillroom.testing import FakeClock

SENSELESS: Any = {"keep_warm": True, "idle_after": 5, "soft_timeout": 1, "cache_errors": {LookupError: 1}}


class Batch:
    """A batch function of either colour, with its helpers as plain functions."""

    def __init__(self, function: Any, run: Callable[[Any], Any] | None) -> None:
        self.function = function
        self._run = run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.function(*args, **kwargs)
        return result if self._run is None else self._run(result)

    def __getattr__(self, helper: str) -> Any:
        found = getattr(self.function, helper)
        if helper == "one":
            return Batch(found, self._run)
        if self._run is None or helper in ("key", "stats"):
            return found
        run = self._run
        return lambda *args, **kwargs: run(found(*args, **kwargs))


class Table:
    """What batch functions ask: what is in it, and what they have asked for."""

    def __init__(self) -> None:
        self.asked: list[list[Any]] = []
        self.rows: dict[Any, Any] = {number: f"row {number}" for number in range(100)}
        self.error: Exception | None = None
        self.act: Callable[[], Any] = lambda: None

    def read(self, ids: Sequence[Any]) -> Any:
        self.asked.append(list(ids))
        self.act()
        if self.error is not None:
            raise self.error
        return {one: self.rows[one] for one in sorted(ids, reverse=True) if one in self.rows}

    def since(self) -> list[list[Any]]:
        """Return what has been asked for since this was called last."""
        asked, self.asked = self.asked, []
        return asked


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture(params=["function", "coroutine function"])
def made(request: pytest.FixtureRequest, cache: Cache, run: Callable[[Any], Any], table: Table) -> Callable[..., Batch]:
    """Returns a batch function of one colour that asks the table; ``of`` decorates something else in its place."""

    def made(**settings: Any) -> Batch:
        decorator: Any = cache.batch(**{"ttl": 60, "name": "rows", **settings})
        if request.param == "function":

            def rows(ids: Sequence[Any]) -> Mapping[Any, Any]:
                return table.read(ids)  # type: ignore[no-any-return]

            return Batch(decorator(rows), None)

        async def rows_async(ids: Sequence[Any]) -> Mapping[Any, Any]:
            return table.read(ids)  # type: ignore[no-any-return]

        return Batch(decorator(rows_async), run)

    return made


def test_only_what_is_missing_is_asked_for(made: Callable[..., Batch], table: Table) -> None:
    rows = made()
    assert rows([3, 1]) == {3: "row 3", 1: "row 1"}
    assert rows([1, 2, 3]) == {1: "row 1", 2: "row 2", 3: "row 3"}
    assert rows([1, 2, 3]) == {1: "row 1", 2: "row 2", 3: "row 3"}
    assert table.since() == [[3, 1], [2]]


def test_what_is_asked_for_twice_is_loaded_once_and_in_order(made: Callable[..., Batch], table: Table) -> None:
    rows = made()
    assert list(rows([5, 3, 5, 4])) == [5, 3, 4]
    assert table.since() == [[5, 3, 4]]
    assert list(rows(iter([4, 5]))) == [4, 5]
    assert rows(dict.fromkeys([3]).keys()) == {3: "row 3"}
    assert table.since() == []


def test_nothing_asked_for_asks_for_nothing(made: Callable[..., Batch], table: Table) -> None:
    rows = made()
    assert rows([]) == {}
    assert rows.invalidate([]) == 0
    assert rows.refresh([]) == {}
    assert rows.peek([]) == {}
    rows.put({})
    assert table.since() == []


@pytest.mark.parametrize("given", ["abc", b"abc", 5, None])
def test_what_is_not_several_items_is_told(made: Callable[..., Batch], given: Any) -> None:
    with pytest.raises(TypeError, match="ids must be several items"):
        made()(given)


@pytest.mark.parametrize("value", [None, 0, "", False, [], 0.0])
def test_falsy_values_are_values(made: Callable[..., Batch], table: Table, value: Any) -> None:
    """Rule 12."""
    rows = made()
    table.rows[1] = value
    for _ in range(2):
        found = rows([1])
        assert found == {1: value}
        assert type(found[1]) is type(value)
    assert rows.peek([1]) == {1: value}
    assert rows.one(1) == value
    assert table.since() == [[1]]


def test_a_missing_item_is_asked_for_again(made: Callable[..., Batch], table: Table) -> None:
    rows = made()
    for _ in range(2):
        assert rows([1, 500]) == {1: "row 1"}
    assert table.since() == [[1, 500], [500]]


def test_a_missing_item_is_remembered_for_a_time_of_its_own(made: Callable[..., Batch], table: Table, clock: FakeClock) -> None:
    rows = made(missing_ttl=10, key="row:{id}")
    for _ in range(2):
        assert rows([1, 500]) == {1: "row 1"}
    assert rows.one(500) is None
    assert rows.peek([1, 500]) == {1: "row 1"}
    assert table.since() == [[1, 500]]
    table.rows[500] = "new"
    clock.advance(10)
    assert rows([1, 500]) == {1: "row 1", 500: "new"}
    assert table.since() == [[500]]


def test_what_is_remembered_as_missing_can_be_put_and_invalidated(made: Callable[..., Batch], table: Table) -> None:
    rows = made(missing_ttl=10)
    rows([500, 501])
    rows.put({500: "put"})
    table.rows[501] = "new"
    rows.invalidate([501])
    assert rows([500, 501]) == {500: "put", 501: "new"}
    assert table.since() == [[500, 501], [501]]


@pytest.mark.parametrize("missing_ttl", [None, 30])
def test_an_item_that_is_gone_is_not_served_stale(
    made: Callable[..., Batch], table: Table, clock: FakeClock, missing_ttl: Any
) -> None:
    rows = made(stale_if_error=600, stale_while_revalidate=5, missing_ttl=missing_ttl)
    rows([1])
    del table.rows[1]
    clock.advance(70)
    assert rows([1]) == {}
    table.error = OSError("down")
    if missing_ttl is None:
        with pytest.raises(OSError, match="down"):
            rows([1])
    else:
        assert rows([1]) == {}


class Callee:
    """A batch function that is an object."""

    def __call__(self, ids: list[int]) -> list[int]:
        return ids


def größen(ids: list[int]) -> list[int]:
    return ids


@pytest.mark.parametrize("function", [lambda ids: ids, größen, Callee(), partial(lambda ids: ids)])
def test_functions_whose_names_are_no_plain_words(cache: Cache, function: Callable[[list[int]], list[int]]) -> None:
    rows = cache.batch(ttl=60, name="rows", returns=list)(function)
    for _ in range(2):
        assert rows([1, 2]) == [1, 2]
    assert rows.one(1) == 1
    assert rows.stats.loads == 1


def test_other_arguments_are_part_of_the_key(cache: Cache) -> None:
    asked: list[Any] = []

    @cache.batch(ttl=60, over="ids")
    def prices(shop: str, ids: list[int], *, net: bool = False) -> dict[int, str]:
        asked.append((shop, ids, net))
        return {one: f"{shop}{one}{net}" for one in ids}

    assert prices("a", [1, 2]) == {1: "a1False", 2: "a2False"}
    assert prices("b", [1]) == {1: "b1False"}
    assert prices("a", ids=[1], net=True) == {1: "a1True"}
    assert prices(shop="a", ids=[2, 3], net=False) == {2: "a2False", 3: "a3False"}
    assert asked == [("a", [1, 2], False), ("b", [1], False), ("a", [1], True), ("a", [3], False)]
    assert prices.one("a", 3) == "a3False"
    assert prices.invalidate("a", [1, 2]) == 2
    assert prices.peek("a", [1, 2, 3]) == {3: "a3False"}


def test_items_given_by_name_only(cache: Cache) -> None:
    @cache.batch(ttl=60, key="{shop}:{id}")
    def prices(*, ids: list[int], shop: str = "s") -> dict[int, str]:
        return {one: f"{shop}{one}" for one in ids}

    assert prices(ids=[1, 2]) == {1: "s1", 2: "s2"}
    assert prices.one(id=3, shop="t") == "t3"
    assert cache.get("t:3") == "t3"
    prices.put(ids={4: "four"})
    assert prices.one(id=4) == "four"
    assert prices.refresh(ids=[4]) == {4: "s4"}


def test_a_sequence_comes_as_a_list_in_the_order_asked(cache: Cache) -> None:
    asked: list[Any] = []

    @cache.batch(ttl=60)
    def squares(numbers: list[int]) -> Sequence[int]:
        asked.append(numbers)
        return tuple([one * one for one in numbers])

    assert squares([3, 1, 3]) == [9, 1, 9]
    assert squares([1, 2]) == [1, 4]
    assert squares([2, 3]) == [4, 9]
    assert asked == [[3, 1], [2]]
    assert squares.peek([1, 7]) == {1: 1}


def test_items_of_one_value_and_two_types_are_two_items(cache: Cache) -> None:
    """Rule 6."""

    @cache.batch(ttl=60)
    def kinds(ids: list[Any]) -> list[str]:
        return [type(one).__name__ for one in ids]

    assert kinds([1, True, 1.0, "1"]) == ["int", "bool", "float", "str"]
    assert kinds(["1", 1.0, True, 1]) == ["str", "float", "bool", "int"]


@pytest.mark.parametrize("way", ["batch", "refresh", "collected"])
def test_items_that_a_mapping_cannot_tell_apart_do_not_meet_in_a_run(cache: Cache, run: Callable[[Any], Any], way: str) -> None:
    """Rule 6."""
    asked: list[list[Any]] = []

    @cache.batch(ttl=60, window=1, max_size=4)
    async def kinds(ids: list[Any]) -> dict[Any, str]:
        asked.append(ids)
        return {one: type(one).__name__ for one in ids}

    async def collected() -> None:
        await asyncio.gather(*map(kinds.one, (1, True, 2, 1.0)))

    batch: Any = kinds.refresh if way == "refresh" else kinds
    run(collected() if way == "collected" else batch([1, True, 2, 1.0]))
    assert sorted(len(ids) for ids in asked) == [1, 1, 2]
    assert [run(kinds([one])) for one in (1, True, 2, 1.0)] == [{1: "int"}, {True: "bool"}, {2: "int"}, {1.0: "float"}]
    assert len(asked) == 3


def test_items_that_cannot_be_hashed(cache: Cache) -> None:
    @cache.batch(ttl=60)
    def sums(lists: list[list[int]]) -> list[int]:
        return [sum(one) for one in lists]

    assert sums([[1, 2], [3], [1, 2]]) == [3, 3, 3]
    assert sums.stats.loads == 1


def test_a_function_that_breaks_its_word_is_told(cache: Cache) -> None:
    returned: list[Any] = []

    @cache.batch(ttl=60, returns=list)
    def rows(ids: list[int]) -> Any:
        return returned.pop()

    for wrong, error in (([1], ValueError), ([1, 2, 3], ValueError), ({1: 1}, TypeError), ("ab", TypeError), (None, TypeError)):
        returned.append(wrong)
        with pytest.raises(error, match="rows must return"):
            rows([1, 2])

    @cache.batch(ttl=60, returns=dict)
    def table(ids: list[int]) -> Any:
        return [1, 2]

    with pytest.raises(TypeError, match="must return a mapping"):
        table([1, 2])


def test_an_error_reaches_the_caller_and_nothing_is_stored(made: Callable[..., Batch], table: Table) -> None:
    rows = made()
    rows([1])
    table.error = OSError("down")
    with pytest.raises(OSError, match="down"):
        rows([1, 2])
    assert rows([1]) == {1: "row 1"}
    table.error = None
    assert rows([1, 2]) == {1: "row 1", 2: "row 2"}
    assert table.since() == [[1], [2], [2]]


def test_a_stop_iteration_arrives_as_it_was_raised(cache: Cache) -> None:
    @cache.batch(ttl=60)
    def rows(ids: list[int]) -> dict[int, int]:
        raise StopIteration(7)

    for call in (rows, rows.refresh, rows.bypass):
        with pytest.raises(StopIteration):
            call([1])


def test_stale_items_rescue_a_load_that_fails(made: Callable[..., Batch], table: Table, clock: FakeClock) -> None:
    rows = made(stale_if_error=600, retry_after=5)
    rows([1, 2])
    clock.advance(61)
    table.error = OSError("down")
    assert rows([1, 2]) == {1: "row 1", 2: "row 2"}
    assert table.since() == [[1, 2], [1, 2]]
    assert rows([1, 2]) == {1: "row 1", 2: "row 2"}
    assert table.since() == []
    with pytest.raises(OSError, match="down"):
        rows([1, 3])


def test_ttls_may_depend_on_item_and_value(made: Callable[..., Batch], table: Table, clock: FakeClock) -> None:
    rows = made(key="row:{id}", ttl=lambda id, value: 10 if id == 1 or value == "row 2" else 100)
    rows([1, 2, 3])
    clock.advance(11)
    rows([1, 2, 3])
    assert table.since() == [[1, 2, 3], [1, 2]]


def test_what_fails_store_if_is_returned_and_not_stored(made: Callable[..., Batch], table: Table) -> None:
    table.rows[1] = None
    rows = made(store_if="not_none")
    for _ in range(2):
        assert rows([1, 2]) == {1: None, 2: "row 2"}
    assert table.since() == [[1, 2], [1]]


def test_a_rule_that_raises_fails_its_item_only(made: Callable[..., Batch], table: Table) -> None:
    table.rows[1] = 0
    table.rows[2] = 1
    rows = made(store_if=lambda value: 1 / value > 0)
    with pytest.raises(ZeroDivisionError):
        rows([1, 2])
    assert rows([2]) == {2: 1}
    assert table.since() == [[1, 2]]


def test_hits_are_counted_for_each_item(made: Callable[..., Batch], table: Table) -> None:
    rows = made(max_hits=2)
    for items in ([1, 2], [1], [1], [1, 2]):
        rows(items)
    assert table.since() == [[1, 2], [1]]


def test_copies_are_the_callers_own(made: Callable[..., Batch], table: Table) -> None:
    table.rows[1] = [1]
    rows = made(copy=True)
    rows([1])[1].append(2)
    rows([1])[1].append(3)
    assert rows([1]) == {1: [1]}


def test_no_run_is_given_more_than_max_size(made: Callable[..., Batch], table: Table) -> None:
    rows = made(max_size=2)
    assert rows([1, 2, 3, 4, 5]) == {one: f"row {one}" for one in (1, 2, 3, 4, 5)}
    assert table.since() == [[1, 2], [3, 4], [5]]
    assert rows.stats.loads == 3


def test_what_other_runs_have_brought_is_kept_when_one_fails(made: Callable[..., Batch], table: Table) -> None:
    rows = made(max_size=1)

    def act() -> None:
        table.error = OSError("down") if table.asked[-1] == [2] else None

    table.act = act
    with pytest.raises(OSError, match="down"):
        rows([1, 2, 3])
    assert rows.peek([1, 2, 3]) == {1: "row 1", 3: "row 3"}


# Invalidation


WAYS: dict[str, Callable[[Cache, Batch], Any]] = {
    "item": lambda cache, rows: rows.invalidate([2, 3]),
    "one": lambda cache, rows: rows.one.invalidate(2),
    "name": lambda cache, rows: cache.delete("row:2"),
    "tag": lambda cache, rows: cache.invalidate(tags=["row:2"]),
    "put": lambda cache, rows: rows.put({2: "put"}),
}
ALL: dict[str, Callable[[Cache, Batch], Any]] = {
    "function": lambda cache, rows: rows.invalidate_all(),
    "common tag": lambda cache, rows: cache.invalidate(tags=["rows"]),
    "namespace": lambda cache, rows: cache.invalidate(namespace="main"),
    "everything": lambda cache, rows: cache.clear(),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_item_that_is_invalidated_is_loaded_again(made: Callable[..., Batch], table: Table, cache: Cache, way: str) -> None:
    rows = made(key="row:{id}", tags=["rows", "row:{id}"])
    rows([1, 2])
    WAYS[way](cache, rows)
    assert rows([1, 2])[2] == ("put" if way == "put" else "row 2")
    assert table.since() == [[1, 2], *([] if way == "put" else [[2]])]


@pytest.mark.parametrize("way", ALL)
def test_all_items_can_be_invalidated(made: Callable[..., Batch], table: Table, cache: Cache, way: str) -> None:
    rows = made(key="row:{id}", tags=["rows", "row:{id}"], missing_ttl=60)
    rows([1, 2, 500])
    ALL[way](cache, rows)
    rows([1, 2, 500])
    assert table.since() == [[1, 2, 500], [1, 2, 500]]


@pytest.mark.parametrize("way", [*WAYS, *ALL])
def test_an_invalidation_during_the_load_wins(
    made: Callable[..., Batch], table: Table, cache: Cache, way: str, request: pytest.FixtureRequest
) -> None:
    """Rule 1, for each item by itself."""
    act = {**WAYS, **ALL}[way]
    rows = made(key="row:{id}", tags=["rows", "row:{id}"], missing_ttl=60)
    blocking = Batch(rows.function, None) if request.node.callspec.params["made"] == "function" else _aside(rows)

    def during() -> None:
        table.act = lambda: None
        act(cache, blocking)
        table.rows[2] = "new"

    table.act = during
    rows([1, 2])
    found = rows([1, 2])
    assert found == {1: "row 1", 2: "put" if way == "put" else "new"}
    again = [[1, 2]] if way in ALL else [] if way == "put" else [[2]]
    assert table.since() == [[1, 2], *again]


def _aside(rows: Batch) -> Batch:
    """Return a batch function of coroutines whose helpers run to their ends on a loop of another thread."""
    from concurrent.futures import ThreadPoolExecutor

    def run(awaitable: Any) -> Any:
        async def wait() -> Any:
            return await awaitable

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, wait()).result()

    return Batch(rows.function, run)


# What the function says of its load


@pytest.mark.parametrize("way", ["batch", "one", "collected"])
def test_what_the_function_says_counts_for_all_items_of_the_run(
    made: Callable[..., Batch], table: Table, cache: Cache, clock: FakeClock, way: str
) -> None:
    rows = made(missing_ttl=100, **({"window": 0.001, "max_size": 1} if way == "collected" else {}))
    ask: Callable[[int], Any] = (lambda one: rows([one])) if way == "batch" else rows.one

    def act() -> None:
        load = current_load()
        assert load.ttl == 60
        load.ttl = 10
        load.tags.add("late")
        assert not load.has_stale
        if table.asked[-1] == [7]:
            load.skip()

    table.act = act
    for one in (1, 2, 2, 7, 7):
        ask(one)
    assert table.since() == [[1], [2], [7], [7]]
    clock.advance(11)
    ask(1)
    assert table.since() == [[1]]
    cache.invalidate(tags=["late"])
    ask(1)
    assert table.since() == [[1]]


def test_a_load_that_the_function_fails_is_rescued(made: Callable[..., Batch], table: Table, clock: FakeClock) -> None:
    rows = made(stale_if_error=600, errors=KeyError)
    rows([1])
    rows.one(2)
    clock.advance(61)
    table.act = lambda: current_load().fail("not now")
    assert rows([1]) == {1: "row 1"}
    assert rows.one(2) == "row 2"
    with pytest.raises(LoadAborted, match="not now"):
        rows([3])


def test_an_invalidation_of_a_late_tag_wins(made: Callable[..., Batch], table: Table, cache: Cache) -> None:
    """Rule 1."""
    rows = made()

    def act() -> None:
        current_load().tags.add("late")
        cache.invalidate(tags=["late"])
        table.act = lambda: None

    table.act = act
    rows([1, 2])
    rows([1, 2])
    assert table.since() == [[1, 2], [1, 2]]


# Company


def test_single_and_batch_functions_share_entries_by_name(made: Callable[..., Batch], table: Table, cache: Cache) -> None:
    """Rule 53."""
    rows = made(name="shared", key="row:{id}", missing_ttl=60)
    loads: list[int] = []

    @cache(ttl=60, name="shared", key="row:{number}")
    def row(number: int) -> str:
        loads.append(number)
        return f"row {number}"

    assert row(1) == "row 1"
    assert rows([1, 2]) == {1: "row 1", 2: "row 2"}
    assert row(2) == "row 2"
    assert cache.get("row:2") == "row 2"
    assert (loads, table.since()) == ([1], [[2]])
    assert row.invalidate(2)
    assert rows([1, 2]) == {1: "row 1", 2: "row 2"}
    assert table.since() == [[2]]
    row.invalidate_all()
    assert rows.peek([1, 2]) == {}


def test_what_is_remembered_as_missing_is_nothing_to_others(made: Callable[..., Batch], table: Table, cache: Cache) -> None:
    rows = made(name="shared", key="row:{id}", missing_ttl=60)

    @cache(ttl=60, name="shared", key="row:{number}")
    def row(number: int) -> str:
        return "found"

    assert rows([500]) == {}
    assert cache.get("row:500", "nothing") == "nothing"
    assert not cache.exists("row:500")
    assert cache.get_many(["row:500"]) == {}
    assert row.peek(500) is None
    assert row(500) == "found"
    assert rows([500]) == {500: "found"}


def test_the_same_template_under_another_name_is_refused(made: Callable[..., Batch], cache: Cache) -> None:
    made(key="row:{id}")
    with pytest.raises(ConfigurationError, match="the same key template"):

        @cache(ttl=60, key="row:{number}")
        def row(number: int) -> int:
            return number


def test_one_item_comes_the_same_way(made: Callable[..., Batch], table: Table) -> None:
    rows = made(missing_ttl=60)
    assert rows.one(1) == "row 1"
    assert rows([1, 2]) == {1: "row 1", 2: "row 2"}
    assert rows.one(2) == "row 2"
    assert rows.one(500) is None
    assert rows.one(500) is None
    assert rows([500]) == {}
    assert table.since() == [[1], [2], [500]]
    assert rows.one.refresh(1) == "row 1"
    assert table.since() == [[1]]


def test_one_item_that_is_missing_is_none_past_the_cache_too(made: Callable[..., Batch], cache: Cache) -> None:
    rows = made(missing_ttl=60)
    assert rows.one.bypass(500) is None
    with cache.disabled():
        assert rows.one(500) is None
        assert rows.one.refresh(500) is None
        assert rows.one.many([500, 1]) == [None, "row 1"]
        assert rows.one(1) == "row 1"


def test_helpers(made: Callable[..., Batch], table: Table) -> None:
    rows = made()
    assert rows.peek([1]) == {}
    rows.put({1: "put", 2: "too"})
    assert rows.peek([1, 2, 3]) == {1: "put", 2: "too"}
    assert rows.bypass([1, 500]) == {1: "row 1"}
    assert rows([1, 2]) == {1: "put", 2: "too"}
    assert rows.refresh([1, 500]) == {1: "row 1"}
    assert rows([1, 2]) == {1: "row 1", 2: "too"}
    assert rows.invalidate([1, 2, 3]) == 2
    assert table.since() == [[1, 500], [1, 500]]
    stats = rows.stats
    assert (stats.loads, stats.hits, stats.bypasses) == (1, 4, 1)
    with pytest.raises(TypeError, match="must be a mapping"):
        rows.put([1])


def test_while_the_cache_is_off_the_function_answers(made: Callable[..., Batch], table: Table, cache: Cache) -> None:
    rows = made()
    rows.put({1: "old"})
    with cache.disabled():
        assert rows([2, 1, 500]) == {2: "row 2", 1: "row 1"}
        assert rows.peek([1]) == {}
        assert rows.refresh([1]) == {1: "row 1"}
    assert rows.peek([1]) == {}
    assert table.since() == [[2, 1, 500], [1]]


def test_each_item_is_told_to_those_who_watch(made: Callable[..., Batch], cache: Cache) -> None:
    rows = made(key="row:{id}")
    rows([1])
    with cache.detect() as calls:
        rows([1, 2])
    assert [(call.key, call.outcome.value) for call in calls] == [("row:1", "hit"), ("row:2", "miss")]


def test_in_a_transaction_items_are_those_of_the_transaction(cache: Cache, table: Table) -> None:
    @cache.batch(ttl=60, name="rows", key="row:{id}", missing_ttl=60)
    def rows(ids: list[int]) -> dict[int, Any]:
        return table.read(ids)  # type: ignore[no-any-return]

    def undone() -> None:
        with cache.transaction():
            table.rows.update({1: "inside", 4: "inside"})
            rows.invalidate([1])
            rows.put({2: "put"})
            del table.rows[3]
            rows.invalidate([3])
            for _ in range(2):
                assert rows([1, 2, 3, 4]) == {1: "inside", 2: "put", 4: "inside"}
            raise OSError("undone")

    rows([1, 2, 3])
    with pytest.raises(OSError, match="undone"):
        undone()
    table.rows.update({1: "row 1", 3: "row 3", 4: "row 4"})
    assert rows([1, 2, 3, 4]) == {one: f"row {one}" for one in (1, 2, 3, 4)}
    with cache.transaction():
        rows.put({1: "put"})
        rows.invalidate([2])
        table.rows[2] = "new"
        assert rows.refresh([3, 500]) == {3: "row 3"}
    assert rows([1, 2, 3]) == {1: "put", 2: "new", 3: "row 3"}


@pytest.mark.asyncio_only
async def test_who_is_in_a_transaction_is_not_loaded_together_with_others() -> None:
    cache, gate, runs = Cache(), asyncio.Event(), []

    @cache.batch(ttl=60, name="rows", key="row:{id}", window=0.01)
    async def rows(ids: list[int]) -> dict[int, str]:
        runs.append(sorted(ids))
        return {one: f"row {one}" for one in ids}

    async def inside() -> Any:
        async with cache.transaction():
            await rows.invalidate([9])
            gate.set()
            return await asyncio.gather(*(rows.one(one) for one in (1, 2)))

    async def outside() -> Any:
        await gate.wait()
        return await asyncio.gather(*(rows.one(one) for one in (1, 3)))

    assert [*await asyncio.gather(inside(), outside())] == [["row 1", "row 2"], ["row 1", "row 3"]]
    assert sorted(runs) == [[1, 2], [1, 3]]


@dataclass
class Row:
    number: int


def test_values_come_back_as_they_were(cache: Cache, run: Callable[[Any], Any]) -> None:
    """Rule 36: of the class that the annotation names."""

    @cache.batch(ttl=60)
    def rows(ids: list[int]) -> dict[int, Row]:
        return {one: Row(one) for one in ids}

    @cache.batch(ttl=60)
    async def maybe(ids: list[int]) -> list[Row | None]:
        return [Row(one) if one else None for one in ids]

    for _ in range(2):
        assert rows([1, 2]) == {1: Row(1), 2: Row(2)}
        assert run(maybe([1, 0])) == [Row(1), None]
    assert rows.stats.loads == maybe.stats.loads == 1


def test_keys_and_ttls_by_callables(made: Callable[..., Batch], table: Table, cache: Cache, clock: FakeClock) -> None:
    rows = made(key=lambda number: f"r:{number}", ttl=lambda number: number)
    assert rows([10, 20]) == {10: "row 10", 20: "row 20"}
    assert cache.get("r:10") == "row 10"
    clock.advance(15)
    rows([10, 20])
    assert table.since() == [[10, 20], [10]]


def test_a_template_into_the_item(cache: Cache) -> None:
    @cache.batch(ttl=60, key="row:{row.number}", tags=["row:{row.number}"])
    def names(rows: list[Row]) -> list[str]:
        return [f"row {row.number}" for row in rows]

    assert names([Row(1), Row(2), Row(1)]) == ["row 1", "row 2", "row 1"]
    cache.invalidate(tags=["row:1"])
    assert cache.get("row:1") is None
    assert cache.get("row:2") == "row 2"


# Methods


class Shop:
    def __init__(self, name: str) -> None:
        self.name = name


def shop_with(cache: Cache, asked: list[Any]) -> Any:
    class Cornershop(Shop):
        @cache.batch(ttl=60, over="ids")
        def prices(self, ids: list[int]) -> dict[int, str]:
            """Tell prices."""
            asked.append((self.name, ids))
            return {one: f"{self.name}{one}" for one in ids}

        @cache.batch(ttl=60, name="class")
        @classmethod
        def of_class(cls, ids: list[int]) -> list[str]:
            return [f"{cls.__name__}{one}" for one in ids]

        @staticmethod
        @cache.batch(ttl=60, name="static")
        def of_nobody(ids: list[int]) -> list[int]:
            return ids

        @cache.batch(ttl=60, name="async")
        async def later(self, ids: list[int]) -> dict[int, str]:
            return {one: f"{self.name}{one}" for one in ids}

    return Cornershop


@pytest.mark.memory_only("instances of classes without values mean nothing to other processes")
def test_methods_know_their_object(cache: Cache, run: Callable[[Any], Any]) -> None:
    asked: list[Any] = []
    kind = shop_with(cache, asked)
    one, other = kind("a"), kind("b")
    assert one.prices([1, 2]) == {1: "a1", 2: "a2"}
    assert other.prices([1]) == {1: "b1"}
    assert one.prices([2]) == {2: "a2"}
    assert asked == [("a", [1, 2]), ("b", [1])]
    assert one.prices.one(2) == "a2"
    assert one.prices.invalidate([1]) == 1
    assert one.prices.peek([1, 2]) == {2: "a2"}
    one.prices.put({5: "five"})
    assert one.prices([5]) == {5: "five"}
    assert other.prices.peek([5]) == {}
    assert kind.prices(one, [5]) == {5: "five"}
    assert one.prices.__doc__ == "Tell prices."
    assert one.prices.__wrapped__([9]) == {9: "a9"}
    assert (kind.of_class([1]), one.of_class.one(1), kind.of_class.invalidate([1])) == (["Cornershop1"], "Cornershop1", 1)
    assert (kind.of_nobody([1]), one.of_nobody.peek([1])) == ([1], {1: 1})
    assert run(one.later([1])) == {1: "a1"}
    assert run(one.later.peek([1])) == {1: "a1"}
    one.prices.invalidate_all()
    assert one.prices.peek([2, 5]) == {}


# Settings


def ids_of(ids: list[int]) -> dict[int, int]:
    return dict.fromkeys(ids, 0)


def untold(ids: list[int]) -> Any:
    return ids


WRONG: dict[str, tuple[dict[str, Any], Callable[..., Any], str, str]] = {
    "no item in the key": ({"key": "user"}, ids_of, "key", "must name the item"),
    "the parameter in the key": ({"key": "user:{ids}"}, ids_of, "key", "must name the item"),
    "two items": ({"key": "{a}:{b}"}, ids_of, "key", "by one name"),
    "another item in a tag": ({"key": "{a}", "tags": ["{b}"]}, ids_of, "key", "by one name"),
    "no such parameter": ({"over": "nos"}, ids_of, "over", "takes the items"),
    "no parameter": ({"returns": dict}, lambda: ids_of([]), "over", "takes the items"),
    "a default": ({"returns": dict}, lambda ids=(): {}, "over", "without a default"),
    "a star": ({"returns": dict}, lambda *ids: {}, "over", "without a default"),
    "nothing returned": ({}, untold, "returns", "dict or list"),
    "something else returned": ({"returns": set}, ids_of, "returns", "dict or list"),
    "missing from a sequence": ({"returns": list, "missing_ttl": 5}, untold, "missing_ttl", "a mapping"),
    "no size": ({"max_size": 0}, ids_of, "max_size", "above zero"),
    "no window": ({"window": 0}, ids_of, "window", "window"),
    "no missing_ttl": ({"missing_ttl": 0}, ids_of, "missing_ttl", "missing_ttl"),
    "the item ignored": ({"ignore": ["ids"]}, ids_of, "ignore", "must not name"),
    **{name: ({name: given}, ids_of, name, "batch functions have no") for name, given in SENSELESS.items()},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_settings_that_make_no_sense_are_refused(cache: Cache, wrong: str) -> None:
    settings, function, setting, message = WRONG[wrong]
    with pytest.raises(ConfigurationError, match=message) as caught:
        cache.batch(**settings)(function)
    assert caught.value.setting == setting


@pytest.mark.parametrize("setting", ["over", "returns", "serializer", "compress", "ttl", "tags", "missing_ttl", "window"])
def test_what_makes_no_sense_for_any_function_is_refused_at_once(cache: Cache, setting: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        cache.batch(**{setting: 0})  # type: ignore[arg-type]
    assert caught.value.setting == setting


def test_a_decorator_without_brackets_is_refused(cache: Cache) -> None:
    with pytest.raises(ConfigurationError, match="needs brackets"):
        cache.batch(ids_of)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword argument 'tll'"):
        cache.batch(tll=5)  # type: ignore[arg-type]


def test_generators_are_refused(cache: Cache) -> None:
    with pytest.raises(ConfigurationError, match="generator"):

        @cache.batch(returns=dict)
        def rows(ids: list[int]) -> Any:
            yield ids


def test_the_function_keeps_its_name_and_signature(cache: Cache) -> None:
    decorated = cache.batch(ttl=60)(ids_of)
    assert decorated.__name__ == "ids_of"
    assert decorated.__wrapped__ is ids_of  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"ids_of\(\)"):
        decorated()  # type: ignore[call-arg]
