"""Invalidations of which no replica has heard: they are lost if one takes over, and then have to be made again.

A server acknowledges before its replicas know (replication is asynchronous). So whoever invalidates waits for one of them, for
part of the time that an operation may take; but a replica may be slow, or may have been made the master a moment ago without
anybody having heard of it. What was not confirmed is kept here for a while, and repeated as soon as another node is found in
the place of the one that it was told to, before anything is read from there.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from .client import Node
from .commands import Command, run_script
from .scripts import DROP, SWAP

__all__ = ["Unconfirmed"]

_KEPT: Final = 30.0
"""For how many seconds they are kept: longer than a failover takes."""
_LIMIT: Final = 10_000


class Unconfirmed:
    """What both colours of a store have told to nodes whose replicas did not hear of it."""

    def __init__(self) -> None:
        self._told: deque[tuple[float, Node, Command]] = deque(maxlen=_LIMIT)

    def __len__(self) -> int:
        return len(self._told)

    def add(self, node: Node, command: Command) -> None:
        """Keep a command; one that stored a value is kept as the deletion of what is there."""
        if command.script is SWAP:
            command = run_script(DROP, [part for part in command.parts[1:4] if isinstance(part, bytes)], by=command.key)
        self._told.append((time.monotonic(), node, command))

    def take_lost(self, node_of: Callable[[int], Node]) -> list[Command]:
        """Return what was told to nodes that have been replaced, and forget it, and all that is old."""
        lost: list[Command] = []
        for _ in range(len(self._told)):
            try:
                told_at, node, command = self._told.popleft()
            except IndexError:  # another thread takes from here too
                break
            if node_of(command.key.slot) != node:
                lost.append(command)
            elif time.monotonic() - told_at < _KEPT:
                self._told.append((told_at, node, command))
        return lost
