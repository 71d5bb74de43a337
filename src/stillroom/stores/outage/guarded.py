"""A far store that does not fail: while it is out of reach, something stands in for it. The package says why this is right."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar, cast

from ...capabilities import Settlement, Wanted
from ...entry import Entry
from ...errors import StoreError, UncacheableValue
from ...protocols import Key, Keyspace, Lease, Lookup, Reading, Store
from ..bulk import bulk
from .journal import Note, Notes, deletions, invalidations
from .outage import Outage, Renewing
from .situation import Spell

__all__ = ["Borrowed", "Guarded"]

T = TypeVar("T")


class Borrowed(Reading):
    """What a stand-in knows of a key. Its tokens mean nothing to the far store, nor is it to be copied to a near one."""

    __slots__ = ()


class _GivenLease:
    """A lease, and which stand-in gave it; ``None`` for the far store."""

    __slots__ = ("giver", "is_granted", "lease", "reading")

    def __init__(self, lease: Lease, giver: Store | None) -> None:
        self.lease = lease
        self.giver = giver
        self.is_granted = lease.is_granted
        self.reading = lease.reading if giver is None else Borrowed(*lease.reading)


class Guarded:
    """A far store as the callers of one colour ask it, with what stands in for it.

    Args:
        far: the far store as callers of this colour ask it.
        outage: knows whether it is within reach; the same one for both colours.
    """

    def __init__(self, far: Store, outage: Outage) -> None:
        self.name = far.name
        self._far = far
        self._bulk = bulk(far)
        self._forget = far.forget if isinstance(far, Renewing) else None
        self._outage = outage
        self._situation = outage.situation
        self._raises = outage.on_error == "raise"

    def __repr__(self) -> str:
        return f"Guarded({self._far!r}, {self._outage!r})"

    # What leaves everything as it is

    async def read(self, lookups: Sequence[Lookup], *, count: bool = True) -> list[Reading]:
        """Return what is known of each key; see `Store.read`."""
        spell = self._situation.spell
        if spell.stand_in is None:
            try:
                readings = await self._far.read(lookups, count=count)
            except StoreError as error:
                self._failed(spell, error)
            else:
                if self._situation.is_suspect:
                    self._situation.succeeded(spell)
                if self._situation.spell.stand_in is None:
                    return readings
        return [Borrowed(*reading) for reading in await self._instead().read(lookups, count=count)]

    async def lease(self, lookup: Lookup, known: Reading | None = None, *, renew: bool = False, alone: bool = False) -> Lease:
        """Take a lease and look once more; see `Store.lease`. Whatever one store knew, another is not told."""
        while True:
            spell = self._situation.spell
            giver = spell.stand_in
            if giver is None:
                seen = None if isinstance(known, Borrowed) else known
                lease = await self._far_lease(spell, lookup, seen, renew, alone)
                if lease is not None:
                    return lease
            elif not renew or self._situation.note(spell, deletions((lookup.key,))):
                return _GivenLease(await giver.lease(lookup, renew=renew, alone=alone), giver)

    async def _far_lease(self, spell: Spell, lookup: Lookup, known: Reading | None, renew: bool, alone: bool) -> Lease | None:
        """Return a lease of the far store's; ``None`` if it is out of reach by now."""
        situation = self._situation
        if situation.is_suspect and not (renew or self._raises):
            # The reading before it has failed. To wait for the lease too would cost that call the time limit twice.
            return await self._void_lease(lookup)
        if situation.is_suspect and renew and not self._raises:  # the same, but this counts
            error = StoreError("it was not asked, since it has just failed", store=self.name, operation="lease")
            self._failed(spell, error, deletions((lookup.key,)))
            return None
        try:
            lease = await self._far.lease(lookup, known, renew=renew, alone=alone)
        except StoreError as error:
            self._failed(spell, error, deletions((lookup.key,)) if renew else None)
            return None if renew or situation.spell.stand_in is not None else await self._void_lease(lookup)
        if situation.is_suspect:
            situation.succeeded(spell)
        given = _GivenLease(lease, None)
        if situation.spell.stand_in is None:
            return given
        self._drop(given)
        return None

    async def _void_lease(self, lookup: Lookup) -> Lease:
        bypass = self._outage.bypass
        return _GivenLease(await bypass.lease(lookup), bypass)

    async def lease_many(self, wanted: Sequence[Wanted], *, renew: bool = False, alone: bool = False) -> list[Lease]:
        """Take several leases, in one step if all is well; see `Bulk.lease_many`."""
        spell, situation = self._situation.spell, self._situation
        if spell.stand_in is None and not situation.is_suspect:
            asked = [(lookup, None if isinstance(known, Borrowed) else known) for lookup, known in wanted]
            try:
                leases = await self._bulk.lease_many(asked, renew=renew, alone=alone)
            except StoreError as error:
                self._failed(spell, error, deletions([lookup.key for lookup, _ in wanted]) if renew else None)
            else:
                given = [_GivenLease(lease, None) for lease in leases]
                if situation.spell.stand_in is None:
                    return list(given)
                for one in given:
                    self._drop(one)
        return [await self.lease(lookup, known, renew=renew, alone=alone) for lookup, known in wanted]

    async def settle_many(self, settlements: Sequence[Settlement]) -> list[UncacheableValue | None]:
        """Give several leases back; see `Bulk.settle_many`."""
        spell, situation = self._situation.spell, self._situation
        given = [(key, entry, cast("_GivenLease", lease)) for key, entry, lease in settlements]
        if spell.stand_in is not None or any(lease.giver is not None for _, _, lease in given):
            return [await self._settle(key, entry, lease) for key, entry, lease in given]
        try:
            refusals = await self._bulk.settle_many([(key, entry, lease.lease) for key, entry, lease in given])
        except StoreError as error:
            self._failed(spell, error)
            return [None] * len(given)
        if situation.is_suspect:
            situation.succeeded(spell)
        return refusals

    async def _settle(self, key: Key, entry: Entry[Any] | None, lease: _GivenLease) -> UncacheableValue | None:
        try:
            if entry is None:
                await self.release(key, lease)
            else:
                await self.fill(key, entry, lease)
        except UncacheableValue as error:
            return error
        return None

    async def stand(self, leases: Sequence[Lease]) -> list[bool]:
        """Tell which leases still stand; see `Bulk.stand`."""
        spell = self._situation.spell
        given = [cast("_GivenLease", lease) for lease in leases]
        if spell.stand_in is not None or any(lease.giver is not None for lease in given):
            return [await self.stands(lease) for lease in given]
        try:
            return await self._bulk.stand([lease.lease for lease in given])
        except StoreError as error:
            self._failed(spell, error)
            return [False] * len(given)

    async def fill(self, key: Key, entry: Entry[Any], lease: Lease) -> bool:
        """Store what was loaded, if the store that gave the lease is still the one that is asked; see `Store.fill`."""
        assert isinstance(lease, _GivenLease)
        spell = self._situation.spell
        giver = spell.stand_in
        if giver is not None:
            if giver is not lease.giver:
                self._drop(lease)
                if not self._raises:
                    return False
            return await giver.fill(key, entry, lease.lease)
        if lease.giver is not None:
            return False
        try:
            stored = await self._far.fill(key, entry, lease.lease)
        except StoreError as error:
            self._failed(spell, error)
            return False
        if self._situation.is_suspect:
            self._situation.succeeded(spell)
        return stored

    async def stands(self, lease: Lease) -> bool:
        """Tell whether a lease still stands; one of a store that is not asked at the moment does not count."""
        return await self._of(lease, lambda store, given: store.stands(given))

    async def untouched(self, lease: Lease, tags: Sequence[str]) -> bool:
        """Vouch that tags were not invalidated since a lease was given; a store that is not asked at the moment cannot."""
        return await self._of(lease, lambda store, given: store.untouched(given, tags))

    async def _of(self, lease: Lease, ask: Callable[[Store, Lease], Coroutine[Any, Any, bool]]) -> bool:
        """Ask whoever gave a lease about it; no is the answer of one that is not asked at the moment, or fails."""
        assert isinstance(lease, _GivenLease)
        spell = self._situation.spell
        if spell.stand_in is not lease.giver:
            return False
        if lease.giver is not None:
            return await ask(lease.giver, lease.lease)
        try:
            return await ask(self._far, lease.lease)
        except StoreError as error:
            self._failed(spell, error)
            return False

    async def release(self, key: Key, lease: Lease) -> None:
        """Give a lease back. One of a store that is not asked any more, or not at the moment, ends by itself."""
        assert isinstance(lease, _GivenLease)
        spell = self._situation.spell
        if spell.stand_in is not lease.giver:
            self._drop(lease)
            return
        if lease.giver is not None:
            await lease.giver.release(key, lease.lease)
            return
        try:
            await self._far.release(key, lease.lease)
        except StoreError as error:
            self._failed(spell, error)

    def _drop(self, lease: _GivenLease) -> None:
        """Let a lease end by itself, without asking the far store for anything."""
        if lease.giver is None and self._forget is not None:
            self._forget(lease.lease)

    async def names(self, space: Keyspace, *, fresh: bool = True) -> list[str]:
        """Return the local keys of a keyspace of names; see `Store.names`.

        What there is to delete cannot be listed during an outage. So that it does not survive, its namespace is invalidated.
        """
        if not fresh:
            return await self._change(
                lambda store: store.names(space, fresh=False), lambda: {Note("namespace", space.namespace): None}
            )
        spell = self._situation.spell
        if spell.stand_in is None:
            try:
                return await self._far.names(space)
            except StoreError as error:
                self._failed(spell, error)
        return await self._instead().names(space)

    # What makes something outdated

    async def write(self, entries: Sequence[tuple[Lookup, Entry[Any]]]) -> list[bool]:
        """Store values given by a user; see `Store.write`."""
        keys = tuple(lookup.key for lookup, _ in entries)
        return await self._change(lambda store: store.write(entries), lambda: deletions(keys), lambda store: store.delete(keys))

    async def add(self, lookup: Lookup, entry: Entry[Any]) -> bool:
        """Store a value given by a user, if there is no fresh one; see `Store.add`."""
        keys = (lookup.key,)
        return await self._change(
            lambda store: store.add(lookup, entry),
            lambda: deletions(keys),
            lambda store: store.delete(keys),
            only_if_done=True,
        )

    async def delete(self, keys: Iterable[Key]) -> int:
        """Remove entries and void the leases on their keys; return how many fresh values there were."""
        keys = tuple(keys)
        return await self._change(lambda store: store.delete(keys), lambda: deletions(keys), lambda store: store.delete(keys))

    async def invalidate(self, *, names: Iterable[str] = (), namespaces: Iterable[str] = (), everything: bool = False) -> None:
        """Replace generation tokens, so that whatever was loaded under the old ones is over."""
        names, namespaces = tuple(names), tuple(namespaces)

        def ask(store: Store) -> Coroutine[Any, Any, None]:
            return store.invalidate(names=names, namespaces=namespaces, everything=everything)

        await self._change(ask, lambda: invalidations(names, namespaces, everything), ask)

    async def increment(self, lookup: Lookup, amount: int, initial: Entry[Any]) -> int:
        """Add to the fresh ``int`` stored under a key, or store ``initial``; see `Store.increment`."""
        keys = (lookup.key,)
        return await self._change(
            lambda store: store.increment(lookup, amount, initial), lambda: deletions(keys), lambda store: store.delete(keys)
        )

    async def touch(self, key: Key, fresh_until: float, expires_at: float) -> bool:
        """Give a fresh entry new times, and tell whether there was one."""
        keys = (key,)
        return await self._change(
            lambda store: store.touch(key, fresh_until, expires_at), lambda: deletions(keys), lambda store: store.delete(keys)
        )

    async def close(self) -> None:
        """Let go of everything held, for both colours; a closed store answers every read with ``MISSING``."""
        self._outage.close()
        try:
            await self._far.close()
        except StoreError:
            if self._raises:
                raise

    async def _change(
        self,
        ask: Callable[[Store], Coroutine[Any, Any, T]],
        notes: Callable[[], Notes],
        echo: Callable[[Store], Coroutine[Any, Any, object]] | None = None,
        *,
        only_if_done: bool = False,
    ) -> T:
        """Do what makes something outdated, so that the far store is told of it now or later.

        Args:
            ask: asks a store to do it.
            notes: returns what the far store is to be told of later, if it cannot be asked now.
            echo: does to a stand-in what makes it right after the far store has done it.
            only_if_done: if the stand-in has not done it, there is nothing to tell.
        """
        while True:
            spell = self._situation.spell
            if spell.stand_in is None:
                try:
                    result = await ask(self._far)
                except StoreError as error:
                    self._failed(spell, error, notes())
                    continue
                if self._situation.is_suspect:
                    self._situation.succeeded(spell)
                if echo is not None and self._situation.spell is not spell:
                    await self._echo(spell, echo)
                return result
            if only_if_done:
                result = await ask(spell.stand_in)
                if not result or self._situation.note(spell, notes()):
                    return result
            elif self._situation.note(spell, notes()):
                return await ask(spell.stand_in)

    async def _echo(self, spell: Spell, echo: Callable[[Store], Coroutine[Any, Any, object]]) -> None:
        """Do at the stand-in what the far store did while an outage began."""
        while not self._raises:
            now = self._situation.spell
            if now is spell or now.stand_in is None:
                return
            await echo(now.stand_in)
            spell = now

    # Failing

    def _failed(self, spell: Spell, error: StoreError, notes: Notes | None = None) -> None:
        """Take note of a failure; callers who want to hear of errors do."""
        self._outage.failed(spell, error, notes)
        if self._raises:
            raise error

    def _instead(self) -> Store:
        """Return what stands in for the far store; after a failure that is not the end of it, that keeps nothing."""
        return self._situation.spell.stand_in or self._outage.bypass
