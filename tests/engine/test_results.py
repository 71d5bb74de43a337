"""What comes out of a cached function: what went in, whatever its type; and errors as they were raised."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.concurrency.meeting import waiting
from tests.engine.scene import PATIENCE, Origin, Scene

from stillroom.observe.events import LoadFailed, LoadFinished, ResultRefused

FALSY: tuple[Any, ...] = (None, 0, 0.0, "", b"", False, [], {}, (), set(), frozenset())


@pytest.mark.parametrize("value", FALSY, ids=repr)
@pytest.mark.parametrize("settings", [{}, {"max_hits": 100}, {"copy": True}, {"tags": ["tag"]}, {"lock": None}], ids=str)
async def test_falsy_values_are_values(scene: Scene, origin: Origin, value: Any, settings: dict[str, Any]) -> None:
    """Rule 12."""
    origin.answer = lambda number: value
    load = scene.cached(ttl=60, **settings)
    for _ in range(3):
        found = await load()
        assert found == value
        assert type(found) is type(value)
    assert await load.peek(default="nothing") == value
    assert origin.loads == 1


@pytest.mark.parametrize("value", FALSY, ids=repr)
async def test_falsy_values_are_values_when_stale(scene: Scene, origin: Origin, value: Any) -> None:
    """Rule 12."""
    origin.answer = lambda number: value if number == 1 else "new"
    load = scene.cached(ttl=60, stale_while_revalidate=60)
    await load()
    scene.clock.advance(60)
    found = await load()
    assert found == value
    assert type(found) is type(value)
    await scene.settled()
    assert await load() == "new"


class Text(str):
    """A text with a type of its own."""


@pytest.mark.parametrize("value", ["12", 12, 12.0, True, b"12", "null", "true", (1, 2), [1, 2]], ids=repr)
@pytest.mark.parametrize("settings", [{}, {"max_hits": 100}, {"copy": True}], ids=str)
async def test_no_path_changes_a_type(scene: Scene, origin: Origin, value: Any, settings: dict[str, Any]) -> None:
    """Rules 13 and 14."""
    origin.answer = lambda number: value
    load = scene.cached(ttl=60, **settings)
    for found in [await load(), await load(), await load.peek(), *await load.many([1])]:
        assert found == value
        assert type(found) is type(value)
    assert origin.loads == 1


@pytest.mark.by_reference
async def test_a_type_of_its_own_is_kept(scene: Scene, origin: Origin) -> None:
    """Rule 14."""
    origin.answer = lambda number: Text("12")
    load = scene.cached(ttl=60)
    assert [type(found) for found in (await load(), await load(), await load.peek(), *await load.many([1]))] == [Text] * 4
    assert origin.loads == 1


@pytest.mark.by_reference
async def test_an_exception_that_is_returned_is_a_value(scene: Scene, origin: Origin) -> None:
    """Rule 14."""
    value = KeyError("a")
    origin.answer = lambda number: value
    load = scene.cached(ttl=60)
    assert [await load(), await load()] == [value, value]
    assert origin.loads == 1


# What can be used only once


class Once:
    """Awaitable, and only once."""

    def __await__(self) -> Any:
        return iter(())


async def aiter_of(*items: int) -> Any:
    for item in items:
        yield item


ONE_SHOT: dict[str, tuple[Callable[[], Any], str]] = {
    "generator": (lambda: (item for item in (1, 2)), "generator is an iterator"),
    "list iterator": (lambda: iter([1, 2]), "list_iterator is an iterator"),
    "map": (lambda: map(str, [1, 2]), "map is an iterator"),
    "async generator": (lambda: aiter_of(1, 2), "async_generator is an iterator"),
    "awaitable": (Once, "Once is awaitable"),
}


@pytest.mark.parametrize(("make", "reason"), ONE_SHOT.values(), ids=[*ONE_SHOT])
async def test_what_can_be_used_only_once_is_returned_and_not_stored(
    scene: Scene, origin: Origin, make: Callable[[], Any], reason: str
) -> None:
    made: list[Any] = []

    def answer(number: int) -> Any:
        made.append(make())
        return made[-1]

    origin.answer = answer
    load = scene.cached(ttl=60)
    assert await load() is made[0]
    assert await load() is made[1]
    assert origin.loads == 2
    refusals = scene.reported(ResultRefused)
    assert len(refusals) == 2
    assert refusals[0].reason.startswith(reason)
    assert refusals[0].key
    assert [event.stored for event in scene.reported(LoadFinished)] == [False, False]


def test_a_coroutine_that_a_plain_function_returns_is_not_stored(scene: Scene) -> None:
    async def inner() -> str:
        return "awaited"

    def plain() -> Any:
        return inner()

    load = scene.decorated(plain, ttl=60).function
    assert [asyncio.run(load()), asyncio.run(load())] == ["awaited", "awaited"]
    assert "coroutine is awaitable" in scene.reported(ResultRefused)[0].reason


async def test_callers_who_come_together_do_not_share_what_can_be_used_only_once(scene: Scene, origin: Origin) -> None:
    """Nobody's answer may lack the items that another caller has taken."""
    origin.answer = lambda number: iter([1, 2])
    load = scene.cached(ttl=60)
    with origin.held():
        first = scene.begin(load())
        await scene.until(lambda: origin.loads == 1)
        (flight,) = scene.cache._core.flights._table.values()
        second = scene.begin(load())
        await scene.until(lambda: waiting(flight) == 2)
    assert [[*await first.result()], [*await second.result()]] == [[1, 2], [1, 2]]


