"""Locks that all processes on a server share.

Whoever holds one on the server holds it in the memory of his process as well, where others look during an outage. So an outage
that begins, or ends, while a lock is held gives it to nobody else of that process.
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING

from ..._runtime.runtime import drive
from ...errors import StoreError
from .commands import command, run_script
from .layout import RedisKey
from .scripts import KEEP_LOCK, TAKE_LOCK
from .senseless import sensibly

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._runtime.runtime import Runtime
    from ...guards.lock import Claim, Locks
    from ...protocols import Clock
    from ..outage import Outage
    from .shared import Shared
    from .turns import Turns
    from .wire import Wire

__all__ = ["RedisLocks"]


class RedisLocks:
    """The locks on the servers; while those are out of reach, a process keeps to itself.

    Args:
        wire: brings commands to the servers.
        shared: what both colours share.
        outage: knows whether the servers are within reach.
        clock: tells the time.
        local: what stands in while they are not.
        turns: those of the waiters of this process.
    """

    def __init__(self, wire: Wire, shared: Shared, outage: Outage, clock: Clock, local: Locks, turns: Turns) -> None:
        self._wire = wire
        self._layout = shared.layout
        self._renewal = shared.renewal
        self._outage = outage
        self._clock = clock
        self._local = local
        self._turns = turns

    async def take(self, claim: Claim) -> int | None:
        """Take a lock if it is free; see `Locks.take`."""
        number = await self._take_where_it_is(claim)
        if number is not None:
            await self._turns.end(claim)
        return number

    async def _take_where_it_is(self, claim: Claim) -> int | None:
        spell = self._outage.situation.spell
        if spell.stand_in is None:
            try:
                return await self._take(claim)
            except StoreError as error:
                self._outage.failed(spell, error, {})  # nobody knows whether it was taken: begins an outage at once
                if self._outage.on_error == "raise":
                    raise
        elif self._outage.on_error == "raise":
            raise StoreError("the store is out of reach", store="redis", operation="lock")
        number = await self._local.take(claim)
        return None if number is None else 0  # its own count means nothing to those who have numbers from the server

    @sensibly
    async def _take(self, claim: Claim) -> int | None:
        key, length = RedisKey(self._layout.lock(claim.name)), max(1, math.ceil(claim.ttl * 1000))
        keys = (key.name, key.name + b"#", key.name + b"?")
        take = run_script(TAKE_LOCK, keys, claim.token, length, claim.limit, int(claim.waits), by=key)
        asked_at = self._clock.now()  # it ends no later than this tells, however long the answer takes
        (number,) = await self._wire.run([take])
        if number is None:
            return None
        if await self._local.take(claim) is None:  # another one of this process has it, since an outage
            await self._free(claim)
            return None
        claim.held_until = asked_at + claim.ttl
        keep = run_script(KEEP_LOCK, (key.name,), claim.token, length, by=key)
        self._renewal.add(claim.token, keep, claim.ttl, _noting(weakref.ref(claim), self._clock.now, self._local))
        weakref.finalize(claim, self._renewal.discard, claim.token).atexit = False
        return int(number)

    async def let_go(self, claim: Claim) -> None:
        """Give a lock back; see `Locks.let_go`. If the servers are out of reach, it ends by its ttl."""
        self._renewal.discard(claim.token)
        claim.held_until = 0.0
        await self._local.let_go(claim)
        await self._turns.end(claim)
        spell = self._outage.situation.spell
        if spell.stand_in is None:
            try:
                await self._free(claim)
            except StoreError as error:
                self._outage.failed(spell, error)
        self._turns.wake(claim.name)

    @sensibly
    async def _free(self, claim: Claim) -> None:
        key = RedisKey(self._layout.lock(claim.name))
        await self._wire.run([command(key, b"ZREM", key.name, claim.token)])  # only the holder has the token

    async def wait(self, claim: Claim, runtime: Runtime, until: float | None) -> None:
        """Return when a lock may be free; see `Locks.wait`."""
        await self._turns.wait(claim, runtime, until)


def _noting(claim: weakref.ref[Claim], now: Callable[[], float], local: Locks) -> Callable[[float, object], None]:
    """Return what takes note of how a lock was prolonged: asked for so many seconds ago, and whether it was still held."""

    def note(ago: float, was_held: object) -> None:
        held = claim()
        if held is not None and was_held:
            held.held_until = now() - ago + held.ttl
        elif held is not None:
            held.held_until = 0.0
            drive(local.let_go(held))

    return note
