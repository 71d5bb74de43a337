"""Connections of callers on event loops: one to each node for each loop, see `stream`."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..._runtime.forks import on_fork
from ...errors import StoreError
from .client import Node, Target, connect_async
from .layout import RedisKey
from .links import Batch, Outcome, end_of, failed, was_closed
from .stream import GRACE, Stream
from .times import ServerTimes

if TYPE_CHECKING:
    from .glance import Prepared

__all__ = ["LoopLinks"]


class _OfLoop:
    """The connections of one event loop."""

    def __init__(self, target: Target, timeout: float, times: ServerTimes) -> None:
        self._target = target
        self._timeout = timeout
        self._times = times
        self._streams: dict[Node, Stream] = {}
        self._opening: dict[Node, asyncio.Task[Stream | StoreError]] = {}
        self._keeper: AsyncGenerator[None, None] | None = None
        self.is_closed = False

    def stream(self, node: Node) -> Stream | None:
        """Return the connection to a node, if there is one."""
        stream = self._streams.get(node)
        return stream if stream is not None and stream.is_open else None

    async def open(self, node: Node, until: float) -> Stream | StoreError:
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
            await asyncio.wait((task,), timeout=GRACE)
        if not task.done():
            return failed(node, TimeoutError(f"no connection within {self._timeout} s"))
        return failed(node, "connecting was cancelled") if task.cancelled() else task.result()

    async def _open(self, node: Node) -> Stream | StoreError:
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
        stream = Stream(node, connection, self._timeout, self._times)
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

    def ask_soon(self, node: Node, prepared: Prepared) -> asyncio.Future[Any] | None:
        """Read an entry and its generations together with all that is read in this turn; see `Links.ask_soon`."""
        known, links = self._last
        if links is None or known() is not asyncio.get_running_loop():
            links = self._here()
        stream = links.stream(node)
        return None if stream is None else stream.look(prepared)

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
            await asyncio.wait((future,), timeout=max(left, GRACE))
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
