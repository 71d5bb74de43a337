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

from .commands import Command, command, run_script, value_of
from .layout import RedisKey
from .scripts import OUTLIVE

__all__ = ["Lives", "making"]

_FIRST_LIFE: Final = 3_600_000
"""How many milliseconds a new token lives, until the first entry that carries it prolongs that."""
_REMEMBERED: Final = 8192


def making(key: RedisKey) -> list[Command]:
    """Return the commands that make a token if there is none, and read it."""
    return [
        command(key, b"SET", key.name, os.urandom(8), b"NX", b"PX", _FIRST_LIFE),
        value_of(key),
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
        """Return the commands that let tokens outlive an entry; what they reply, `learn` wants to know.

        Args:
            keys: the generations.
            tokens: their tokens.
            life: the entry's life in milliseconds; zero if it has no end.
        """
        needed = self._now() + life / 1000 if life else math.inf
        # Far more than is needed: each change of a token's life is told to all near stores, which then drop what it covers.
        chosen = max(4 * life, _FIRST_LIFE) if life else 0
        return [
            run_script(OUTLIVE, (key.name,), token, life, chosen, by=key)
            for key, token in zip(keys, tokens, strict=True)
            if not self._is_known(key, token, needed)
        ]

    def _is_known(self, key: RedisKey, token: bytes, needed: float) -> bool:
        known = self._known.get(key.name)
        return known is not None and known[0] == token and known[1] >= needed

    def learn(self, commands: Sequence[Command], replies: Sequence[int]) -> None:
        """Take note of how long tokens live, as the commands that prolong them replied: in milliseconds, -1 without end."""
        now = self._now()
        for one, left in zip(commands, replies, strict=False):
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            token = one.parts[2]
            if left and isinstance(token, bytes):
                self._known[one.key.name] = (token, now + left / 1000 if left > 0 else math.inf)
