"""Stores what users give, in one step that voids the leases on the key; where it matters, only if nothing has changed since.

Whatever depends on what is stored already reads it, decides here, and swaps it for the new entry if it is still the same. So
freshness is judged in one place only, and scripts need not know how an entry is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ..._runtime.chance import draw
from ...entry import ABSENT, MISSING, Entry
from ...errors import StillroomError, StoreError, UncacheableValue
from ...protocols import Key, Keyspace, Lookup
from .commands import Command, run_script
from .envelope import STAMP_AT, closed, pack, signed_part
from .links import OutOfMemory
from .scripts import DROP, SWAP
from .senseless import NotAnInt
from .wire import Wire

if TYPE_CHECKING:
    from .finding import Asked
    from .layout import RedisKey
    from .looking import Looker
from .shared import Shared

__all__ = ["AT_ONCE", "Writer"]

_TRIES: Final = 100
_SHORTEST: Final = 0.0005
_LONGEST: Final = 0.25
"""Between how many seconds, at most, two attempts are apart: after the first one, and after many."""
_ENDLESS: Final = 100 * 365 * 86_400.0
"""From how many seconds on a life has no end: a hundred years."""

AT_ONCE: Final = 500
"""How many keys are changed in one batch, which must end within the time that one operation may take."""
_BYTES_AT_ONCE: Final = 1 << 20
"""How many bytes of values are sent in one batch, for the same reason; a single value may be larger."""


class _Swap(NamedTuple):
    """An entry that takes the place of another.

    Attributes:
        entry: its key.
        data: what is stored; nothing if it is over already.
        life: for how many milliseconds it is kept, zero for ever.
        is_same: it is the same entry with other times or another value, so that its reads go on counting.
        carried: the tokens that must live as long.
    """

    entry: RedisKey
    data: bytes
    life: int
    is_same: bool
    carried: tuple[tuple[RedisKey, bytes], ...]


class Writer:
    """Stores entries.

    Args:
        looker: looks at what is there.
        wire: brings commands to the servers.
        shared: what both colours share.
    """

    def __init__(self, looker: Looker, wire: Wire, shared: Shared) -> None:
        self._looker = looker
        self._finder = looker.finder
        self._wire = wire
        self._shared = shared

    def keys(self, entry: RedisKey) -> tuple[bytes, bytes, bytes]:
        """Return all keys that belong to an entry."""
        return entry.name, self._shared.layout.lease(entry), self._shared.layout.uses(entry)

    def life(self, entry: Entry[Any]) -> int | None:
        """Return for how many milliseconds an entry is to be kept, zero for ever; ``None`` if it is over already."""
        left = entry.expires_at - self._shared.times.now()
        if left <= 0:
            return None
        return 0 if left > _ENDLESS else max(1, math.ceil(left * 1000))

    def packed(
        self, lookup: Lookup, asked: Asked, entry: Entry[Any], tokens: Sequence[Any], names: bytes | None = None
    ) -> bytes:
        """Return an entry as it is stored.

        Raises:
            UncacheableValue: its value cannot be.
        """
        try:
            serializer = lookup.serializer or self._shared.serializer
            payload = b"" if entry.value is ABSENT else serializer.dump(entry.value)
        except StillroomError:
            raise
        except Exception as error:  # whatever a serializer of the user's may raise
            raise UncacheableValue(
                f"the serializer refused a {type(entry.value).__qualname__}: {error}",
                type=cast("type[object]", type(entry.value)),
            ) from error
        kept = asked.names if names is None else names
        header = pack(entry, b"".join(tokens), kept, self._looker.ahead(asked.entry))
        if self._shared.signer is not None:
            payload = self._shared.signer.seal(payload, signed_part(asked.entry.name, header))
        data = closed(asked.entry.name, header, payload)
        self._shared.on_packed(lookup, len(data))
        return data

    def _own_tokens(self, data: bytes | None) -> tuple[list[bytes], bytes]:
        """Return the tokens that a stored entry carries, and the names it keeps of them."""
        header = self._finder.header(data)
        assert header is not None
        return [header.tokens], header.names

    async def write(self, entries: Sequence[tuple[Lookup, Entry[Any]]]) -> list[bool]:
        """Store values given by a user, in as many round trips as one of them takes."""
        asked = [self._finder.asked(lookup) for lookup, _ in entries]
        try:
            tokens = await self._looker.tokens(asked)
            await self._looker.meet([one.entry for one in asked])
            swaps = [
                self._prepared(lookup, one, entry, [tokens[key.name] for key in one.generations])
                for (lookup, entry), one in zip(entries, asked, strict=True)
            ]
            return [stored for batch in _batches(swaps) for stored in await self._send(batch, b"any")]
        except OutOfMemory:
            await self._drop(asked)
            return [False] * len(asked)

    async def add(self, lookup: Lookup, entry: Entry[Any]) -> bool:
        """Store a value given by a user, if there is no fresh one."""
        asked = self._finder.asked(lookup)
        for _ in range(_TRIES):
            data, reading = await self._looker.state(lookup, asked)
            if self._looker.is_fresh(reading):
                return False
            tokens = await self._looker.made(asked.generations, cast("Sequence[Any]", reading.generations))
            try:
                if await self._swap(lookup, asked, entry, tokens, _seen(data)):
                    return True
            except OutOfMemory:
                return False
        raise self._contended("add")

    async def _drop(self, asked: Sequence[Asked]) -> None:
        """Delete what new values were to replace, for which there is no room: it is out of date all the same."""
        for at in range(0, len(asked), AT_ONCE):
            drops = [run_script(DROP, self.keys(one.entry), by=one.entry) for one in asked[at : at + AT_ONCE]]
            await self._wire.run(drops, is_lasting=True)

    async def _swap(
        self, lookup: Lookup, asked: Asked, entry: Entry[Any], tokens: Sequence[bytes], seen: bytes, names: bytes | None = None
    ) -> bool:
        (stood,) = await self._send([self._prepared(lookup, asked, entry, tokens, names)], seen)
        return stood

    def _prepared(
        self, lookup: Lookup, asked: Asked, entry: Entry[Any], tokens: Sequence[bytes], names: bytes | None = None
    ) -> _Swap:
        data, life = self.packed(lookup, asked, entry, tokens, names), self.life(entry)
        if life is None:  # over already: what it would replace is out of date all the same
            return _Swap(asked.entry, b"", 0, names is not None, ())
        carried = zip(asked.generations, tokens, strict=True) if names is None else ()
        return _Swap(asked.entry, data, life, names is not None, tuple(carried))

    async def _send(self, swaps: Sequence[_Swap], seen: bytes) -> list[bool]:
        """Put entries in the place of what the caller has seen, and tell which of them still were there."""
        commands = [self._command(one, seen) for one in swaps]
        prolonging = self._prolonging(swaps)
        replies = await self._wire.run([*commands, *prolonging], is_repeatable=seen == b"any", is_lasting=True)
        stood = replies[: len(commands)]
        self._shared.lives.learn(prolonging, replies[len(commands) :])
        if min(stood) < 0:
            raise StoreError("the command arrived too late to count", store="redis", operation="write")
        return [bool(one) for one in stood]

    def _command(self, swap: _Swap, seen: bytes) -> Command:
        late = self._shared.times.later(self._wire.topology.node_of(swap.entry.slot), self._wire.patience)
        args = (seen, swap.data, swap.life, late, int(swap.is_same))
        return run_script(SWAP, self.keys(swap.entry), *args, by=swap.entry)

    def _prolonging(self, swaps: Sequence[_Swap]) -> list[Command]:
        """Return the commands that let tokens outlive all of the entries that carry them."""
        carried = {key.name: (key, token) for swap in swaps for key, token in swap.carried}
        if not carried:
            return []
        lives = [swap.life for swap in swaps if swap.carried]
        keys, tokens = zip(*carried.values(), strict=True)
        return self._shared.lives.prolonging(keys, tokens, 0 if 0 in lives else max(lives))

    async def increment(self, lookup: Lookup, amount: int, initial: Entry[Any]) -> int:
        """Add to the fresh ``int`` stored under a key."""
        asked = self._finder.asked(lookup)
        for attempt in range(_TRIES):
            data, reading = await self._looker.state(lookup, asked)
            entry, names, made = initial, None, lookup
            tokens = cast("Sequence[Any]", reading.generations)
            if self._looker.is_fresh(reading):
                assert reading.entry is not MISSING
                if type(reading.entry.value) is not int:
                    raise NotAnInt(f"what is stored under {lookup.key.text!r} is not an int")
                entry = reading.entry
                entry.value, entry.loaded_at = entry.value + amount, self._shared.times.now()
                entry.plain_until = entry.fresh_until
                tokens, names = self._own_tokens(data)
                made = self._as_made(lookup, data)
            else:
                tokens = await self._looker.made(asked.generations, tokens)
            value: int = entry.value
            try:
                if await self._swap(made, asked, entry, tokens, _seen(data), names):
                    return value
            except OutOfMemory:
                await self._drop([asked])
                return value
            await self._back_off(attempt)
        raise self._contended("increment")

    async def touch(self, key: Key, fresh_until: float, expires_at: float) -> bool:
        """Give a fresh entry new times."""
        lookup = Lookup(key, () if key.space.function is None else (key.space.function,))
        asked = self._finder.asked(lookup)
        for attempt in range(_TRIES):
            data, reading = await self._looker.state(lookup, asked)
            if not self._looker.is_fresh(reading):
                return False
            header = self._finder.header(data)
            assert data is not None and header is not None and reading.entry is not MISSING  # noqa: PT018
            entry = reading.entry
            was_plain = header.plain_until == header.fresh_until
            entry.plain_until = fresh_until if was_plain else -math.inf
            entry.fresh_until, entry.expires_at = fresh_until, expires_at
            tokens, names = self._own_tokens(data)
            if await self._swap(self._as_made(lookup, data), asked, entry, tokens, _seen(data), names):
                await self._prolong(key.space, header.tokens, names, entry)
                return True
            await self._back_off(attempt)
        raise self._contended("touch")

    def _as_made(self, lookup: Lookup, data: bytes | None) -> Lookup:
        """Return a lookup with the serializer of what is stored, so that whoever made it can go on reading it."""
        if lookup.key.space.function is not None:
            return lookup
        found = self._finder.found(lookup, data)
        return lookup if found is None else self._finder.as_made(lookup, found)

    async def _prolong(self, space: Keyspace, tokens: bytes, names: bytes, entry: Entry[Any]) -> None:
        life = self.life(entry)
        if life is None:
            return
        found = self._finder.names(space, names)
        keys = self._finder.keys(space, found)
        each = [tokens[at : at + 8] for at in range(0, len(tokens), 8)]
        commands = self._shared.lives.prolonging(keys, each, life)
        if commands:
            self._shared.lives.learn(commands, await self._wire.run(commands))

    async def _back_off(self, attempt: int) -> None:
        """Let others at it who want the same, for longer and longer."""
        await self._wire.links.pause(draw() * min(_SHORTEST * 2**attempt, _LONGEST))

    def _contended(self, operation: str) -> StoreError:
        return StoreError(f"others change the key all the time; {_TRIES} attempts failed", store="redis", operation=operation)


def _batches(swaps: Sequence[_Swap]) -> Iterator[list[_Swap]]:
    """Yield entries in their order, as many together as can be sent within the time of one operation."""
    batch: list[_Swap] = []
    size = 0
    for swap in swaps:
        size += len(swap.data)
        if batch and (len(batch) == AT_ONCE or size > _BYTES_AT_ONCE):
            yield batch
            batch, size = [], len(swap.data)
        batch.append(swap)
    if batch:
        yield batch


def _seen(data: bytes | None) -> bytes:
    return b"none" if data is None else data[STAMP_AT : STAMP_AT + 8]
