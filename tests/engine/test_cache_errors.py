"""`cache_errors`: errors that are remembered, for a time of their own."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from tests.concurrency.meeting import waiting
from tests.engine.scene import Cached, Origin, Scene

from stillroom.observe.events import LoadFailed


async def raised(load: Cached, *args: int) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        await load(*args)
    error = caught.value
    assert isinstance(error, Exception)
    return error


async def test_an_error_is_remembered_for_its_own_ttl(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=600, cache_errors={LookupError: 10})
    origin.error = KeyError("a")
    assert await raised(load) is origin.error
    scene.clock.advance(9.9)
    assert repr(await raised(load)) == repr(origin.error)
    assert origin.loads == 1
    scene.clock.advance(0.1)
    origin.error = None
    assert await load() == "v2"
    scene.clock.advance(599)
    assert await load() == "v2"


async def test_each_type_has_a_ttl_of_its_own(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=600, cache_errors={KeyError: 10, OSError: "1m", LookupError: 30})
    for number, error, length in [(1, KeyError("a"), 10), (2, ConnectionError("b"), 60), (3, IndexError("c"), 30)]:
        origin.error = error
        loads = origin.loads
        assert await raised(load, number) is error
        scene.clock.advance(length - 0.1)
        assert repr(await raised(load, number)) == repr(error)
        assert origin.loads == loads + 1
        scene.clock.advance(0.1)
        await raised(load, number)
        assert origin.loads == loads + 2


@pytest.mark.parametrize("settings", [{}, {"cache_errors": {KeyError: 10}}], ids=str)
async def test_other_errors_are_not_remembered_and_leave_no_flight(
    scene: Scene, origin: Origin, settings: dict[str, object]
) -> None:
    """Rule 20."""
    load = scene.cached(ttl=600, **settings)
    origin.error = OSError("down")
    for number in (1, 2, 3):
        assert await raised(load) is origin.error
        assert origin.loads == number
        assert len(scene.cache._core.flights) == 0


async def test_tracebacks_do_not_grow(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=600, cache_errors={KeyError: 10})
    origin.error = KeyError("a")
    depths = [len(traceback.extract_tb((await raised(load)).__traceback__)) for _ in range(30)]
    assert origin.loads == 1
    assert len({*depths[1:]}) == 1
    assert depths[1] <= depths[0]


async def test_the_error_of_one_key_is_not_that_of_another(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=600, cache_errors={KeyError: 10})
    origin.error = KeyError("a")
    await raised(load, 1)
    origin.error = None
    assert await load(2) == "v2"
    await raised(load, 1)


async def test_a_remembered_error_is_no_value_for_those_who_peek(scene: Scene, origin: Origin) -> None:
    """Rule 4."""
    load = scene.cached(ttl=600, cache_errors={KeyError: 10}, key="name:{a}")
    origin.error = KeyError("a")
    await raised(load, 1)
    assert await load.peek(1, default="nothing") == "nothing"
    assert scene.cache.get("name:1", default="nothing") == "nothing"
    assert not scene.cache.exists("name:1")
    assert [*scene.cache.scan()] == []


async def test_a_remembered_error_can_be_invalidated_overwritten_and_refreshed(scene: Scene, origin: Origin) -> None:
    """Rule 1."""
    load = scene.cached(ttl=600, cache_errors={KeyError: 10}, tags=["tag"])
    origin.error = KeyError("a")
    for number in (1, 2, 3, 4):
        await raised(load, number)
    origin.error = None
    await load.invalidate(1)
    assert await load(1) == "v5"
    await load.put("given", 2)
    assert await load(2) == "given"
    assert await load.refresh(3) == "v6"
    assert await load(3) == "v6"
    scene.cache.invalidate(tags=["tag"])
    assert await load(4) == "v7"


async def test_an_error_whose_load_was_overtaken_by_an_invalidation_is_not_remembered(scene: Scene, origin: Origin) -> None:
    """Rule 1."""
    load = scene.cached(ttl=600, cache_errors={KeyError: 10})
    origin.error = KeyError("a")
    with origin.held():
        caller = scene.begin(load())
        await scene.until(lambda: origin.loads == 1)
        await load.invalidate()
    with pytest.raises(KeyError):
        await caller.result()
    origin.error = None
    assert await load() == "v2"


async def test_callers_who_waited_get_the_error_too(scene: Scene, origin: Origin) -> None:
    """Rule 20."""
    load = scene.cached(ttl=600)
    origin.error = OSError("down")
    with origin.held():
        first = scene.begin(load())
        await scene.until(lambda: origin.loads == 1)
        (flight,) = scene.cache._core.flights._table.values()
        others = [scene.begin(load()) for _ in range(3)]
        await scene.until(lambda: waiting(flight) == 4)
    for caller in (first, *others):
        with pytest.raises(OSError, match="down") as caught:
            await caller.result()
        assert caught.value is origin.error
    assert origin.loads == 1
    assert len(scene.cache._core.flights) == 0


async def test_a_stale_value_is_preferred_to_remembering_the_error(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_if_error=600, cache_errors={KeyError: 1000}, retry_after=5)
    await load()
    scene.clock.advance(60)
    origin.error = KeyError("a")
    assert await load() == "v1"
    scene.clock.advance(5)
    origin.error = None
    assert await load() == "v3"


async def test_a_refresh_that_fails_behind_does_not_replace_a_value_by_an_error(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=60, stale_while_revalidate=60, cache_errors={KeyError: 1000})
    await load()
    scene.clock.advance(60)
    origin.error = KeyError("a")
    assert await load() == "v1"
    await scene.settled()
    assert await load() == "v1"
    await scene.settled()


async def test_a_remembered_error_is_never_served_beyond_its_ttl(scene: Scene, origin: Origin) -> None:
    """Rule 38."""
    load = scene.cached(
        ttl=60, stale_while_revalidate=600, stale_if_error=600, refresh_ahead=0.1, jitter=0.5, cache_errors={KeyError: 10}
    )
    origin.error = KeyError("a")
    await raised(load)
    scene.clock.advance(9.9)
    await raised(load)
    await scene.settled()
    assert origin.loads == 1
    origin.error = OSError("down")
    scene.clock.advance(0.1)
    assert await raised(load) is origin.error
    assert origin.loads == 2


async def test_every_call_that_raises_has_one_outcome(scene: Scene, origin: Origin) -> None:
    """Rule 52."""
    load = scene.cached(ttl=600, cache_errors={KeyError: 10})
    origin.error = KeyError("a")
    for _ in range(3):
        await raised(load)
    stats = load.function.stats
    assert (stats.calls, stats.errors, stats.hits, stats.loads) == (3, 1, 2, 1)
    assert len(scene.reported(LoadFailed)) == 1


async def test_errors_remembered_by_hits_expire_like_values(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=600, max_hits=2, cache_errors={KeyError: 100})
    origin.error = KeyError("a")
    for _ in range(3):
        await raised(load)
    assert origin.loads == 1
    await raised(load)
    assert origin.loads == 2


@pytest.mark.memory_only("bounds are those of the memory store")
async def test_remembered_errors_are_bounded_like_values(scene: Scene, origin: Origin) -> None:
    """Rule 30."""
    scene.open("memory://?max_entries=10")
    load = scene.cached(ttl=600, cache_errors={KeyError: 100})
    origin.error = KeyError("a")
    for number in range(100):
        await raised(load, number)
    assert scene.cache._core.memory.size <= 10  # type: ignore[union-attr]


@pytest.mark.memory_only("it looks at the entry that is held")
async def test_a_remembered_error_keeps_nothing_of_the_stack_it_came_through_alive(scene: Scene, origin: Origin) -> None:
    """Promise 7: it is remembered for its ttl, but not the arguments and locals of those it was raised through."""
    load = scene.cached(ttl=600, cache_errors={LookupError: 10})
    origin.error = KeyError("a")
    await raised(load)
    store: Any = scene.cache._core.memory
    (node,) = [node for one in store._partitions for node in one.entries.values()]
    assert node.value.args == ("a",)
    assert node.value.__traceback__ is None


async def test_a_remembered_error_is_forgotten_but_was_no_value(scene: Scene, origin: Origin) -> None:
    load = scene.cached(ttl=600, cache_errors={KeyError: 60})
    origin.error = KeyError("a")
    await raised(load)
    assert await load.invalidate() is False
    origin.error = None
    assert await load() == "v2"
    assert await load.invalidate() is True
