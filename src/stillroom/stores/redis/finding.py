"""From what was asked for, and the replies, to what is known of a key.

An entry counts only if the tokens it carries are those in force now. Those that its keyspace implies, and those that the
caller goes by, are read together with the entry; what it carries beyond them, such as the tags of a value that is asked for by
its name, takes a second look.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..._engine.generations import is_owner, shared_name
from ...entry import ABSENT, MISSING
from ...protocols import Keyspace, Lookup, Reading
from .envelope import CHECKSUM_AT, FIXED, Damaged, Header, checksum, names_of, packed_names, signed_part, unpack
from .layout import RedisKey
from .shared import Shared

__all__ = ["Asked", "Finder", "Found"]

_REMEMBERED = 8192


class Asked(NamedTuple):
    """What is read to answer a lookup.

    Attributes:
        entry: the key of the entry.
        generations: the keys of the generations: of everything, of the namespace, then of those that the caller goes by.
        names: what an entry that carries just these keeps of their names.
    """

    entry: RedisKey
    generations: tuple[RedisKey, ...]
    names: bytes


class Found(NamedTuple):
    """An entry as it was found.

    Attributes:
        header: what is known of it.
        data: all of it.
        generations: the names of all generations that it carries, besides those of everything and of the namespace.
    """

    header: Header
    data: bytes
    generations: tuple[str, ...]

    @property
    def owner(self) -> str | None:
        """The function that made it, by its generation; ``None`` if a verb did."""
        first = self.generations[:1]
        return first[0] if first and is_owner(first[0]) else None


class Finder:
    """Makes readings of replies.

    Args:
        shared: what both colours share.
        on_damage: is told the key of an entry that did not arrive as it was stored.
    """

    def __init__(self, shared: Shared, on_damage: Callable[[RedisKey], None]) -> None:
        self._shared = shared
        self._on_damage = on_damage
        self._now = shared.times.now
        self._generations: dict[tuple[str, str | None, tuple[str, ...]], tuple[tuple[RedisKey, ...], bytes]] = {}

    def asked(self, lookup: Lookup) -> Asked:
        """Return what must be read to answer a lookup.

        Raises:
            UncacheableArgument: the key holds something that means nothing to other processes.
        """
        space = lookup.key.space
        known = self._generations.get((space.namespace, space.function, lookup.generations))
        if known is None:
            known = self._remember(space, lookup.generations)
        return Asked(self._shared.layout.entry(lookup.key), *known)

    def asked_with(self, lookup: Lookup, asked: Asked, tags: tuple[str, ...]) -> Asked:
        """Return what is to be read to find an entry that carries further tags.

        Raises:
            ValueError: there are more than an entry can keep.
        """
        space, names = lookup.key.space, lookup.generations + tags
        return Asked(asked.entry, self.keys(space, names), packed_names(space, names))

    def keys(self, space: Keyspace, names: tuple[str, ...]) -> tuple[RedisKey, ...]:
        """Return the keys of the generations that an entry with these names carries."""
        layout = self._shared.layout
        return (layout.everything, layout.namespace(space.namespace), *map(layout.generation, names))

    def _remember(self, space: Keyspace, names: tuple[str, ...]) -> tuple[tuple[RedisKey, ...], bytes]:
        if len(self._generations) >= _REMEMBERED:
            self._generations.clear()
        made = (self.keys(space, names), packed_names(space, names))
        self._generations[space.namespace, space.function, names] = made
        return made

    def names(self, space: Keyspace, packed: bytes) -> tuple[str, ...]:
        """Return the names of the generations that an entry carries; none that there are, if they are damaged."""
        try:
            return names_of(space, packed)
        except ValueError:
            return ()

    def unreadable(self, lookup: Lookup, error: Exception) -> None:
        """Say that an entry cannot be read."""
        if isinstance(error, Damaged):
            self._on_damage(self._shared.layout.entry(lookup.key))
        self._shared.on_unreadable(lookup.key.text, error)

    def header(self, data: bytes | None) -> Header | None:
        """Return the header of stored bytes; ``None`` if there is none that this version can read."""
        if not data:
            return None
        try:
            return unpack(data)
        except ValueError:
            return None

    def found(self, lookup: Lookup, data: bytes | None) -> Found | None:
        """Return an entry that the caller may be served, if its tokens, which are still to be compared, are in force."""
        header = self.header(data)
        if data is None or header is None:
            if data is not None:
                self.unreadable(lookup, ValueError("it is no entry of this version"))
            return None
        try:
            names = names_of(lookup.key.space, header.names)
        except ValueError as error:
            self.unreadable(lookup, error)
            return None
        found = Found(header, data, names)
        is_anothers = lookup.owner is not None and found.owner not in (None, shared_name(lookup.owner))
        return None if is_anothers else found

    def reading(
        self, lookup: Lookup, asked: Asked, data: bytes | None, tokens: Sequence[bytes | None], ahead: float, uses: int = 0
    ) -> Reading | None:
        """Return what is known of a key; ``None`` if the entry carries generations that were not read with it.

        Args:
            lookup: the key, and who asks.
            asked: what was read.
            data: the entry.
            tokens: the tokens.
            ahead: by how many seconds the clock of the server that has the entry is ahead.
            uses: how often the entry has been read before.
        """
        if data is None:
            return Reading(MISSING, tuple(tokens))
        header = self.header(data)
        if header is None or header.names != asked.names:
            if self.found(lookup, data) is None:
                return Reading(MISSING, tuple(tokens))
            return None
        if None in tokens or header.tokens != b"".join(tokens):  # type: ignore[arg-type]
            return Reading(MISSING, tuple(tokens))
        return self.counted(lookup, asked.entry, header, data, tokens, ahead, uses)

    def counted(
        self,
        lookup: Lookup,
        key: RedisKey,
        header: Header,
        data: bytes,
        tokens: Sequence[bytes | None],
        ahead: float,
        uses: int = 0,
    ) -> Reading:
        """Return what is known of a key whose entry carries the tokens in force."""
        if self._now() + ahead >= header.expires_at:
            return Reading(MISSING, tuple(tokens))
        try:
            value = self.value(lookup, key, header, data)
        except Exception as error:  # whatever a serializer may raise: what cannot be read is not there
            self.unreadable(lookup, error)
            return Reading(MISSING, tuple(tokens))
        return Reading(header.entry(value, ahead), tuple(tokens), uses, 0.0, header.stamp)

    def elsewhere(
        self,
        lookup: Lookup,
        asked: Asked,
        found: Found,
        known: Sequence[bytes | None],
        own: Sequence[bytes | None],
        ahead: float,
    ) -> Reading:
        """Return what is known of a key whose entry carries other generations than those the caller goes by.

        Args:
            lookup: the key, and who asks.
            asked: what was read.
            found: the entry.
            known: the tokens of those that the caller goes by.
            own: the tokens of those that the entry carries.
            ahead: by how many seconds the clock of the server that has the entry is ahead.
        """
        if None in own or found.header.tokens != b"".join(own):  # type: ignore[arg-type]
            return Reading(MISSING, tuple(known))
        reading = self.counted(self.as_made(lookup, found), asked.entry, found.header, found.data, known, ahead)
        if reading.entry is MISSING:
            return reading
        reading.entry.plain_until = -math.inf  # whoever keeps it nearby would not know when it is over
        goes_by = set(map(shared_name, lookup.generations))
        further = zip(found.generations, own[2:], strict=True)
        reading.entry.tags = tuple([(name, token) for name, token in further if name not in goes_by])
        return reading._replace(carries=found.generations)

    def as_made(self, lookup: Lookup, found: Found) -> Lookup:
        """Return a lookup with the serializer that an entry was made with: its owner's, or if it has none, the store's."""
        if found.owner is None:
            return lookup._replace(serializer=None)
        if lookup.serializer is not None and lookup.owner is not None:
            return lookup
        return lookup._replace(serializer=self._shared.serializer_of(found.owner))

    def value(self, lookup: Lookup, key: RedisKey, header: Header, data: bytes) -> Any:
        """Return the value of an entry.

        Raises:
            Exception: it cannot be read.
        """
        if checksum(key.name, data) != int.from_bytes(data[CHECKSUM_AT : FIXED.size], "little"):
            raise Damaged("its checksum does not hold")
        payload = data[header.size :]
        if self._shared.signer is not None:
            payload = self._shared.signer.open(payload, signed_part(key.name, data[: header.size]))
        if header.is_error and not payload:
            return ABSENT
        load: Callable[[bytes], Any] = (lookup.serializer or self._shared.serializer).load
        return load(payload)
