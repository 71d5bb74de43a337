"""Where events go: to listeners, and to the lists of calls that `detect` fills."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..protocols import Listener
from .events import CallAnswered, Event

__all__ = ["Hub"]

_log = logging.getLogger("stillroom")
_Listeners = tuple[tuple[Listener, tuple[type[Event], ...]], ...]


class Hub:
    """Hands events on to whoever asked for them.

    The plain hit path tells nobody of its hits. So it must be closed while somebody wants to hear of calls: ``on_watch`` is called
    with ``True`` when that begins, with ``False`` when it ends.

    Attributes:
        hears_calls: whether anybody wants to hear of calls.
        has_listeners: whether anybody wants to hear of anything.
    """

    def __init__(self, on_watch: Callable[[bool], None]) -> None:
        self._on_watch = on_watch
        self._lock = threading.Lock()
        self._listeners: _Listeners = ()
        self._detecting = 0
        self._calls: ContextVar[tuple[list[CallAnswered], ...]] = ContextVar("stillroom_calls", default=())
        self.hears_calls = False
        self.has_listeners = False

    def subscribe(self, listener: Listener, kinds: tuple[type[Event], ...]) -> Callable[[], None]:
        """Have a listener hear of events of some kinds, and return what ends that."""
        item = (listener, kinds)
        self._change(lambda: self._listeners + (item,))

        def unsubscribe() -> None:
            self._change(lambda: tuple(one for one in self._listeners if one is not item))

        return unsubscribe

    @contextmanager
    def detect(self) -> Iterator[list[CallAnswered]]:
        """List the calls that this context, and what it starts, makes."""
        calls: list[CallAnswered] = []
        self._change(lambda: self._listeners, detecting=1)
        token = self._calls.set((*self._calls.get(), calls))
        try:
            yield calls
        finally:
            self._calls.reset(token)
            self._change(lambda: self._listeners, detecting=-1)

    def wants(self, kind: type[Event]) -> bool:
        """Tell whether anybody listens to events of a kind, so that nobody else need make them."""
        return any(issubclass(kind, kinds) for _, kinds in self._listeners)

    def emit(self, event: Event) -> None:
        """Hand an event on."""
        for listener, kinds in self._listeners:
            if isinstance(event, kinds):
                try:
                    listener(event)
                except Exception:
                    _log.exception("a listener failed on %r", event)

    def answered(self, event: CallAnswered) -> None:
        """Hand on that a call was answered."""
        for calls in self._calls.get():
            calls.append(event)
        self.emit(event)

    def _change(self, listeners: Callable[[], _Listeners], detecting: int = 0) -> None:
        with self._lock:
            self._listeners = listeners()
            self._detecting += detecting
            self.has_listeners = bool(self._listeners)
            self.hears_calls = self._detecting > 0 or self.wants(CallAnswered)
            self._on_watch(self.hears_calls)
