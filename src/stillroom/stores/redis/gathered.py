"""Reads of one turn of an event loop, which leave in one command."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from ...errors import StoreError
from .layout import RedisKey
from .links import Outcome

if TYPE_CHECKING:
    from .glance import Prepared

__all__ = ["Gathered", "carried"]


def carried(tokens: Sequence[Any], names: bytes) -> bytes | None:
    """Return what an entry carries that was loaded under these tokens, with their names; ``None`` if a token is missing."""
    return None if None in tokens else b"".join(tokens) + names


class Gathered:
    """The reads of one turn, on their way in one command.

    Attributes:
        indexes: where the value of each key will stand in the reply.
        asks: who wants which of them.
        groups: who wants an entry together with the same generations: one who does, where these stand, and all of them with
            where their entries stand.
    """

    __slots__ = ("asks", "groups", "indexes")

    def __init__(self) -> None:
        self.indexes: dict[bytes, int] = {}
        self.asks: list[tuple[asyncio.Future[Any], list[int]]] = []
        self.groups: dict[int, tuple[Prepared, list[int], list[tuple[asyncio.Future[Any], int]]]] = {}

    def add(self, future: asyncio.Future[Any], keys: Sequence[RedisKey]) -> None:
        indexes = self.indexes
        self.asks.append((future, [indexes.setdefault(key.bulk, len(indexes)) for key in keys]))

    def look(self, future: asyncio.Future[Any], prepared: Prepared) -> None:
        indexes, group = self.indexes, self.groups.get(id(prepared.generations))
        if group is None:
            places = [indexes.setdefault(key.bulk, len(indexes)) for key in prepared.generations]
            group = self.groups[id(prepared.generations)] = (prepared, places, [])
        group[2].append((future, indexes.setdefault(prepared.entry.bulk, len(indexes))))

    def command(self) -> bytes:
        return b"*%d\r\n$4\r\nMGET\r\n%b" % (len(self.indexes) + 1, b"".join(self.indexes))

    def done(self) -> bool:
        return False

    def set_result(self, outcome: Outcome) -> None:
        """Give everybody what they asked for."""
        if isinstance(outcome, StoreError) or not isinstance(outcome[0], list):
            everybody = [future for future, _ in self.asks]
            everybody += [future for _, _, looks in self.groups.values() for future, _ in looks]
            for future in everybody:
                if not future.done():
                    future.set_result(outcome)  # with an error of the server's in it
            return
        values: list[Any] = cast("Any", outcome)[0]
        for future, indexes in self.asks:
            if not future.done():
                future.set_result([values[index] for index in indexes])
        for one, places, looks in self.groups.values():
            tokens = [values[place] for place in places]
            carries = carried(tokens, one.asked.names)
            for future, at in looks:
                if not future.done():
                    future.set_result((values[at], tokens, carries))
