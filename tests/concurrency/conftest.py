"""What tests of concurrency share, apart from `meeting`."""

from __future__ import annotations

import pytest

from stillroom._runtime import blocking, flights, tasks


@pytest.fixture
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits looks about more often than every second or two."""
    assert flights.LOOK_EVERY <= 2
    monkeypatch.setattr(tasks, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(blocking, "LOOK_EVERY", 0.02)
