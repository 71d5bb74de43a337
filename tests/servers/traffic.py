"""What passes through a `Proxy`, and what its switches say about that. Nothing here waits or knows of threads."""

from __future__ import annotations

import math
import socket
import struct
import time
from collections import deque
from collections.abc import Callable

HIGH_WATER = 1 << 20
"""Bytes that may wait in one direction of a connection before the proxy stops reading more."""
NO_GOODBYE = struct.pack("ii", 1, 0)


class Weather:
    """What the switches say."""

    def __init__(self) -> None:
        self.delay = 0.0
        self.holding = False
        self.drip: tuple[int, float] | None = None
        self.cut_after: int | None = None
        self.tamper: Callable[[bytes], bytes] | None = None


class Pipe:
    """One direction of a connection. An empty chunk is the end of it, and travels like the others."""

    def __init__(self, source: socket.socket, sink: socket.socket, *, replies: bool) -> None:
        self.source, self.sink, self.replies = source, sink, replies
        self.clogged = False
        self._ended = False
        self._chunks: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._next_drip = 0.0

    @property
    def thirsty(self) -> bool:
        """Whether more may come in."""
        return not self._ended and self._size < HIGH_WATER

    def take(self, data: bytes, weather: Weather) -> None:
        """Let something in."""
        if self.replies and weather.tamper is not None:
            data = weather.tamper(data)
        self._ended = not data
        self._size += len(data)
        self._chunks.append((time.monotonic(), data))

    def due(self, weather: Weather) -> float:
        """Return when something may leave."""
        if weather.holding or self.clogged or not self._chunks:
            return math.inf
        due = self._chunks[0][0] + weather.delay
        return max(due, self._next_drip) if self.replies and weather.drip else due

    def give(self, weather: Weather) -> None:
        """Send what is due; raise `OSError` if the connection is to end with that."""
        arrived, data = self._chunks[0]
        if not data:
            raise ConnectionResetError
        limit = len(data)
        if self.replies and weather.drip is not None:
            limit, interval = weather.drip
            self._next_drip = time.monotonic() + interval
        if self.replies and weather.cut_after is not None:
            limit = min(limit, weather.cut_after)
        try:
            sent = self.sink.send(data[:limit])
        except BlockingIOError:  # full, or not connected yet
            self.clogged = True
            return
        self._size -= sent
        if sent < len(data):
            self._chunks[0] = (arrived, data[sent:])
        else:
            self._chunks.popleft()
        if self.replies and weather.cut_after is not None:
            weather.cut_after -= sent
            if weather.cut_after <= 0:
                weather.cut_after = None
                raise ConnectionAbortedError


class Link:
    """A connection: a client, the server, and both directions between them."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.pipes = (Pipe(client, server, replies=False), Pipe(server, client, replies=True))

    def close(self, *, reset: bool = False) -> None:
        """Close both sides, with a goodbye or with a reset."""
        for side in (self.client, self.server):
            if reset:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_GOODBYE)
            else:
                try:
                    side.shutdown(socket.SHUT_RDWR)  # also where a forked child holds the socket open
                except OSError:  # it has no other end any more
                    pass
            side.close()
