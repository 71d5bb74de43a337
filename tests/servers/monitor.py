"""Sees every command that a server runs, by MONITOR."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from redis.exceptions import ConnectionError as Disconnected
from tests.servers.waiting import PATIENCE

LINE = re.compile(rb"([\d.]+) \[\d+ (\S+)\] (.*)", re.DOTALL)
WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')


class Command(NamedTuple):
    """A command: which client sent it (``"lua"`` for scripts), its words as they were sent, and when, by the server's clock."""

    client: str
    words: tuple[bytes, ...]
    at: float

    @property
    def name(self) -> str:
        """The first word, in capitals."""
        return self.words[0].decode().upper()


@contextmanager
def monitored(client: Any, connection: Any) -> Iterator[list[Command]]:
    """Collect the commands that a server runs; those that were answered before the end are all in the list at the end.

    The connection is for the monitor alone, and must have no timeout.
    """
    seen: list[Command] = []
    mark = uuid.uuid4().hex.encode()
    connection.send_command("MONITOR")
    assert connection.read_response() == b"OK"

    def read() -> None:
        with suppress(Disconnected):
            while (command := _parsed(connection.read_response())).words != (b"ECHO", mark):
                seen.append(command)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield seen
        with suppress(Disconnected):  # a server that was killed has shown all that it did
            client.echo(mark)
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the monitor hangs"
    finally:
        connection.disconnect()
        thread.join(PATIENCE)


def _parsed(line: bytes) -> Command:
    found = LINE.fullmatch(line)
    assert found is not None, line
    return Command(found[2].decode(), tuple(_plain(word) for word in WORD.findall(found[3])), float(found[1]))


def _plain(word: bytes) -> bytes:
    return word.decode("unicode_escape").encode("latin-1")
