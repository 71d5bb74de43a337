"""`@cache.bloom(...)`, in memory and on Redis."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from stillroom import Cache, ConfigurationError, StoreError, UncacheableArgument


def test_a_filter_answers_where_it_is_certain() -> None:
    cache = Cache()
    called = []

    @cache.bloom(capacity=1000, false_positive_rate=0.0001)
    def is_taken(name: str) -> bool:
        called.append(name)
        return name == "ada"

    is_taken.add("ada")
    assert is_taken("ada") is True
    assert is_taken("zoe") is False
    assert called == ["ada"]


@pytest.mark.asyncio_only
async def test_coroutine_functions_have_filters_too() -> None:
    cache = Cache()
    called = []

    @cache.bloom(capacity=1000, false_positive_rate=0.0001)
    async def is_taken(name: str) -> bool:
        called.append(name)
        return name == "ada"

    await is_taken.add("ada")
    assert (await is_taken("ada"), await is_taken("zoe")) == (True, False)
    assert called == ["ada"]
    await is_taken.bloom.fill(["bob"])
    assert await is_taken("ada") is False
    contents = await is_taken.bloom.peek()
    assert contents is not None
    assert contents.members == 1


def test_without_a_filter_nothing_is_certain() -> None:
    cache = Cache()
    f = cache.bloom(capacity=10)(lambda name: name == "ada")
    assert f.bloom.peek() is None
    assert (f("ada"), f("zoe")) == (True, False)
    f.bloom.fill([])
    assert f("ada") is False, "now it is certain that there is nobody"


def test_a_filter_is_not_certain_of_anything_while_it_is_being_filled() -> None:
    cache = Cache()
    f = cache.bloom(capacity=5000)(lambda name: name == "ada")
    f.add("zoe")
    seen = []

    def names() -> Iterator[str]:
        for n in range(2500):
            if n == 2100:
                seen.append((f("ada"), f.bloom.peek()))
                f.add("while it is filled")
            yield f"name {n}"

    f.bloom.fill(names())
    assert seen == [(True, None)]
    contents = f.bloom.peek()
    assert contents is not None
    assert 2450 <= contents.members <= 2501
    assert f("zoe") is False
    assert f("while it is filled") is False, "by the function, that is"


def test_a_filter_that_was_lost_is_not_made_anew_by_the_next_member() -> None:
    cache = Cache()
    f = cache.bloom(capacity=10)(lambda name: name == "ada")
    f.add("ada")
    assert f("ada") is True
    lose(cache)
    f.add("bob")
    assert f("ada") is True
    f.bloom.fill(["ada", "bob"])
    assert f("ada") is True
    assert f.bloom.peek() is not None


def test_of_two_fillings_at_once_the_later_one_counts() -> None:
    cache = Cache()
    f: Any = cache.bloom(capacity=5000, false_positive_rate=1e-6)(lambda name: True)
    later = Stepwise(f)

    def names() -> Iterator[str]:
        yield from [f"early {n}" for n in range(1000)]
        later.begin()
        yield "late"

    f.bloom.fill(names())
    assert f.bloom.peek() is None, "it lacks what was in it before it was emptied again, and what is still to come"
    assert f("early 1")
    later.end()
    assert (f("late"), f("later")) == (False, True)


class Stepwise:
    """Fills a filter, on another thread, in two parts."""

    def __init__(self, f: Any) -> None:
        self._f = f
        self._has_begun, self._may_end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: self._f.bloom.fill(self._names()))

    def _names(self) -> Iterator[str]:
        self._has_begun.set()
        self._may_end.wait(10)
        yield "later"

    def begin(self) -> None:
        self._thread.start()
        assert self._has_begun.wait(10)

    def end(self) -> None:
        self._may_end.set()
        self._thread.join(10)


def test_a_filter_that_is_lost_while_it_is_filled_does_not_become_whole() -> None:
    cache = Cache()
    f = cache.bloom(capacity=5000, name="f")(lambda name: name == "ada")
    unknowing = cache.bloom(capacity=5000, name="f")(lambda name: name == "ada")

    def names() -> Iterator[str]:
        yield from ["ada", *(f"name {n}" for n in range(999))]
        lose(cache)
        unknowing.add("bob")
        yield "eve"

    with pytest.raises(StoreError, match="lost"):
        f.bloom.fill(names())


def test_a_filter_that_is_lost_when_all_is_in_does_not_become_whole() -> None:
    cache = Cache()
    f = cache.bloom(capacity=10)(lambda name: name == "ada")

    def nobody() -> Iterator[str]:
        lose(cache)
        yield from ()

    with pytest.raises(StoreError, match="lost"):
        f.bloom.fill(nobody())


def lose(cache: Cache) -> None:
    """Have the store forget what guards have counted."""
    store: Any = cache._core.store
    if not hasattr(store, "_far"):
        cache._core.tallies._endless.clear()
        return
    for node in store._topology.picture.primaries():
        client = redis.Redis(host=node.host, port=node.port)
        for key in client.keys(store._shared.layout.prefix + "+*"):  # type: ignore[union-attr]
            client.delete(key)
        client.close()


@pytest.mark.parametrize(("one", "other"), [(1, "1"), (None, "None"), ((1, 2), [1, 2]), (True, 1)])
def test_members_are_told_apart_as_keys_are(one: Any, other: Any) -> None:
    cache = Cache()
    f = cache.bloom(capacity=1000, false_positive_rate=1e-6)(lambda a, b=0: True)
    f.add(one)
    assert f(one, b=0) is True
    assert f(other) is False
    assert f(one, 1) is False


def test_what_tells_members_apart_may_be_a_part_of_the_arguments() -> None:
    cache = Cache()
    f = cache.bloom(capacity=1000, false_positive_rate=1e-6, key="{email}")(lambda client, email: True)
    f.add(object(), "ada@example.com")
    assert f(object(), "ada@example.com") is True
    assert f(object(), "zoe@example.com") is False
    with pytest.raises(UncacheableArgument):
        cache.bloom(capacity=1000)(lambda client: True)(object())


def test_several_calls_at_once_are_named_as_for_many() -> None:
    cache = Cache()
    f = cache.bloom(capacity=1000, false_positive_rate=1e-6)(lambda a, b=0: True)
    f.bloom.fill([1, (2, 3), {"a": 4, "b": 5}])
    assert [f(1), f(2, 3), f(4, 5), f(2), f(4)] == [True, True, True, False, False]


def test_methods_have_filters_that_know_their_object() -> None:
    cache = Cache()

    class Team:
        def __init__(self, name: str) -> None:
            self.name = name

        @cache.bloom(capacity=1000, false_positive_rate=1e-6, key="{self.name}:{member}")
        def has(self, member: str) -> bool:
            return True

    tea, jam = Team("tea"), Team("jam")
    tea.has.add("ada")
    assert (tea.has("ada"), jam.has("ada")) == (True, False)
    jam.has.bloom.fill(["bob"])
    assert (tea.has("ada"), jam.has("bob")) == (False, True)


def test_a_cache_may_stand_above_or_below() -> None:
    cache = Cache()
    called = []

    def predicate(name: str) -> bool:
        called.append(name)
        return name == "ada"

    above: Any = cache(ttl=60, name="above")(cache.bloom(capacity=1000, name="a")(predicate))
    below: Any = cache.bloom(capacity=1000, name="b")(cache(ttl=60, name="below")(predicate))
    for f in (above, below):
        f.add("ada")
        assert [f("ada"), f("ada"), f("zoe")] == [True, True, False]
    assert called == ["ada", "ada"]


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"capacity": 0}, "capacity"),
        ({"capacity": 2**40}, "capacity"),
        ({"capacity": 10**400}, "capacity"),
        ({"capacity": 10, "false_positive_rate": 0}, "false_positive_rate"),
        ({"capacity": 10, "false_positive_rate": 1}, "false_positive_rate"),
        ({"capacity": 10, "false_positive_rate": "0.1"}, "false_positive_rate"),
        ({"capacity": 10, "key": "{b}"}, "key"),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_once(settings: Any, wrong: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Cache().bloom(**settings)(lambda a: True)
    assert caught.value.setting == wrong


def test_generators_are_no_predicates() -> None:
    def f(a: int) -> Iterator[int]:
        yield a

    decorate: Any = Cache().bloom(capacity=10)
    with pytest.raises(ConfigurationError, match="predicate"):
        decorate(f)
