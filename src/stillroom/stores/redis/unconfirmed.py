"""Invalidations of which no replica has heard: they are lost if one takes over, and then have to be made again.

A server acknowledges before its replicas know (replication is asynchronous). So whoever invalidates waits for one of them, for
part of the time that an operation may take; but a replica may be slow, or may have been made the master a moment ago without
anybody having heard of it. What was not confirmed is kept here for a while, and repeated as soon as another node is found in
the place of the one that it was told to, before anything is read from there.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from .client import Node
from .commands import Command, run_script
from .scripts import DROP, SWAP

__all__ = ["Unconfirmed"]

_KEPT: Final = 30.0
"""For how many seconds they are kept: longer than a failover takes."""
_LIMIT: Final = 10_000


_DEL: Final = b"*2\r\n$3\r\nDEL\r\n"

Told: TypeAlias = "tuple[float, Node, Command]"
"""When a command was told, and to whom."""


class Unconfirmed:
    """What both colours of a store have told to nodes whose replicas did not hear of it."""

    def __init__(self) -> None:
        self._told: deque[Told] = deque(maxlen=_LIMIT)

    def __len__(self) -> int:
        return len(self._told)

    def add(self, node: Node, command: Command) -> None:
        """Keep a command that makes something outdated; one that stored a value is kept as the deletion of what is there."""
        if command.script is SWAP:
            command = run_script(DROP, [part for part in command.parts[1:4] if isinstance(part, bytes)], by=command.key)
        if command.script is DROP or command.data.startswith(_DEL):
            self._told.append((time.monotonic(), node, command))

    def lost(self, node_of: Callable[[int], Node]) -> list[Told]:
        """Return what was told to nodes that have been replaced; it stays until `forget`, in case that telling it fails."""
        return [one for one in tuple(self._told) if node_of(one[2].key.slot) != one[1]]

    def forget(self, told: Sequence[Told]) -> None:
        """Forget what has been told again, and what is old."""
        now = time.monotonic()
        for one in [*told, *(one for one in tuple(self._told) if now - one[0] >= _KEPT)]:
            self._remove(one)

    def _remove(self, told: Told) -> None:
        try:
            self._told.remove(told)
        except (ValueError, IndexError):  # another thread has, or is at it: to tell it once more does no harm
            pass
