"""A tally that is kept twice: by a step in Python, and by its script on a server. Both must reply the same."""

from __future__ import annotations

import secrets
from typing import Any

from tests.servers.server import Server

from stillroom.guards.tally import Step
from stillroom.stores.redis.scripts import Script

CLOCK = b"redis.call('TIME')"
TIMELESS = ("forget", "bloom_add", "bloom_test", "bloom_whole", "line_add", "line_drop", "line_peek")
BEGINNING = 1_700_000_000.0


class Twin:
    """One tally, at a time of its own that both go by.

    Args:
        server: runs the scripts.
        scripts: by their names.
    """

    def __init__(self, server: Server, scripts: dict[str, Script]) -> None:
        self.now = BEGINNING
        self._client = server.client()
        self._scripts = scripts
        self._name = "tally" + secrets.token_hex(8)
        self._state: Any = None
        self._ends_at = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def both(self, step: Step) -> tuple[Any, Any]:
        """Do a step on both sides; return what each has replied."""
        kept = self._state if self.now < self._ends_at else None
        self._state, self._ends_at, reply = step.apply(kept, self.now)
        return reply, step.read(self._run(step))

    def _run(self, step: Step) -> Any:
        micro = round(self.now * 1_000_000)
        time = b"{%d, %d}" % divmod(micro, 1_000_000)
        text = self._scripts[step.script].text
        assert CLOCK in text or step.script in TIMELESS
        return self._client.eval(text.replace(CLOCK, time), 2, self._name, self._name + "!", *step.arguments)
