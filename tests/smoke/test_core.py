"""What every supported version of Python has to show: the first minute with stillroom."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from dataclasses import dataclass

import pytest

import stillroom
from stillroom import Cache, StillroomError


@dataclass(frozen=True)
class Point:
    """An argument that has a value of its own."""

    x: int
    y: int


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def calls() -> list[object]:
    """What the functions under test were called with."""
    return []


def test_every_public_name_is_there() -> None:
    assert all(hasattr(stillroom, name) for name in stillroom.__all__)


def test_nothing_but_the_standard_library_is_needed() -> None:
    code = "import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p] + [sys.argv[1]]; import stillroom"
    source = stillroom.__file__.rpartition("stillroom")[0]
    subprocess.run([sys.executable, "-I", "-c", code, source], check=True)


def test_a_function_is_called_once_however_its_arguments_are_written(cache: Cache, calls: list[object]) -> None:
    @cache(ttl="10m")
    def rate(base: str, quote: str = "USD") -> str:
        calls.append((base, quote))
        return base + quote

    assert rate("EUR") == rate("EUR", "USD") == rate(quote="USD", base="EUR") == "EURUSD"
    assert calls == [("EUR", "USD")]


def test_keys_tell_types_apart(cache: Cache) -> None:
    @cache(ttl=600)
    def kind(value: object) -> str:
        return type(value).__name__

    assert [kind(value) for value in (1, 1.0, True, "1", b"1", None)] == ["int", "float", "bool", "str", "bytes", "NoneType"]


def test_none_is_a_value(cache: Cache, calls: list[object]) -> None:
    @cache(ttl=600)
    def nothing(a: int) -> None:
        calls.append(a)

    nothing(1)
    nothing(1)
    assert calls == [1]


def test_a_coroutine_function_is_cached(cache: Cache, calls: list[object]) -> None:
    @cache(ttl=600)
    async def double(a: int) -> int:
        calls.append(a)
        await asyncio.sleep(0)
        return 2 * a

    async def main() -> list[int]:
        return [await double(2), *await asyncio.gather(*(double(3) for _ in range(20))), await double(2)]

    assert asyncio.run(main()) == [4, *[6] * 20, 4]
    assert calls == [2, 3]


def test_methods_keep_instances_apart(cache: Cache, calls: list[object]) -> None:
    class Shop:
        @cache(ttl=600)
        def price(self, item: str) -> str:
            calls.append(item)
            return item

    one, other = Shop(), Shop()
    assert [one.price("a"), one.price("a"), other.price("a")] == ["a"] * 3
    assert calls == ["a", "a"]


def test_invalidation_reaches_one_call_or_all(cache: Cache, calls: list[object]) -> None:
    @cache(ttl=600)
    def load(a: int) -> int:
        calls.append(a)
        return a

    load(1), load(2)
    load.invalidate(1)
    load(1), load(2)
    assert calls == [1, 2, 1]
    load.invalidate_all()
    load(1), load(2)
    assert calls == [1, 2, 1, 1, 2]


def test_tags_and_templates_name_entries(cache: Cache, calls: list[object]) -> None:
    @cache(ttl=600, key="user:{user_id}", tags=["team:{team_id}"])
    def user(user_id: int, team_id: int) -> int:
        calls.append(user_id)
        return user_id

    user(5, 7)
    assert cache.get("user:5") == 5
    cache.invalidate(tags=["team:7"])
    assert cache.get("user:5", default="gone") == "gone"
    user(5, 7)
    assert calls == [5, 5]


def test_one_load_for_many_threads(cache: Cache, calls: list[object]) -> None:
    all_started = threading.Event()

    @cache(ttl=600)
    def slow(a: int) -> int:
        calls.append(a)
        assert all_started.wait(10)
        return a

    threads = [threading.Thread(target=slow, args=(1,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    all_started.set()
    for thread in threads:
        thread.join()
    assert calls == [1]


def test_a_load_that_was_overtaken_by_an_invalidation_does_not_count(cache: Cache) -> None:
    source = ["old"]

    @cache(ttl=600)
    def read() -> str:
        value = source[0]
        if value == "old":
            source[0] = "new"
            read.invalidate()
        return value

    read()
    assert read() == "new"


def test_an_error_is_not_remembered(cache: Cache, calls: list[object]) -> None:
    @cache(ttl=600)
    def failing(a: int) -> int:
        calls.append(a)
        raise LookupError(a)

    for _ in range(2):
        with pytest.raises(LookupError):
            failing(1)
    assert calls == [1, 1]


def test_direct_use(cache: Cache) -> None:
    cache.set("a", 1, ttl="1m")
    assert cache.get("a") == 1
    assert cache.delete("a")
    assert cache.get("a", default=0) == 0
    assert asyncio.run(cache.aget_or_load("b", lambda: 2, ttl=60)) == 2


def test_settings_that_make_no_sense_are_refused(cache: Cache) -> None:
    with pytest.raises(StillroomError, match="ttl"):
        cache(ttl=-1)


def test_arguments_that_cannot_be_keyed_are_refused_by_name(cache: Cache) -> None:
    class Opaque: ...

    @cache(ttl=600)
    def show(thing: object) -> str:
        return "shown"

    with pytest.raises(StillroomError, match="thing"):
        show(Opaque())


def test_dataclasses_are_arguments_like_any_other(cache: Cache, calls: list[object]) -> None:
    @cache(ttl=600)
    def length(point: Point) -> int:
        calls.append(point)
        return abs(point.x) + abs(point.y)

    assert length(Point(1, 2)) == length(Point(1, 2)) == 3
    assert len(calls) == 1
