"""Turns what the engine tells into counts, events and log lines."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from .events import CallAnswered, LoadFailed, LoadFinished, RefreshRefused, ResultRefused, StoreFailed

if TYPE_CHECKING:
    from .._engine.call import Answer, Call
    from ..protocols import Store
    from .hub import Hub

__all__ = ["Reports"]

_log = logging.getLogger("stillroom")


class Reports:
    """The engine's `Reporter`: counts always, and makes an event only if somebody listens for it."""

    def __init__(self, hub: Hub, store: Store, now: Callable[[], float]) -> None:
        self._hub = hub
        self._store = store
        self._now = now

    def answered(self, call: Call, answer: Answer) -> None:
        call.source.ledger.count(answer.outcome)
        if self._hub.hears_calls:
            left = None if answer.fresh_until is None else answer.fresh_until - self._now()
            event = CallAnswered(call.key.text, call.source.name, answer.outcome, self._store.name, left)
            self._hub.answered(event)

    def load_finished(self, call: Call, seconds: float, stored: bool) -> None:
        if self._hub.has_listeners and self._hub.wants(LoadFinished):
            self._hub.emit(LoadFinished(call.key.text, call.source.name, seconds, stored))

    def load_failed(self, call: Call, error: Exception, *, rescued: bool, behind: bool) -> None:
        if behind:
            _log.warning("a background load of %s failed: %r", call.source.name, error)
        if self._hub.wants(LoadFailed):
            self._hub.emit(LoadFailed(call.key.text, call.source.name, error, rescued, behind))

    def result_refused(self, call: Call, reason: str) -> None:
        _log.warning("a result of %s is not stored: %s", call.source.name, reason)
        if self._hub.wants(ResultRefused):
            self._hub.emit(ResultRefused(call.key.text, call.source.name, reason))

    def refresh_refused(self, call: Call) -> None:
        if self._hub.wants(RefreshRefused):
            self._hub.emit(RefreshRefused(call.key.text, call.source.name))

    def store_failed(self, store: Store, operation: str, error: Exception) -> None:
        _log.warning("the %s store failed to %s: %r", store.name, operation, error)
        if self._hub.wants(StoreFailed):
            self._hub.emit(StoreFailed(store.name, operation, error))
