"""`Seat`: what a call is called, and where its result lives."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from ._marks import Kept, unmarked
from ._naming import Called
from .serialize import Encoded

if TYPE_CHECKING:
    from ._reach import Place

__all__ = ["Seat", "entry_name"]


class Seat:
    """What a call is called, and where its result lives.

    Args:
        called: what it is called.

    Attributes:
        name: the text of its key, as middlewares want it.
        asked: the same, as the function's template says.
        mark: what its key is made of, exactly.
        tags: the texts of its tags.
        place: where the key lives.
        epoch: that of the place.
        backend: that of the place.
        native: the native function.
        has_loaded: for this one call, its function has run and returned.
        has_failed: for this one call, its function has run and raised.
    """

    __slots__ = ("asked", "backend", "epoch", "has_failed", "has_loaded", "mark", "name", "native", "place", "tags")

    place: Place
    native: Any

    def __init__(self, called: Called) -> None:
        self.name, self.mark, self.tags = called
        self.asked = self.name
        self.has_loaded = self.has_failed = False
        self.epoch: object = None
        self.backend: Any = None

    def sit(self, place: Place, native: Any) -> None:
        """Take a place."""
        self.place, self.native = place, native
        self.backend, self.epoch = place.backend, place.epoch

    def moved(self, name: str) -> Seat:
        """Return a seat like this under another name."""
        if name == self.name:
            return self
        other = copy(self)
        other.name = name
        return other

    def of_one_call(self) -> Seat:
        """Return a seat like this for one call alone, which tells afterwards what has become of it."""
        seat = copy(self)
        seat.has_loaded = seat.has_failed = False
        return seat

    def is_surrounded(self) -> bool:
        """Tell whether something stands around the commands for the key."""
        return self.place.is_surrounded()

    def fits(self, kept: Any) -> bool:
        """Tell whether what is stored under the key is for this call: it was loaded for one like it, or stored by a command."""
        return not isinstance(kept, Kept) or kept.mark == self.mark

    async def shown(self, kept: Any, default: Any = None) -> Any:
        """Return the value of what is stored, or ``default`` if its decoder can do nothing with it."""
        value = unmarked(kept)
        if type(value) is not Encoded:
            return value
        origin, value.origin = value.origin, None
        return await self.backend.serializer.decoded(self.backend, self.asked, value, default) if origin is None else origin


def entry_name(seat: Seat) -> str:
    """Return what the entry of a call is called in native caches, which know no empty names."""
    return seat.name or _EMPTY


_EMPTY = "(empty)"
