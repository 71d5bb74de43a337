"""The feed: one thread that listens to all servers of a far store for keys that have changed.

Every server is asked to broadcast the keys that change (``CLIENT TRACKING ON BCAST``), whoever changes them and whoever has
read them, so nothing on the servers grows with what is kept nearby. The feed is *live* while all of them are known to do so.

Rules that this file keeps:

- The feed is live only after tracking is on at all primaries, and no longer than nothing speaks against it.
- When it is lost, it first stops being live, then says so. Who has begun something while it was live must begin by taking what
  the one who is told (`on_lost`) makes void, and look at `Feed.is_live` after that.
- The thread holds the feed only for moments, so that both end with whoever uses the feed.
- Under the lock there is neither I/O nor code of others.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

from ...observe.log import log
from .anew import AnewLock
from .link import Link, LostError, News, RefusedError

__all__ = ["Feed"]

SHORTEST, LONGEST = 0.05, 1.0
"""Seconds between two attempts to get a feed back: the first pause, and the longest."""
_WAY_OUT: Final = "the user that stillroom logs in as needs +client|tracking +role, and on a cluster +cluster|info"
REDRAWN: Final = 2.0
"""Every so many seconds, the feed asks which nodes are primaries."""


class Feed:
    """Hears of the keys that change in a far store.

    The callables must not hold the cache that the feed is for, or it would live for ever while the feed is busy with them.

    Args:
        dial: returns a blocking connection of redis-py's to a node, connected, with ``protocol=3``, for the feed alone.
        primaries: returns the nodes that have keys; may ask them, and raise.
        prefix: what the keys to hear of begin with.
        on_invalidate: is told, on the feed's thread, which keys have changed; ``None`` for all.
        on_lost: is told that keys may have changed of which nobody hears.
        is_cluster: tells whether the nodes are a cluster's; called after `primaries`.

    Attributes:
        is_live: whether all changes are heard of.
    """

    def __init__(
        self,
        dial: Callable[[Any], Any],
        primaries: Callable[[], Sequence[Any]],
        prefix: bytes,
        on_invalidate: Callable[[News], object],
        on_lost: Callable[[], object],
        is_cluster: Callable[[], bool] = lambda: False,
    ) -> None:
        self.is_live = False
        self.dial = dial
        self.primaries = primaries
        self.prefix = prefix
        self.on_invalidate = on_invalidate
        self.on_lost = on_lost
        self.is_cluster = is_cluster
        self._why = "not started"
        self._is_closed = False
        self._has_warned = False
        self._listener: _Listener | None = None
        self._lock = AnewLock(self._begin_anew)

    def __repr__(self) -> str:
        return f"Feed({self.state!r})"

    @property
    def state(self) -> str:
        """``"live"``, or why it is not."""
        return "live" if self.is_live else self._why

    def start(self) -> None:
        """Begin to listen, unless that has been done; returns at once."""
        if self._listener is not None or self._is_closed:
            return
        listener = _Listener(self)
        with self._lock:
            if self._listener is None and not self._is_closed:
                self._why = "connecting"
                self._listener = listener
        if self._listener is not listener or not listener.start():
            listener.leave()
            with self._lock:
                if self._listener is listener:  # no thread could be started: who comes next tries again
                    self._listener, self._why = None, "no thread could be started"

    def wait_live(self, timeout: float) -> bool:
        """Wait until the feed is live, and tell whether it is."""
        self.start()
        deadline = time.monotonic() + timeout
        while not self.is_live and time.monotonic() < deadline:
            time.sleep(0.001)
        return self.is_live

    def close(self) -> None:
        """Stop listening, for good; returns at once."""
        with self._lock:
            listener, self._listener = self._listener, None
            self._is_closed, self.is_live, self._why = True, False, "closed"
        if listener is not None:
            listener.wake()
        self.on_lost()

    # What the thread calls

    def is_heard_by(self, listener: _Listener) -> bool:
        """Tell whether this is the listener in charge."""
        return self._listener is listener

    def went_live(self, listener: _Listener) -> bool:
        """Take note that all changes are heard of from now on; false if the listener is to end."""
        with self._lock:
            is_wanted = self._listener is listener
            self.is_live = is_wanted
        return is_wanted

    def went_down(self, listener: _Listener, why: str) -> None:
        """Take note that changes may have gone unheard."""
        with self._lock:
            if self._listener is not listener:
                return
            was_live, self.is_live, self._why = self.is_live, False, f"lost: {why}"
        if was_live:
            self.on_lost()

    def warn(self, why: str) -> None:
        """Log, the first time, that the servers do not let the feed be live: nothing else would tell."""
        if not self._has_warned:
            self._has_warned = True
            log().warning("the near store is not used, since %s; %s", why, _WAY_OUT)

    def _begin_anew(self) -> None:
        """In a forked child: the thread is not here, and its connections are the parent's."""
        listener, self._listener = self._listener, None
        self.is_live = False
        if listener is not None:
            self._why = "not started"
            listener.leave()
        self.on_lost()  # in any case: the parent may have been about to


