"""A near store in front of a far one: hot entries are answered from this process, and kept right by what a feed tells.

A near copy is made of what was *read* from the far store, and is over as soon as the feed tells of a change, or this process
makes one. What has been filled or written here is not copied at once: the next read does that. So no copy ever rests on the
belief that one's own change was the last.

Rules that this file keeps:

- **A near lease is taken before the far store is read**: the placeholder. What the feed tells while the reply is on its way
  voids it, so an invalidation that overtakes the reply is not lost.
- **Whether the feed is live is asked after the lease is taken.** A feed that is lost first says that it is not live and then
  voids all near leases; so a copy is made only if the feed was live from before the far store was read until it was there.
- **The far store first, then the near one**, for all that changes something, whether or not the far one has failed: the request
  may have reached it. And before the caller learns of the end.
- **The near store answers only what needs no decision** (`Entry.plain_until`), and answers it as the far store did: with the
  far store's tokens, by which callers tell which loads they may share. Those of the near store are its own business.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from .._runtime.runtime import drive
from ..capabilities import Settlement, Wanted
from ..entry import MISSING, Entry
from ..errors import UncacheableValue
from ..protocols import Clock, Key, Keyspace, Lease, Lookup, Reading, Store
from .bulk import bulk
from .feed.index import Index, Layout, Place
from .memory import MemoryStore

__all__ = ["Copies", "Listening", "Tiered"]


class Listening(Protocol):
    """What a `Feed` does for near stores.

    Attributes:
        is_live: whether all changes of the far store are heard of.
    """

    is_live: bool

    def start(self) -> None:
        """Begin to listen, unless that has been done; returns at once."""
        ...

    def close(self) -> None:
        """Stop listening, for good."""
        ...


class Copies:
    """The near copies of one far store, for callers of both colours.

    Args:
        near: keeps them.
        layout: how the far store names its keys.
        clock: the one that the times of both stores' entries are on.
    """

    def __init__(self, near: MemoryStore, layout: Layout, clock: Clock) -> None:
        self.near = near
        self.now = clock.now
        self._index = Index(layout, self._is_kept, lambda: near.size)

    def __repr__(self) -> str:
        return f"Copies({self.near!r})"

    def invalidate(self, far_keys: list[bytes] | None) -> None:
        """Drop what these keys of the far store stand for, or everything; for the feed to call."""
        if far_keys is None:
            self.flush()
            return
        concerned = self._index.concerned(far_keys)
        if concerned.everything:
            self.flush()
            return
        if concerned.keys:
            drive(self.near.delete(concerned.keys))
        if concerned.names or concerned.namespaces:
            drive(self.near.invalidate(names=concerned.names, namespaces=concerned.namespaces))

    def flush(self) -> None:
        """Drop everything; for a feed that is lost to call."""
        drive(self.near.invalidate(everything=True))

    async def end_generations(self, names: Iterable[str], namespaces: Iterable[str], everything: bool) -> None:
        """Drop what this process has invalidated, also what other functions of the same name have."""
        await self.near.invalidate(names=self._index.same_names(names), namespaces=namespaces, everything=everything)

    async def drop(self, keys: Iterable[Key]) -> None:
        """Drop the copies of entries that this process has changed, also those that other functions of the same name have."""
        await self.near.delete(self._index.twins(keys))

    async def begin(self, lookups: Sequence[Lookup]) -> Reads:
        """Mark reads of the far store as in progress; `end` must follow."""
        reads = Reads(lookups, self._index.enter(lookups), [])
        try:
            for lookup in lookups[: len(reads.places)]:
                reads.leases.append(await self.near.lease(lookup))
        except BaseException:
            await self.end(reads)
            raise
        return reads

    async def keep(self, reads: Reads, readings: Iterable[Reading]) -> None:
        """Keep copies of what was read, where these need no decision and their leases still stand."""
        now = self.now()
        for lookup, lease, reading in zip(reads.lookups, reads.leases, readings, strict=False):
            entry = reading.entry
            # A reading of a kind of its own is no reading of the far store, but of what stands in for it during an outage.
            if entry is not MISSING and now < entry.plain_until and type(reading) is Reading:
                await self.near.fill(lookup.key, _copy(entry, reading, lease), lease)

    async def end(self, reads: Reads) -> None:
        """Mark reads as over; what they have not filled is given back."""
        try:
            for lookup, lease in zip(reads.lookups, reads.leases, strict=False):
                await self.near.release(lookup.key, lease)
        finally:
            self._index.leave(reads.places)

    def _is_kept(self, space: Keyspace, local: Hashable) -> bool:
        # The near store has been read before, so it has the partition already, and takes no lock to make one.
        return local in self.near.partition(space).entries


class Reads(NamedTuple):
    """Reads of the far store that are in progress; without places, nothing of them is copied."""

    lookups: Sequence[Lookup]
    places: list[Place]
    leases: list[Lease]


class Tiered:
    """A store with near copies, as callers of one colour ask it.

    Args:
        copies: the near copies; the same for both colours.
        far: the far store as callers of this colour ask it.
        feed: tells `copies` of changes in the far store; the same for both colours.
    """

    def __init__(self, copies: Copies, far: Store, feed: Listening) -> None:
        self.name = far.name
        self.far = far
        self._bulk = bulk(far)
        self._copies = copies
        self._near = copies.near
        self._feed = feed

    def __repr__(self) -> str:
        return f"Tiered({self._near!r}, {self.far!r})"

    async def read(self, lookups: Sequence[Lookup], *, count: bool = True) -> list[Reading]:
        """Return what is known of each key; see `Store.read`."""
        if not self._feed.is_live:
            self._feed.start()
            return await self.far.read(lookups, count=count)
        readings = await self._near.read(lookups, count=count)
        now = self._copies.now()
        missed: list[int] = []
        for at, (lookup, reading) in enumerate(zip(lookups, readings, strict=True)):
            entry = reading.entry
            if entry is MISSING or now >= entry.plain_until or lookup.is_counted:
                missed.append(at)
            else:
                readings[at] = _as_read(entry, reading)
        if missed:
            asked = [lookups[at] for at in missed]
            found = await (self._read_far(asked) if count else self.far.read(asked, count=False))
            for at, reading in zip(missed, found, strict=True):
                # Only the near store knows of hits that nobody but the plain hit path has seen.
                read_at = readings[at].read_at
                readings[at] = reading if read_at <= reading.read_at else reading._replace(read_at=read_at)
        return readings

    async def _read_far(self, lookups: list[Lookup]) -> list[Reading]:
        """Read the far store, and keep near copies of what may be kept."""
        copied = [lookup for lookup in lookups if not lookup.is_counted]
        reads = await self._copies.begin(copied)
        try:
            is_live = self._feed.is_live
            readings = await self.far.read(lookups)
            if is_live:
                uncounted = [one for one, lookup in zip(readings, lookups, strict=True) if not lookup.is_counted]
                await self._copies.keep(reads, uncounted)
            return readings
        finally:
            await self._copies.end(reads)

    async def lease(self, lookup: Lookup, known: Reading | None = None, *, renew: bool = False, alone: bool = False) -> Lease:
        """Take a lease and look once more; see `Store.lease`."""
        return await self.far.lease(lookup, known, renew=renew, alone=alone)

    async def fill(self, key: Key, entry: Entry[Any], lease: Lease) -> bool:
        """Store what was loaded under a lease, and give the lease back; see `Store.fill`."""
        try:
            return await self.far.fill(key, entry, lease)
        finally:
            await self._copies.drop((key,))

    async def release(self, key: Key, lease: Lease) -> None:
        """Give a lease back without filling the key."""
        await self.far.release(key, lease)

    async def lease_many(self, wanted: Sequence[Wanted], *, renew: bool = False, alone: bool = False) -> list[Lease]:
        """Take several leases; see `Bulk.lease_many`."""
        return await self._bulk.lease_many(wanted, renew=renew, alone=alone)

    async def settle_many(self, settlements: Sequence[Settlement]) -> list[UncacheableValue | None]:
        """Give several leases back; see `Bulk.settle_many`."""
        try:
            return await self._bulk.settle_many(settlements)
        finally:
            await self._copies.drop([key for key, _, _ in settlements])

    async def stand(self, leases: Sequence[Lease]) -> list[bool]:
        """Tell which leases still stand; see `Bulk.stand`."""
        return await self._bulk.stand(leases)

    async def stands(self, lease: Lease) -> bool:
        """Tell whether a lease still stands; see `Store.stands`."""
        return await self.far.stands(lease)

    async def untouched(self, lease: Lease, tags: Sequence[str]) -> bool:
        """Vouch that tags were not invalidated since a lease was given; see `Store.untouched`."""
        return await self.far.untouched(lease, tags)

    async def write(self, entries: Sequence[tuple[Lookup, Entry[Any]]]) -> list[bool]:
        """Store values given by a user; see `Store.write`."""
        try:
            return await self.far.write(entries)
        finally:
            await self._copies.drop([lookup.key for lookup, _ in entries])

    async def add(self, lookup: Lookup, entry: Entry[Any]) -> bool:
        """Store a value given by a user, if there is no fresh one; see `Store.add`."""
        try:
            return await self.far.add(lookup, entry)
        finally:
            await self._copies.drop((lookup.key,))

    async def delete(self, keys: Iterable[Key]) -> int:
        """Remove entries, and void the leases on their keys; return how many fresh values there were."""
        keys = tuple(keys)
        try:
            return await self.far.delete(keys)
        finally:
            await self._copies.drop(keys)

    async def invalidate(self, *, names: Iterable[str] = (), namespaces: Iterable[str] = (), everything: bool = False) -> None:
        """Replace generation tokens, so that whatever was loaded under the old ones is over."""
        names, namespaces = tuple(names), tuple(namespaces)
        try:
            await self.far.invalidate(names=names, namespaces=namespaces, everything=everything)
        finally:
            await self._copies.end_generations(names, namespaces, everything)

    async def names(self, space: Keyspace, *, fresh: bool = True) -> list[str]:
        """Return the local keys of a keyspace of names; see `Store.names`."""
        return await self.far.names(space, fresh=fresh)

    async def increment(self, lookup: Lookup, amount: int, initial: Entry[Any]) -> int:
        """Add to the fresh ``int`` stored under a key, or store ``initial``; see `Store.increment`."""
        try:
            return await self.far.increment(lookup, amount, initial)
        finally:
            await self._copies.drop((lookup.key,))

    async def touch(self, key: Key, fresh_until: float, expires_at: float) -> bool:
        """Give a fresh entry new times, and tell whether there was one."""
        try:
            return await self.far.touch(key, fresh_until, expires_at)
        finally:
            await self._copies.drop((key,))

    async def close(self) -> None:
        """Let go of everything held, for both colours; a closed store answers every read with ``MISSING``."""
        self._feed.close()
        try:
            await self.far.close()
        finally:
            await self._near.close()


class _Origin:
    """What the far store said of an entry that was copied.

    Among the generations of the copy it takes the place of that of everything, and is alive as long as that is.
    """

    __slots__ = ("everything", "generations", "stamp")

    def __init__(self, everything: Any, reading: Reading) -> None:
        self.everything = everything
        self.generations = reading.generations
        self.stamp = reading.stamp

    @property
    def alive(self) -> bool:
        return bool(self.everything.alive)


def _copy(entry: Entry[Any], reading: Reading, lease: Lease) -> Entry[Any]:
    """Return an entry of the far store's as the near one keeps it."""
    everything, *others = lease.reading.generations
    return Entry(
        entry.value,
        entry.loaded_at,
        entry.fresh_until,
        entry.expires_at,
        entry.cost,
        (_Origin(everything, reading), *others),
        plain_until=entry.plain_until,
    )


def _as_read(entry: Entry[Any], found: Reading) -> Reading:
    """Return what the near store has found as the far store said it."""
    origin: Any = entry.generations[0]
    entry.generations = origin.generations
    return Reading(entry, origin.generations, found.uses, found.read_at, origin.stamp, found.carries)
