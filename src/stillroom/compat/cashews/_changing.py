"""Values that are changed where they are: bits, windows and sets.

A change is a load natively: it reads what it replaces, under a lock, so that all processes take turns; and a deletion that
comes in between is not undone, as with any load.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, TypeVar

from stillroom import Cache, current_load

from ._control import Control
from ._marks import unmarked
from ._translation import life, named, translated
from .serialize import Bits, Members, Scores

__all__ = ["Changing"]

V = TypeVar("V")


class Changing(Control):
    """The commands of a backend that change values where they are."""

    @property
    def native(self) -> Cache:
        """The native cache."""
        raise NotImplementedError

    @translated
    async def get_bits(self, key: str, *indexes: int, size: int = 1) -> tuple[int, ...]:
        """Return some of the whole numbers of ``size`` bits that a key keeps side by side."""
        bits = int(await self.native.aget(key, 0))
        return tuple(bits >> index * size & (1 << size) - 1 for index in indexes)

    @translated
    async def incr_bits(self, key: str, *indexes: int, size: int = 1, by: int = 1) -> tuple[int, ...]:
        """Add to some of them, up to what so many bits can hold, and return the sums."""
        most, sums = (1 << size) - 1, list[int]()

        def change(bits: int) -> Bits:
            sums.clear()
            for index in indexes:
                former = bits >> index * size & most
                sums.append(min(max(former + by, 0), most))
                bits += (sums[-1] - former) << index * size
            return Bits(bits)

        await self._change(key, Bits(), change)
        return tuple(sums)

    @translated
    async def slice_incr(self, key: str, start: float, end: float, maxvalue: int, expire: float | None = None) -> int:
        """Note ``end``, if less than ``maxvalue`` were noted since ``start``, and return how many there are."""

        def change(scores: Scores) -> Scores:
            kept = [score for score in scores if start <= score < end]
            return Scores([*kept, end] if len(kept) < maxvalue else kept)

        scores = await self._change(key, Scores(), change, expire)
        return len(scores)

    @translated
    async def set_add(self, key: str, *values: str, expire: float | None = None) -> None:
        """Add members to a set."""
        await self._change(key, Members(), lambda members: Members(members.union(values)), expire)

    @translated
    async def set_remove(self, key: str, *values: str) -> None:
        """Remove members from a set."""
        await self._change(key, Members(), lambda members: Members(members.difference(values)))

    @translated
    async def set_pop(self, key: str, count: int = 100) -> Iterable[str]:
        """Take so many members out of a set and return them."""
        taken: list[str] = []

        def change(members: Members) -> Members:
            taken[:] = list(members)[:count]
            return Members(members.difference(taken))

        await self._change(key, Members(), change)
        return taken

    async def _change(self, key: str, empty: V, change: Callable[[V], V], expire: float | None = None) -> V:
        """Put another value in the place of one, while nobody else does.

        It is a load natively, so that a deletion that comes in between is not undone.
        """
        native = self.native

        async def changed() -> V:
            value = await native.aget(key, empty)
            if not isinstance(value, type(empty)):
                raise TypeError(f"what is stored under {key!r} is of another sort: {type(value).__name__}")
            current_load().ttl = life(expire) or life(await native.attl(key))
            new = change(value)
            if new == Members():  # sets without members are not kept
                current_load().skip()
            return new

        async with self.alone(key):
            value: V = await self._changer.refresh(key, changed)
            if value == Members():
                await native.adelete(key)
        return value

    async def add_to_result(self, key: str, amount: int, tags: Sequence[str]) -> int:
        """Add to what a function has stored, or what is no whole number but can be one, and return the sum.

        A function will not take it for its own.

        Raises:
            TypeError: there is something else.
            ValueError: there is a text that is no number.
        """
        native = self.native

        async def added() -> int:
            number = unmarked(await native.aget(key, 0))
            if isinstance(number, Bits):
                raise TypeError(f"what is stored under {key!r} is of another sort: Bits")
            current_load().ttl = life(await native.attl(key))
            current_load().tags.add(*named(tags))
            return int(number) + amount

        async with self.alone(key):
            total: int = await self._changer.refresh(key, added)
        return total

    @cached_property
    def _changer(self) -> Any:
        """Return a native function that loads what it is told to load under the key that it is told."""

        async def changed(key: str, load: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ARG001 - it is what the entry is called
            return await load()

        return self.native(key=_first, name="cashews", ttl=None)(changed)

    def forget_changer(self) -> None:
        """Make another one when it is needed: the native cache is another."""
        vars(self).pop("_changer", None)

    def alone(self, key: str) -> Any:
        return self.native.lock(f"change:{key}")


def _first(key: str, load: object) -> str:  # noqa: ARG001 - what is loaded is not part of the key
    return key
