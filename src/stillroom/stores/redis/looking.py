"""Looks at what the servers have, for all that reads and for all that changes something because of what it has read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..._engine.generations import is_owner
from ...entry import MISSING, Generations, Tags
from ...errors import StoreError
from ...protocols import Lookup, Reading
from .commands import command
from .finding import Asked, Finder
from .tokens import making

if TYPE_CHECKING:
    from .layout import RedisKey
    from .shared import Shared
    from .wire import Wire

__all__ = ["Looker"]


class Looker:
    """Looks at keys.

    Args:
        wire: brings commands to the servers.
        shared: what both colours share.

    Attributes:
        finder: makes readings of replies.
    """

    def __init__(self, wire: Wire, shared: Shared) -> None:
        self._wire = wire
        self._times = shared.times
        self._layout = shared.layout
        self._sightings = shared.sightings
        self.finder = Finder(shared, self._distrust)

    def ahead(self, key: RedisKey) -> float:
        """Return by how many seconds the clock of the server that has a key is ahead."""
        return self._times.ahead(self._wire.topology.node_of(key.slot))

    async def meet(self, keys: Sequence[RedisKey]) -> None:
        """Make sure that the time is known of the servers that have some keys: they tell with the first command."""
        nodes = {self._wire.topology.node_of(key.slot): key for key in keys}
        strangers = [command(key, b"EXISTS", key.name) for node, key in nodes.items() if not self._times.knows(node)]
        if strangers:
            await self._wire.run(strangers)

    async def state(self, lookup: Lookup, asked: Asked) -> tuple[bytes | None, Reading]:
        """Return an entry as it is stored, and what is known of it."""
        data, *tokens = await self._wire.values((asked.entry, *asked.generations))
        reading = self.finder.reading(lookup, asked, data, tokens, self.ahead(asked.entry))
        return data, reading if reading is not None else await self.look_again(lookup, asked, data, tokens)

    async def look_again(self, lookup: Lookup, asked: Asked, data: bytes | None, tokens: list[bytes | None]) -> Reading:
        """Read the tokens of an entry that carries other generations than the caller goes by."""
        found = self.finder.found(lookup, data)
        if found is None:
            return Reading(MISSING, tuple(tokens))
        keys = self.finder.keys(lookup.key.space, found.generations)
        own = await self._wire.values(keys)
        await self._meet_tags(keys[2:], own[2:])
        return self.finder.elsewhere(lookup, asked, found, tokens, own, self.ahead(asked.entry))

    async def _meet_tags(self, keys: Sequence[RedisKey], tokens: Sequence[bytes | None]) -> None:
        """Take note of the tokens of tags; those that are missing are made.

        A load that follows is likely to add the same tags, and can be vouched for if its process has seen their tokens before.
        """
        if None in tokens:
            try:
                tokens = await self.made(keys, tokens)
            except StoreError:  # what has been read holds all the same
                return
        self._sightings.note(keys, tokens)

    async def tokens(self, asked: Sequence[Asked]) -> dict[bytes, bytes]:
        """Return the tokens of all generations that several lookups go by, with those made of which there were none."""
        keys = list({key.name: key for one in asked for key in one.generations}.values())
        tokens = await self.made(keys, await self._wire.values(keys)) if keys else []
        return dict(zip([key.name for key in keys], tokens, strict=True))

    async def made(self, keys: Sequence[RedisKey], tokens: Sequence[bytes | None]) -> list[bytes]:
        """Return tokens, with those made of which there were none."""
        missing = [key for key, token in zip(keys, tokens, strict=True) if token is None]
        made: dict[bytes, bytes] = {}
        if missing:
            replies = await self._wire.run([one for key in missing for one in making(key)])
            made = dict(zip([key.name for key in missing], replies[1::2], strict=True))
            if None in made.values():
                raise StoreError("the server does not keep what it is given", store="redis", operation="lease")
        return [made[key.name] if token is None else token for key, token in zip(keys, tokens, strict=True)]

    async def vouched(self, tags: Sequence[str], since: int) -> Sequence[bytes] | None:
        """Return the tokens of tags if they have been in force since a moment; ``None`` if that cannot be told."""
        keys = [self._layout.generation(tag) for tag in tags]
        tokens = await self.made(keys, await self._wire.values(keys)) if keys else []
        is_known = self._sightings.vouch(keys, tokens, since)
        self._sightings.note(keys, tokens)
        return tokens if is_known else None

    async def carried(
        self, lookup: Lookup, asked: Asked, tokens: Generations, tags: Tags, since: int
    ) -> tuple[Asked, Generations] | None:
        """Return what an entry with further tags carries, and the tokens; ``None`` if it is not to be stored.

        That is so if one of the tags may have been invalidated, or if the value of a function would go on as that of a verb:
        nobody could tell any more what wrote it.

        Args:
            lookup: whom it was loaded for.
            asked: what was read for them.
            tokens: the tokens that were read.
            tags: its further tags.
            since: the moment at which its lease was given.
        """
        found = await self.vouched([name for name, token in tags if token is None], since)
        if found is None or any(is_owner(name) for name, _ in tags):
            return None
        late = iter(found)
        carried = (*tokens, *[next(late) if token is None else token for _, token in tags])
        return self.finder.asked_with(lookup, asked, tuple([name for name, _ in tags])), carried

    def is_fresh(self, reading: Reading) -> bool:
        """Tell whether there is a fresh value; a remembered error is none."""
        entry = reading.entry
        return entry is not MISSING and not entry.is_error and self._times.now() < entry.fresh_until

    def _distrust(self, key: RedisKey) -> None:
        """Close the connections over which something arrived that had not been stored so: their replies may be out of step."""
        self._wire.links.forget(self._wire.topology.node_of(key.slot))
