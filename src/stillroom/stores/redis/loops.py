"""Connections of callers on event loops: one to each node for each loop, shared by all its tasks.

Reads that are issued in the same turn of a loop leave in one command. Everything else is written as it comes, and replies are
matched to those who wait in the order in which they arrive.
"""

from __future__ import annotations

import asyncio
import math
import time
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeAlias, cast

from ..._runtime.forks import on_fork
from ...errors import StoreError
from ..resp import NOT_YET, new_reader, pack
from .client import Node, Target, connect_async
from .finding import Asked
from .gathered import Gathered
from .layout import RedisKey
from .links import Batch, Outcome, end_of, failed, was_closed
from .times import RESAMPLE_AFTER, ServerTimes

__all__ = ["LoopLinks"]

_TIME = pack(b"TIME")
Waiting: TypeAlias = "tuple[asyncio.Future[Outcome] | Gathered | _Asking, int, list[float]]"
"""Who waits, for how many replies, and when their commands were written, which the others of the same turn share."""

_GRACE = 0.03
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


class _Stream(asyncio.Protocol):
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
        self._watch: asyncio.TimerHandle | None = None
        self._asked_at = -math.inf
        self.is_open = True
        self._transport: asyncio.WriteTransport = connection._writer.transport
        self._transport.set_protocol(self)  # from here on the connection is ours; redis-py has done its part
        self._ask_for_the_time(self._loop.time())  # first of all: what is written needs the server's time
        self._loop.call_soon(self._flush)

    def send(self, future: asyncio.Future[Outcome] | Gathered, data: bytes, count: int) -> None:
        """Send commands; the future will have their replies."""
        self._waiting.append((future, count, self._written))
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(data)

    def gather(self, keys: Sequence[RedisKey]) -> asyncio.Future[Any]:
        """Read keys together with whatever else is read in this turn of the loop."""
        future: asyncio.Future[Any] = self._loop.create_future()
        (self._gathered or self._begin()).add(future, keys)
        return future

    def look(self, asked: Asked) -> asyncio.Future[Any]:
        """Read an entry and its generations in the same way."""
        future: asyncio.Future[Any] = self._loop.create_future()
        (self._gathered or self._begin()).look(future, asked)
        return future

    def _begin(self) -> Gathered:
        gathered = self._gathered = Gathered()
        self._loop.call_soon(self._send_gathered)
        return gathered

    def _send_gathered(self) -> None:
        gathered, self._gathered = self._gathered, None
        assert gathered is not None
        if self.is_open:
            self.send(gathered, gathered.command(), 1)
            self._flush()  # this is the end of the turn already
        else:
            gathered.set_result(failed(self._node, "the connection was closed"))

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
            self._watch = self._loop.call_later(_GRACE, self._look)
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


class _OfLoop:
    """The connections of one event loop."""

    def __init__(self, target: Target, timeout: float, times: ServerTimes) -> None:
        self._target = target
        self._timeout = timeout
        self._times = times
        self._streams: dict[Node, _Stream] = {}
        self._opening: dict[Node, asyncio.Task[_Stream | StoreError]] = {}
        self._keeper: AsyncGenerator[None, None] | None = None
        self.is_closed = False

    def stream(self, node: Node) -> _Stream | None:
        """Return the connection to a node, if there is one."""
        stream = self._streams.get(node)
        return stream if stream is not None and stream.is_open else None

    async def open(self, node: Node, until: float) -> _Stream | StoreError:
        """Return the connection to a node; it is made if there is none."""
        stream = self.stream(node)
        if stream is not None:
            return stream
        if self.is_closed:
            return StoreError("the store is closed", store="redis", operation="connect")
        if self._keeper is None:
            self._keeper = self._close_with_loop()
            await self._keeper.__anext__()
        task = self._opening.get(node)
        if task is None:
            task = self._opening[node] = asyncio.get_running_loop().create_task(self._open(node))
        await asyncio.wait((task,), timeout=max(until - time.monotonic(), 0.0))
        if not task.done():
            await asyncio.wait((task,), timeout=_GRACE)
        if not task.done():
            return failed(node, TimeoutError(f"no connection within {self._timeout} s"))
        return failed(node, "connecting was cancelled") if task.cancelled() else task.result()

    async def _open(self, node: Node) -> _Stream | StoreError:
        try:
            # Longer than anybody waits for it: a loop that is busy elsewhere meanwhile says nothing about the server.
            patience = max(4 * self._timeout, 1.0)
            connection = await asyncio.wait_for(connect_async(self._target, node, patience), patience)
        except StoreError as error:
            return error
        except asyncio.TimeoutError as error:
            return failed(node, error)
        finally:
            self._opening.pop(node, None)
        stream = _Stream(node, connection, self._timeout, self._times)
        ended = end_of(connection)
        if ended is not None:
            stream.fail(ended)
            return failed(node, ended)
        if self.is_closed:
            stream.fail("the store is closed")
        else:
            self._streams[node] = stream
        return stream

    async def _close_with_loop(self) -> AsyncGenerator[None, None]:
        """Wait for the end of the loop, which closes all asynchronous generators that are still open, and so this one."""
        try:
            yield
        finally:
            self.close()
            self._keeper = None  # it knows its loop, which has nothing else to stay for

    def forget(self, node: Node) -> None:
        stream = self._streams.pop(node, None)
        if stream is not None:
            stream.fail("another node has taken over")

    def close(self) -> None:
        """Close all connections of the loop."""
        self.is_closed = True
        for task in self._opening.values():
            if not task.get_loop().is_closed():
                task.cancel()
        for node in list(self._streams):
            self.forget(node)