# Errors


async def test_an_error_arrives_as_it_was_raised_with_the_place_where(scene: Scene, origin: Origin) -> None:
    origin.error = OSError("down")
    load = scene.cached(ttl=60)
    with pytest.raises(OSError, match="down") as caught:
        await load()
    assert caught.value is origin.error
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert any(entry.name == "_end" for entry in caught.traceback)


def stop() -> Any:
    raise StopIteration("of the user's own")


STOPPING: dict[str, Callable[[Any], Any]] = {
    "call": lambda load: load(1),
    "many": lambda load: load.many([1]),
    "refresh": lambda load: load.refresh(1),
    "bypass": lambda load: load.bypass(1),
}


@pytest.mark.parametrize("use", STOPPING.values(), ids=[*STOPPING])
def test_stop_iteration_arrives_as_itself(scene: Scene, use: Callable[[Any], Any]) -> None:
    load = scene.decorated(lambda a: stop(), ttl=60, name="stopping").function
    for _ in range(2):
        with pytest.raises(StopIteration) as caught:
            use(load)
        assert caught.value.value == "of the user's own"
    assert len(scene.cache._core.flights) == 0


def test_stop_iteration_can_be_remembered(scene: Scene) -> None:
    calls: list[int] = []

    def load() -> Any:
        calls.append(1)
        stop()

    cached = scene.decorated(load, ttl=60, cache_errors={StopIteration: 10}).function
    for _ in range(3):
        with pytest.raises(StopIteration):
            cached()
    assert calls == [1]


def test_stop_iteration_from_a_refresh_behind_is_reported(scene: Scene) -> None:
    """Rule 37."""
    ended, calls = threading.Event(), [0]

    def load() -> Any:
        calls[0] += 1
        return "v1" if calls[0] == 1 else stop()

    scene.cache.subscribe(lambda event: ended.set(), LoadFailed)
    cached = scene.decorated(load, ttl=60, stale_while_revalidate=60).function
    cached()
    scene.clock.advance(60)
    assert cached() == "v1"
    assert ended.wait(PATIENCE)
    assert isinstance(scene.reported(LoadFailed)[0].error, StopIteration)


def test_stop_iteration_from_a_load_by_name_arrives_as_itself(scene: Scene) -> None:
    with pytest.raises(StopIteration):
        scene.cache.get_or_load("a", stop)


def test_callers_who_joined_get_stop_iteration_too(scene: Scene) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), []

    def load() -> Any:
        begun.set()
        assert go_on.wait(PATIENCE)
        stop()

    cached = scene.decorated(load, ttl=60).function

    def call() -> None:
        try:
            cached()
        except BaseException as error:
            ended.append(type(error))

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    assert begun.wait(PATIENCE)
    go_on.set()
    for caller in callers:
        caller.join()
    assert ended == [StopIteration] * 3


@pytest.mark.asyncio_only
async def test_a_coroutine_function_raises_what_it_would_undecorated(scene: Scene) -> None:
    async def stops() -> Any:
        raise StopIteration

    async def stops_async() -> Any:
        raise StopAsyncIteration

    with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):  # Python's own doing (PEP 479)
        await scene.decorated(stops, ttl=60)()
    with pytest.raises(StopAsyncIteration):
        await scene.decorated(stops_async, ttl=60)()


async def test_calls_with_wrong_arguments_are_refused_on_every_path(scene: Scene) -> None:
    """Rule 13."""
    load = scene.cached(ttl=60)
    await load(1)
    for _ in range(2):
        with pytest.raises(TypeError, match="argument"):
            await load(1, 2)
        with pytest.raises(TypeError, match="argument"):
            await load(b=1)
