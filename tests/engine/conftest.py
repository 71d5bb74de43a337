"""The scene that the tests of the engine share."""

from __future__ import annotations

import pytest
from tests.engine.scene import Origin, Scene

from stillroom.core import Core
from stillroom.testing import FakeClock


@pytest.fixture
def scene(request: pytest.FixtureRequest, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """One cache on a fake clock, with functions of the colour that the test runs under."""
    made: list[Scene] = []
    monkeypatch.setattr(Core, "draw", staticmethod(lambda: made[0].drawn))
    callspec = getattr(request.node, "callspec", None)
    made.append(Scene(clock, is_async=callspec is not None and callspec.params.get("colour") == "asyncio"))
    return made[0]


@pytest.fixture
def origin(scene: Scene) -> Origin:
    """What the functions of the scene ask."""
    return scene.origin
