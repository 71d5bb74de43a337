"""The shortest way to a hit on a far store, for as long as that is within reach."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, TypeAlias, TypeVar

from ..._runtime.runtime import drive
from ...errors import StoreError
from .guarded import Borrowed, Guarded
from .outage import Outage
from .situation import Spell

__all__ = ["GlancingGuarded"]

T = TypeVar("T")
Seen: TypeAlias = "tuple[bool, Any]"

UNASKED: Final[Seen] = (False, None)
"""What a glance brings if it did not get as far as to ask a server, which therefore says nothing about it."""


class GlancingGuarded(Guarded):
    """A far store that can answer a hit in few steps, with what stands in for it; see `stillroom.protocols.Glancing`.

    Args:
        far: the far store as callers of this colour ask it.
        outage: knows whether it is within reach; the same one for both colours.
    """

    def __init__(self, far: Any, outage: Outage) -> None:
        super().__init__(far, outage)
        self._glancing = far

    def prepare(self, lookup: Any) -> Any:
        """Return what it takes to look for a key; see `Glancing.prepare`."""
        return self._glancing.prepare(lookup)

    def glance(self, prepared: Any) -> Seen:
        """Look for a key; see `Glancing.glance`."""
        spell = self._situation.spell
        if spell.stand_in is not None:
            return UNASKED
        try:
            seen: Seen = self._glancing.glance(prepared)
        except StoreError as error:
            self._failed(spell, error)
            return False, Borrowed(*drive(self._instead().read((prepared.lookup,)))[0])
        return seen if self._still_counts(spell, seen != UNASKED) else UNASKED

    def ask(self, prepared: Any) -> tuple[Awaitable[Any], object] | None:
        """Ask for a key, for callers on event loops; see `Glancing.ask`."""
        spell = self._situation.spell
        if spell.stand_in is not None:
            return None
        question = self._glancing.ask(prepared)
        return None if question is None else (question[0], (spell, question[1]))

    def told(self, prepared: Any, asked: Any, outcome: Any) -> Seen:
        """Return what came of it; see `Glancing.told`."""
        spell, asked = asked
        try:
            seen: Seen = self._glancing.told(prepared, asked, outcome)
        except StoreError as error:
            self._failed(spell, error)
            return False, Borrowed(*drive(self._instead().read((prepared.lookup,)))[0])  # stand-ins never wait
        situation = self._situation
        if situation.is_suspect and seen != UNASKED:
            situation.succeeded(spell)
        return seen if situation.spell.stand_in is None else UNASKED

    async def glance_many(self, prepared: Any) -> list[Seen]:
        """Look for several keys; see `Glancing.glance_many`."""
        spell = self._situation.spell
        if spell.stand_in is not None:
            return [UNASKED] * len(prepared)
        try:
            seen: list[Seen] = await self._glancing.glance_many(prepared)
        except StoreError as error:
            self._failed(spell, error)
            readings = await self._instead().read([one.lookup for one in prepared])
            return [(False, Borrowed(*reading)) for reading in readings]
        has_asked = any(one != UNASKED for one in seen)
        return seen if self._still_counts(spell, has_asked) else [UNASKED] * len(prepared)

    def _still_counts(self, spell: Spell, has_asked: bool) -> bool:
        """Tell whether what a far store has just said may be served: not if an outage has begun meanwhile."""
        if has_asked and self._situation.is_suspect:
            self._situation.succeeded(spell)
        return self._situation.spell.stand_in is None
