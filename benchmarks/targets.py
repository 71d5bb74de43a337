"""What stillroom promises of its speed, memory and hit rates, and whether a run keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .facades import FACADE, ORIGINAL
from .far.findings import CROWD, FarFindings
from .far.hammering import LIMIT
from .importing import Importing
from .timing import Timings

__all__ = ["TARGETS", "Answer", "Findings", "Target"]


@dataclass
class Findings:
    """All that one run has measured; what it has not is empty.

    Attributes:
        memory: bytes for each entry beyond its key and value, by library.
        hit_rates: per cent, by trace and then by capacity in per cent of its distinct keys.
    """

    hit: Timings = field(default_factory=Timings)
    miss: Timings = field(default_factory=Timings)
    guards: Timings = field(default_factory=Timings)
    facades: Timings = field(default_factory=Timings)
    scale: Timings = field(default_factory=Timings)
    memory: Mapping[str, float] = field(default_factory=dict)
    hit_rates: dict[str, dict[int, float]] = field(default_factory=dict)
    importing: Importing | None = None
    far: FarFindings = field(default_factory=FarFindings)


class Answer(NamedTuple):
    """How a target stands in one run; ``None`` where it was not measured."""

    target: Target
    measured: float | None
    limit: float | None
    met: bool | None


Measure = Callable[[Findings], float]


@dataclass(frozen=True)
class Target:
    """One promise: what is measured, in which unit, and its limit, which may itself depend on what was measured."""

    name: str
    measured: Measure
    limit: float | Measure
    unit: str = "x"
    at_least: bool = False

    def answer(self, findings: Findings) -> Answer:
        """Say whether the promise is kept."""
        try:
            measured = self.measured(findings)
            limit = self.limit(findings) if callable(self.limit) else self.limit
        except KeyError:
            return Answer(self, None, None, None)
        return Answer(self, measured, limit, measured >= limit if self.at_least else measured <= limit)


def _hit(name: str, base: str) -> Measure:
    return lambda findings: findings.hit.ratio(name, base)


def _scale_beside_lru_cache(findings: Findings) -> float:
    """Return how much slower hits get in a large cache, beyond what the processor's caches cost any dict of that size."""
    ours = findings.scale.ratio("stillroom large", "stillroom small")
    return ours / findings.scale.ratio("lru_cache typed large", "lru_cache typed small")


def _importing(attribute: Callable[[Importing], float]) -> Measure:
    def measured(findings: Findings) -> float:
        if findings.importing is None:
            raise KeyError("importing")
        return attribute(findings.importing)

    return measured


def _memory(findings: Findings) -> float:
    return findings.memory["stillroom"] / findings.memory["cachetools.TTLCache"]


# S3-FIFO on real traces, at capacities of 2, 10 and 30 per cent of the distinct keys.
CAPACITIES = (2, 10, 30)
S3_FIFO = {
    "web07": (48.8, 58.1, 65.5),
    "web12": (52.1, 72.2, 80.5),
    "corda": (33.3, 33.3, 33.3),
    "sprite": (37.4, 86.2, 93.1),
    "multi1": (29.0, 48.1, 49.3),
    "multi3": (27.4, 45.3, 57.3),
    "orm-busy": (74.5, 82.8, 88.0),
}
TOLERANCE = 0.5


def _hit_rates() -> Iterator[Target]:
    for trace, rates in S3_FIFO.items():
        for capacity, rate in zip(CAPACITIES, rates, strict=True):
            yield Target(
                f"hit rate on {trace} at {capacity} %",
                lambda findings, trace=trace, capacity=capacity: findings.hit_rates[trace][capacity],  # type: ignore[misc]
                rate - TOLERANCE,
                "%",
                at_least=True,
            )


def _far(section: str, name: str, base: str) -> Measure:
    def measured(findings: Findings) -> float:
        timings: Timings = getattr(findings.far, section)
        return timings.ratio(name, base)

    return measured


