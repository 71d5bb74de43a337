"""A runtime under which nothing runs behind: whatever is begun has ended when its caller goes on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from .flights import Flight
from .runtime import Runtime

__all__ = ["Foreground"]


class Foreground:
    """Does what another runtime does, but runs no load behind.

    Args:
        runtime: the other one.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.blocking = runtime.blocking
        self.lead = runtime.lead
        self.wait = runtime.wait
        self.pause = runtime.pause
        self.called_off = runtime.called_off
        self.later = runtime.later
        self.to_the_end = runtime.to_the_end
        self.gather = runtime.gather

    def spawn(self, flight: Flight, load: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        return False
