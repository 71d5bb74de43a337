"""The store that a transaction sees: its own entries, and for all that it has not touched, those of the store under it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from ..._engine.verdict import is_fresh
from ...entry import MISSING, Entry, Missing
from ...errors import StoreError
from ...protocols import Key, Keyspace, Lease, Lookup, Reading, Store
from ..memory import MemoryStore
from .changes import Changes, Loaded
from .packing import Packing

__all__ = ["Overlay", "OverlayLease"]

AT_ONCE: Final = 500
"""How many keys are read in one batch, which must end within the time that one operation may take."""

MOST_LOADS: Final = 1000
"""How many loaded values a transaction keeps for the end, each with a lease; beyond that the oldest is let go."""


class OverlayLease:
    """The right to fill one key inside, and perhaps outside in the end.

    Attributes:
        lookup: whom it was given to.
        reading: the key's state at the moment the lease was given.
        own: the lease on the entry inside.
        under: the lease outside, which tells whether what is loaded still counts; ``None`` if it is for its caller only.
    """

    __slots__ = ("lookup", "own", "reading", "under")
    is_granted = True  # whoever waited in a transaction for a load outside might wait for one that waits for the transaction

    def __init__(self, lookup: Lookup, reading: Reading, own: Lease, under: Lease | None) -> None:
        self.lookup = lookup
        self.reading = reading
        self.own = own
        self.under = under


class Overlay:
    """What a transaction sees, as callers of one colour ask it.

    Args:
        under: the store under it, as callers of this colour ask it.
        changes: what the transaction has changed; the same for all its overlays.
        own: its own entries; the same for all its overlays.
        packing: in what form it keeps values.
        now: tells the time.
        is_well: tells whether the store can be reached.
        is_guest: its callers are tasks or threads that were started inside, not the one that opened the transaction.
    """

    def __init__(
        self,
        under: Store,
        changes: Changes,
        own: MemoryStore,
        packing: Packing,
        now: Callable[[], float],
        is_well: Callable[[], bool],
        *,
        is_guest: bool,
    ) -> None:
        self.name = under.name
        self.under = under
        self.changes = changes
        self.own = own
        self.base: Store = under.base if isinstance(under, Overlay) else under
        self._packing = packing
        self.now = now
        self._is_well = is_well
        self._is_guest = is_guest

    def __repr__(self) -> str:
        return f"Overlay({self.under!r})"

    # What leaves everything as it is

    async def read(self, lookups: Sequence[Lookup], *, count: bool = True) -> list[Reading]:
        """Return what is known of each key; see `Store.read`."""
        if self.changes.is_closed:
            return await self.under.read(lookups, count=count)
        readings = [self._own(one) for one in await self.own.read(lookups, count=count)]
        asked = [at for at, lookup in enumerate(lookups) if not self._is_given(lookup, readings[at])]
        if asked:
            found = await self.under.read([lookups[at] for at in asked], count=count)
            for at, reading in zip(asked, found, strict=True):
                readings[at] = await self._seen(lookups[at], readings[at], reading)
        return readings

    def _own(self, reading: Reading) -> Reading:
        return reading._replace(entry=self._packing.unpacked(reading.entry))

    def _is_given(self, lookup: Lookup, own: Reading) -> bool:
        """Tell whether the transaction has a value of a user's for a key, so that what is outside does not matter."""
        pending = self.changes.of(lookup.key)
        return own.entry is not MISSING and pending is not None and pending.is_given

    async def _seen(self, lookup: Lookup, own: Reading, found: Reading) -> Reading:
        """Return what is known of a key, given what is known of it in the transaction and outside."""
        generations = own.generations + found.generations
        if own.entry is not MISSING:
            if self._is_given(lookup, own) or await self._still_counts(lookup, found):
                return own._replace(generations=generations)
            await self._forget_load(lookup.key)
        if self.changes.touches(lookup) or self.changes.ends(found.carries):
            return Reading(MISSING, generations)
        pending = self.changes.of(lookup.key)
        entry = found.entry if pending is None else pending.applied(found.entry, self.now())
        return found._replace(entry=entry, generations=generations)

    async def _still_counts(self, lookup: Lookup, found: Reading) -> bool:
        """Tell whether what was loaded inside would still count outside."""
        loaded = self.changes.loads.get(self.changes.identity(lookup.key))
        if loaded is None:
            return False
        known = loaded.lease.reading.generations
        if lookup.generations != loaded.lookup.generations or found.generations != known:
            far = loaded.lookup._replace(is_counted=True)  # a near copy tells of the generations that others have asked for
            (found,) = await self.under.read((far,), count=False)
        if found.generations != known or not await self.under.stands(loaded.lease):
            return False
        return not loaded.tags or await self.under.untouched(loaded.lease, [name for name, _ in loaded.tags])

    async def stands(self, lease: Lease) -> bool:
        """Tell whether a lease still stands; see `Store.stands`."""
        assert isinstance(lease, OverlayLease)
        if lease.under is None:  # nobody has been asked outside
            return False
        return await self.own.stands(lease.own) and await self.under.stands(lease.under)

    async def untouched(self, lease: Lease, tags: Sequence[str]) -> bool:
        """Vouch that tags were not invalidated since a lease was given; see `Store.untouched`."""
        assert isinstance(lease, OverlayLease)
        if lease.under is None:  # nobody has been asked outside
            return False
        return await self.own.untouched(lease.own, tags) and await self.under.untouched(lease.under, tags)

    async def names(self, space: Keyspace, *, fresh: bool = True) -> list[str]:
        """Return the local keys of a keyspace of names; see `Store.names`."""
        if self.changes.is_closed:
            return await self.under.names(space, fresh=fresh)
        names = dict.fromkeys(await self.own.names(space, fresh=False))
        if not self.changes.covers(space.namespace):
            names.update(dict.fromkeys(await self.under.names(space, fresh=fresh)))
            if not fresh and not self._is_well():  # not all of them can have been listed, and none must survive
                await self.invalidate(namespaces=(space.namespace,))
        names.update({str(one.lookup.key.local): None for one in self.changes.pending() if one.lookup.key.space is space})
        if not fresh:
            return list(names)
        there = await self._are_values([Lookup(Key(space, name)) for name in names])
        return [name for name, is_there in zip(names, there, strict=True) if is_there]

    async def _are_values(self, lookups: Sequence[Lookup]) -> list[bool]:
        """Tell for which of many keys the transaction sees a fresh value."""
        there: list[bool] = []
        for at in range(0, len(lookups), AT_ONCE):
            there += map(self._is_value, await self.read(lookups[at : at + AT_ONCE], count=False))
        return there

    def _is_value(self, reading: Reading) -> bool:
        entry = reading.entry
        return entry is not MISSING and not entry.is_error and is_fresh(entry, self.now())

    async def kept(self, lookup: Lookup) -> Entry[Any] | Missing:
        """Return what the transaction itself has for a key."""
        (reading,) = await self.own.read((lookup,), count=False)
        return self._own(reading).entry

    # Loads

    async def lease(
        self, lookup: Lookup, known: Reading | None = None, *, renew: bool = False, alone: bool = False
    ) -> OverlayLease:
        """Take a lease and look once more; see `Store.lease`.

        With ``alone``, others would wait for a lease that is held until the transaction ends. So none is taken outside, and
        what is loaded is for its caller only: nobody could tell whether it still counts.
        """
        if renew:
            await self._outdate((lookup.key,))
        own = await self.own.lease(lookup)
        under: Lease | None = None
        try:
            if alone or self._is_guest or self.changes.is_closed or self.changes.adjusts(lookup.key):
                (found,) = await self.under.read((lookup,), count=False)
            else:
                under = await self.under.lease(lookup)
                found = under.reading
            return OverlayLease(lookup, await self._seen(lookup, self._own(own.reading), found), own, under)
        except BaseException:
            await self.own.release(lookup.key, own)
            if under is not None:
                await self.under.release(lookup.key, under)
            raise

    async def fill(self, key: Key, entry: Entry[Any], lease: Lease) -> bool:
        """Keep what was loaded inside, and its lease outside until the end; see `Store.fill`."""
        assert isinstance(lease, OverlayLease)
        lookup, changes = lease.lookup, self.changes
        if changes.is_closed or lease.under is None or _goes_on(entry, lease.reading):
            await self.release(key, lease)
            return False
        try:
            kept = replace(self._packing.packed(lookup, entry), generations=lease.own.reading.generations)
        except BaseException:
            await self.release(key, lease)
            raise
        self._admit(key)
        stored = await self.own.fill(key, kept, lease.own)
        if not stored:
            await self.under.release(key, lease.under)
            return False
        if changes.touches(lookup):
            changes.loaded(key)
        await self._keep(key, Loaded(lookup, lease.under, entry.tags, changes.is_doubtful(lookup)))
        return True

    async def release(self, key: Key, lease: Lease) -> None:
        """Give a lease back without filling the key."""
        assert isinstance(lease, OverlayLease)
        await self.own.release(key, lease.own)
        if lease.under is not None:
            await self.under.release(key, lease.under)

    async def _keep(self, key: Key, loaded: Loaded) -> None:
        loads, identity = self.changes.loads, self.changes.identity(key)
        surplus = loads.pop(identity, None)
        loads[identity] = loaded
        if surplus is None and len(loads) > MOST_LOADS:
            await self._forget_load(next(iter(loads.values())).lookup.key)
        elif surplus is not None:
            await self._let_go(surplus)

    async def _forget_load(self, key: Key) -> None:
        await self.own.delete((key,))
        loaded = self.changes.loads.pop(self.changes.identity(key), None)
        if loaded is not None:
            await self._let_go(loaded)

    async def _let_go(self, loaded: Loaded) -> None:
        try:
            await self.under.release(loaded.lookup.key, loaded.lease)
        except StoreError:  # it ends by itself
            pass

    # What makes something outdated

    async def write(self, entries: Sequence[tuple[Lookup, Entry[Any]]]) -> list[bool]:
        """Keep values given by a user for the end; see `Store.write`."""
        if self.changes.is_closed:
            return await self.under.write(entries)
        kept = [(lookup, self._packing.packed(lookup, entry)) for lookup, entry in entries]
        await self._tell([lookup.key for lookup, _ in entries])
        for lookup, _ in entries:
            await self._begin_anew(lookup, if_absent=False)
        stored = await self.own.write(kept)
        return await self.under.write(entries) if self.changes.is_closed else stored

    async def add(self, lookup: Lookup, entry: Entry[Any]) -> bool:
        """Keep a value for the end if there is none now; see `Store.add`."""
        kept = self._packing.packed(lookup, entry)
        if self._is_value((await self.read((Lookup(lookup.key),), count=False))[0]):
            return False
        await self._begin_anew(lookup, if_absent=True)
        if self.changes.is_closed:
            return await self.under.add(lookup, entry)
        return all(await self.own.write([(lookup, kept)]))

    async def _begin_anew(self, lookup: Lookup, *, if_absent: bool) -> None:
        """Let go of what is known of a key that is about to be given a value."""
        await self._forget_load(lookup.key)
        self.changes.given(lookup, if_absent=if_absent)
        self._admit(lookup.key)

    def _admit(self, key: Key) -> None:
        """Let the plain hit path serve later what is kept here for a key; here is none that would have to be barred."""
        self.own.partition(key.space).checked = True

    async def delete(self, keys: Iterable[Key]) -> int:
        """Forget entries inside, and outside in the end; return how many fresh ones there were."""
        keys = tuple(keys)
        if self.changes.is_closed:
            return await self.under.delete(keys)
        try:
            asked = [Lookup(key, () if key.space.function is None else (key.space.function,)) for key in keys]
            return sum(await self._are_values(asked))
        finally:
            await self._outdate(keys)

    async def _outdate(self, keys: Sequence[Key]) -> None:
        self.changes.deleted(keys)
        await self.own.delete(keys)
        await self._tell(keys)
        if self.changes.is_closed:
            await self.under.delete(keys)

    async def _tell(self, keys: Sequence[Key]) -> None:
        if self._is_guest:
            await self.base.delete(keys)

    async def invalidate(self, *, names: Iterable[str] = (), namespaces: Iterable[str] = (), everything: bool = False) -> None:
        """Replace generation tokens inside, and outside in the end."""
        names, namespaces = tuple(names), tuple(namespaces)
        if not self.changes.is_closed:
            self.changes.invalidated(names, namespaces, everything)
            await self.own.invalidate(names=names, namespaces=namespaces, everything=everything)
        if self._is_guest:
            await self.base.invalidate(names=names, namespaces=namespaces, everything=everything)
        if self.changes.is_closed:
            await self.under.invalidate(names=names, namespaces=namespaces, everything=everything)

    async def increment(self, lookup: Lookup, amount: int, initial: Entry[Any]) -> int:
        """Add to the fresh ``int`` stored under a key, or keep ``initial``; see `Store.increment`."""
        changes, key = self.changes, lookup.key
        if not changes.touches(lookup):
            await self._forget_load(key)
            (found,) = await self.under.read((lookup,), count=False)
            if not changes.is_closed and not changes.ends(found.carries):
                return self._added(lookup, found, amount, initial)
            changes.deleted((key,))
        if changes.is_closed:
            return await self.under.increment(lookup, amount, initial)
        if self._number(await self.kept(lookup)) is None:
            changes.given(lookup)
        return await self.own.increment(lookup, amount, initial)

    def _added(self, lookup: Lookup, found: Reading, amount: int, initial: Entry[Any]) -> int:
        self.changes.overdue(lookup.key, self.now())
        pending = self.changes.of(lookup.key)
        entry = found.entry if pending is None else pending.applied(found.entry, self.now())
        number = self._number(entry)
        if number is None or entry is MISSING:
            self.changes.added(lookup, amount, initial, initial.fresh_until)
            return amount
        self.changes.added(lookup, amount, initial, entry.fresh_until)
        return number + amount

    def _number(self, entry: Entry[Any] | Missing) -> int | None:
        if entry is MISSING or entry.is_error or not is_fresh(entry, self.now()):
            return None
        if type(entry.value) is not int:  # a subclass would bring its own addition
            raise TypeError(f"only an int can be incremented, not {type(entry.value).__name__}")
        return entry.value

    async def touch(self, key: Key, fresh_until: float, expires_at: float) -> bool:
        """Give a fresh entry new times, and tell whether there was one."""
        lookup, changes = Lookup(key), self.changes
        (reading,) = await self.read((lookup,), count=False)
        if changes.is_closed:
            return await self.under.touch(key, fresh_until, expires_at)
        if not self._is_value(reading):
            return False
        if changes.touches(lookup) or await self.kept(lookup) is not MISSING:
            return await self.own.touch(key, fresh_until, expires_at)
        changes.touched(key, fresh_until, expires_at)
        return True

    async def close(self) -> None:
        """Close the store outside."""
        await self.base.close()


def _goes_on(entry: Entry[Any], known: Reading) -> bool:
    """Tell whether an entry is a former one that carries more than its caller goes by, which only its own store can keep."""
    further = [token for token in entry.generations if token not in known.generations]
    return bool(further) or any(token is not None for _, token in entry.tags)