REDIS = (
    Target("hit in Redis, two tags / bare redis-py", _far("hit", "stillroom, two tags", "bare redis-py"), 0.75),
    Target("asyncio hit in Redis / bare redis-py", _far("tasks", "stillroom", "bare redis-py"), 0.6),
    Target(f"{CROWD} asyncio hits in Redis / bare redis-py", _far("crowd", "stillroom", "bare redis-py"), 0.2),
    Target("hit in the near store / in memory", _far("near", "near", "memory"), 1.5),
    Target("async hit in the near store / in memory", _far("near", "near async", "memory async"), 1.5),
    Target("f.many of 100 hits / 100 hits", _far("many", "many", "single"), 0.15),
    Target("f.many of 100 async hits / 100 hits", _far("many", "many async", "single async"), 0.15),
    Target("f.many on Cluster / 100 hits", _far("many", "many on Cluster", "single on Cluster"), 0.3),
    Target("f.many on Cluster, async / 100 hits", _far("many", "many async on Cluster", "single async on Cluster"), 0.3),
    Target("tag on 100,000 entries / on one: time", _far("tags", "100,000 entries", "1 entry"), 1.2),
    Target("tag on 100,000 entries, on one: commands", lambda findings: findings.far.differing_commands(), 0, ""),
    Target("near copies gone elsewhere within 50 ms", lambda findings: findings.far.delay_share(50), 99, "%", at_least=True),
    Target("50 threads, one missing key / its load", lambda findings: findings.far.stampedes["stillroom"].ratio, 1.2),
    Target("bytes beyond the payload, by arguments", lambda findings: findings.far.overhead["by arguments"], 64, "B"),
    Target("bytes beyond the payload, by a template", lambda findings: findings.far.overhead["by a template"], 64, "B"),
)

GUARDS = ("rate_limit, window", "rate_limit, bucket", "locked", "bloom", "circuit_breaker", "slow")
"""Guards that hear how a call has ended, too, and so take two round trips."""


def _guard(name: str) -> Measure:
    return lambda findings: findings.guards.beyond(name, "no guard") / 1000


TOOLBOX = (
    *(Target(f"{name}, beyond the call", _guard(name), 3.0, "µs") for name in GUARDS),
    *(Target(f"{name} on Redis / bare redis-py", _far("guards", name, "bare redis-py"), 1.3) for name in GUARDS),
    Target("rate limit, most calls in a period", lambda findings: findings.far.hammered["stillroom"].most, LIMIT, ""),
    Target("rate limit, share given away", lambda findings: findings.far.hammered["stillroom"].share, 99, "%", at_least=True),
)


def _facade(library: str, section: str = "") -> Measure:
    """Return how many times as long a hit takes by another library as by the facade that stands in for it."""

    def measured(findings: Findings) -> float:
        timings: Timings = getattr(findings.far, section) if section else findings.facades
        return timings.ratio(ORIGINAL.format(library=library), FACADE.format(library=library))

    return measured


MOVING_IN = (
    *(
        Target(f"{name} / its facade", _facade(name), 20, at_least=True)
        for name in ("cashews", "cashews, key", "cashews, early")
    ),
    *(Target(f"{name} / its facade", _facade(name), 5, at_least=True) for name in ("cachify", "cachify async")),
    *(
        Target(f"{name} on Redis / its facade", _facade(name, "facades"), 1, at_least=True)
        for name in ("cache-house", "cachify", "python-redis-cache")
    ),
    *(
        Target(f"{name} on Redis / its facade", _facade(name, "facade_tasks"), 1, at_least=True)
        for name in ("cache-house async", "cachify async", "cashews")
    ),
)

TARGETS = (
    Target("hit / lru_cache typed", _hit("stillroom", "lru_cache typed"), 2.0),
    Target("hit / cachebox", _hit("stillroom", "cachebox"), 0.5),
    Target("async hit / bare await", _hit("stillroom async", "bare await"), 3.0),
    Target("async hit / cachebox async", _hit("stillroom async", "cachebox async"), 0.5),
    Target("method hit / hit", _hit("stillroom method", "stillroom"), 1.6),
    Target("template hit / lru_cache typed", _hit("stillroom template", "lru_cache typed"), 4.0),
    Target(
        "miss that evicts, without the load",
        lambda findings: findings.miss.beyond("stillroom", "load"),
        lambda findings: max(8_000, 60 * findings.hit.ns("stillroom")),
        "ns",
    ),
    Target("hit in a large cache / in a small one, / the same of lru_cache", _scale_beside_lru_cache, 1.5),
    Target("memory beyond key and value / cachetools", _memory, 1.5),
    Target("import", _importing(lambda importing: importing.milliseconds), 30.0, "ms"),
    Target("imported: third parties, asyncio", _importing(lambda importing: len(importing.unwanted)), 0, ""),
    *_hit_rates(),
    *REDIS,
    *TOOLBOX,
    *MOVING_IN,
)
