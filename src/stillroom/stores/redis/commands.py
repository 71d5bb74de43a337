"""Commands, and the keys by which they are routed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..resp import pack
from .layout import RedisKey
from .scripts import Script

__all__ = ["Command", "command", "run_script", "value_of"]


class Command(NamedTuple):
    """A command and the key by which it is routed.

    Attributes:
        key: the key, or one of several with the same hash tag.
        data: the command as it is sent.
        script: the script that it runs, in case that the server has forgotten it.
        parts: the keys and arguments of the script.
        reads: it reads a value, and there is none where something else than a string is, as ``MGET`` has it.
    """

    key: RedisKey
    data: bytes
    script: Script | None = None
    parts: tuple[bytes | int, ...] = ()
    reads: bool = False

    def whole(self) -> Command:
        """Return the command with the text of its script, which the server remembers from then on."""
        assert self.script is not None
        return self._replace(data=pack(b"EVAL", self.script.text, *self.parts))


def command(key: RedisKey, *args: bytes | int, reads: bool = False) -> Command:
    """Return a plain command, which may read a value."""
    return Command(key, pack(*args), reads=reads)


def value_of(key: RedisKey) -> Command:
    """Return the command that reads a value."""
    return Command(key, b"*2\r\n$3\r\nGET\r\n" + key.bulk, reads=True)


def run_script(script: Script, keys: Sequence[bytes], *args: bytes | int, by: RedisKey) -> Command:
    """Return the command that runs a script on keys with one hash tag."""
    parts = (len(keys), *keys, *args)
    return Command(by, pack(b"EVALSHA", script.digest, *parts), script, parts)
