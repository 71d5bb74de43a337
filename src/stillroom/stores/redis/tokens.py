"""Generation tokens on the server: random bytes that all entries loaded under them carry.

To invalidate is to delete the token. The next lease makes a new one, and no entry that carries the old one counts any more, be
it stored already or still being loaded. If the server evicts a token, that is no more than an invalidation.

A token lives as long as the longest-lived entry that carries it, so that tags which nobody uses any more leave nothing behind.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Final

from .layout import RedisKey
from .scripts import OUTLIVE
from .wire import Command, command, run_script

__all__ = ["Lives", "making"]

_FIRST_LIFE: Final = 3_600_000
"""How many milliseconds a new token lives, until the first entry that carries it prolongs that."""
_REMEMBERED: Final = 8192


def making(key: RedisKey) -> list[Command]:
    """Return the commands that make a token if there is none, and read it."""
    return [
        command(key, b"SET", key.name, os.urandom(8), b"NX", b"PX", _FIRST_LIFE),
        command(key, b"GET", key.name),
    ]


class Lives:
    """Until when tokens are known to live, so that most fills need not ask.

    Args:
        now: the clock of this process.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._known: dict[bytes, tuple[bytes, float]] = {}

    def prolonging(self, keys: Sequence[RedisKey], tokens: Sequence[bytes], life: int) -> list[Command]:
        """Return the commands that let tokens outlive an entry.

        Args:
            keys: the generations.
            tokens: their tokens.
            life: the entry's life in milliseconds; zero if it has no end.
        """
        now = self._now()
        needed = now + life / 1000 if life else math.inf
        commands: list[Command] = []
        for key, token in zip(keys, tokens, strict=True):
            known = self._known.get(key.name)
            if known is not None and known[0] == token and known[1] >= needed:
                continue
            commands.append(run_script(OUTLIVE, (key.name,), token, 2 * life, by=key))
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key.name] = (token, now + 2 * life / 1000 if life else math.inf)
        return commands
