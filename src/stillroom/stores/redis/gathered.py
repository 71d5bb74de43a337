"""Reads of one turn of an event loop, which leave in one command."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from ...errors import StoreError
from .finding import Asked
from .layout import RedisKey
from .links import Outcome

__all__ = ["Gathered"]


class Gathered:
    """The reads of one turn, on their way in one command.

    Attributes:
        indexes: where the value of each key will stand in the reply.
        asks: who wants which of them.
        groups: who wants an entry together with the same generations: these, where they stand, and who wants which entry.
    """

    __slots__ = ("asks", "groups", "indexes")

    def __init__(self) -> None:
        self.indexes: dict[bytes, int] = {}
        self.asks: list[tuple[asyncio.Future[Any], list[int]]] = []
        self.groups: dict[int, tuple[tuple[RedisKey, ...], list[int], list[tuple[asyncio.Future[Any], int]]]] = {}

    def add(self, future: asyncio.Future[Any], keys: Sequence[RedisKey]) -> None:
        indexes = self.indexes
        self.asks.append((future, [indexes.setdefault(key.bulk, len(indexes)) for key in keys]))

    def look(self, future: asyncio.Future[Any], asked: Asked) -> None:
        indexes, group = self.indexes, self.groups.get(id(asked.generations))
        if group is None:
            places = [indexes.setdefault(key.bulk, len(indexes)) for key in asked.generations]
            group = self.groups[id(asked.generations)] = (asked.generations, places, [])
        bulk = asked.entry.bulk
        at = indexes.get(bulk)
        if at is None:
            at = indexes[bulk] = len(indexes)
        group[2].append((future, at))

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
        for _, places, looks in self.groups.values():
            tokens = [values[place] for place in places]
            joined = None if None in tokens else b"".join(tokens)
            for future, at in looks:
                if not future.done():
                    future.set_result((values[at], tokens, joined))
