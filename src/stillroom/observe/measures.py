"""What there is to measure of a cache, for whichever system collects it: `prometheus` and `opentelemetry` show the same.

Calls are counted by the functions themselves and read when somebody asks, so that hits go on taking the plain hit path. What
has no count of its own is counted here, from events other than calls. Nothing is labelled by key: there are as many series as
functions, and beyond a limit the rest are counted as one.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

from ..errors import ConfigurationError
from ..policy import flag
from ..settings import text
from .events import (
    CallAnswered,
    CallRefused,
    EntryEncoded,
    EntryUnreadable,
    Event,
    Invalidated,
    LoadFailed,
    LoadFinished,
    RefreshRefused,
    ResultRefused,
    StoreFailed,
    StoreLost,
)

if TYPE_CHECKING:
    from ..protocols import Listener
    from ..stores.outage import Health
    from .stats import Stats

__all__ = ["DISTRIBUTIONS", "Distribution", "Measured", "Measures", "Observe", "Sample", "Shown"]

MOST_FUNCTIONS: Final = 500
"""So many functions have series of their own."""
OTHERS: Final = "others"


class Distribution(NamedTuple):
    """How a measure is spread.

    Attributes:
        of: what it measures.
        unit: in what.
        about: the same in words.
        labels: what each single one is told apart by.
        buckets: the upper bounds of the buckets that they are counted in.
    """

    of: str
    unit: str
    about: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...]


LOADS: Final = Distribution(
    "load",
    "seconds",
    "How long loads took.",
    ("function",),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
CALLS: Final = Distribution(
    "call",
    "seconds",
    "How long calls took to answer.",
    ("function", "outcome"),
    (0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
)
SIZES: Final = Distribution(
    "entry",
    "bytes",
    "How many bytes entries became that were to be stored on Redis.",
    ("function",),
    (64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216),
)
DISTRIBUTIONS: Final = (LOADS, CALLS, SIZES)

Observe: TypeAlias = "Callable[[Distribution, tuple[str, ...], float], object]"
"""Is told of a single measure: which distribution it belongs to, the values of its labels, and how much it is."""

OUTCOMES: Final = {
    "hit": "hits",
    "stale": "stale",
    "miss": "misses",
    "bypass": "bypasses",
    "error": "errors",
    "refresh": "refreshes",
}
"""From outcomes to what counts them."""

COUNTED: Final[dict[type[Event], tuple[str, str]]] = {
    LoadFailed: ("load_failures", "Loads that raised."),
    ResultRefused: ("results_refused", "Values that could not be stored."),
    RefreshRefused: ("refreshes_refused", "Refreshes that did not happen since too many waited."),
    CallRefused: ("calls_refused", "Calls that a guard did not let through."),
    Invalidated: ("invalidations", "Invalidations."),
    StoreFailed: ("store_failures", "Operations that a store failed at."),
    StoreLost: ("outages", "Outages of the store."),
    EntryUnreadable: ("entries_unreadable", "Entries that could not be decoded, or whose signature did not hold."),
}


class Measured(Protocol):
    """What is asked of a cache."""

    def stats_by_function(self) -> dict[str, Stats]:
        """Return the counts of each function."""
        ...

    def stats(self) -> Stats:
        """Return the counts of all of them."""
        ...

    def size(self) -> int:
        """Return how many entries are in the memory of this process."""
        ...

    def health(self) -> Health:
        """Return how the store is doing."""
        ...

    def subscribe(self, listener: Listener, *kinds: type[Event]) -> Callable[[], None]:
        """Have a listener called with events."""
        ...


class Sample(NamedTuple):
    """One number.

    Attributes:
        name: what it measures, without the prefix that all share.
        about: the same in words.
        value: the number.
        labels: what it is about.
        is_total: it only grows.
    """

    name: str
    about: str
    value: float
    labels: dict[str, str]
    is_total: bool = True


class Shown:
    """The caches that are shown in one place, each by a name of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measures: dict[str, Measures] = {}

    def add(self, name: str, cache: Measured, observe: Observe, *, times_calls: bool) -> Callable[[], None]:
        """Show one more cache, and return what ends that.

        Args:
            name: what it is called here.
            cache: the cache.
            observe: see `Measures`.
            times_calls: see `Measures`.

        Raises:
            ConfigurationError: one of them makes no sense, or another cache has the name.
        """
        if not callable(getattr(cache, "stats_by_function", None)):
            raise ConfigurationError(f"cache must be a Cache, not {cache!r}", setting="cache", given=cache)
        with self._lock:
            if text(name, "name") in self._measures:
                raise ConfigurationError(
                    f"name must tell caches that are shown together apart: there is one called {name!r} already",
                    setting="name",
                    given=name,
                )
            measures = self._measures[name] = Measures(cache, observe, times_calls=flag(times_calls, "times_calls"))

        def end() -> None:
            measures.close()
            with self._lock:
                if self._measures.get(name) is measures:
                    del self._measures[name]

        return end

    def samples(self) -> Iterator[tuple[str, Sample]]:
        """Yield all numbers of this moment, with the name of the cache that each is of."""
        with self._lock:
            shown = list(self._measures.items())
        for name, measures in shown:
            for sample in measures.samples():
                yield name, sample


