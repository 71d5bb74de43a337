"""Rule 49: what every decorated function offers besides the call. Methods and generators have files of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from stillroom import UncacheableArgument
from stillroom.testing import FakeClock

HELPERS = ("bypass", "invalidate", "invalidate_all", "key", "many", "peek", "put", "refresh")


class Opaque:
    pass


class Pair(NamedTuple):
    a: int
    b: int


class Cached:
    """A cached function of either colour, with its helpers as plain functions."""

    def __init__(self, function: Any, run: Callable[[Any], Any] | None) -> None:
        self.function = function
        self._run = run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.function(*args, **kwargs)
        return result if self._run is None else self._run(result)

    def __getattr__(self, helper: str) -> Any:
        found = getattr(self.function, helper)
        if self._run is None or helper in ("key", "stats"):
            return found
        run = self._run
        return lambda *args, **kwargs: run(found(*args, **kwargs))


@pytest.fixture(params=["function", "coroutine function"])
def made(request: pytest.FixtureRequest, cache: Any, run: Callable[[Any], Any]) -> Callable[..., Cached]:
    """Returns a cached function of one colour whose load is what it is given."""

    def made(load: Callable[..., Any] = lambda a, b: [a, b], **settings: Any) -> Cached:
        if request.param == "function":

            @cache(**{"ttl": 60, **settings})
            def cached(a: int, b: int = 2) -> Any:
                return load(a, b)

            return Cached(cached, None)

        @cache(**{"ttl": 60, **settings})
        async def cached_async(a: int, b: int = 2) -> Any:
            return load(a, b)

        return Cached(cached_async, run)

    return made


def test_every_helper_is_there_and_documented(made: Callable[..., Cached]) -> None:
    function = made().function
    for helper in HELPERS:
        assert getattr(function, helper).__doc__
    assert function.stats.calls == 0


def test_key_is_the_same_however_the_call_is_written(made: Callable[..., Cached]) -> None:
    """Rule 6."""
    f = made(name="f")
    assert f.key(1) == f.key(1, 2) == f.key(b=2, a=1) == "f(1,2)"
    assert f.key("1") != f.key(1)
    assert f.stats.calls == 0


@pytest.mark.by_reference
def test_peek_reads_and_never_loads(made: Callable[..., Cached], clock: FakeClock) -> None:
    f = made()
    assert f.peek(1) is None
    assert f.peek(1, default="absent") == "absent"
    value = f(1)
    assert f.peek(1) is f.peek(a=1, b=2) is value
    clock.advance(60)
    assert f.peek(1, default="absent") == "absent"
    assert f.stats.snapshot().loads == 1
    assert f.stats.calls == 1


def test_peek_sees_no_stale_value(made: Callable[..., Cached], clock: FakeClock) -> None:
    """Rule 4."""
    f = made(stale_if_error=60)
    f(1)
    clock.advance(61)
    assert f.peek(1, default="absent") == "absent"


@pytest.mark.by_reference
def test_peek_does_not_use_a_value_up(made: Callable[..., Cached]) -> None:
    f = made(max_hits=2)
    value = f(1)
    for _ in range(5):
        assert f.peek(1) is value
    assert f(1) is f(1) is value
    assert f(1) is not value


def test_put_stores_for_the_ttl_under_the_key_of_the_call(made: Callable[..., Cached], clock: FakeClock) -> None:
    f = made()
    assert f.put(None, 1) is None
    assert f(1) is f(a=1, b=2) is None
    f.put("new", 1, b=3)
    assert f(1, 3) == "new"
    clock.advance(60)
    assert f(1) == [1, 2]


def test_invalidate_tells_whether_there_was_something(made: Callable[..., Cached], clock: FakeClock) -> None:
    f = made()
    assert f.invalidate(1) is False
    f(1), f(2)
    assert f.invalidate(b=2, a=1) is True
    assert f.invalidate(1) is False
    assert f.peek(2) == [2, 2]
    clock.advance(60)
    assert f.invalidate(2) is False


@pytest.mark.by_reference
def test_invalidate_all_forgets_this_function_only(made: Callable[..., Cached]) -> None:
    f, other = made(name="f"), made(name="other")
    values = [f(1), f(2), other(1)]
    assert f.invalidate_all() is None
    assert f.peek(1, default="absent") == f.peek(2, default="absent") == "absent"
    assert other(1) is values[2]
    assert f(1) is not values[0]


@pytest.mark.by_reference
def test_refresh_loads_whatever_is_stored(made: Callable[..., Cached]) -> None:
    f = made()
    first = f(1)
    second = f.refresh(1)
    assert first is not second
    assert f(1) is second
    assert f.stats.refreshes == 1
    assert f.stats.loads == 2
    assert f.stats.calls == 2, "a refresh is no call"


@pytest.mark.by_reference
def test_a_refresh_that_fails_raises_and_leaves_the_value(made: Callable[..., Cached]) -> None:
    fails: list[bool] = []

    def load(a: int, b: int) -> list[int]:
        if fails:
            raise LookupError(a)
        return [a, b]

    f = made(load)
    value = f(1)
    fails.append(True)
    with pytest.raises(LookupError):
        f.refresh(1)
    assert f(1) is value


@pytest.mark.by_reference
def test_bypass_reads_and_changes_nothing(made: Callable[..., Cached]) -> None:
    f = made()
    value = f(1)
    assert f.bypass(1) == [1, 2]
    assert f.bypass(1) is not value
    assert f(1) is value
    assert f.bypass(3) == [3, 2]
    assert f.peek(3) is None
    assert f.stats.bypasses == 3


def test_bypass_takes_arguments_that_cannot_be_keyed(made: Callable[..., Cached]) -> None:
    f, thing = made(), Opaque()
    assert f.bypass(thing, b=thing) == [thing, thing]
    with pytest.raises(UncacheableArgument):
        f(thing)


@pytest.mark.by_reference
def test_many_answers_in_the_order_asked(made: Callable[..., Cached]) -> None:
    f = made()
    value = f(2)
    results = f.many([3, (2,), {"a": 1}, (1, 2), {"b": 5, "a": 1}, 3])
    assert results == [[3, 2], [2, 2], [1, 2], [1, 2], [1, 5], [3, 2]]
    assert results[1] is value
    assert results[2] is results[3]
    assert results[0] is results[5]
    assert f.many([]) == []


def test_many_takes_any_iterable(made: Callable[..., Cached]) -> None:
    f = made()
    assert f.many(a for a in (1, 2)) == [[1, 2], [2, 2]]
    assert f.many({1: "x", 2: "y"}) == [[1, 2], [2, 2]]


def test_many_loads_each_distinct_miss_once_and_counts_each_call(made: Callable[..., Cached]) -> None:
    """Rules 52 and 53."""
    f = made()
    f(1)
    f.many([1, 2, 2, 3])
    assert f.stats.loads == 3
    assert f.stats.calls == 5


def test_many_takes_lists_as_arguments_and_tuples_as_calls(made: Callable[..., Cached]) -> None:
    f = made()
    assert f.many([([1],), [1], {"a": [1]}]) == [[[1], 2]] * 3
    assert f.stats.loads == 1


def test_many_and_calls_tell_arguments_apart_that_are_equal(made: Callable[..., Cached]) -> None:
    """Rule 2: whether they come by position or by name, and whether or not their keys have been looked for before."""
    f = made()
    alike = [(1, 1), (True, 1), (1.0, 1), (1, True), (0.0, 1), (-0.0, 1), (1,), ([1], 1), ((1,), 1)]
    for _ in range(2):
        assert repr(f.many(alike)) == repr([f(*call) for call in alike]) == repr([[*call, 2][:2] for call in alike])
        assert f.many([Pair(1, 1), {"a": 1, "b": 1}, (1, 1)]) == [[1, 1]] * 3
    assert f.stats.loads == len(alike)


def test_many_raises_what_a_load_raises_and_keeps_the_rest(made: Callable[..., Cached]) -> None:
    def load(a: int, b: int) -> list[int]:
        if a == 2:
            raise LookupError(a)
        return [a, b]

    f = made(load)
    with pytest.raises(LookupError):
        f.many([1, 2, 3])
    assert f.peek(1) == [1, 2]
    with pytest.raises(LookupError):
        f.many([1, 2, 3])


@pytest.mark.parametrize("wrong", [(), (1, 2, 3), {"x": 1}, {"a": 1, "x": 2}, {1: 2}])
def test_many_refuses_wrong_arguments_before_anything_is_loaded(made: Callable[..., Cached], wrong: Any) -> None:
    f = made()
    with pytest.raises(TypeError):
        f.many([1, wrong])
    assert f.stats.loads == 0


@pytest.mark.by_reference
def test_many_shares_keys_and_invalidation_with_single_calls(made: Callable[..., Cached]) -> None:
    """Rule 53."""
    f = made(tags=["t:{a}"])
    first = f.many([1, 2])
    assert [f(1), f(2)] == first
    assert f(1) is first[0]
    f.invalidate(1)
    second = f.many([1, 2])
    assert second[0] is not first[0]
    assert second[1] is first[1]


@pytest.mark.parametrize("text", ["ab", b"ab"])
def test_many_does_not_take_a_text_for_its_letters(made: Callable[..., Cached], text: Any) -> None:
    """Whoever writes ``f.many("ab")`` forgot the brackets: the settings that take several texts refuse it, too."""
    f = made()
    with pytest.raises(TypeError):
        f.many(text)
    assert f.stats.loads == 0


def test_put_and_refresh_and_invalidate_reach_the_names_of_templates(made: Callable[..., Cached], cache: Any) -> None:
    """Rule 6."""
    f = made(key="f:{a}:{b}")
    f.put("put", 1)
    assert cache.get("f:1:2") == "put"
    assert f.refresh(1) == [1, 2] == cache.get("f:1:2")
    assert f.invalidate(1) is True
    assert not cache.exists("f:1:2")
    f.many([1])
    assert cache.exists("f:1:2")
    assert f.key(1) == "f:1:2"
