"""A bad network: a TCP proxy whose switches delay, cut, garble and swallow what passes through it.

One thread does everything, and sleeps until a socket or a deadline wakes it. Whoever turns a switch hands that thread a
function and waits until it has run, so a switch that was turned holds for all that comes after.
"""

from __future__ import annotations

import functools
import math
import queue
import random
import selectors
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tests.servers.processes import HOST, free_port
from tests.servers.server import Server
from tests.servers.traffic import Link, Pipe, Weather
from tests.servers.waiting import PATIENCE

CHUNK = 65536
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Proxy:
    """Listens on `port` for as long as it is not closed, and passes everything on to a server and back."""

    def __init__(self, server: Server) -> None:
        self.port = free_port()
        self.accepted = 0
        """How many connections there have been."""
        self._server = server
        self._weather = Weather()
        self._links: set[Link] = set()
        self._switches: queue.SimpleQueue[tuple[Future[None], Callable[[], None]]] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._selector.register(self._ear, READ, self._turn_switches)
        self._listener: socket.socket | None = None
        self._listen()
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"proxy on port {self.port}")
        self._thread.start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The URL of the server, by way of the proxy."""
        parts = urlsplit(self._server.url)
        assert parts.port is not None
        return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{self.port}")))

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._links)

    # The switches

    def delay(self, seconds: float) -> None:
        """Pass everything on so much later, in both directions; a round trip takes twice that."""
        self._set(delay=seconds)

    def drip(self, size: int, interval: float) -> None:
        """Pass replies on in pieces of so many bytes, one every so many seconds."""
        self._set(drip=(size, interval))

    def black_hole(self) -> None:
        """Accept everything and pass nothing on, not even the end of a connection. Once calm, all that was held arrives."""
        self._set(holding=True)

    def cut(self, *, reset: bool = False) -> None:
        """Close all connections that are open, with a goodbye or with a reset; new ones are welcome."""
        self._do(lambda: self._close_links(reset=reset))

    def cut_after(self, size: int) -> None:
        """Close the connection that receives so many bytes of replies from now on right after them; once."""
        if size <= 0:
            self.cut()
        else:
            self._set(cut_after=size)

    def refuse(self) -> None:
        """Refuse new connections; those that are open stay."""
        self._do(self._stop_listening)

    def tamper(self, change: Callable[[bytes], bytes]) -> None:
        """Change replies: whatever arrives in one piece is handed to a function, which returns as much or something else."""
        self._set(tamper=lambda data: data and change(data))

    def garble(self, probability: float = 1.0, *, seed: int = 0) -> None:
        """Change one byte of each piece of the replies, with some probability."""
        chance = random.Random(seed)
        self.tamper(lambda data: _garbled(data, chance) if chance.random() < probability else data)

    def garble_next(self, count: int = 1, *, seed: int = 0) -> None:
        """Change one byte of the next piece, or pieces, of the replies."""
        chance, left = random.Random(seed), iter(range(count))
        self.tamper(lambda data: data if next(left, None) is None else _garbled(data, chance))

    def calm(self) -> None:
        """Turn all switches off."""

        def calm() -> None:
            self._weather = Weather()
            self._listen()

        self._do(calm)

    def close(self) -> None:
        """Close everything."""
        if not self._closing:

            def close() -> None:
                self._closing = True

            self._do(close)
            self._thread.join(PATIENCE)
            assert not self._thread.is_alive(), "the proxy hangs"

    def _set(self, **switches: Any) -> None:
        def turn() -> None:
            for name, value in switches.items():
                setattr(self._weather, name, value)

        self._do(turn)

    def _do(self, switch: Callable[[], None]) -> None:
        done: Future[None] = Future()
        self._switches.put((done, switch))
        self._bell.send(b"!")
        done.result(PATIENCE)

    # The thread

    def _run(self) -> None:
        while not self._closing:
            for key, events in self._selector.select(self._time_left()):
                key.data(events)
            for link in tuple(self._links):
                self._deliver(link)
        self._stop_listening()
        self._close_links()
        self._selector.close()
        self._bell.close()
        self._ear.close()

    def _time_left(self) -> float | None:
        first = min((pipe.due(self._weather) for link in self._links for pipe in link.pipes), default=math.inf)
        return None if first == math.inf else max(0.0, first - time.monotonic())

    def _turn_switches(self, _: int) -> None:
        self._ear.recv(CHUNK)
        while not self._switches.empty():
            done, switch = self._switches.get()
            try:
                done.set_result(switch())
            except BaseException as error:
                done.set_exception(error)

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server((HOST, self.port), backlog=128)
            self._listener.setblocking(False)
            self._selector.register(self._listener, READ, self._accept)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _accept(self, _: int) -> None:
        if self._listener is None:  # closed since it was ready
            return
        try:
            client, _address = self._listener.accept()
        except OSError:  # who knocked has gone
            return
        server = socket.socket()
        for side in (client, server):
            side.setblocking(False)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.connect_ex((HOST, self._server.port))
        link = Link(client, server)
        self.accepted += 1
        self._links.add(link)
        self._watch(link)

    def _deliver(self, link: Link) -> None:
        try:
            for pipe in link.pipes:
                while pipe.due(self._weather) <= time.monotonic():
                    pipe.give(self._weather)
        except OSError:
            self._close_link(link)
        else:
            self._watch(link)

    def _watch(self, link: Link) -> None:
        """Say which events of a connection matter now."""
        outward, back = link.pipes
        for side, reads, writes in ((link.client, outward, back), (link.server, back, outward)):
            events = (READ if reads.thirsty else 0) | (WRITE if writes.clogged else 0)
            known = self._selector.get_map().get(side)
            if known is None and events:
                self._selector.register(side, events, functools.partial(self._pass_on, link, reads, writes))
            elif known is not None and not events:
                self._selector.unregister(side)
            elif known is not None and known.events != events:
                self._selector.modify(side, events, known.data)

    def _pass_on(self, link: Link, reads: Pipe, writes: Pipe, events: int) -> None:
        if link not in self._links:  # closed since it was ready
            return
        if events & WRITE:
            writes.clogged = False
        if events & READ:
            try:
                reads.take(reads.source.recv(CHUNK), self._weather)
            except BlockingIOError:  # not ready after all
                pass
            except OSError:
                reads.take(b"", self._weather)

    def _close_links(self, *, reset: bool = False) -> None:
        for link in tuple(self._links):
            self._close_link(link, reset=reset)

    def _close_link(self, link: Link, *, reset: bool = False) -> None:
        for side in (link.client, link.server):
            if side in self._selector.get_map():
                self._selector.unregister(side)
        link.close(reset=reset)
        self._links.discard(link)


def _garbled(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    changed[chance.randrange(len(data))] ^= chance.randrange(1, 256)
    return bytes(changed)
