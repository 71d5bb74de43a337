"""What runs behind a call runs in the key context of that call, whoever is served meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.engine.scene import Origin, Scene

from stillroom import key_context


@pytest.fixture
def seen(scene: Scene, origin: Origin) -> list[str]:
    """Fills with the tenant that each load sees."""
    tenant: Callable[[], str] = scene.cache(key="{@tenant}")(lambda: None).key
    found: list[str] = []
    origin.answer = lambda number: found.append(tenant()) or found[-1]  # type: ignore[func-returns-value]
    return found


async def test_a_refresh_behind_runs_under_the_key_it_was_started_for(scene: Scene, origin: Origin, seen: list[str]) -> None:
    load = scene.cached(key="load:{@tenant}", ttl=60, stale_while_revalidate=600)
    with key_context(tenant="acme"):
        await load()
        await scene.later(61)
        with origin.held():
            assert await load() == "acme"
            with key_context(tenant="umbrella"):
                assert await load.peek() is None
    with key_context(tenant="umbrella"):
        await scene.settled()
        assert await load.peek() is None
    with key_context(tenant="acme"):
        assert await load.peek() == "acme"
    assert seen == ["acme"] * 2


async def test_what_is_kept_warm_is_refreshed_in_the_context_of_its_call(scene: Scene, seen: list[str]) -> None:
    load = scene.cached(key="load:{@tenant}", ttl=60, keep_warm=True, idle_after=1000)
    for tenant in ("acme", "umbrella"):
        with key_context(tenant=tenant):
            await load()
    for _ in range(2):
        with key_context(tenant="nobody"):
            await scene.later(60)
    assert sorted(seen) == ["acme"] * 3 + ["umbrella"] * 3
    for tenant in ("acme", "umbrella"):
        with key_context(tenant=tenant):
            assert await load.peek() == tenant
