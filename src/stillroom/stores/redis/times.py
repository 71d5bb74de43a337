"""The server's clock, as seen from here.

Expiry of what processes share is decided by one clock, the server's: clients whose own clocks are wrong change nothing. A
client asks the server for the time now and then, and in between counts on with its monotonic clock. As in NTP, the answer that
came back fastest is the most exact, since the error is at most half of the time that it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

from .client import Node

__all__ = ["RESAMPLE_AFTER", "ServerTimes"]

Sample: TypeAlias = "tuple[float, float, float]"

RESAMPLE_AFTER = 30.0
"""After how many seconds a connection asks for the time again."""
_DRIFT = 1e-4
"""By how much two clocks may drift apart, in seconds per second."""


class ServerTimes:
    """By how much the clocks of the servers are ahead of the clock of this process.

    Args:
        now: the clock of this process.
        is_real: it runs as clocks do; one that a test moves is compared with the server's only once.
    """

    def __init__(self, now: Callable[[], float], *, is_real: bool) -> None:
        self.now = now
        self._is_real = is_real
        self._samples: dict[Node, Sample] = {}
        self._real: dict[Node, float] = {}

    def knows(self, node: Node) -> bool:
        """Tell whether a server has told its time."""
        return node in self._samples

    def ahead(self, node: Node) -> float:
        """Return by how many seconds a server's clock is ahead."""
        sample = self._samples.get(node)
        return sample[0] if sample is not None else 0.0

    def later(self, node: Node, length: float) -> int:
        """Return what a server's clock will say in so many real seconds, in milliseconds."""
        ahead = self._real.get(node)
        return 0 if ahead is None else int((time.monotonic() + ahead + length) * 1000)

    def learn(self, node: Node, reply: list[bytes], sent_at: float) -> None:
        """Take note of what a server replied to TIME."""
        received_at = self.now()
        error = (received_at - sent_at) / 2
        known = self._samples.get(node)
        if known is not None and (not self._is_real or known[1] + _DRIFT * (received_at - known[2]) < error):
            return
        try:
            seconds = int(reply[0]) + int(reply[1]) / 1_000_000
        except (ValueError, TypeError, IndexError):  # it was damaged on its way
            return
        self._real[node] = seconds - (time.monotonic() - error if self._is_real else time.monotonic())
        self._samples[node] = (seconds - (sent_at + error), error, received_at)
