"""The `Store` on Redis, for callers of one colour.

What makes invalidation win here (see `stillroom.protocols.Store` for the rules):

- An entry carries the tokens of its generations as they were before its load began, and counts only while they are the ones in
  force. They are read with every entry, in the same round trip.
- Leases lie beside the entry, under the same hash tag. A script fills the entry only if the lease still stands, and whatever
  deletes or replaces the entry voids the leases in the same step.

A hit takes one round trip, a miss three (look, take the lease, fill), an invalidation one. A load that has added tags takes one
more, to see whether they can be vouched for, and a hit on what it has stored one or two.
"""

from __future__ import annotations

import os
from collections.abc import Coroutine, Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final, cast

from ...entry import MISSING, Entry, Generations
from ...errors import UncacheableValue
from ...protocols import Key, Keyspace, Lease, Lookup, Reading
from .commands import command, run_script, value_of
from .finding import Asked
from .glance import Glance, Prepared, Seen
from .layout import RedisKey
from .looking import Looker
from .scripts import DROP, FILL, LEASE, PROLONG, USE
from .search import Search
from .senseless import SENSELESS, senseless, sensibly
from .shared import Shared
from .tokens import making
from .wire import Wire
from .writing import AT_ONCE, Writer

__all__ = ["RedisLease", "RedisStore"]

_UNKNOWN: Final = bytes(8)


_LEASE_SIZE: Final = 24
"""How many bytes a lease takes on the server, see ``lease.lua``."""


class RedisLease:
    """The right to fill one key.

    Attributes:
        reading: the key's state at the moment the lease was given.
        is_granted: whether the key may be loaded under it.
        lookup: whom it was given to.
        asked: the keys of entry and generations.
        token: what it is known by on the server.
        place: where it lies there.
        since: when it was given, on the count of `Sightings`.
    """

    __slots__ = ("asked", "is_granted", "lookup", "place", "reading", "since", "token")

    def __init__(
        self, lookup: Lookup, asked: Asked, reading: Reading, token: bytes, is_granted: bool, place: RedisKey, since: int
    ) -> None:
        self.place = place
        self.since = since
        self.lookup = lookup
        self.asked = asked
        self.reading = reading
        self.token = token
        self.is_granted = is_granted


