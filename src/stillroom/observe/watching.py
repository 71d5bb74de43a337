"""Turns what happens to a store, outside of any call, into events and log lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .._engine.generations import function_name
from .log import log

if TYPE_CHECKING:
    from ..capabilities import TwoSided
    from ..errors import StoreError
    from ..protocols import Lookup, Serializer, Store
    from .hub import Hub

__all__ = ["Watching"]


class Watching:
    """A cache's `stillroom.protocols.Watcher`.

    Args:
        hub: where events go.
        store: returns the store that the cache uses now.
        serializer_of: see `Watcher.serializer_of`.
    """

    def __init__(
        self, hub: Hub, store: Callable[[], Store | TwoSided], serializer_of: Callable[[str], Serializer | None]
    ) -> None:
        self._hub = hub
        self._store = store
        self._serializer_of = serializer_of

    def serializer_of(self, generation: str) -> Serializer | None:
        return self._serializer_of(generation)

    def lost(self, error: StoreError) -> None:
        if self._hub.has_listeners:
            self._hub.announcer.store_lost(self._store(), error)

    def regained(self, seconds: float) -> None:
        if self._hub.has_listeners:
            self._hub.announcer.store_regained(self._store(), seconds)

    def unreadable(self, key: str, error: Exception) -> None:
        log().warning("the entry %s cannot be read, so it counts as missing: %s", key, error)
        if self._hub.has_listeners:
            self._hub.announcer.entry_unreadable(key, error)

    def packed(self, lookup: Lookup, size: int) -> None:
        if self._hub.has_listeners:
            generation = lookup.owner or lookup.key.space.function
            self._hub.announcer.entry_encoded(lookup.key, generation and function_name(generation), size)