class _Listener:
    """What the thread of a feed has: the links, a way to be woken, and the feed itself weakly."""

    def __init__(self, feed: Feed) -> None:
        self._selector = selectors.DefaultSelector()
        self._links: list[Link] = []
        self._busy: set[Link] = set()  # links that may have more to tell than was read
        self._alarm, self._wakes = socket.socketpair()
        for end in (self._alarm, self._wakes):
            end.setblocking(False)
        self._selector.register(self._wakes, selectors.EVENT_READ)
        self._redraw_at = 0.0
        self._feed = weakref.ref(feed, lambda _: self.wake())

    def start(self) -> bool:
        """Start the thread; false if that cannot be done."""
        try:
            threading.Thread(target=self._run, name="stillroom-feed", daemon=True).start()
        except RuntimeError:  # too many threads, or the interpreter is about to exit
            return False
        return True

    def wake(self) -> None:
        """Have the thread look whether it is to end."""
        try:
            self._alarm.send(b"!")
        except OSError:  # it has ended, or will look anyway
            pass

    def leave(self) -> None:
        """Close everything. What a child inherits is the parent's too, so nothing is sent and nothing unregistered."""
        for link in self._links:
            link.hang_up()
        self._links.clear()
        self._selector.close()
        self._alarm.close()
        self._wakes.close()

    # The thread

    def _run(self) -> None:
        pause = SHORTEST
        while self._is_wanted():
            why = "unknown"
            try:
                self._connect()
                if self._go_live():
                    pause = SHORTEST
                    self._listen()
            except Exception as error:
                why = str(error) or repr(error)
                if isinstance(error, RefusedError):
                    self._warn(why)
            self._lose(why)
            self._hang_up()
            self._sleep(pause)
            pause = min(2 * pause, LONGEST)
        self.leave()

    def _is_wanted(self) -> bool:
        feed = self._feed()
        return feed is not None and feed.is_heard_by(self)

    def _go_live(self) -> bool:
        feed = self._feed()
        return feed is not None and feed.went_live(self)

    def _lose(self, why: str) -> None:
        feed = self._feed()
        if feed is not None:
            feed.went_down(self, why)

    def _warn(self, why: str) -> None:
        feed = self._feed()
        if feed is not None:
            feed.warn(why)

    def _connect(self) -> None:
        """Have all primaries tell of changes, and return once they are known to.

        Raises:
            Exception: they are not.
        """
        nodes, is_cluster = self._primaries()
        if not nodes:
            raise LostError("no primary is known")
        for node in nodes:
            self._dial(node, is_cluster)
        while not all(link.is_well for link in self._links):
            self._turn()
        if len({link.cluster for link in self._links}) > 1:
            raise LostError("the nodes of the cluster disagree")
        self._redraw()  # the nodes may have changed before they were listened to

    def _primaries(self) -> tuple[list[Hashable], bool]:
        feed = self._feed()
        if feed is None:
            return [], False
        nodes = list(dict.fromkeys(feed.primaries()))
        return nodes, feed.is_cluster()

    def _dial(self, node: Hashable, is_cluster: bool) -> None:
        feed = self._feed()
        if feed is None:
            return
        connection = feed.dial(node)
        try:
            link = Link(node, connection, feed.prefix, is_cluster, time.monotonic())
        except BaseException:
            connection.disconnect()
            raise
        self._links.append(link)
        self._selector.register(link.socket, selectors.EVENT_READ, link)

    def _redraw(self) -> None:
        """See to it that the nodes listened to are the primaries.

        Raises:
            LostError: they are not.
        """
        nodes, _ = self._primaries()
        if set(nodes) != {link.node for link in self._links}:
            raise LostError("the primaries have changed")
        self._redraw_at = time.monotonic() + REDRAWN

    def _listen(self) -> None:
        """Pass on what is told, until the feed is closed or gone.

        Raises:
            Exception: something may have gone unheard.
        """
        while self._is_wanted():
            self._turn()
            if time.monotonic() >= self._redraw_at:
                try:
                    self._redraw()
                except LostError:
                    raise
                except Exception:  # nobody can tell at the moment, but the nodes themselves say that all is well
                    self._redraw_at = time.monotonic() + REDRAWN

    def _turn(self) -> None:
        """Wait until there is something to do, and do it."""
        pause = 0.0 if self._busy else min([link.due for link in self._links], default=0.0) - time.monotonic()
        ready = [key.data for key, _ in self._selector.select(max(0.0, pause))]
        if None in ready:
            self._wakes.recv(64)
        now = time.monotonic()
        links = self._busy | {link for link in ready if link is not None}
        self._busy = {link for link in links if self._hear(link, now)}
        now = time.monotonic()
        for link in self._links:
            link.tend(now)

    def _hear(self, link: Link, now: float) -> bool:
        """Pass on what a link tells; true if there may be more."""
        told, more = link.receive(now)
        feed = self._feed() if told else None
        if feed is not None:
            for news in told:
                feed.on_invalidate(news)
        return more

    def _hang_up(self) -> None:
        for link in self._links:
            self._selector.unregister(link.socket)
            link.hang_up()
        self._links.clear()
        self._busy.clear()

    def _sleep(self, pause: float) -> None:
        """Wait, but no longer than until the feed is closed or gone."""
        if self._is_wanted() and self._selector.select(pause):
            self._wakes.recv(64)
