"""Rule 1 at every await point: no invalidation is lost, whatever it comes in the middle of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tests.backends import stride
from tests.concurrency.points import UNDER_ATTACK, Prepare, Scene, World, attacks_at_every_point, collect, run, settle

both = pytest.mark.parametrize("is_async", [False, True], ids=["threads", "tasks"])
however_it_ends = pytest.mark.parametrize("failing", [False, True], ids=["loads", "fails"])
shapes = pytest.mark.parametrize("shape", ["by_arguments", "by_name"])

STALE: dict[str, Any] = {"ttl": 10, "stale_while_revalidate": 1000, "stale_if_error": 1000, "retry_after": 500}
RESCUED: dict[str, Any] = {"ttl": 10, "stale_if_error": 1000, "retry_after": 500}


def elsewhere(act: Callable[[], Any]) -> None:
    """Do something in another thread and wait for it."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive(), "an invalidation hangs"


def attacks_on(world: World, function: Any, *, is_named: bool, new: Any = "new k") -> dict[str, Callable[[], Any]]:
    """Return the ways in which the entry of ``function("k")`` can be invalidated or replaced."""
    cache, verb = world.cache, (lambda name: getattr(world.cache, "a" + name if world.is_async else name))
    ways: dict[str, Callable[[], Any]] = {
        "key": lambda: function.invalidate("k"),
        "function": function.invalidate_all,
        "namespace": lambda: verb("invalidate")(namespace="main"),
        "clear": verb("clear"),
        "put": lambda: function.put(new, "k"),
        "refresh": lambda: function.refresh("k"),
    }
    if is_named:
        ways["tag"] = lambda: verb("invalidate")(tags=["tag:k"])
        ways["delete"] = lambda: verb("delete")("name:k")
        ways["set"] = lambda: verb("set")("name:k", new, 10, tags=["tag:k"])
        ways["tag, in another thread"] = lambda: elsewhere(lambda: cache.invalidate(tags=["tag:k"]))
        ways["key, in another thread"] = lambda: elsewhere(lambda: cache.delete("name:k"))
    return ways


def scenario(
    shape: str, *, warm: bool, act: str = "call", advance: float = 11, generator: bool = False, **policy: Any
) -> Prepare:
    """Return how to set up an operation on one function.

    Args:
        shape: whether the function is keyed by its arguments, or by name and tagged.
        warm: the entry is there before.
        act: what is attacked.
        advance: how much time passes before it.
        generator: the function is a generator function.
        **policy: its freshness rules.
    """
    named: dict[str, Any] = {"key": "name:{k}", "tags": ["tag:{k}"]} if shape == "by_name" else {}

    async def prepare(world: World) -> Scene:
        function = world.origin(world.cache(**policy, **named), generator=generator)
        if warm:
            await settle(collect(function("k")) if generator else function("k"))
            world.clock.advance(advance)
        return scene(world, function)

    def scene(world: World, function: Any) -> Scene:
        new = ["new k 0", "new k 1"] if generator else "new k"
        operations: dict[str, Callable[[], Any]] = {
            "call": lambda: collect(function("k")) if generator else function("k"),
            "refresh": lambda: function.refresh("k"),
            "many": lambda: function.many(["a", "k", "b", "k"]),
            "wait": lambda: world.clock.advance(advance),
        }
        looks = [lambda: function.peek("k")]
        if generator:
            looks = [lambda: _listed(function.peek("k"))]
        elif named:
            looks.append(partial(world.cache.get, "name:k"))
        attacks = attacks_on(world, function, is_named=bool(named), new=new)
        if generator:
            attacks.pop("set", None)  # what is set by name is no recording
        read = lambda: collect(function("k")) if generator else function("k")  # noqa: E731
        return Scene(operations[act], attacks, read, looks, new)

    return prepare


async def _listed(found: Any) -> Any:
    items = await settle(found)
    return None if items is None else list(items)


@both
@shapes
@however_it_ends
def test_a_miss_keeps_to_an_invalidation_at_any_point(is_async: bool, shape: str, failing: bool) -> None:
    """Rule 1."""
    prepare = scenario(shape, warm=False, ttl=10)
    assert attacks_at_every_point(prepare, is_async=is_async, failing=failing) > 20 / stride()


@both
@shapes
def test_a_miss_that_shares_nothing_keeps_to_an_invalidation_at_any_point(is_async: bool, shape: str) -> None:
    """Rule 1, with ``lock=None``."""
    prepare = scenario(shape, warm=False, ttl=10, lock=None)
    assert attacks_at_every_point(prepare, is_async=is_async, failing=False) > 20 / stride()


@both
@shapes
def test_a_hit_keeps_to_an_invalidation_at_any_point(is_async: bool, shape: str) -> None:
    """Rule 1."""
    prepare = scenario(shape, warm=True, advance=1, ttl=10)
    assert attacks_at_every_point(prepare, is_async=is_async, failing=False) > 5 / stride()


@both
@shapes
@however_it_ends
def test_an_expired_entry_keeps_to_an_invalidation_at_any_point(is_async: bool, shape: str, failing: bool) -> None:
    """Rule 1: an entry that has expired rescues nobody who came after its invalidation."""
    prepare = scenario(shape, warm=True, **RESCUED)
    assert attacks_at_every_point(prepare, is_async=is_async, failing=failing, thorough=("key",)) > 20 / stride()


