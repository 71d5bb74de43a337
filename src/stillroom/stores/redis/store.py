"""The `Store` on Redis, for callers of one colour.

What makes invalidation win here (see `stillroom.protocols.Store` for the rules):

- An entry carries the tokens of its generations as they were before its load began, and counts only while they are the ones in
  force. They are read with every entry, in the same round trip.
- Leases lie beside the entry, under the same hash tag. A script fills the entry only if the lease still stands, and whatever
  deletes or replaces the entry voids the leases in the same step.

A hit takes one round trip, a miss three (look, take the lease, fill), an invalidation one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final

from ...entry import MISSING, Entry
from ...errors import StillroomError, StoreError, UncacheableValue
from ...protocols import Key, Keyspace, Lease, Lookup, Reading
from .envelope import pack as pack_header
from .finding import Asked, Finder
from .layout import RedisKey
from .scripts import DROP, FILL, LEASE, PROLONG, SWAP, USE
from .search import Search
from .shared import Shared
from .tokens import making
from .wire import Wire, command, run_script

__all__ = ["RedisLease", "RedisStore"]

_UNKNOWN: Final = bytes(8)
_TRIES: Final = 100
_ENDLESS: Final = 100 * 365 * 86_400.0
"""From how many seconds on a life has no end: a hundred years."""


class RedisLease:
    """The right to fill one key.

    Attributes:
        reading: the key's state at the moment the lease was given.
        is_granted: whether the key may be loaded under it.
        lookup: whom it was given to.
        asked: the keys of entry and generations.
        token: what it is known by on the server.
    """

    __slots__ = ("asked", "is_granted", "lookup", "reading", "token")

    def __init__(self, lookup: Lookup, asked: Asked, reading: Reading, token: bytes, is_granted: bool) -> None:
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
    """

    name = "redis"

    def __init__(self, wire: Wire, shared: Shared) -> None:
        self._wire = wire
        self._shared = shared
        self.layout = shared.layout
        self._finder = Finder(shared)
        self._search = Search(wire, self._finder, shared)

    async def read(self, lookups: Sequence[Lookup], *, count: bool = True) -> list[Reading]:
        """Return what is known of each key; see `Store.read`."""
        if len(lookups) == 1 and not lookups[0].is_counted:
            lookup = lookups[0]
            asked = self._finder.asked(lookup)
            data, *tokens = await self._wire.values((asked.entry, *asked.generations))
            reading = self._finder.reading(lookup, asked, data, tokens, self._ahead(asked.entry))
            return [reading if reading is not None else await self._look_again(lookup, asked, data, tokens)]
        return await self._read_many(lookups, count)

    async def _read_many(self, lookups: Sequence[Lookup], count: bool) -> list[Reading]:
        asked = [self._finder.asked(lookup) for lookup in lookups]
        keys = {key.name: key for one in asked for key in (one.entry, *one.generations)}
        counted = [(at, one.entry) for at, one in enumerate(asked) if count and lookups[at].is_counted]
        uses = dict.fromkeys(range(len(asked)), 0)
        if counted:
            commands = [command(key, b"GET", key.name) for key in keys.values()]
            commands += [run_script(USE, (key.name, self.layout.uses(key)), by=key) for _, key in counted]
            replies = await self._wire.run(commands, is_repeatable=False)
            values = dict(zip(keys, replies, strict=False))
            uses.update({at: used for (at, _), used in zip(counted, replies[len(keys) :], strict=True)})
        else:
            values = dict(zip(keys, await self._wire.values(list(keys.values())), strict=True))
        readings: list[Reading] = []
        for at, (lookup, one) in enumerate(zip(lookups, asked, strict=True)):
            data, tokens = values[one.entry.name], [values[key.name] for key in one.generations]
            reading = self._finder.reading(lookup, one, data, tokens, self._ahead(one.entry), uses[at])
            readings.append(reading if reading is not None else await self._look_again(lookup, one, data, tokens))
        return readings

    async def _look_again(self, lookup: Lookup, asked: Asked, data: bytes | None, tokens: list[bytes | None]) -> Reading:
        """Read the tokens of an entry that carries other generations than the caller goes by."""
        found = self._finder.found(lookup, data)
        if found is None:
            return Reading(MISSING, tuple(tokens))
        own = await self._wire.values(self._finder.keys(lookup.key.space, found.generations))
        return self._finder.elsewhere(lookup, asked, found, tokens, own, self._ahead(asked.entry))

    async def lease(
        self, lookup: Lookup, known: Reading | None = None, *, renew: bool = False, alone: bool = False
    ) -> RedisLease:
        """Take a lease and look once more; see `Store.lease`."""
        asked = self._finder.asked(lookup)
        token, how = os.urandom(8), b"renew" if renew else b"alone" if alone else b"join"
        given = list(known.generations) if known is not None else []
        seen: list[Any] = given if len(given) == len(asked.generations) else []
        keys = (asked.entry.name, self.layout.lease(asked.entry))
        digest = _digest(seen)
        first = run_script(LEASE, keys, token, digest, self._shared.lease, how, by=asked.entry)
        unknown = [key for at, key in enumerate(asked.generations) if not seen or seen[at] is None]
        asking = [one for key in unknown for one in (making(key) if seen else [command(key, b"GET", key.name)])]
        (is_granted, data), *replies = await self._wire.run([first, *asking])
        read = dict(zip([key.name for key in unknown], replies[1::2] if seen else replies, strict=True))
        known_now = [read.get(key.name, seen[at] if seen else None) for at, key in enumerate(asked.generations)]
        tokens = await self._made(asked.generations, known_now)
        if is_granted:
            prolong = run_script(PROLONG, keys[1:], token, self._shared.lease, by=asked.entry)
            self._shared.renewal.add(token, prolong)
        try:
            reading = await self._under_lease(lookup, asked, data, tokens)
        except BaseException:
            self._shared.renewal.discard(token)
            raise
        return RedisLease(lookup, asked, reading, token, bool(is_granted))

    async def _under_lease(self, lookup: Lookup, asked: Asked, data: bytes | None, tokens: list[bytes]) -> Reading:
        """Return what is there, seen from within a lease: if it does not fit the tokens, these may be out of date."""
        header = self._finder.header(data)
        if header is not None and header.names == asked.names and header.tokens != b"".join(tokens):
            tokens = await self._made(asked.generations, await self._wire.values(asked.generations))
        reading = self._finder.reading(lookup, asked, data, tokens, self._ahead(asked.entry))
        return reading if reading is not None else await self._look_again(lookup, asked, data, list(tokens))

    async def _made(self, keys: Sequence[RedisKey], tokens: Sequence[bytes | None]) -> list[bytes]:
        """Return tokens with those made that there are none of."""
        missing = [key for key, token in zip(keys, tokens, strict=True) if token is None]
        made: dict[bytes, bytes] = {}
        if missing:
            replies = await self._wire.run([one for key in missing for one in making(key)])
            made = dict(zip([key.name for key in missing], replies[1::2], strict=True))
            if None in made.values():
                raise StoreError("the server does not keep what it is given", store=self.name, operation="lease")
        return [made[key.name] if token is None else token for key, token in zip(keys, tokens, strict=True)]

    async def fill(self, key: Key, entry: Entry[Any], lease: Lease) -> bool:
        """Store what was loaded under a lease, and give the lease back; see `Store.fill`."""
        assert isinstance(lease, RedisLease)
        self._shared.renewal.discard(lease.token)
        tokens = lease.reading.generations
        try:
            data = self._packed(lease.lookup, lease.asked, entry, tokens)
        except UncacheableValue:
            await self.release(key, lease)
            raise
        life = self._life(entry)
        if life is None:
            await self.release(key, lease)
            return False
        fill = run_script(FILL, self._keys(lease.asked.entry), lease.token, data, life, by=lease.asked.entry)
        stood, *_ = await self._wire.run([fill, *self._shared.lives.prolonging(lease.asked.generations, tokens, life)])  # type: ignore[arg-type]
        return bool(stood)

    async def release(self, key: Key, lease: Lease) -> None:
        """Give a lease back without filling the key; see `Store.release`."""
        assert isinstance(lease, RedisLease)
        self._shared.renewal.discard(lease.token)
        if lease.is_granted:
            entry = lease.asked.entry
            await self._wire.run([run_script(FILL, self._keys(entry), lease.token, b"", 0, by=entry)])

    async def write(self, lookup: Lookup, entry: Entry[Any], *, if_absent: bool = False) -> bool:
        """Store a value given by a user; see `Store.write`."""
        asked = self._finder.asked(lookup)
        if if_absent:
            return await self._add(lookup, asked, entry)
        tokens = await self._made(asked.generations, await self._wire.values(asked.generations))
        return await self._swap(lookup, asked, entry, tokens, b"any")

    async def _add(self, lookup: Lookup, asked: Asked, entry: Entry[Any]) -> bool:
        for _ in range(_TRIES):
            data, reading = await self._state(lookup, asked)
            if self._is_fresh(reading):
                return False
            tokens = await self._made(asked.generations, reading.generations)  # type: ignore[arg-type]
            if await self._swap(lookup, asked, entry, tokens, _seen(data)):
                return True
        raise self._contended("add")

    async def _state(self, lookup: Lookup, asked: Asked) -> tuple[bytes | None, Reading]:
        """Return an entry as it is stored, and what is known of it."""
        data, *tokens = await self._wire.values((asked.entry, *asked.generations))
        reading = self._finder.reading(lookup, asked, data, tokens, self._ahead(asked.entry))
        return data, reading if reading is not None else await self._look_again(lookup, asked, data, tokens)

    async def _swap(
        self, lookup: Lookup, asked: Asked, entry: Entry[Any], tokens: Sequence[bytes], seen: bytes, names: bytes | None = None
    ) -> bool:
        data = self._packed(lookup, asked, entry, tokens, names)
        life = self._life(entry)
        if life is None:
            data = b""  # over already: what it would replace is out of date all the same
        node = self._wire.topology.node_of(asked.entry.slot)
        late = self._shared.times.later(node, self._wire.patience)
        swap = run_script(SWAP, self._keys(asked.entry), seen, data, life or 0, late, by=asked.entry)
        keys = asked.generations
        prolonging = self._shared.lives.prolonging(keys, tokens, life or 0) if life is not None and names is None else []
        stood, *_ = await self._wire.run([swap, *prolonging], is_repeatable=seen == b"any")
        if stood < 0:
            raise StoreError("the command arrived too late to count", store=self.name, operation="write")
        return bool(stood)

    async def delete(self, keys: Iterable[Key]) -> int:
        """Remove entries and void the leases on their keys; see `Store.delete`."""
        wanted = list(keys)
        asked = [self._finder.asked(Lookup(key, () if key.space.function is None else (key.space.function,))) for key in wanted]
        if not asked:
            return 0
        drops = [run_script(DROP, self._keys(one.entry), by=one.entry) for one in asked]
        generations = list({key.name: key for one in asked for key in one.generations}.values())
        reads = [command(key, b"GET", key.name) for key in generations]
        replies = await self._wire.run([*drops, *reads])
        tokens = dict(zip([key.name for key in generations], replies[len(drops) :], strict=True))
        return await self._search.count_fresh(list(zip(wanted, asked, replies[: len(drops)], strict=True)), tokens)

    async def invalidate(self, *, names: Iterable[str] = (), namespaces: Iterable[str] = (), everything: bool = False) -> None:
        """Delete generation tokens; see `Store.invalidate`."""
        keys = [*map(self.layout.generation, names), *map(self.layout.namespace, namespaces)]
        if everything:
            keys.append(self.layout.everything)
        if keys:
            await self._wire.run([command(key, b"DEL", key.name) for key in keys])

    async def names(self, space: Keyspace, *, fresh: bool = True) -> list[str]:
        """Return the local keys of a keyspace of names; see `Store.names`."""
        return await self._search.names(space, fresh=fresh)

    async def increment(self, lookup: Lookup, amount: int, initial: Entry[Any]) -> int:
        """Add to the fresh ``int`` stored under a key; see `Store.increment`."""
        asked = self._finder.asked(lookup)
        for _ in range(_TRIES):
            data, reading = await self._state(lookup, asked)
            entry, names = initial, None
            tokens: Sequence[Any] = reading.generations
            if self._is_fresh(reading):
                assert reading.entry is not MISSING
                if type(reading.entry.value) is not int:
                    raise TypeError(f"what is stored under {lookup.key.text!r} is not an int")
                entry = reading.entry
                entry.value, entry.loaded_at = entry.value + amount, self._shared.times.now()
                entry.plain_until = entry.fresh_until
                tokens, names = self._own_tokens(data)
            else:
                tokens = await self._made(asked.generations, tokens)
            if await self._swap(lookup, asked, entry, tokens, _seen(data), names):
                value: int = entry.value
                return value
        raise self._contended("increment")

    async def touch(self, key: Key, fresh_until: float, expires_at: float) -> bool:
        """Give a fresh entry new times; see `Store.touch`."""
        lookup = Lookup(key, () if key.space.function is None else (key.space.function,))
        asked = self._finder.asked(lookup)
        for _ in range(_TRIES):
            data, reading = await self._state(lookup, asked)
            if not self._is_fresh(reading):
                return False
            header = self._finder.header(data)
            assert data is not None and header is not None and reading.entry is not MISSING  # noqa: PT018
            entry = reading.entry
            was_plain = header.plain_until == header.fresh_until
            entry.plain_until = fresh_until if was_plain else -math.inf
            entry.fresh_until, entry.expires_at = fresh_until, expires_at
            tokens, names = self._own_tokens(data)
            if await self._swap(lookup, asked, entry, tokens, _seen(data), names):
                await self._prolong(key.space, header.tokens, names, entry)
                return True
        raise self._contended("touch")

    async def _prolong(self, space: Keyspace, tokens: bytes, names: bytes, entry: Entry[Any]) -> None:
        life = self._life(entry)
        if life is None:
            return
        found = self._finder.names(space, names)
        keys = self._finder.keys(space, found)
        each = [tokens[at : at + 8] for at in range(0, len(tokens), 8)]
        commands = self._shared.lives.prolonging(keys, each, life)
        if commands:
            await self._wire.run(commands)

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

    # What these are made of

    def _ahead(self, key: RedisKey) -> float:
        return self._shared.times.ahead(self._wire.topology.node_of(key.slot))

    def _keys(self, entry: RedisKey) -> tuple[bytes, bytes, bytes]:
        return entry.name, self.layout.lease(entry), self.layout.uses(entry)

    def _life(self, entry: Entry[Any]) -> int | None:
        """Return for how many milliseconds an entry is to be kept, zero for ever; ``None`` if it is over already."""
        left = entry.expires_at - self._shared.times.now()
        if left <= 0:
            return None
        return 0 if left > _ENDLESS else max(1, math.ceil(left * 1000))

    def _is_fresh(self, reading: Reading) -> bool:
        entry = reading.entry
        return entry is not MISSING and not entry.is_error and self._shared.times.now() < entry.fresh_until

    def _packed(
        self, lookup: Lookup, asked: Asked, entry: Entry[Any], tokens: Sequence[Any], names: bytes | None = None
    ) -> bytes:
        """Return an entry as it is stored.

        Raises:
            UncacheableValue: its value cannot be.
        """
        try:
            payload = (lookup.serializer or self._shared.serializer).dump(entry.value)
        except StillroomError:
            raise
        except Exception as error:  # whatever a serializer of the user's may raise
            raise UncacheableValue(
                f"the serializer refused a {type(entry.value).__qualname__}: {error}", type=type(entry.value)
            ) from error
        kept = asked.names if names is None else names
        header = pack_header(entry, b"".join(tokens), kept, self._ahead(asked.entry))
        if self._shared.signer is not None:
            payload = self._shared.signer.seal(payload, asked.entry.name + header)
        return header + payload

    def _own_tokens(self, data: bytes | None) -> tuple[list[bytes], bytes]:
        """Return the tokens that a stored entry carries, and the names it keeps of them."""
        header = self._finder.header(data)
        assert header is not None
        return [header.tokens], header.names

    def _contended(self, operation: str) -> StoreError:
        return StoreError(f"others change the key all the time; {_TRIES} attempts failed", store=self.name, operation=operation)


def _seen(data: bytes | None) -> bytes:
    return b"none" if data is None else data[5:13]


def _digest(tokens: Sequence[bytes | None]) -> bytes:
    """Return what stands for the generations that a load begins under; zeros if they are not known yet."""
    if not tokens or None in tokens:
        return _UNKNOWN
    return blake2b(b"".join(tokens), digest_size=8).digest()  # type: ignore[arg-type]
