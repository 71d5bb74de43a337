"""Lines: texts in the order in which they came, of which there are no more than so many; who came first leaves first.

A line is a tally that has no function. On a server it is a sorted set: one round trip puts a text at the end, wherever it stood
before, and tells who has to leave, no matter how long the line is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .._runtime.runtime import drive
from ..settings import texts
from .tally import ENDLESS, Change, Forget

if TYPE_CHECKING:
    from .guard import Way
    from .tally import Step

__all__ = ["Joining", "Leaving", "Line", "Looking"]


class Joining(NamedTuple):
    """Put texts at the end, and tell which have to leave.

    Attributes:
        limit: how many there may be.
        texts: those that come.
    """

    limit: int
    texts: tuple[str, ...]

    @property
    def script(self) -> str:
        return "line_add"

    @property
    def arguments(self) -> tuple[bytes | int, ...]:
        return (self.limit, *_encoded(self.texts))

    def apply(self, state: OrderedDict[str, None] | None, now: float) -> Change:
        line = OrderedDict[str, None]() if state is None else state
        for text in self.texts:
            line[text] = None
            line.move_to_end(text)
        surplus = range(len(line) - self.limit)
        return _change(line, now, [line.popitem(last=False)[0] for _ in surplus])

    def read(self, reply: Any) -> list[str]:
        return _decoded(reply)


class Leaving(NamedTuple):
    """Take texts out, wherever they stand, and tell how many were there."""

    texts: tuple[str, ...]

    @property
    def script(self) -> str:
        return "line_drop"

    @property
    def arguments(self) -> tuple[bytes, ...]:
        return _encoded(self.texts)

    def apply(self, state: OrderedDict[str, None] | None, now: float) -> Change:
        line = OrderedDict[str, None]() if state is None else state
        before = len(line)
        for text in self.texts:
            line.pop(text, None)
        return _change(line, now, before - len(line))

    def read(self, reply: Any) -> int:
        return int(reply)


class Looking(NamedTuple):
    """Tell who is there, in order."""

    script: str = "line_peek"
    arguments: tuple[int, ...] = ()

    def apply(self, state: OrderedDict[str, None] | None, now: float) -> Change:
        return _change(state, now, list(state or ()))

    def read(self, reply: Any) -> list[str]:
        return _decoded(reply)


class Line:
    """Texts in the order in which they came; see `stillroom.Cache.line`.

    Args:
        tally: what it is called where it is kept.
        limit: how many texts there may be.
        blocking: returns where blocking callers find it.
        tasks: the same for callers on an event loop.

    Attributes:
        limit: how many texts there may be.
    """

    def __init__(self, tally: str, limit: int, blocking: Callable[[], Way], tasks: Callable[[], Way]) -> None:
        self.limit = limit
        self._tally = tally
        self._blocking = blocking
        self._tasks = tasks

    def add(self, *given: str) -> list[str]:
        """Put texts at the end, wherever they stood before, and return those that had to leave, the first one first.

        Raises:
            StoreError: the store is out of reach.
        """
        gone: list[str] = self._now(Joining(self.limit, texts(given, "add")))
        return gone

    async def aadd(self, *given: str) -> list[str]:
        """Do what `add` does."""
        gone: list[str] = await self._later(Joining(self.limit, texts(given, "add")))
        return gone

    def drop(self, *given: str) -> int:
        """Take texts out, and return how many were there.

        Raises:
            StoreError: the store is out of reach.
        """
        count: int = self._now(Leaving(texts(given, "drop")))
        return count

    async def adrop(self, *given: str) -> int:
        """Do what `drop` does."""
        count: int = await self._later(Leaving(texts(given, "drop")))
        return count

    def peek(self) -> list[str]:
        """Return who is there, the first one first.

        Raises:
            StoreError: the store is out of reach.
        """
        there: list[str] = self._now(Looking())
        return there

    async def apeek(self) -> list[str]:
        """Do what `peek` does."""
        there: list[str] = await self._later(Looking())
        return there

    def clear(self) -> None:
        """Take all out.

        Raises:
            StoreError: the store is out of reach.
        """
        self._now(Forget())

    async def aclear(self) -> None:
        """Do what `clear` does."""
        await self._later(Forget())

    def _now(self, step: Step) -> Any:
        return drive(self._blocking().tallies.step(self._tally, step))

    async def _later(self, step: Step) -> Any:
        return await self._tasks().tallies.step(self._tally, step)


def _change(line: OrderedDict[str, None] | None, now: float, reply: Any) -> Change:
    return Change(line, ENDLESS, reply) if line else Change(None, now, reply)


def _encoded(given: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple([text.encode("utf-8", "surrogatepass") for text in given])


def _decoded(reply: list[bytes]) -> list[str]:
    return [text.decode("utf-8", "surrogatepass") for text in reply]
