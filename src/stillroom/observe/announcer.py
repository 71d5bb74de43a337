"""Makes events of what happens, if somebody listens for them.

This is imported when somebody begins to listen: to make the types of events takes longer than to import the whole engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .events import (
    CallAnswered,
    CallRefused,
    CircuitClosed,
    CircuitOpened,
    EntryEncoded,
    EntryEvicted,
    EntryUnreadable,
    Invalidated,
    LoadFailed,
    LoadFinished,
    RefreshRefused,
    ResultRefused,
    StoreFailed,
    StoreLost,
    StoreRegained,
)

if TYPE_CHECKING:
    from ..capabilities import TwoSided
    from ..errors import Refused
    from ..protocols import Key, Store
    from .hub import Hub
    from .outcome import Outcome

__all__ = ["Announcer"]


class Announcer:
    """One method for each thing that can happen; what nobody listens for is not even made."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def call_answered(
        self, key: str, function: str, outcome: Outcome, store: str, ttl: float | None, seconds: float | None
    ) -> None:
        self._hub.answered(CallAnswered(key, function, outcome, store, ttl, seconds))

    def call_refused(self, guard: str, key: str, function: str, error: Refused) -> None:
        if self._hub.wants(CallRefused):
            self._hub.emit(CallRefused(guard, key, function, error))

    def circuit_opened(self, key: str, function: str, reason: str) -> None:
        if self._hub.wants(CircuitOpened):
            self._hub.emit(CircuitOpened(key, function, reason))

    def circuit_closed(self, key: str, function: str, reason: str) -> None:
        if self._hub.wants(CircuitClosed):
            self._hub.emit(CircuitClosed(key, function, reason))

    def load_finished(self, key: Key, function: str, seconds: float, stored: bool) -> None:
        if self._hub.wants(LoadFinished):
            self._hub.emit(LoadFinished(key.text, function, seconds, stored))

    def load_failed(self, key: Key, function: str, error: Exception, rescued: bool, behind: bool) -> None:
        if self._hub.wants(LoadFailed):
            self._hub.emit(LoadFailed(key.text, function, error, rescued, behind))

    def result_refused(self, key: Key, function: str, reason: str) -> None:
        if self._hub.wants(ResultRefused):
            self._hub.emit(ResultRefused(key.text, function, reason))

    def refresh_refused(self, key: Key, function: str) -> None:
        if self._hub.wants(RefreshRefused):
            self._hub.emit(RefreshRefused(key.text, function))

    def invalidated(
        self,
        *,
        keys: tuple[Key, ...] = (),
        function: str | None = None,
        tags: tuple[str, ...] = (),
        namespace: str | None = None,
        everything: bool = False,
    ) -> None:
        if self._hub.wants(Invalidated):
            self._hub.emit(Invalidated(tuple([key.text for key in keys]), function, tags, namespace, everything))

    def entry_evicted(self, key: Key) -> None:
        self._hub.emit(EntryEvicted(key.text))

    def store_failed(self, store: Store, operation: str, error: Exception) -> None:
        if self._hub.wants(StoreFailed):
            self._hub.emit(StoreFailed(store.name, operation, error))

    def store_lost(self, store: Store | TwoSided, error: Exception) -> None:
        if self._hub.wants(StoreLost):
            self._hub.emit(StoreLost(store.name, error))

    def store_regained(self, store: Store | TwoSided, seconds: float) -> None:
        if self._hub.wants(StoreRegained):
            self._hub.emit(StoreRegained(store.name, seconds))

    def entry_encoded(self, key: Key, function: str | None, size: int) -> None:
        if self._hub.wants(EntryEncoded):
            self._hub.emit(EntryEncoded(key.text, function, size))

    def entry_unreadable(self, key: str, error: Exception) -> None:
        if self._hub.wants(EntryUnreadable):
            self._hub.emit(EntryUnreadable(key, error))