class Measures:
    """Measures one cache.

    Args:
        cache: the cache.
        observe: is told of what is spread, each time that it happens.
        times_calls: time calls too, hits among them, which then take the way through the engine.
    """

    def __init__(self, cache: Measured, observe: Observe, *, times_calls: bool) -> None:
        self._cache = cache
        self._observe = observe
        self._lock = threading.Lock()
        self._counts: Counter[tuple[type[Event], tuple[tuple[str, str], ...]]] = Counter()
        self._named: set[str] = set()
        self.close = cache.subscribe(
            self._hear, LoadFinished, EntryEncoded, *COUNTED, *((CallAnswered,) if times_calls else ())
        )

    def samples(self) -> Iterator[Sample]:
        """Yield all numbers of this moment, those of one name together."""
        yield from self._calls()
        with self._lock:
            counts = dict(self._counts)
        for kind, (name, about) in COUNTED.items():
            for (counted, labels), value in counts.items():
                if counted is kind:
                    yield Sample(name, about, value, dict(labels))
        total, health = self._cache.stats(), self._cache.health()
        yield Sample("entries", "Entries that this process keeps in memory.", self._cache.size(), {}, is_total=False)
        yield Sample("evictions", "Entries that made room for others.", total.evictions, {})
        yield Sample("store_up", "Whether the store is within reach.", float(health.state == "ok"), {}, is_total=False)
        about = "Invalidations that the store has still to be told of."
        yield Sample("invalidations_pending", about, health.pending, {}, is_total=False)

    def _calls(self) -> Iterator[Sample]:
        by_function = self._few(self._cache.stats_by_function())
        for function, stats in by_function.items():
            for outcome, counter in OUTCOMES.items():
                labels = {"function": function, "outcome": outcome}
                yield Sample("calls", "Calls, by how they were answered.", getattr(stats, counter), labels)
        for function, stats in by_function.items():
            yield Sample("loads", "How often functions were run.", stats.loads, {"function": function})

    def _few(self, by_function: dict[str, Stats]) -> dict[str, Stats]:
        """Return the counts of no more functions than may have series of their own, with the others as one."""
        few: dict[str, Stats] = {}
        others: list[Stats] = []
        for function, stats in by_function.items():
            if function != OTHERS and self._name(function) == function:
                few[function] = stats
            else:
                others.append(stats)
        return {**few, OTHERS: _sum(others)} if others else few

    def _name(self, function: str) -> str:
        """Return what a function is called here."""
        named = self._named
        if function in named or function == OTHERS:
            return function
        with self._lock:
            if len(named) >= MOST_FUNCTIONS:
                return OTHERS
            named.add(function)
        return function

    def _hear(self, event: Any) -> None:
        if isinstance(event, LoadFinished):
            self._observe(LOADS, (self._name(event.function),), event.seconds)
        elif isinstance(event, EntryEncoded):
            self._observe(SIZES, ("" if event.function is None else self._name(event.function),), event.size)
        elif not isinstance(event, CallAnswered):
            labels = tuple(self._labels(event))
            with self._lock:
                self._counts[type(event), labels] += 1
        elif event.seconds is not None:
            self._observe(CALLS, (self._name(event.function), event.outcome.value), event.seconds)

    def _labels(self, event: Any) -> Iterable[tuple[str, str]]:
        if isinstance(event, CallRefused):
            yield "guard", event.guard
        function = getattr(event, "function", None)
        if isinstance(function, str) and not isinstance(event, Invalidated):
            yield "function", self._name(function)
        if isinstance(event, Invalidated):
            yield "of", _what(event)
        if isinstance(event, StoreFailed):
            yield "operation", event.operation


def _what(event: Invalidated) -> str:
    if event.everything:
        return "everything"
    if event.namespace is not None:
        return "namespace"
    return "tag" if event.tags else "function" if event.function is not None else "key"


def _sum(parts: list[Stats]) -> Stats:
    return type(parts[0]).total(parts)
