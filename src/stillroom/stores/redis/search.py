"""Going through names, and counting what was there: what takes more than one look at many keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ...protocols import Key, Keyspace, Lookup
from ..resp import pack
from .commands import Command, command, value_of
from .envelope import Header
from .finding import Asked, Finder
from .layout import RedisKey
from .shared import Shared
from .wire import Wire

__all__ = ["Search"]

_PAGE: Final = 1000
_HEADER: Final = 1023
"""Where the part of an entry ends that is read to judge it: its header, but for entries with very many tags."""
_LONGEST: Final = 0xFFFF
"""Where the longest header ends."""


class Search:
    """Goes through the keys of all servers."""

    def __init__(self, wire: Wire, finder: Finder, shared: Shared) -> None:
        self._wire = wire
        self._finder = finder
        self._shared = shared

    async def names(self, space: Keyspace, *, fresh: bool) -> list[str]:
        """Return the names of a keyspace: those of fresh values, or all that are stored or being loaded.

        Leases are looked for before entries: so a load that ends in between is found as the one or as the other.
        """
        layout = self._shared.layout
        leases = {} if fresh else await self._scan(self._pattern(space, b"!"))
        is_bare = layout.bare_names and space.function is None
        entries = await (self._scan(b"*", b"TYPE", b"string") if is_bare else self._scan(self._pattern(space, b":")))
        found = [layout.named(space, name) for name in (*leases, *entries)]
        names = dict.fromkeys([name for name in found if name is not None])
        if is_bare:
            names.update(dict.fromkeys([name for name in map(layout.leased, leases) if name is not None]))
            names.update(dict.fromkeys(await self._bare(space, entries)))
        return await self._fresh(space, list(names)) if fresh else list(names)

    def _pattern(self, space: Keyspace, sign: bytes) -> bytes:
        """Return the pattern of the entries of a keyspace, or of the leases on them."""
        layout = self._shared.layout
        beginning = layout.beginning(space)
        at = len(layout.prefix.encode("utf-8", "surrogatepass"))
        rest = b"{" if layout.bare_names else beginning[at + 1 :]  # leases on bare names do not tell the namespace
        return _escaped(beginning[:at]) + sign + _escaped(rest) + b"*"

    async def _bare(self, space: Keyspace, found: Iterable[bytes]) -> list[str]:
        """Return the names among some that stand for themselves, for entries of this cache.

        The database may hold other things, and entries of other caches and namespaces, which are to be left alone. An entry
        that was invalidated can be taken for one of those: nobody is served it either.
        """
        layout = self._shared.layout
        names = [text for text in map(_text, found) if text is not None and layout.may_be_bare(text)]
        kept: list[str] = []
        for start in range(0, len(names), _PAGE):
            page = names[start : start + _PAGE]
            keys = [Key(space, name) for name in page]
            asked = [self._finder.asked(Lookup(key)) for key in keys]
            entries = list(zip(keys, asked, await self._headers(asked), strict=True))
            is_ours = await self._which_count(entries, {}, at_any_time=True)
            kept += [name for name, is_one in zip(page, is_ours, strict=True) if is_one]
        return kept

    async def _headers(self, asked: Sequence[Asked]) -> list[bytes | None]:
        """Return the beginnings of entries, each with the whole of its header."""
        headers = await self._wire.run([_beginning(one.entry, _HEADER) for one in asked])
        longer = [at for at, data in enumerate(headers) if data and len(data) > _HEADER and self._finder.header(data) is None]
        if longer:
            whole = await self._wire.run([_beginning(asked[at].entry, _LONGEST) for at in longer])
            for at, data in zip(longer, whole, strict=True):
                headers[at] = data
        return headers

    async def _scan(self, pattern: bytes, *further: bytes) -> dict[bytes, None]:
        """Return all keys that match, of all servers."""
        found: dict[bytes, None] = {}
        for node in await self._wire.nodes():
            cursor: bytes | None = None
            while cursor != b"0":
                asking = pack(b"SCAN", cursor or b"0", b"MATCH", pattern, b"COUNT", _PAGE, *further)
                cursor, page = await self._wire.on_one(node, asking)
                found.update(dict.fromkeys(page))
        return found

    async def _fresh(self, space: Keyspace, names: Sequence[str]) -> list[str]:
        fresh: list[str] = []
        for start in range(0, len(names), _PAGE):
            page = names[start : start + _PAGE]
            keys = [Key(space, name) for name in page]
            asked = [self._finder.asked(Lookup(key)) for key in keys]
            reads = [_beginning(one.entry, _HEADER) for one in asked]
            generations = self._finder.keys(space, ())
            replies = await self._wire.run([*reads, *(value_of(key) for key in generations)])
            tokens = dict(zip([key.name for key in generations], replies[len(reads) :], strict=True))
            which = await self._which_count(list(zip(keys, asked, replies[: len(reads)], strict=True)), tokens)
            fresh += [name for name, is_fresh in zip(page, which, strict=True) if is_fresh]
        return fresh

    async def count_fresh(self, deleted: Sequence[tuple[Key, Asked, bytes]], tokens: Mapping[bytes, bytes | None]) -> int:
        """Return how many of some entries, of which only the headers are known, are fresh.

        Args:
            deleted: the keys, with their headers.
            tokens: the tokens now in force of the generations that their keyspaces imply, by key.
        """
        return sum(await self._which_count(deleted, tokens))

    async def _which_count(
        self,
        entries: Sequence[tuple[Key, Asked, bytes | None]],
        tokens: Mapping[bytes, bytes | None],
        *,
        at_any_time: bool = False,
    ) -> list[bool]:
        known, further = dict(tokens), dict[bytes, RedisKey]()
        headers: list[Header | None] = []
        for key, asked, data in entries:
            header = self._finder.header(data)
            counts = header is not None and (at_any_time or self._is_on_time(header, asked))
            headers.append(header if counts else None)
            if header is not None:
                names = self._finder.names(key.space, header.names)
                carried = self._finder.keys(key.space, names)
                further.update({one.name: one for one in carried if one.name not in known})
        if further:
            known.update(zip(further, await self._wire.values(list(further.values())), strict=True))
        return [
            header is not None and self._is_in_force(key.space, header, known)
            for (key, _, _), header in zip(entries, headers, strict=True)
        ]

    def _is_on_time(self, header: Header, asked: Asked) -> bool:
        ahead = self._shared.times.ahead(self._wire.topology.node_of(asked.entry.slot))
        return not header.is_error and self._shared.times.now() + ahead < header.fresh_until

    def _is_in_force(self, space: Keyspace, header: Header, tokens: Mapping[bytes, bytes | None]) -> bool:
        names = self._finder.names(space, header.names)
        mine = [tokens[key.name] for key in self._finder.keys(space, names)]
        return None not in mine and header.tokens == b"".join(mine)  # type: ignore[arg-type]


def _beginning(entry: RedisKey, end: int) -> Command:
    return command(entry, b"GETRANGE", entry.name, 0, end, reads=True)


def _escaped(text: bytes) -> bytes:
    return re.sub(rb"([*?\[\]\\^])", rb"\\\1", text)


def _text(name: bytes) -> str | None:
    try:
        return name.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # somebody else's
        return None