class RedisStore:
    """Entries on Redis, as callers of one colour reach them.

    Args:
        wire: brings commands to the servers.
        shared: what both colours share.

    Attributes:
        ask: see `Glancing.ask`.
        told: see `Glancing.told`.
    """

    name = "redis"

    def __init__(self, wire: Wire, shared: Shared) -> None:
        self._wire = wire
        self._shared = shared
        self.layout = shared.layout
        self._looker = Looker(wire, shared)
        self._finder = self._looker.finder
        self._writer = Writer(self._looker, wire, shared)
        self._glance = Glance(wire, self._finder, shared)
        self.ask = self._glance.ask
        self.told = self._glance.told
        self._search = Search(wire, self._finder, shared)

    def prepare(self, lookup: Lookup) -> Prepared:
        """Return what it takes to look for a key; see `Glancing.prepare`."""
        return self._glance.prepare(lookup)

    def glance(self, prepared: Prepared) -> Seen:
        """Look for a key; see `Glancing.glance`."""
        try:
            return self._glance.look(prepared)
        except SENSELESS as error:
            raise senseless(error) from error

    def glance_many(self, prepared: Sequence[Prepared]) -> Coroutine[Any, Any, list[Seen]]:
        """Look for several keys; see `Glancing.glance_many`."""
        return self._glance.look_for_many(prepared)

    @sensibly
    async def read(self, lookups: Sequence[Lookup], *, count: bool = True) -> list[Reading]:
        """Return what is known of each key; see `Store.read`."""
        if len(lookups) == 1 and not lookups[0].is_counted:
            lookup = lookups[0]
            asked = self._finder.asked(lookup)
            data, *tokens = await self._wire.values((asked.entry, *asked.generations))
            reading = self._finder.reading(lookup, asked, data, tokens, self._looker.ahead(asked.entry))
            return [reading if reading is not None else await self._looker.look_again(lookup, asked, data, tokens)]
        return await self._read_many(lookups, count)

    async def _read_many(self, lookups: Sequence[Lookup], count: bool) -> list[Reading]:
        asked = [self._finder.asked(lookup) for lookup in lookups]
        keys = {key.name: key for one in asked for key in (one.entry, *one.generations)}
        counted = [(at, one.entry) for at, one in enumerate(asked) if count and lookups[at].is_counted]
        uses = dict.fromkeys(range(len(asked)), 0)
        if counted:
            commands = [value_of(key) for key in keys.values()]
            commands += [run_script(USE, (key.name, self.layout.uses(key)), by=key) for _, key in counted]
            replies = await self._wire.run(commands, is_repeatable=False)
            values = dict(zip(keys, replies, strict=False))
            uses.update({at: used for (at, _), used in zip(counted, replies[len(keys) :], strict=True)})
        else:
            values = dict(zip(keys, await self._wire.values(list(keys.values())), strict=True))
        readings: list[Reading] = []
        for at, (lookup, one) in enumerate(zip(lookups, asked, strict=True)):
            data, tokens = values[one.entry.name], [values[key.name] for key in one.generations]
            reading = self._finder.reading(lookup, one, data, tokens, self._looker.ahead(one.entry), uses[at])
            readings.append(reading if reading is not None else await self._looker.look_again(lookup, one, data, tokens))
        return readings

    @sensibly
    async def lease(
        self, lookup: Lookup, known: Reading | None = None, *, renew: bool = False, alone: bool = False
    ) -> RedisLease:
        """Take a lease and look once more; see `Store.lease`."""
        asked = self._finder.asked(lookup)
        token, how = os.urandom(8), b"renew" if renew else b"alone" if alone else b"join"
        given = list(known.generations) if known is not None else []
        seen: list[Any] = given if len(given) == len(asked.generations) else []
        if alone and (not seen or None in seen):  # others must be able to tell that this load began under other generations
            seen = await self._looker.made(asked.generations, seen or await self._wire.values(asked.generations))
        keys = (asked.entry.name, self.layout.lease(asked.entry))
        digest = _digest(seen)
        first = run_script(LEASE, keys, token, digest, self._shared.lease, how, by=asked.entry)
        unknown = [key for at, key in enumerate(asked.generations) if not seen or seen[at] is None]
        asking = [one for key in unknown for one in (making(key) if seen else [value_of(key)])]
        (is_granted, data), *replies = await self._wire.run([first, *asking])
        read = dict(zip([key.name for key in unknown], replies[1::2] if seen else replies, strict=True))
        known_now = [read.get(key.name, seen[at] if seen else None) for at, key in enumerate(asked.generations)]
        tokens = await self._looker.made(asked.generations, known_now)
        if is_granted:
            prolong = run_script(PROLONG, keys[1:], token, self._shared.lease, by=asked.entry)
            self._shared.renewal.add(token, prolong)
        try:
            reading = await self._under_lease(lookup, asked, data, tokens)
        except BaseException:
            self._shared.renewal.discard(token)
            raise
        since = self._shared.sightings.moment()
        return RedisLease(lookup, asked, reading, token, bool(is_granted), RedisKey(keys[1]), since)

    async def _under_lease(self, lookup: Lookup, asked: Asked, data: bytes | None, tokens: list[bytes]) -> Reading:
        """Return what is there, seen from within a lease: if it does not fit the tokens, these may be out of date."""
        header = self._finder.header(data)
        if header is not None and header.names == asked.names and header.tokens != b"".join(tokens):
            tokens = await self._looker.made(asked.generations, await self._wire.values(asked.generations))
        reading = self._finder.reading(lookup, asked, data, tokens, self._looker.ahead(asked.entry))
        return reading if reading is not None else await self._looker.look_again(lookup, asked, data, list(tokens))

    @sensibly
    async def fill(self, key: Key, entry: Entry[Any], lease: Lease) -> bool:
        """Store what was loaded under a lease, and give the lease back; see `Store.fill`."""
        assert isinstance(lease, RedisLease)
        self._shared.renewal.discard(lease.token)
        try:
            carried = await self._carried(lease, entry) if entry.tags else (lease.asked, lease.reading.generations)
            data = b"" if carried is None else self._writer.packed(lease.lookup, carried[0], entry, carried[1])
        except UncacheableValue:
            await self.release(key, lease)
            raise
        life = self._writer.life(entry)
        if carried is None or life is None:
            await self.release(key, lease)
            return False
        asked, tokens = carried
        stamp = _stamp_of_same(entry, lease.reading)
        fill = run_script(FILL, self._writer.keys(asked.entry), lease.token, data, life, stamp, by=asked.entry)
        prolonging = self._shared.lives.prolonging(asked.generations, cast("Sequence[bytes]", tokens), life)
        stood, *lives = await self._wire.run([fill, *prolonging])
        self._shared.lives.learn(prolonging, lives)
        return bool(stood)

    async def _carried(self, lease: RedisLease, entry: Entry[Any]) -> tuple[Asked, Generations] | None:
        """Return what an entry with further tags carries; ``None`` if one of them may have been invalidated meanwhile."""
        try:
            return await self._looker.carried(lease.lookup, lease.asked, lease.reading.generations, entry.tags, lease.since)
        except ValueError as error:
            raise UncacheableValue(str(error), type=cast("type[object]", type(entry.value))) from error

    @sensibly
    async def release(self, key: Key, lease: Lease) -> None:
        """Give a lease back without filling the key; see `Store.release`."""
        assert isinstance(lease, RedisLease)
        self._shared.renewal.discard(lease.token)
        if lease.is_granted:
            entry = lease.asked.entry
            await self._wire.run([run_script(FILL, self._writer.keys(entry), lease.token, b"", 0, by=entry)])

    @sensibly
    async def stands(self, lease: Lease) -> bool:
        """Tell whether a lease still stands: nobody has deleted or replaced its key since."""
        assert isinstance(lease, RedisLease)
        (held,) = await self._wire.values([lease.place])
        return held is not None and lease.token in [held[at : at + 8] for at in range(0, len(held), _LEASE_SIZE)]

    @sensibly
    async def untouched(self, lease: Lease, tags: Sequence[str]) -> bool:
        """Vouch that tags were not invalidated since a lease was given; see `Store.untouched`."""
        assert isinstance(lease, RedisLease)
        return await self._looker.vouched(tags, lease.since) is not None

    @sensibly
    async def write(self, entries: Sequence[tuple[Lookup, Entry[Any]]]) -> list[bool]:
        """Store values given by a user; see `Store.write`."""
        return await self._writer.write(entries)

    @sensibly
    async def add(self, lookup: Lookup, entry: Entry[Any]) -> bool:
        """Store a value given by a user, if there is no fresh one; see `Store.add`."""
        return await self._writer.add(lookup, entry)

    @sensibly
    async def delete(self, keys: Iterable[Key]) -> int:
        """Remove entries and void the leases on their keys; see `Store.delete`."""
        wanted = list(keys)
        if len(wanted) <= AT_ONCE:
            return await self._delete(wanted)
        return sum([await self._delete(wanted[at : at + AT_ONCE]) for at in range(0, len(wanted), AT_ONCE)])

    async def _delete(self, wanted: list[Key]) -> int:
        asked = [self._finder.asked(Lookup(key, () if key.space.function is None else (key.space.function,))) for key in wanted]
        if not asked:
            return 0
        drops = [run_script(DROP, self._writer.keys(one.entry), by=one.entry) for one in asked]
        generations = list({key.name: key for one in asked for key in one.generations}.values())
        reads = [value_of(key) for key in generations]
        replies = await self._wire.run([*drops, *reads], is_lasting=True)
        tokens = dict(zip([key.name for key in generations], replies[len(drops) :], strict=True))
        return await self._search.count_fresh(list(zip(wanted, asked, replies[: len(drops)], strict=True)), tokens)

    @sensibly
    async def invalidate(self, *, names: Iterable[str] = (), namespaces: Iterable[str] = (), everything: bool = False) -> None:
        """Delete generation tokens; see `Store.invalidate`."""
        keys = [*map(self.layout.generation, names), *map(self.layout.namespace, namespaces)]
        if everything:
            keys.append(self.layout.everything)
        if keys:
            await self._wire.run([command(key, b"DEL", key.name) for key in keys], is_lasting=True)

    @sensibly
    async def names(self, space: Keyspace, *, fresh: bool = True) -> list[str]:
        """Return the local keys of a keyspace of names; see `Store.names`."""
        return await self._search.names(space, fresh=fresh)

    @sensibly
    async def increment(self, lookup: Lookup, amount: int, initial: Entry[Any]) -> int:
        """Add to the fresh ``int`` stored under a key; see `Store.increment`."""
        return await self._writer.increment(lookup, amount, initial)

    @sensibly
    async def touch(self, key: Key, fresh_until: float, expires_at: float) -> bool:
        """Give a fresh entry new times; see `Store.touch`."""
        return await self._writer.touch(key, fresh_until, expires_at)

    async def ping(self) -> None:
        """Return if all servers answer.

        Raises:
            StoreError: one of them does not.
        """
        await self._wire.ping()

    async def close(self) -> None:
        """Let go of all connections."""
        self._shared.renewal.close()
        await self._wire.close()

    def forget(self, lease: RedisLease) -> None:
        """Keep a lease alive no longer; it ends by itself."""
        self._shared.renewal.discard(lease.token)


def _digest(tokens: Sequence[bytes | None]) -> bytes:
    """Return what stands for the generations that a load begins under; zeros if they are not known yet."""
    if not tokens or None in tokens:
        return _UNKNOWN
    return blake2b(b"".join(tokens), digest_size=8).digest()  # type: ignore[arg-type]


def _stamp_of_same(entry: Entry[Any], known: Reading) -> bytes:
    """Return the stamp of the entry that was known, if this one is the same, put off since a refresh has failed."""
    if known.entry is MISSING or entry.retry_at <= known.entry.retry_at:
        return b""
    return cast("int", known.stamp).to_bytes(8, "little")
