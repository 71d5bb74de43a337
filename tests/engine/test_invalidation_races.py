"""Invalidations that come at the worst moment of a load: what they ended stays ended (rule 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.backends import new_chaos
from tests.engine.scene import Cached, Origin, Scene

from stillroom.testing import ChaosStore


@pytest.fixture
def chaos(scene: Scene) -> ChaosStore:
    """The store of the scene, which does things in the middle of others."""
    store: ChaosStore = new_chaos(scene.clock)
    scene.open(store)
    return store


HOW: dict[str, Callable[[Scene, Cached], Any]] = {
    "key": lambda scene, load: load.function.invalidate(),
    "function": lambda scene, load: load.function.invalidate_all(),
    "tag": lambda scene, load: scene.cache.invalidate(tags=["tag"]),
    "namespace": lambda scene, load: scene.cache.invalidate(namespace="main"),
    "clear": lambda scene, load: scene.cache.clear(),
}
MOMENTS = [("before", "lease"), ("after", "lease"), ("before", "fill")]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("when", "operation"), MOMENTS)
async def test_a_load_that_an_invalidation_overtook_is_not_stored(
    scene: Scene, origin: Origin, chaos: ChaosStore, how: str, when: str, operation: str
) -> None:
    """Rule 1."""
    load = scene.cached(ttl=60, tags=["tag"])
    hook = chaos.before if when == "before" else chaos.after
    hook(operation, lambda: HOW[how](scene, load), times=1)
    assert await load() == "v1"
    if (when, operation) == ("before", "lease"):
        assert await load() in {"v1", "v2"}  # the load had not begun
    else:
        assert await load() == "v2"


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("when", "operation"), MOMENTS)
@pytest.mark.parametrize("mode", ["behind", "ahead", "rescue", "soft timeout", "warm"])
async def test_a_failed_load_does_not_bring_back_what_was_invalidated(
    scene: Scene, origin: Origin, chaos: ChaosStore, mode: str, how: str, when: str, operation: str
) -> None:
    """Rules 1 and 37: noting that the origin is to be left alone must not store the old value again."""
    settings: dict[str, dict[str, Any]] = {
        "behind": {"stale_while_revalidate": 600},
        "ahead": {"refresh_ahead": 0.9, "stale_while_revalidate": 600},
        "rescue": {"stale_if_error": 600},
        "soft timeout": {"stale_if_error": 600, "soft_timeout": 100},
        "warm": {"keep_warm": True, "stale_if_error": 600},
    }
    load = scene.cached(ttl=60, tags=["tag"], **settings[mode])
    await load()
    hook = chaos.before if when == "before" else chaos.after
    hook(operation, lambda: HOW[how](scene, load), times=1)
    origin.error = OSError("down")
    scene.clock.advance(55 if mode == "ahead" else 60)
    if mode != "warm":
        try:
            await scene.begin(load()).result()
        except OSError:
            assert mode in ("rescue", "soft timeout")
    await scene.settled()
    assert origin.loads == 2
    with pytest.raises(OSError, match="down"):
        await scene.begin(load()).result()


@pytest.mark.parametrize("how", HOW)
async def test_a_stale_value_that_was_invalidated_before_its_refresh_begins_is_not_served_again(
    scene: Scene, origin: Origin, chaos: ChaosStore, how: str
) -> None:
    """Rule 1."""
    load = scene.cached(ttl=60, stale_while_revalidate=600, tags=["tag"])
    await load()
    scene.clock.advance(60)
    chaos.before("lease", lambda: HOW[how](scene, load), times=1)
    with origin.held():
        assert await load() == "v1"
        await scene.until(lambda: origin.loads == 2)
        late = scene.begin(load())
        await scene.until(lambda: late.done or origin.loads == 3 or len(scene.cache._core.flights) == 1)
        assert not late.done
    assert await late.result() in {"v2", "v3"}
    await scene.settled()


async def test_a_value_put_during_a_refresh_wins(scene: Scene, origin: Origin) -> None:
    """Rule 1."""
    load = scene.cached(ttl=60, stale_while_revalidate=600)
    await load()
    scene.clock.advance(60)
    with origin.held():
        await load()
        await scene.until(lambda: origin.loads == 2)
        await load.put("given")
    await scene.until(lambda: origin.ended == 2)
    await scene.settled()
    assert await load() == "given"


async def test_a_value_put_before_a_failed_refresh_notes_its_failure_wins(
    scene: Scene, origin: Origin, chaos: ChaosStore
) -> None:
    """Rule 1."""
    load = scene.cached(ttl=60, stale_while_revalidate=600)
    await load()
    scene.clock.advance(60)
    origin.error = OSError("down")
    chaos.before("lease", lambda: load.function.put("given"), times=1)
    assert await load() == "v1"
    await scene.settled()
    assert await load() == "given"


async def test_an_explicit_refresh_overtakes_loads_that_began_before_it(scene: Scene, origin: Origin) -> None:
    """Rule 1."""
    load = scene.cached(ttl=60, stale_while_revalidate=600)
    await load()
    scene.clock.advance(60)
    with origin.held():
        await load()
        await scene.until(lambda: origin.loads == 2)
        refresh = scene.begin(load.refresh())
        await scene.until(lambda: origin.loads == 3)
    assert await refresh.result() == "v3"
    await scene.settled()
    assert await load() == "v3"
