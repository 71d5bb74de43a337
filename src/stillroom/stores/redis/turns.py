"""Waiters for a lock on the servers take turns: one of a process asks whether it is free, and the others wait for that one.

So a process asks equally often however many wait in it. Who lets the lock go in the same process wakes the one whose turn it
is, so that locks pass between neighbours without waiting for the next question.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from ..._runtime.flights import Flight, Result
from ...guards.lock import Claim
from ...guards.lock_table import LockTable
from ...protocols import Key, Keyspace

if TYPE_CHECKING:
    from ..._runtime.runtime import Runtime
    from ...protocols import Clock

__all__ = ["Turns"]

_PAUSE: Final = 0.06
"""Seconds between two looks at whether a lock is free."""
_SELDOM: Final = 1.0
"""After so many seconds, a waiter asks though it is not its turn: that of another may be held on a loop that stands still."""
_TTL: Final = 1.0
"""After so many seconds, the next one may take the turn of a waiter that has vanished without a word."""


class Turns:
    """The turns of the waiters of this process, of both colours.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held = LockTable(clock)
        self._space = Keyspace("", "turn:", str)
        self._asleep: dict[str, Flight] = {}  # for each lock, that of the one whose turn it is

    async def wait(self, claim: Claim, runtime: Runtime, until: float | None) -> None:
        """Return when it is time to ask whether a lock is free, or at a time on the clock."""
        if claim.turn is not None or await self._get_turn(claim, runtime, until):
            await self._sleep(claim.name, runtime, until)

    async def _get_turn(self, claim: Claim, runtime: Runtime, until: float | None) -> bool:
        """Wait for the turn of a claim; tell whether there is nothing to ask yet, since nobody had to be waited for."""
        turn, has_waited = Claim(claim.name, _TTL, 1), False
        asks_at = self._clock.now() + _SELDOM
        asks_at = asks_at if until is None else min(asks_at, until)
        try:
            while await self._held.take(turn) is None:
                if has_waited and self._clock.now() >= asks_at:
                    return False
                await self._held.wait(turn, runtime, asks_at)
                has_waited = True
            claim.turn = turn
            return not has_waited  # the one before has got the lock, or has given up
        finally:
            if claim.turn is None:
                await self._held.let_go(turn)

    async def _sleep(self, name: str, runtime: Runtime, until: float | None) -> None:
        flight = self._asleep[name] = Flight(Key(self._space, name), (), threading.RLock())
        wakes_at = self._clock.now() + _PAUSE
        try:
            await runtime.wait(flight, wakes_at if until is None else min(wakes_at, until))
        finally:
            if self._asleep.get(name) is flight:
                self._asleep.pop(name, None)

    async def end(self, claim: Claim) -> None:
        """End a turn, if it is one: the claim has been granted, or given up."""
        turn, claim.turn = claim.turn, None
        if turn is not None:
            await self._held.let_go(turn)

    def wake(self, name: str) -> None:
        """Have whoever's turn it is ask now: the lock has been let go."""
        flight = self._asleep.pop(name, None)
        if flight is not None:
            flight.end(Result.LANDED)