@both
@shapes
@however_it_ends
def test_a_refresh_behind_a_stale_hit_keeps_to_an_invalidation_at_any_point(is_async: bool, shape: str, failing: bool) -> None:
    """Rule 1."""
    prepare = scenario(shape, warm=True, **STALE)
    assert attacks_at_every_point(prepare, is_async=is_async, failing=failing, thorough=("key",)) > 20 / stride()


@both
@however_it_ends
def test_a_refresh_ahead_keeps_to_an_invalidation_at_any_point(is_async: bool, failing: bool) -> None:
    """Rule 1."""
    prepare = scenario("by_name", warm=True, advance=8, ttl=10, refresh_ahead=0.5)
    assert attacks_at_every_point(prepare, is_async=is_async, failing=failing) > 20 / stride()


@both
@however_it_ends
def test_a_value_that_expires_by_hits_keeps_to_an_invalidation_at_any_point(is_async: bool, failing: bool) -> None:
    """Rule 1."""
    prepare = scenario("by_name", warm=True, advance=1, act="many", ttl=10, max_hits=1, stale_if_error=1000)
    assert attacks_at_every_point(prepare, is_async=is_async, failing=failing) > 20 / stride()


@both
@shapes
@however_it_ends
def test_refresh_keeps_to_an_invalidation_at_any_point(is_async: bool, shape: str, failing: bool) -> None:
    """Rule 1."""
    prepare = scenario(shape, warm=True, act="refresh", **RESCUED)
    assert attacks_at_every_point(prepare, is_async=is_async, failing=failing) > 20 / stride()


@both
@shapes
@however_it_ends
def test_many_keeps_to_an_invalidation_at_any_point(is_async: bool, shape: str, failing: bool) -> None:
    """Rules 1 and 53."""
    prepare = scenario(shape, warm=True, act="many", **STALE)
    assert attacks_at_every_point(prepare, is_async=is_async, failing=failing) > 20 / stride()


@both
@shapes
@however_it_ends
def test_a_generator_keeps_to_an_invalidation_at_any_point(is_async: bool, shape: str, failing: bool) -> None:
    """Rules 1 and 16."""
    prepare = scenario(shape, warm=False, generator=True, ttl=10)
    assert attacks_at_every_point(prepare, is_async=is_async, failing=failing) > 20 / stride()


@both
@however_it_ends
def test_a_stale_generator_keeps_to_an_invalidation_at_any_point(is_async: bool, failing: bool) -> None:
    """Rules 1 and 16."""
    prepare = scenario("by_name", warm=True, generator=True, **STALE)
    assert attacks_at_every_point(prepare, is_async=is_async, failing=failing) > 20 / stride()


@both
@shapes
@however_it_ends
def test_keeping_warm_keeps_to_an_invalidation_at_any_point(is_async: bool, shape: str, failing: bool) -> None:
    """Rule 1."""
    prepare = scenario(shape, warm=True, act="wait", advance=7, keep_warm=True, idle_after=100, **RESCUED)
    assert attacks_at_every_point(prepare, is_async=is_async, failing=failing) > 20 / stride()


@both
@shapes
@however_it_ends
def test_a_load_that_outlived_its_soft_timeout_keeps_to_an_invalidation_at_any_point(
    is_async: bool, shape: str, failing: bool
) -> None:
    """Rule 1."""
    plain = scenario(shape, warm=True, soft_timeout=1, **RESCUED)

    async def prepare(world: World) -> Scene:
        found = await plain(world)
        world.slow_by = 1.5  # in the load: patience ends, the load goes on
        return found

    assert attacks_at_every_point(prepare, is_async=is_async, failing=failing, thorough=("key",)) > 20 / stride()


@both
@however_it_ends
@pytest.mark.parametrize("tags", [(), ("tag:k",)], ids=["untagged", "tagged"])
def test_get_or_load_keeps_to_an_invalidation_at_any_point(is_async: bool, failing: bool, tags: tuple[str, ...]) -> None:
    """Rule 1."""

    async def prepare(world: World) -> Scene:
        verb = lambda name: getattr(world.cache, "a" + name if is_async else name)  # noqa: E731
        load = world._aload if is_async else world._load
        read = lambda: verb("get_or_load")("name:k", lambda: load("k"), 10, tags=tags)  # noqa: E731
        attacks: dict[str, Callable[[], Any]] = {
            "key": lambda: verb("delete")("name:k"),
            "namespace": lambda: verb("invalidate")(namespace="main"),
            "clear": verb("clear"),
            "set": lambda: verb("set")("name:k", "new k", 10, tags=tags),
        }
        if tags:
            attacks["tag"] = lambda: verb("invalidate")(tags=["tag:k"])
        return Scene(read, attacks, read, [partial(world.cache.get, "name:k")], "new k")

    assert attacks_at_every_point(prepare, is_async=is_async, failing=failing) > 20 / stride()


@both
def test_an_operation_passes_the_points_that_it_should(is_async: bool) -> None:
    """What the tests above rest on: the store, the load and work that was put behind are seen."""
    world = World(is_async)

    async def main() -> None:
        found = await scenario("by_name", warm=True, **STALE)(world)
        await world.go(found.operation)
        await world.drain()

    run(main(), on_a_loop=is_async)
    assert {"after read", "before lease", "after lease", "load", "loaded", "before fill", "after fill"} <= set(world.passed)
    assert is_async or "behind" in world.passed
    assert not UNDER_ATTACK.get()
