"""The shortest way to a hit: what the plain hit path is for memory, for entries on a server.

What is sent for a key is put together once and remembered. If the reply holds an entry that needs no decision and carries just
the tokens that came with it, its value is the answer, without a reading, an entry or an engine in between. Whatever else the
reply holds goes the general way, which then need not ask again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast
from zlib import crc32

from ...errors import StoreError
from ...protocols import Lookup, Reading
from .envelope import CHECKSUM_AT, FIXED, VERSION, Damaged, signed_part
from .finding import Asked, Finder
from .gathered import carried
from .links import was_closed
from .senseless import SENSELESS, senseless, sensibly
from .shared import Shared
from .wire import Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from .client import Node

__all__ = ["Glance", "Prepared", "Seen"]

Gathering: TypeAlias = "tuple[bytes | None, list[bytes | None], bytes | None]"
"""An entry, the tokens that were read with it, and what an entry carries that was loaded under these; see `Links.ask_soon`."""
Seen: TypeAlias = "tuple[bool, Any]"
"""Whether it was a plain hit; its value, or else what is known of the key, ``None`` if that takes another look."""
_AFTER: Final = FIXED.size
_unpack = FIXED.unpack_from


class Prepared:
    """What it takes to look for one key.

    Attributes:
        lookup: the key, and who asks.
        asked: the keys of entry and generations.
        entry: the first of these.
        generations: the others.
        command: the command that reads all of them.
        load: makes the value of its bytes.
        checksum: that of the key, with which the checksum of its entry begins.
    """

    __slots__ = ("asked", "checksum", "command", "entry", "generations", "load", "lookup")

    def __init__(self, lookup: Lookup, asked: Asked, load: Callable[[bytes], Any]) -> None:
        self.lookup = lookup
        self.asked = asked
        self.entry = asked.entry
        self.generations = asked.generations
        self.load = load
        self.checksum = crc32(asked.entry.name)
        bulks = b"".join([key.bulk for key in asked.generations])
        self.command = b"*%d\r\n$4\r\nMGET\r\n%b%b" % (len(asked.generations) + 2, asked.entry.bulk, bulks)


class Glance:
    """Looks for single keys on a server that has them all.

    Args:
        wire: brings commands to the server.
        finder: makes readings of replies.
        shared: what both colours share.
    """

    def __init__(self, wire: Wire, finder: Finder, shared: Shared) -> None:
        self._wire = wire
        self._finder = finder
        self._shared = shared
        self._now = shared.times.now
        self._ahead = shared.times.ahead
        self._signer = shared.signer

    def prepare(self, lookup: Lookup) -> Prepared:
        """Return what it takes to look for a key.

        Raises:
            UncacheableArgument: the key holds something that means nothing to other processes.
        """
        return Prepared(lookup, self._finder.asked(lookup), (lookup.serializer or self._shared.serializer).load)

    def look(self, prepared: Prepared) -> Seen:
        """Look for a key, for blocking callers.

        Raises:
            StoreError: the server did not answer.
        """
        node = self._wire.topology.only_node
        if node is None:
            return False, None
        outcome: Any = self._wire.links.ask(node, prepared.command)
        if isinstance(outcome, StoreError):
            self._wire.topology.suspect(node)
            raise outcome
        if type(outcome) is not list:  # an error that the server replied
            return False, None
        data, *tokens = cast("list[bytes | None]", outcome)
        return self.seen(prepared, data, tokens, carried(tokens, prepared.asked.names), self._ahead(node), self._now())

    def ask(self, prepared: Prepared) -> tuple[Awaitable[Any], Node] | None:
        """Ask for a key, for callers on event loops; ``None`` if no server has all keys, or there is no connection to it."""
        node = self._wire.topology.only_node
        if node is None:
            return None
        answer = self._wire.links.ask_soon(node, prepared)
        return None if answer is None else (answer, node)

    def told(self, prepared: Prepared, node: Node, outcome: Any) -> Seen:
        """Return what came of it.

        Raises:
            StoreError: the server did not answer.
        """
        try:
            if type(outcome) is tuple:  # it was asked together with others
                data, tokens, carries = cast("Gathering", outcome)
            elif isinstance(outcome, StoreError):
                if was_closed(outcome):
                    return False, None
                self._wire.topology.suspect(node)
                raise outcome
            else:
                (reply,) = cast("list[Any]", outcome)
                if type(reply) is not list:  # an error that the server replied
                    return False, None
                data, *tokens = cast("list[bytes | None]", reply)
                carries = carried(tokens, prepared.asked.names)
            return self.seen(prepared, data, tokens, carries, self._ahead(node), self._now())
        except SENSELESS as error:
            raise senseless(error) from error

    @sensibly
    async def look_for_many(self, prepared: Sequence[Prepared]) -> list[Seen]:
        """Look for several keys, for callers of either colour.

        Raises:
            StoreError: a server did not answer.
        """
        groups = {id(one.generations): one for one in prepared}
        node = self._wire.topology.only_node
        if len(groups) == 1 and node is not None:
            asked = prepared[0].asked
            replies = await self._wire.values([*asked.generations, *[one.entry for one in prepared]])
            count, ahead, now = len(asked.generations), self._ahead(node), self._now()
            tokens, entries = replies[:count], replies[count:]
            carries = carried(tokens, asked.names)
            return [self.seen(one, data, tokens, carries, ahead, now) for one, data in zip(prepared, entries, strict=True)]
        keys = {key.name: key for group in groups.values() for key in group.generations}
        keys.update({one.entry.name: one.entry for one in prepared})
        values = dict(zip(keys, await self._wire.values(list(keys.values())), strict=True))
        found = {number: [values[key.name] for key in group.generations] for number, group in groups.items()}
        carry = {number: carried(found[number], group.asked.names) for number, group in groups.items()}
        seen: list[Seen] = []
        for one in prepared:
            entry, number = one.entry, id(one.generations)
            ahead = self._ahead(self._wire.topology.node_of(entry.slot))
            seen.append(self.seen(one, values[entry.name], found[number], carry[number], ahead, self._now()))
        return seen

    def seen(
        self,
        prepared: Prepared,
        data: bytes | None,
        tokens: Sequence[bytes | None],
        carries: bytes | None,
        ahead: float,
        now: float,
    ) -> Seen:
        """Return what a reply means.

        Args:
            prepared: what was asked for.
            data: the entry, if there is one.
            tokens: the tokens.
            carries: what an entry carries that was loaded under these, as `carried` returns it.
            ahead: by how many seconds the server's clock is ahead.
            now: the time on the clock of this process.
        """
        if carries is not None and type(data) is bytes and len(data) >= _AFTER:
            version, flags, size, _, _, fresh_until, _, _, check = _unpack(data)
            is_plain = version == VERSION and not flags and data[_AFTER:size] == carries
            if is_plain and now + ahead < fresh_until:
                try:
                    if crc32(data[_AFTER:], crc32(data[:CHECKSUM_AT], prepared.checksum)) != check:
                        raise Damaged("its checksum does not hold")
                    return True, prepared.load(data[size:] if self._signer is None else self._opened(prepared, data, size))
                except Exception as error:  # whatever a serializer may raise: what cannot be read is not there
                    self._finder.unreadable(prepared.lookup, error)
                    data = None
        reading: Reading | None = self._finder.reading(prepared.lookup, prepared.asked, data, tokens, ahead)
        return False, reading

    def _opened(self, prepared: Prepared, data: bytes, size: int) -> bytes:
        assert self._signer is not None
        return self._signer.open(data[size:], signed_part(prepared.entry.name, data[:size]))
