"""Locks that all processes on a server share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ...errors import StoreError
from .commands import run_script
from .layout import Layout, RedisKey
from .scripts import FREE_LOCK, TAKE_LOCK
from .wire import Wire

if TYPE_CHECKING:
    from ..._runtime.runtime import Runtime
    from ...guards.lock import Locks
    from ...protocols import Clock
    from ..outage import Outage

__all__ = ["RedisLocks"]

_TURN: Final = 0.06
"""Seconds between two looks at whether a lock is free."""


class RedisLocks:
    """The locks on the servers; while those are out of reach, a process keeps to itself.

    Args:
        wire: brings commands to the servers.
        layout: how keys are called.
        outage: knows whether the servers are within reach.
        clock: tells the time.
        local: what stands in while they are not.
    """

    def __init__(self, wire: Wire, layout: Layout, outage: Outage, clock: Clock, local: Locks) -> None:
        self._wire = wire
        self._layout = layout
        self._outage = outage
        self._clock = clock
        self._local = local

    async def take(self, name: str, owner: bytes, ttl: float) -> int | None:
        """Take a lock if it is free; see `Locks.take`."""
        spell = self._outage.situation.spell
        if spell.stand_in is None:
            key = RedisKey(self._layout.lock(name))
            command = run_script(TAKE_LOCK, (key.name, key.name + b"#"), owner, max(1, math.ceil(ttl * 1000)), by=key)
            try:
                (number,) = await self._wire.run([command])
                return None if number is None else int(number)
            except StoreError as error:
                self._outage.failed(spell, error, {})  # nobody knows whether it was taken: begins an outage at once
                if self._outage.on_error == "raise":
                    raise
        elif self._outage.on_error == "raise":
            raise StoreError("the store is out of reach", store="redis", operation="lock")
        number = await self._local.take(name, owner, ttl)
        return None if number is None else 0  # its own count means nothing to those who have numbers from the server

    async def let_go(self, name: str, owner: bytes) -> None:
        """Give a lock back; see `Locks.let_go`. If the servers are out of reach, it ends by its ttl."""
        await self._local.let_go(name, owner)
        spell = self._outage.situation.spell
        if spell.stand_in is None:
            key = RedisKey(self._layout.lock(name))
            try:
                await self._wire.run([run_script(FREE_LOCK, (key.name,), owner, by=key)])
            except StoreError as error:
                self._outage.failed(spell, error)

    async def wait(self, name: str, runtime: Runtime, until: float | None) -> None:
        """Return when a lock may be free; see `Locks.wait`."""
        left = _TURN if until is None else min(_TURN, until - self._clock.now())
        await runtime.pause(max(left, 0.001))
