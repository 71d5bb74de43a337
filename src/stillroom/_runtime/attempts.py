"""Several things that are all to be done, whatever becomes of each.

An error of one keeps none of the others from being done. Nor does a cancellation, such as asyncio's of whatever runs when a
program ends: it says nothing of the things themselves. So what it has cut short is done once more.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeAlias, TypeVar

__all__ = ["AT_ONCE", "Attempts", "Gather", "in_turn"]

T = TypeVar("T")
Act: TypeAlias = "Callable[[], Coroutine[Any, Any, object]]"
Gather: TypeAlias = "Callable[[Sequence[Coroutine[Any, Any, None]]], Coroutine[Any, Any, list[None]]]"
"""Does several things, side by side if it can."""

AT_ONCE: Final = 100
"""How many things are under way at a time: each has to end within the time that one operation may take."""


class Attempts:
    """Does things, and takes note of what goes wrong.

    Args:
        gather: does several things.
    """

    def __init__(self, gather: Gather) -> None:
        self._gather = gather
        self._errors: list[Exception] = []
        self._stop: BaseException | None = None

    def failed(self, error: Exception) -> None:
        """Take note of what has gone wrong elsewhere."""
        self._errors.append(error)

    async def all(self, acts: Sequence[Act]) -> None:
        """Do several things."""
        for at in range(0, len(acts), AT_ONCE):
            left = dict(enumerate(acts[at : at + AT_ONCE]))
            try:
                await self._gather([self._attempt(left, place) for place in [*left]])
            except GeneratorExit:  # the event loop is no more
                raise
            except BaseException as stop:
                self._stop = stop
                for place in [*left]:
                    await self._attempt(left, place)

    async def _attempt(self, left: dict[int, Act], place: int) -> None:
        try:
            await left[place]()
        except Exception as error:
            self._errors.append(error)
        left.pop(place, None)

    def raise_first(self) -> None:
        """Raise what went wrong first, if anything did; what has cut things short before any error."""
        if self._stop is not None:
            raise self._stop
        for error in self._errors:
            raise error


async def in_turn(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Do several things one after the other, and return what they bring."""
    pending = list(reversed(works))
    results: list[T] = []
    try:
        while pending:
            results.append(await pending.pop())
    finally:
        for work in pending:
            work.close()
    return results
