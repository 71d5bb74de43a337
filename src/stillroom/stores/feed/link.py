"""A link: the connection to one server over which it tells of changed keys, and what shows that it would tell.

A server that hangs, or has become a replica, or whose cluster has changed, says nothing of that. So it is asked what it is,
twice a second, and has a second to answer. Nothing in here waits: the feed calls when there is something to read, or to do.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final, TypeAlias

from ..resp import NOT_YET, ReplyError, is_push, new_reader, pack

__all__ = ["Link", "LostError", "News", "RefusedError"]

BEAT: Final = 0.5
"""Seconds from an answer to the next question."""
PATIENCE: Final = 1.0
"""Seconds that an answer may take."""

_CHUNK: Final = 65_536
_CHUNKS: Final = 32
"""How many chunks are read in a row, before it is another link's turn."""

_FOR_GOOD: Final = ("NOPERM", "ERR")
"""How refusals begin that mean the command, not the moment."""

News: TypeAlias = "list[bytes] | None"
"""Keys that have changed; ``None`` for all that there are."""


class LostError(Exception):
    """What was told may not be all."""


class RefusedError(LostError):
    """The server does not let this user hear of changes, or cannot tell of them, and is not about to."""


class Link:
    """The connection to one server.

    Args:
        node: the server.
        connection: a blocking connection of redis-py's, made, and greeted as ``protocol=3``.
        prefix: what the keys to hear of begin with.
        is_cluster: whether the server is part of a cluster.
        now: the time on a monotonic clock.

    Attributes:
        socket: what to select on.
        due: when to call `tend` next.
        is_well: whether the server has told that it tracks, and is what it should be.
        cluster: the epoch and the size of its cluster, as it has told; ``None`` if it has none.
    """

    def __init__(self, node: Hashable, connection: Any, prefix: bytes, is_cluster: bool, now: float) -> None:
        self.node = node
        self.socket: Any = connection._sock
        self.cluster: tuple[bytes, bytes] | None = None
        self.is_well = False
        self._connection = connection
        self._reader = new_reader()
        self._question = pack("ROLE") + (pack("CLUSTER", "INFO") if is_cluster else b"")
        self._answers_each = 2 if is_cluster else 1
        self._answers: list[Any] = []
        self._is_tracked = False
        self.socket.setblocking(False)
        self._send(pack("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", prefix) + self._question)
        self._is_asked = True
        self.due = now + PATIENCE

    def tend(self, now: float) -> None:
        """Ask, if it is time to.

        Raises:
            LostError: the last answer is overdue.
            OSError: the connection is broken.
        """
        if now < self.due:
            return
        if self._is_asked:
            raise LostError(f"{self._named} did not answer within {PATIENCE:g} s")
        self._send(self._question)
        self._is_asked = True
        self.due = now + PATIENCE

    def receive(self, now: float) -> tuple[list[News], bool]:
        """Return what has been told, and whether there may be more to read.

        Raises:
            LostError: the server is not what it was, or will not do what it is asked.
            OSError: the connection is broken.
        """
        news: list[News] = []
        for _ in range(_CHUNKS):
            chunk = self._chunk()
            if chunk is not None:
                self._reader.feed(chunk)
                self._take(news, now)
            if chunk is None or (len(chunk) < _CHUNK and not self._holds_back()):
                return news, False
        return news, True

    def hang_up(self) -> None:
        """Close the connection."""
        try:
            self._connection.disconnect()
        except Exception:  # noqa: S110 - it is of no more use, whatever it says
            pass

    @property
    def _named(self) -> str:
        return str(self.node)

    def _send(self, data: bytes) -> None:
        if self.socket.send(data) != len(data):
            raise LostError(f"{self._named} takes nothing more")

    def _chunk(self) -> bytes | None:
        try:
            chunk: bytes = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return None
        except OSError as error:
            if type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError"):  # `ssl` is imported by who needs it
                return None
            raise
        if not chunk:
            raise LostError(f"{self._named} has hung up")
        return chunk

    def _holds_back(self) -> bool:
        """Tell whether TLS has decrypted more than was read: the socket would not say so."""
        pending = getattr(self.socket, "pending", None)
        return pending is not None and pending() > 0

    def _take(self, news: list[News], now: float) -> None:
        while (reply := self._reader.gets()) is not NOT_YET:
            if is_push(reply):
                if reply[:1] == [b"invalidate"]:
                    news.append(reply[1])
            elif isinstance(reply, ReplyError):
                kind = RefusedError if str(reply).startswith(_FOR_GOOD) else LostError
                raise kind(f"{self._named} refuses: {reply}")
            elif not self._is_tracked:
                self._is_tracked = True  # nothing but OK can have come
            else:
                self._answers.append(reply)
                if len(self._answers) == self._answers_each:
                    answers, self._answers = self._answers, []
                    self._judge(answers, now)

    def _judge(self, answers: list[Any], now: float) -> None:
        role, *about = answers
        if role[0] != b"master":
            raise LostError(f"{self._named} is a replica now")
        if about:
            cluster = self._cluster_of(about[0])
            if self.is_well and cluster != self.cluster:
                raise LostError(f"the cluster of {self._named} has changed")
            self.cluster = cluster
        self.is_well = True
        self._is_asked = False
        self.due = now + BEAT

    def _cluster_of(self, info: bytes) -> tuple[bytes, bytes]:
        fields = dict(line.split(b":", 1) for line in info.split(b"\r\n") if b":" in line)
        if fields.get(b"cluster_state") != b"ok":
            raise LostError(f"the cluster of {self._named} is not complete")
        return fields[b"cluster_current_epoch"], fields[b"cluster_size"]
