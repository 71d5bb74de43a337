"""What a cache tells those who `subscribe`: frozen objects, one type for each thing that can happen.

Listeners are called in the thread in which the thing happened, never under a lock of stillroom's. What a listener raises is
logged, and goes no further.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import Refused
from .outcome import Outcome

__all__ = [
    "CallAnswered",
    "CallRefused",
    "CircuitClosed",
    "CircuitOpened",
    "EntryEncoded",
    "EntryEvicted",
    "EntryUnreadable",
    "Event",
    "Invalidated",
    "LoadFailed",
    "LoadFinished",
    "Outcome",
    "RefreshRefused",
    "ResultRefused",
    "StoreFailed",
    "StoreLost",
    "StoreRegained",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a cache."""


@dataclass(frozen=True, slots=True)
class CallAnswered(Event):
    """A call of a decorated function, or of ``get_or_load``, was answered.

    Attributes:
        key: the text of the key.
        function: the name of the function.
        outcome: how the call was answered.
        store: the name of the store that was asked.
        ttl: for how many more seconds the value is fresh; ``None`` if nothing is stored, zero or less if it is stale.
        seconds: how long the answer took; ``None`` if the call goes past the cache, which is told before it does.
    """

    key: str
    function: str
    outcome: Outcome
    store: str
    ttl: float | None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CallRefused(Event):
    """A guard did not let a call through.

    Attributes:
        guard: what kind of guard, by the name of its decorator.
        key: what the calls are counted under; empty if all calls of the function are counted together.
        function: the name of the function.
        error: what the caller was raised.
    """

    guard: str
    key: str
    function: str
    error: Refused


@dataclass(frozen=True, slots=True)
class CircuitOpened(Event):
    """A circuit breaker lets no calls through for a while; ``reason`` tells why."""

    key: str
    function: str
    reason: str


@dataclass(frozen=True, slots=True)
class CircuitClosed(Event):
    """A circuit breaker lets all calls through again; ``reason`` tells why."""

    key: str
    function: str
    reason: str


@dataclass(frozen=True, slots=True)
class LoadFinished(Event):
    """A load ended well. ``seconds`` tells how long it took, ``stored`` whether the value was kept."""

    key: str
    function: str
    seconds: float
    stored: bool


@dataclass(frozen=True, slots=True)
class LoadFailed(Event):
    """A load raised. ``rescued`` tells whether a stale value stood in, ``behind`` whether nobody waited for it."""

    key: str
    function: str
    error: Exception
    rescued: bool
    behind: bool


@dataclass(frozen=True, slots=True)
class ResultRefused(Event):
    """A value was returned but cannot be stored; ``reason`` tells why."""

    key: str
    function: str
    reason: str


@dataclass(frozen=True, slots=True)
class RefreshRefused(Event):
    """A refresh did not happen since too many wait already."""

    key: str
    function: str


@dataclass(frozen=True, slots=True)
class Invalidated(Event):
    """Entries were invalidated: by key, by function, by tag, by namespace, or all of them."""

    keys: tuple[str, ...] = ()
    function: str | None = None
    tags: tuple[str, ...] = ()
    namespace: str | None = None
    everything: bool = False


@dataclass(frozen=True, slots=True)
class EntryEvicted(Event):
    """An entry made room for others."""

    key: str


@dataclass(frozen=True, slots=True)
class StoreFailed(Event):
    """The store raised; the call was answered without it."""

    store: str
    operation: str
    error: Exception


@dataclass(frozen=True, slots=True)
class StoreLost(Event):
    """The store is out of reach; calls are answered without it until it is back."""

    store: str
    error: Exception


@dataclass(frozen=True, slots=True)
class StoreRegained(Event):
    """The store is within reach again; ``seconds`` tells for how long it was not."""

    store: str
    seconds: float


@dataclass(frozen=True, slots=True)
class EntryEncoded(Event):
    """An entry became ``size`` bytes, to be stored on Redis; ``function`` is ``None`` if it was given or loaded by name."""

    key: str
    function: str | None
    size: int


@dataclass(frozen=True, slots=True)
class EntryUnreadable(Event):
    """An entry could not be decoded, or its signature does not hold; it counts as missing."""

    key: str
    error: Exception
