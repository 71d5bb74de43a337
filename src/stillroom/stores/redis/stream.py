"""One connection of an event loop to one node, shared by all tasks of the loop.

Reads that are issued in the same turn of the loop leave in one command. Everything else is written as it comes, and replies are
matched to those who wait in the order in which they arrive.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence, Sized
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..resp import NOT_YET, new_reader, pack
from .client import Node
from .gathered import Gathered
from .layout import RedisKey
from .links import Outcome, failed
from .times import RESAMPLE_AFTER, ServerTimes

if TYPE_CHECKING:
    from .glance import Prepared

__all__ = ["GRACE", "Stream"]

_TIME = pack(b"TIME")
Waiting: TypeAlias = "tuple[asyncio.Future[Outcome] | Gathered | _Asking, int, list[float]]"
"""Who waits, for how many replies, and when their commands were written, which the others of the same turn share."""

_UNKNOWN = (None,)
GRACE = 0.03
"""Seconds that a loop which was busy elsewhere is given to find what has arrived meanwhile."""


class _Asking:
    """A question for the time, on its way."""

    __slots__ = ("_node", "_sent_at", "_times")

    def __init__(self, times: ServerTimes, node: Node) -> None:
        self._times = times
        self._node = node
        self._sent_at = times.now()

    def done(self) -> bool:
        return False

    def set_result(self, outcome: Outcome) -> None:
        """Take note of the answer, before whoever has asked for something else goes on."""
        reply: Any = outcome[0] if isinstance(outcome, list) else None
        if isinstance(reply, list):
            self._times.learn(self._node, cast("list[bytes]", reply), self._sent_at)


class Stream(asyncio.Protocol):
    """One connection."""

    def __init__(self, node: Node, connection: Any, timeout: float, times: ServerTimes) -> None:
        self._node = node
        self._connection = connection
        self._timeout = timeout
        self._times = times
        self._loop = asyncio.get_running_loop()
        self._reader = new_reader()
        self._waiting: deque[Waiting] = deque()
        self._replies: list[Any] = []
        self._outgoing: list[bytes] = []
        self._written = [math.inf]
        self._warned: Waiting | None = None
        self._gathered: Gathered | None = None
        self._turn: Sized = getattr(self._loop, "_ready", _UNKNOWN)
        """What is still to be done in this turn: a loop of asyncio's own can be asked, others are taken for busy."""
        self._watch: asyncio.TimerHandle | None = None
        self._asked_at = -math.inf
        self.is_open = True
        self._transport: asyncio.WriteTransport = connection._writer.transport
        self._transport.set_protocol(self)  # from here on the connection is ours; redis-py has done its part
        self._ask_for_the_time(self._loop.time())  # first of all: what is written needs the server's time
        self._loop.call_soon(self._flush)

    def send(self, future: asyncio.Future[Outcome], data: bytes, count: int) -> None:
        """Send commands at the end of this turn of the loop; the future will have their replies."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._put(future, data, count)

    def gather(self, keys: Sequence[RedisKey]) -> asyncio.Future[Any]:
        """Read keys together with whatever else is read in this turn of the loop."""
        future: asyncio.Future[Any] = self._loop.create_future()
        (self._gathered or self._begin()).add(future, keys)
        return future

    def look(self, prepared: Prepared) -> asyncio.Future[Any]:
        """Read an entry and its generations in the same way; alone and at once if there is nothing else to do in this turn."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._gathered is None and not self._turn:
            self._put(future, prepared.command, 1)
            self._flush()
        else:
            (self._gathered or self._begin()).look(future, prepared)
        return future

    def _begin(self) -> Gathered:
        gathered = self._gathered = Gathered()
        self._loop.call_soon(self._send_gathered)
        return gathered

    def _send_gathered(self) -> None:
        gathered, self._gathered = self._gathered, None
        assert gathered is not None
        self._put(gathered, gathered.command(), 1)
        self._flush()  # this is the end of the turn already

    def _put(self, future: asyncio.Future[Outcome] | Gathered, data: bytes, count: int) -> None:
        if self.is_open:
            self._waiting.append((future, count, self._written))
            self._outgoing.append(data)
        else:  # it was closed after whoever sends this had got hold of it: nobody would ever tell them
            future.set_result(failed(self._node, ConnectionResetError("the connection has been closed")))

    def _ask_for_the_time(self, now: float) -> None:
        self._asked_at = now
        self._waiting.append((_Asking(self._times, self._node), 1, self._written))
        self._outgoing.append(_TIME)

    def _flush(self) -> None:
        """Write commands at the end of a turn of the loop, in one piece."""
        if not self._outgoing or not self.is_open:
            return
        now = self._loop.time()
        if now - self._asked_at > RESAMPLE_AFTER:
            self._ask_for_the_time(now)
        outgoing, self._outgoing = self._outgoing, []
        self._written[0], self._written = now, [math.inf]
        self._transport.write(b"".join(outgoing))
        if self._watch is None:
            self._watch = self._loop.call_at(now + self._timeout, self._look)

    def data_received(self, data: bytes) -> None:
        reader, replies, waiting = self._reader, self._replies, self._waiting
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not NOT_YET:
                replies.append(reply)
                if not waiting:
                    raise ValueError("it sent more replies than were asked for")
                future, count, _ = waiting[0]
                if len(replies) == count:
                    if not future.done():
                        future.set_result(replies)  # raises if it makes no sense, while whoever waits can still be told
                    waiting.popleft()
                    replies = self._replies = []
        except Exception as error:  # bytes that are no replies
            self.fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(exc or ConnectionResetError("the server has closed the connection"))

    def _look(self) -> None:
        """See whether those who wait have waited too long."""
        self._watch = None
        if not self._waiting:
            return
        first = self._waiting[0]
        until = first[2][0] + self._timeout
        if until == math.inf:
            return  # not written yet: that sets the next look
        if self._loop.time() < until:
            self._watch = self._loop.call_at(until, self._look)
        elif self._warned is not first:  # the reply may be here, and only the loop was too busy to find it
            self._warned = first
            self._watch = self._loop.call_later(GRACE, self._look)
        else:
            self.fail(TimeoutError(f"no reply within {self._timeout} s"))

    def fail(self, error: object) -> None:
        """Close the connection and tell everybody who waits."""
        self.is_open = False
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        waiting, self._waiting = self._waiting, deque()
        if self._loop.is_closed():
            _close_socket(self._transport)
        else:
            self._transport.abort()
            for future, _, _ in waiting:
                if not future.done():
                    future.set_result(failed(self._node, error))
        self._connection._writer = self._connection._reader = None  # so that redis-py does not complain of what it finds open


def _close_socket(transport: Any) -> None:
    """Close what a loop that is closed cannot close any more; loops other than asyncio's own have done so."""
    if getattr(transport, "_sock", None) is not None:
        transport._sock.close()
        transport._sock, transport._closing = None, True
