"""Turns: callers of this process change a key on a server one after the other.

A change that reads, decides and swaps has to be tried again if somebody else was faster. Among many callers of one process that
would be nearly all of them, nearly every time. So each waits for the one before. It is a courtesy and nothing depends on it:
who has waited for long goes ahead.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from .flights import Flight, Result

if TYPE_CHECKING:
    from ..protocols import Clock, Key
    from .runtime import Runtime

__all__ = ["Turns"]

_PATIENCE: Final = 1.0
"""For how many seconds a caller waits for the one before. That one may never end: its process was forked, or its event loop is
held up by the very caller."""


class Turns:
    """Who changes what.

    Args:
        runtime: what callers wait with.
        clock: tells the time.
    """

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock
        self._last: dict[Key, Flight] = {}  # for each key, the turn of the last in line

    def __len__(self) -> int:
        return len(self._last)

    def join(self, key: Key) -> Flight:
        """Get in line for a key. `leave` must be called in the end."""
        turn = Flight(key, (), threading.RLock())
        turn.thread = threading.get_ident()
        before = self._last.get(key)
        turn.waits_for = () if before is None else (before,)
        self._last[key] = turn
        return turn

    async def wait(self, turn: Flight) -> None:
        """Return when it is one's turn, or after a while."""
        for before in turn.waits_for:
            if not self._runtime.blocking or before.thread != turn.thread:
                await self._runtime.wait(before, self._clock.now() + _PATIENCE)
        turn.waits_for = ()  # or a line that never ends would be kept as a whole

    def leave(self, turn: Flight) -> None:
        """Let the next one at it."""
        if self._last.get(turn.key) is turn:
            self._last.pop(turn.key, None)
        turn.end(Result.LANDED)
