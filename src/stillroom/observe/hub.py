"""Where events go: to listeners, and to the lists of calls that `detect` fills."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

from .._runtime.forks import ForkSafeLock, imported_late
from ..errors import ConfigurationError
from ..protocols import Listener
from .log import log

if TYPE_CHECKING:
    from .announcer import Announcer
    from .events import CallAnswered, Event

__all__ = ["Hub"]

_Listeners: TypeAlias = "tuple[tuple[Listener, tuple[type[Event], ...]], ...]"


imported_late("stillroom.observe.announcer")
imported_late("stillroom.observe.events")


class Hub:
    """Hands events on to whoever asked for them.

    The plain hit path tells nobody of its hits, so it must be closed while somebody wants to hear of calls. ``on_change`` is
    called whenever that may have changed.

    Attributes:
        hears_calls: whether anybody wants to hear of calls.
        hears_evictions: whether anybody wants to hear of evictions.
        has_listeners: whether anybody wants to hear of anything.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._lock = ForkSafeLock()
        self._listeners: _Listeners = ()
        self._detecting = 0
        self._announcer: Announcer | None = None
        self.hears_calls = False
        self.hears_evictions = False
        self.has_listeners = False

    @property
    def announcer(self) -> Announcer:
        """Makes events; ask for it only if somebody listens, for that is when their types are imported."""
        if self._announcer is None:
            from .announcer import Announcer

            self._announcer = Announcer(self)
        return self._announcer

    def subscribe(self, listener: Listener, kinds: tuple[type[Event], ...]) -> Callable[[], None]:
        """Have a listener hear of events of some kinds, or of all if none are given, and return what ends that.

        Raises:
            ConfigurationError: the listener cannot be called, or a kind is no type of event.
        """
        from .events import Event  # only now that somebody listens, see `announcer`

        if not callable(listener):
            raise ConfigurationError(f"listener must be callable, not {listener!r}", setting="listener", given=listener)
        for kind in kinds:
            if not (isinstance(kind, type) and issubclass(kind, Event)):
                raise ConfigurationError(
                    f"kinds must be types of events such as CallAnswered, not {kind!r}", setting="kinds", given=kind
                )
        item = (listener, kinds or (Event,))
        self._change(lambda: (*self._listeners, item))

        def unsubscribe() -> None:
            self._change(lambda: tuple(one for one in self._listeners if one is not item))

        return unsubscribe

    @contextmanager
    def detect(self) -> Generator[list[CallAnswered]]:
        """List the calls that this context, and what it starts, makes."""
        calls: list[CallAnswered] = []
        self._change(lambda: self._listeners, detecting=1)
        token = _detected.set((*_detected.get(), (self, calls)))
        try:
            yield calls
        finally:
            self._change(lambda: self._listeners, detecting=-1)
            try:
                _detected.reset(token)
            except ValueError:  # the block ended in another context than it began in, which ends with what began there
                pass

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
                    log().exception("a listener failed on %r", event)

    def answered(self, event: CallAnswered) -> None:
        """Hand on that a call was answered."""
        for hub, calls in _detected.get():
            if hub is self:
                calls.append(event)
        self.emit(event)

    def _change(self, listeners: Callable[[], _Listeners], detecting: int = 0) -> None:
        from .events import CallAnswered, EntryEvicted  # only now that somebody listens, see `announcer`

        with self._lock:
            self._listeners = listeners()
            self._detecting += detecting
            self.has_listeners = bool(self._listeners)
            self.hears_calls = self._detecting > 0 or self.wants(CallAnswered)
            self.hears_evictions = self.wants(EntryEvicted)
        self._on_change()


_detected: ContextVar[tuple[tuple[Hub, list[CallAnswered]], ...]] = ContextVar("stillroom_detected", default=())
"""The lists of calls that are being filled in this context."""
