"""Turns what the engine tells into counts, events and log lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .log import log

if TYPE_CHECKING:
    from .._engine.call import Answer, Call
    from ..protocols import Store
    from .hub import Hub

__all__ = ["Reports"]


class Reports:
    """The engine's `Reporter`: counts always, and makes an event only if somebody listens for it."""

    def __init__(self, hub: Hub, store: Store, now: Callable[[], float]) -> None:
        self._hub = hub
        self._store = store
        self._now = now

    def answered(self, call: Call, answer: Answer) -> None:
        call.source.ledger.count(answer.outcome)
        if self._hub.hears_calls:
            now = self._now()
            left = None if answer.fresh_until is None else answer.fresh_until - now
            told = (call.key.text, call.source.name, answer.outcome, self._store.name, left, now - call.came)
            self._hub.announcer.call_answered(*told)

    def load_finished(self, call: Call, seconds: float, stored: bool) -> None:
        if self._hub.has_listeners:
            self._hub.announcer.load_finished(call.key, call.source.name, seconds, stored)

    def load_failed(self, call: Call, error: Exception, *, rescued: bool, behind: bool) -> None:
        if behind:
            log().warning("a background load of %s failed: %r", call.source.name, error)
        if self._hub.has_listeners:
            self._hub.announcer.load_failed(call.key, call.source.name, error, rescued, behind)

    def result_refused(self, call: Call, reason: str) -> None:
        if not call.source.has_warned:  # once: it will be so again and again
            call.source.has_warned = True
            log().warning("a result of %s is not stored: %s", call.source.name, reason)
        if self._hub.has_listeners:
            self._hub.announcer.result_refused(call.key, call.source.name, reason)

    def refresh_refused(self, call: Call) -> None:
        if self._hub.has_listeners:
            self._hub.announcer.refresh_refused(call.key, call.source.name)

    def store_failed(self, store: Store, operation: str, error: Exception) -> None:
        log().warning("the %s store failed to %s: %r", store.name, operation, error)
        if self._hub.has_listeners:
            self._hub.announcer.store_failed(store, operation, error)