class LoopLinks:
    """All connections of callers on event loops.

    Args:
        target: what to connect with.
        timeout: how many seconds an exchange may take.
        times: learns the time of each server.
    """

    def __init__(self, target: Target, timeout: float, times: ServerTimes) -> None:
        self._target = target
        self.timeout = timeout
        self._times = times
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _OfLoop] = weakref.WeakKeyDictionary()
        self._last: tuple[Callable[[], asyncio.AbstractEventLoop | None], _OfLoop | None] = (_none, None)
        self._is_closed = False
        on_fork(self)

    def deadline(self) -> float:
        return time.monotonic() + self.timeout

    async def values(self, node: Node, keys: Sequence[RedisKey]) -> Outcome:
        links = self._here()
        stream = links.stream(node)
        if stream is None:
            opened = await links.open(node, self.deadline())
            if isinstance(opened, StoreError):
                return opened
            stream = opened
        outcome: Outcome = await stream.gather(keys)
        if was_closed(outcome):
            again = await links.open(node, self.deadline())
            return again if isinstance(again, StoreError) else await again.gather(keys)
        return outcome

    def ask(self, node: Node, command: bytes) -> Any:
        """Nothing: callers on event loops do not block."""
        raise NotImplementedError

    def ask_soon(self, node: Node, asked: Asked) -> asyncio.Future[Any] | None:
        """Read an entry and its generations together with all that is read in this turn; see `Links.ask_soon`."""
        stream = self._here().stream(node)
        return None if stream is None else stream.look(asked)

    async def exchange(self, batches: Sequence[Batch], until: float) -> list[Outcome]:
        links, loop = self._here(), asyncio.get_running_loop()
        sent: list[asyncio.Future[Outcome] | StoreError] = []
        for batch in batches:
            stream = links.stream(batch.node) or await links.open(batch.node, until)
            if isinstance(stream, StoreError):
                sent.append(stream)
                continue
            future: asyncio.Future[Outcome] = loop.create_future()
            stream.send(future, batch.data, batch.replies)
            sent.append(future)
        outcomes = [
            one if isinstance(one, StoreError) else await self._answer(one, batch.node, until)
            for one, batch in zip(sent, batches, strict=True)
        ]
        for at, batch in enumerate(batches):
            if was_closed(outcomes[at]) and batch.is_repeatable:
                outcomes[at] = (await self.exchange((batch._replace(is_repeatable=False),), until))[0]
        return outcomes

    async def _answer(self, future: asyncio.Future[Outcome], node: Node, until: float) -> Outcome:
        left = until - time.monotonic()
        if left < 0.8 * self.timeout:  # connecting, or a former round, has taken some of the time that the connection allows
            await asyncio.wait((future,), timeout=max(left, _GRACE))
            if not future.done():
                return failed(node, TimeoutError(f"no reply within {self.timeout} s"))
        return await future

    async def pause(self, length: float) -> None:
        await asyncio.sleep(length)

    def forget(self, node: Node) -> None:
        self._here().forget(node)

    async def close(self) -> None:
        """Close the connections of this loop at once, and have those of other loops closed by themselves."""
        self._is_closed = True
        for loop, links in list(self._loops.items()):
            if loop is asyncio._get_running_loop() or loop.is_closed():
                links.close()
            else:
                loop.call_soon_threadsafe(links.close)

    def _here(self) -> _OfLoop:
        loop = asyncio.get_running_loop()
        known, links = self._last
        if known() is loop and links is not None:
            return links
        links = self._loops.get(loop)
        if links is None:
            for former, left in list(self._loops.items()):
                if former.is_closed() and self._loops.pop(former, None) is not None:  # by nothing but `loop.close()`
                    left.close()
            links = self._loops[loop] = _OfLoop(self._target, self.timeout, self._times)
            links.is_closed = self._is_closed
        self._last = (weakref.ref(loop), links)
        return links

    def before_fork(self) -> None:
        """Nothing is locked here."""

    def after_fork_in_parent(self) -> None:
        """The connections stay the parent's."""

    def after_fork_in_child(self) -> None:
        """Leave the parent's connections alone: no loop of the parent runs in the child."""
        _inherited.append(self._loops)
        self._loops = weakref.WeakKeyDictionary()
        self._last = (_none, None)


def _none() -> None:
    """Stand for a loop that is gone."""


_inherited: list[object] = []
"""What a forked child holds on to for good, since to let go of it would close what the parent goes on using."""
