"""Leases for several keys at once, from any store: those that can do it in one step do, others are asked key by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..capabilities import Bulk
from ..errors import UncacheableValue

if TYPE_CHECKING:
    from ..capabilities import Settlement, Wanted
    from ..protocols import Lease, Store

__all__ = ["bulk"]


def bulk(store: Store) -> Bulk:
    """Return a store as one that gives several leases at once."""
    return store if isinstance(store, Bulk) else _KeyByKey(store)


class _KeyByKey:
    """A store that is asked key by key."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def lease_many(self, wanted: Sequence[Wanted], *, renew: bool = False, alone: bool = False) -> list[Lease]:
        leases: list[Lease] = []
        try:
            for lookup, known in wanted:
                leases.append(await self._store.lease(lookup, known, renew=renew, alone=alone))
        except BaseException:
            for (lookup, _), lease in zip(wanted, leases, strict=False):
                await self._store.release(lookup.key, lease)
            raise
        return leases

    async def settle_many(self, settlements: Sequence[Settlement]) -> list[UncacheableValue | None]:
        refusals: list[UncacheableValue | None] = []
        for key, entry, lease in settlements:
            try:
                if entry is None:
                    await self._store.release(key, lease)
                else:
                    await self._store.fill(key, entry, lease)
                refusals.append(None)
            except UncacheableValue as error:
                refusals.append(error)
        return refusals

    async def stand(self, leases: Sequence[Lease]) -> list[bool]:
        return [await self._store.stands(lease) for lease in leases]
