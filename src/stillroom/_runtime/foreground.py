"""A runtime under which nothing runs behind: whatever is begun has ended when its caller goes on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any

from .flights import Flight
from .runtime import Runtime

__all__ = ["Foreground"]


class Foreground:
    """Does what another runtime does, but runs no load behind.

    Args:
        runtime: the other one.
        around: returns what stands around each load, wherever it is run.
    """

    def __init__(self, runtime: Runtime, around: Callable[[], AbstractContextManager[object]]) -> None:
        self.blocking = runtime.blocking
        self._lead = runtime.lead
        self._around = around
        self.wait = runtime.wait
        self.pause = runtime.pause
        self.called_off = runtime.called_off
        self.later = runtime.later
        self.to_the_end = runtime.to_the_end
        self.gather = runtime.gather

    async def lead(self, flight: Flight, load: Coroutine[Any, Any, None]) -> bool:
        async def run() -> None:
            with self._around():
                await load

        try:
            return await self._lead(flight, run())
        finally:
            load.close()  # of no effect unless it has never begun

    def spawn(self, flight: Flight, load: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        return False
