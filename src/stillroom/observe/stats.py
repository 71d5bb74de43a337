"""Counts of what happened, per function and per cache.

Counting takes no lock: ``ledger.misses += 1`` on a slot is one step for CPython with its global lock, which is handed over
only at calls and backward jumps, never between that load and that store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

from .outcome import Outcome

__all__ = ["FunctionStats", "Ledger", "Stats"]


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts at one moment.

    Attributes:
        hits: calls answered with a fresh value.
        stale: calls answered with a stale value.
        misses: calls that waited for a load.
        bypasses: calls that went past the cache.
        errors: calls that raised what their load raised.
        refreshes: calls of ``refresh``.
        loads: how often a function was run.
        load_seconds: how long these runs took, all together.
        evictions: entries that made room for others; a function with a ``key`` counts all of its namespace's names.
    """

    hits: int = 0
    stale: int = 0
    misses: int = 0
    bypasses: int = 0
    errors: int = 0
    refreshes: int = 0
    loads: int = 0
    load_seconds: float = 0.0
    evictions: int = 0

    @property
    def calls(self) -> int:
        """How many calls there were; each has one outcome."""
        return self.hits + self.stale + self.misses + self.bypasses + self.errors

    @property
    def hit_ratio(self) -> float:
        """The share of calls that did not have to wait for a load; zero before the first call."""
        return (self.hits + self.stale) / self.calls if self.calls else 0.0

    @classmethod
    def total(cls, parts: Iterable[Stats]) -> Stats:
        """Return the sum of several counts."""
        rows = list(parts)
        return cls(**{field.name: sum(getattr(row, field.name) for row in rows) for field in fields(cls)})


class Ledger:
    """The counts of one function as they grow, but for those that its store keeps: plain hits and evictions."""

    __slots__ = ("bypasses", "errors", "hits", "load_seconds", "loads", "misses", "refreshes", "stale")

    def __init__(self) -> None:
        self.hits = self.stale = self.misses = self.refreshes = self.bypasses = self.errors = self.loads = 0
        self.load_seconds = 0.0

    def count(self, outcome: Outcome) -> None:
        """Count one call."""
        if outcome is Outcome.HIT:
            self.hits += 1
        elif outcome is Outcome.MISS:
            self.misses += 1
        elif outcome is Outcome.STALE:
            self.stale += 1
        elif outcome is Outcome.ERROR:
            self.errors += 1
        elif outcome is Outcome.BYPASS:
            self.bypasses += 1
        else:
            self.refreshes += 1

    def snapshot(self, plain_hits: int = 0, evictions: int = 0) -> Stats:
        """Return the counts of this moment, together with those that the store keeps."""
        return Stats(
            hits=self.hits + plain_hits,
            stale=self.stale,
            misses=self.misses,
            bypasses=self.bypasses,
            errors=self.errors,
            refreshes=self.refreshes,
            loads=self.loads,
            load_seconds=self.load_seconds,
            evictions=evictions,
        )


class FunctionStats:
    """The counts of one decorated function, always of this moment.

    Example:
        >>> exchange_rate.stats.hits            # doctest: +SKIP
        41
        >>> exchange_rate.stats.snapshot()      # doctest: +SKIP
        Stats(hits=41, stale=0, misses=2, ...)
    """

    __slots__ = ("_ledger", "_snapshot")

    def __init__(self, ledger: Ledger, snapshot: Callable[[], Stats]) -> None:
        self._ledger = ledger
        self._snapshot = snapshot

    def snapshot(self) -> Stats:
        """Return the counts as a frozen object."""
        return self._snapshot()

    def __repr__(self) -> str:
        return repr(self.snapshot())

    @property
    def hits(self) -> int:
        """Calls answered with a fresh value."""
        return self.snapshot().hits

    @property
    def stale(self) -> int:
        """Calls answered with a stale value."""
        return self._ledger.stale

    @property
    def misses(self) -> int:
        """Calls that waited for a load."""
        return self._ledger.misses

    @property
    def bypasses(self) -> int:
        """Calls that went past the cache."""
        return self._ledger.bypasses

    @property
    def errors(self) -> int:
        """Calls that raised what their load raised."""
        return self._ledger.errors

    @property
    def refreshes(self) -> int:
        """Calls of ``refresh``."""
        return self._ledger.refreshes

    @property
    def loads(self) -> int:
        """How often the function was run."""
        return self._ledger.loads

    @property
    def load_seconds(self) -> float:
        """How long these runs took, all together."""
        return self._ledger.load_seconds

    @property
    def evictions(self) -> int:
        """Entries that made room for others."""
        return self.snapshot().evictions

    @property
    def calls(self) -> int:
        """How many calls there were."""
        return self.snapshot().calls

    @property
    def hit_ratio(self) -> float:
        """The share of calls that did not have to wait for a load."""
        return self.snapshot().hit_ratio
