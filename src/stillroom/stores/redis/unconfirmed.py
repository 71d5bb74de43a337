"""Invalidations of which not all replicas have heard: they are lost if one takes over, and then have to be made again. So have
members of Bloom filters, which a filter that lacks them would deny.

A server acknowledges before its replicas know (replication is asynchronous). So whoever invalidates waits for them, for part of
the time that an operation may take; but a replica may be slow, or may have been made the master a moment ago without anybody
having heard of it. What was not confirmed is kept here for a while, and told again to whoever is found in the place of the node
that it was told to, before anything is read from there (see `Wire.settle`). So that this happens soon, also where nobody calls
any more, a thread looks for such a successor while there is something to tell.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from ..._runtime.forks import on_fork
from ..._runtime.runtime import drive
from ...errors import StoreError
from .client import Node
from .commands import Command, run_script
from .scripts import BLOOM_ADD, DROP, SWAP
from .senseless import SENSELESS

if TYPE_CHECKING:
    from .picture import Picture
    from .wire import Wire

__all__ = ["Messenger", "Unconfirmed", "kept_of"]

_KEPT: Final = 30.0
"""For how many seconds they are kept: longer than a failover takes."""
_LIMIT: Final = 10_000
_PAUSE: Final = 0.05
"""Every so many seconds, a successor is looked for."""
_DEL: Final = b"*2\r\n$3\r\nDEL\r\n"

Told: TypeAlias = "tuple[float, Node, Command]"
"""When a command was told, and to whom."""


def kept_of(command: Command) -> Command | None:
    """Return what of a command must not be lost: a value that is lost is a miss, but what it replaced is outdated."""
    if command.script is SWAP:
        return run_script(DROP, [part for part in command.parts[1:4] if isinstance(part, bytes)], by=command.key)
    if command.script is BLOOM_ADD:
        return _member_of(command)
    return command if command.script is DROP or command.data.startswith(_DEL) else None


def _member_of(command: Command) -> Command | None:
    """Return what adds the same to a filter but makes none; nothing for steps of a filling, which find out by themselves."""
    _, bits, members, size, hashes, _, filling, *rest = command.parts
    assert isinstance(bits, bytes)
    assert isinstance(members, bytes)
    return None if filling else run_script(BLOOM_ADD, (bits, members), size, hashes, 0, filling, *rest, by=command.key)


class Unconfirmed:
    """What both colours of a store have told to nodes whose replicas did not hear of it.

    Args:
        everything: makes all that is stored outdated; takes the place of the others when there are too many.

    Attributes:
        on_add: is called when something has been added.
    """

    def __init__(self, everything: Command) -> None:
        self._everything = everything
        self._told: deque[Told] = deque()
        self.on_add: Callable[[], object] = lambda: None

    def __len__(self) -> int:
        return len(self._told)

    def add(self, node: Node, command: Command) -> None:
        """Keep what of a command must not be lost."""
        kept = kept_of(command)
        if kept is None:
            return
        now = time.monotonic()
        if len(self._told) >= _LIMIT:
            self._told = deque([(now, node, self._everything)])
        self._told.append((now, node, kept))
        self.on_add()

    def lost(self, picture: Picture) -> list[Told]:
        """Return what was told to nodes that have been replaced; it stays until `forget`, in case that telling it fails."""
        return [one for one in tuple(self._told) if picture.node_of(one[2].key.slot) != one[1]]

    def forget(self, told: Sequence[Told] = ()) -> None:
        """Forget what has been told again, and what is old."""
        for one in told:
            self._remove(one)
        now = time.monotonic()
        for one in tuple(self._told):
            if now - one[0] < _KEPT:
                break
            self._remove(one)

    def clear(self) -> None:
        """Forget everything."""
        self._told = deque()

    def _remove(self, told: Told) -> None:
        try:
            self._told.remove(told)
        except (ValueError, IndexError):  # another thread has, or is at it: to tell it once more does no harm
            pass


class Messenger:
    """Looks for successors while there is something to tell them.

    Args:
        wire: how to reach the servers; that of blocking callers.
        unconfirmed: what there is to tell.
    """

    def __init__(self, wire: Wire, unconfirmed: Unconfirmed) -> None:
        self._wire = wire
        self._unconfirmed = unconfirmed
        self._is_running = False
        self._is_closed = False
        on_fork(self)

    def start(self) -> None:
        """Begin to look, unless that has been done."""
        if self._is_running or self._is_closed:
            return
        self._is_running = True
        try:
            threading.Thread(target=_serve, args=(weakref.ref(self),), name="stillroom-messenger", daemon=True).start()
        except RuntimeError:  # too many threads, or the interpreter is about to exit
            self._is_running = False

    def close(self) -> None:
        """Look no more."""
        self._is_closed = True

    def look(self) -> bool:
        """Look once, and tell whether there is anything left to look for."""
        try:
            drive(self._wire.settle(self._wire.links.deadline()))
        except (StoreError, *SENSELESS):  # nobody there who could be told, or who knows, or whose words make sense
            self._unconfirmed.forget()
        if self._unconfirmed and not self._is_closed:
            return True
        self._is_running = False
        if self._unconfirmed:  # added right now, by somebody who took this thread for running still
            self.start()
        return False

    def before_fork(self) -> None:
        """Nothing is locked here."""

    def after_fork_in_parent(self) -> None:
        """The thread stays the parent's."""

    def after_fork_in_child(self) -> None:
        """What is to be told, the parent tells."""
        self._unconfirmed.clear()
        self._is_running = False


def _serve(messenger: Callable[[], Messenger | None]) -> None:
    is_needed = True
    while is_needed:
        time.sleep(_PAUSE)
        alive = messenger()
        is_needed = alive is not None and alive.look()
        del alive
