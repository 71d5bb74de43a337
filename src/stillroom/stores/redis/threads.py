"""Connections of blocking callers.

A connection is taken from a stack for the length of one exchange and put back at once, so none is held while user code runs,
and there are never more than there were exchanges at one time.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

from ..._runtime.forks import on_fork
from ...errors import StoreError
from ..resp import NOT_YET, new_reader, pack
from .client import Node, Target, connect
from .layout import RedisKey
from .links import Batch, Outcome, failed
from .times import RESAMPLE_AFTER, ServerTimes

__all__ = ["ThreadLinks"]

_TIME = pack(b"TIME")
_IDLE_LIMIT = 64
"""How many connections to a node are kept while nobody needs them."""


class _Link:
    """One connection.

    Attributes:
        is_new: nothing has been sent over it yet.
        asked_at: when the server was last asked for the time.
    """

    __slots__ = ("_buffer", "_connection", "_reader", "_socket", "_timeout", "asked_at", "is_new")

    def __init__(self, connection: Any, timeout: float) -> None:
        self._connection = connection
        self._socket = connection._sock  # from here on the socket is ours; redis-py has done its part
        self._reader = new_reader()
        self._buffer = bytearray(65536)
        self._timeout = timeout
        self._socket.settimeout(timeout)
        self.asked_at = -math.inf
        self.is_new = True

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def ask(self, command: bytes) -> Any:
        """Send one command and return its reply, or raise an error that leaves the connection unusable."""
        self._socket.sendall(command)
        size = self._socket.recv_into(self._buffer)
        if not size:
            raise ConnectionResetError("the server has closed the connection")
        reader = self._reader
        reader.feed(self._buffer, 0, size)
        reply = reader.gets()
        if reply is NOT_YET:
            (reply,) = self.receive(1, time.monotonic() + self._timeout)
        elif reader.has_data():
            raise ValueError("it sent more replies than were asked for")
        return reply

    def receive(self, count: int, until: float) -> list[Any]:
        """Return the next replies, or raise ``OSError`` when they are not there in time."""
        replies: list[Any] = []
        reader, buffer, receive = self._reader, self._buffer, self._socket.recv_into
        patience = self._timeout
        try:
            if until - time.monotonic() < 0.8 * patience:  # another node, or a former round, has taken some of the time
                patience = max(until - time.monotonic(), 0.0001)
                self._socket.settimeout(patience)
            while True:
                size = receive(buffer)
                if not size:
                    raise ConnectionResetError("the server has closed the connection")
                reader.feed(buffer, 0, size)
                while (reply := reader.gets()) is not NOT_YET:
                    replies.append(reply)
                if len(replies) >= count:
                    return replies
                patience = max(until - time.monotonic(), 0.0001)  # what is left: a reply in pieces must not take longer
                self._socket.settimeout(patience)
        finally:
            if patience is not self._timeout:
                self._socket.settimeout(self._timeout)

    def close(self) -> None:
        self._connection.disconnect()


class ThreadLinks:
    """All connections of blocking callers.

    Args:
        target: what to connect with.
        timeout: how many seconds an exchange may take.
        times: learns the time of each server.
    """

    def __init__(self, target: Target, timeout: float, times: ServerTimes) -> None:
        self._target = target
        self.timeout = timeout
        self._times = times
        self._idle: dict[Node, list[_Link]] = defaultdict(list)
        self._is_closed = False
        on_fork(self)

    def deadline(self) -> float:
        return time.monotonic() + self.timeout

    async def values(self, node: Node, keys: Sequence[RedisKey]) -> Outcome:
        data = b"*%d\r\n$4\r\nMGET\r\n%b" % (len(keys) + 1, b"".join([key.bulk for key in keys]))
        outcome: Any = self.ask(node, data)
        if isinstance(outcome, StoreError):
            return outcome
        values: list[Any] = cast("Any", outcome) if isinstance(outcome, list) else [outcome]
        return values

    def ask(self, node: Node, command: bytes) -> Any:
        """Return the reply to one command that only reads, or why there is none."""
        link = self._pop(node)
        if link is not None and time.monotonic() - link.asked_at < RESAMPLE_AFTER:
            try:
                reply = link.ask(command)
            except Exception as error:
                link.close()
                if not isinstance(error, OSError) or isinstance(error, TimeoutError):
                    return failed(node, error)
                self.forget(node)  # one that has been idle may have been closed long ago, and so may the others
            except BaseException:
                link.close()
                raise
            else:
                self._put_back(node, link)
                return reply
        elif link is not None:
            self._put_back(node, link)
        outcome = self._one(Batch(node, command, 1), self.deadline())
        return outcome[0] if isinstance(outcome, list) else outcome

    def ask_soon(self, node: Node, prepared: object) -> None:
        """Nothing: blocking callers do not wait for each other."""

    async def exchange(self, batches: Sequence[Batch], until: float) -> list[Outcome]:
        """Send each node its commands, then read the replies of all."""
        if len(batches) == 1:
            return [self._one(batches[0], until)]
        sent = [self._send(batch, until) for batch in batches]
        return [self._finish(batch, link, until) for batch, link in zip(batches, sent, strict=True)]

    def _one(self, batch: Batch, until: float) -> Outcome:
        return self._finish(batch, self._send(batch, until), until)

    def _send(self, batch: Batch, until: float) -> _Link | StoreError:
        link: _Link | None = None
        try:
            link = self._take(batch.node, until)
            link.send(batch.data)
        except StoreError as error:
            return error
        except OSError as error:
            assert link is not None
            link.close()
            return link if not link.is_new else failed(batch.node, error)
        except BaseException:
            if link is not None:
                link.close()
            raise
        return link

    def _finish(self, batch: Batch, link: _Link | StoreError, until: float) -> Outcome:
        if isinstance(link, StoreError):
            return link
        try:
            replies = link.receive(batch.replies, until)
        except OSError as error:
            link.close()
            # A connection that had been idle may have been closed long ago: that says nothing about the server.
            if link.is_new or isinstance(error, TimeoutError) or not batch.is_repeatable:
                return failed(batch.node, error)
            self.forget(batch.node)
            return self._one(batch._replace(is_repeatable=False), until)
        except Exception as error:  # bytes that are no replies
            link.close()
            return failed(batch.node, error)
        except BaseException:
            link.close()
            raise
        if len(replies) != batch.replies:
            link.close()
            return failed(batch.node, "it sent more replies than were asked for")
        self._put_back(batch.node, link)
        return replies

    def _pop(self, node: Node) -> _Link | None:
        try:
            return self._idle[node].pop()
        except IndexError:
            return None

    def _put_back(self, node: Node, link: _Link) -> None:
        link.is_new = False
        idle = self._idle[node]
        if self._is_closed or len(idle) >= _IDLE_LIMIT:
            link.close()
            return
        idle.append(link)
        if self._is_closed:  # by now: whoever closed may have looked before
            self.forget(node)

    def _take(self, node: Node, until: float) -> _Link:
        while not self._is_closed:
            link = self._pop(node)
            if link is None:
                link = _Link(connect(self._target, node, max(until - time.monotonic(), 0.001)), self.timeout)
            if time.monotonic() - link.asked_at < RESAMPLE_AFTER or self._asked_for_the_time(link, node, until):
                return link
        raise StoreError("the store is closed", store="redis", operation="connect")

    def _asked_for_the_time(self, link: _Link, node: Node, until: float) -> bool:
        """Ask for the server's time; false if the connection turns out to have been closed while it was idle."""
        sent_at = self._times.now()
        try:
            link.send(_TIME)
            (reply,) = link.receive(1, until)
        except OSError as error:
            link.close()
            if link.is_new or isinstance(error, TimeoutError):
                raise failed(node, error) from error
            return False
        except Exception as error:  # bytes that are no reply, or more than one
            link.close()
            raise failed(node, error) from error
        link.asked_at = time.monotonic()
        if isinstance(reply, list):
            self._times.learn(node, cast("list[bytes]", reply), sent_at)
        return True

    async def pause(self, length: float) -> None:
        time.sleep(length)  # noqa: ASYNC251 - a coroutine by its form only

    def forget(self, node: Node) -> None:
        """Close the idle connections to a node."""
        for link in self._idle.pop(node, ()):
            link.close()

    async def close(self) -> None:
        """Close all connections, those in use as soon as they are put back."""
        self._is_closed = True
        for node in list(self._idle):
            self.forget(node)

    def before_fork(self) -> None:
        """Nothing is locked here."""

    def after_fork_in_parent(self) -> None:
        """The connections stay the parent's."""

    def after_fork_in_child(self) -> None:
        """Leave the parent's connections alone: to close them politely would end them for the parent as well."""
        self._idle = defaultdict(list)
