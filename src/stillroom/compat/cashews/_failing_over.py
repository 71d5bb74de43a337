"""`@cache.failover(...)`: each call runs the function, and the last result stands in when that fails."""

from __future__ import annotations

from typing import Any

from ._caching import ABSENT, Caching
from ._recipes import Failover
from ._seats import Seat

__all__ = ["FailingOver"]


class FailingOver(Caching):
    """A function whose last result stands in when it fails."""

    recipe: Failover

    async def _answer(self, seat: Seat, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return await seat.shown(await seat.native.refresh(seat, args, kwargs))
        except self.recipe.exceptions as error:
            there, instead = seat, ABSENT
            if seat.is_surrounded():
                may_read, there, instead = await self._asked(seat, args, kwargs)
                if instead is not ABSENT:
                    return instead
                if not may_read:
                    raise
            kept = await there.native.peek(there, args, kwargs, default=ABSENT)
            if kept is ABSENT or not there.fits(kept):
                raise
            await self.tell(there, args, kwargs, kept, None, exc=error)
            return await there.shown(kept)
