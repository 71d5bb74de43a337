"""What a run has found out about caches on Redis; nothing here needs Redis."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..timing import Timings
from .hammering import Hammered

__all__ = ["CROWD", "FarFindings", "Stampede"]

CROWD = 200
"""How many callers there are at once on an event loop."""


@dataclass
class Stampede:
    """Many threads that want one missing key.

    Attributes:
        ratios: for each time, how long it took until all of them had it, divided by how long a load takes.
        loads: for each time, how many loads there were.
    """

    ratios: list[float] = field(default_factory=list)
    loads: list[int] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How long it took, in loads."""
        return statistics.median(self.ratios)


@dataclass
class FarFindings:
    """All that was measured on Redis; what was not is empty.

    Attributes:
        hit: hits of one blocking caller, on one processor with the server, see `placing`.
        tasks: hits of one caller on an event loop, in the same way.
        hit_as_placed: hits of one blocking caller, wherever the system runs it and the server.
        tasks_as_placed: hits of one caller on an event loop, in the same way.
        crowd: hits of many callers on one event loop.
        near: hits in the near store, beside those of the memory store.
        many: a hundred hits, in one call or in a hundred, on a server and on a Cluster; all on one processor.
        tags: invalidations of a tag that few or many entries carry.
        commands: the commands of such an invalidation, with how often each one ran.
        delays: after how many milliseconds near copies were gone that had been invalidated in another process.
        delay_reads: how many reads of the server there were for each of these; more than a few, and the copies were not near.
        stampedes: many threads and a missing key, by library.
        overhead: bytes of an entry beyond its payload, by sort of key.
        guards: calls that guards let through.
        facades: hits of blocking callers by other libraries, and by the facades that stand in for them.
        facade_tasks: the same on an event loop.
        hammered: what became of a rate limit at which many processes hammered, by library.
        load_average: how busy the machine was as the run began, and as it ended.
    """

    hit: Timings = field(default_factory=Timings)
    tasks: Timings = field(default_factory=Timings)
    hit_as_placed: Timings = field(default_factory=Timings)
    tasks_as_placed: Timings = field(default_factory=Timings)
    crowd: Timings = field(default_factory=Timings)
    near: Timings = field(default_factory=Timings)
    many: Timings = field(default_factory=Timings)
    tags: Timings = field(default_factory=Timings)
    commands: dict[str, Mapping[str, int]] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)
    delay_reads: float = 0.0
    stampedes: dict[str, Stampede] = field(default_factory=dict)
    overhead: dict[str, int] = field(default_factory=dict)
    guards: Timings = field(default_factory=Timings)
    facades: Timings = field(default_factory=Timings)
    facade_tasks: Timings = field(default_factory=Timings)
    hammered: dict[str, Hammered] = field(default_factory=dict)
    load_average: tuple[float, float] | None = None

    @property
    def timings(self) -> dict[str, tuple[str, str, Timings]]:
        """All timings: for each, its title and the contender that the others are compared with."""
        return {
            "redis_hit": ("A hit in Redis, one blocking caller", "bare redis-py", self.hit),
            "redis_async": ("A hit in Redis, one asyncio caller", "bare redis-py", self.tasks),
            "redis_hit_as_placed": ("The same, on any processor", "bare redis-py", self.hit_as_placed),
            "redis_async_as_placed": ("The same with asyncio", "bare redis-py", self.tasks_as_placed),
            "redis_crowd": (f"A hit in Redis, {CROWD} asyncio callers", "bare redis-py", self.crowd),
            "redis_near": ("A hit in the near store", "memory", self.near),
            "redis_many": ("Each of 100 hits in Redis", "single", self.many),
            "redis_guards": ("A call that a guard on Redis lets through", "bare redis-py", self.guards),
            "redis_facades": ("A hit in Redis by a facade", "cachify", self.facades),
            "redis_facades_async": ("The same with asyncio", "cashews", self.facade_tasks),
            "redis_tags": ("The invalidation of a tag in Redis", "1 entry", self.tags),
        }

    def delay_share(self, milliseconds: float) -> float:
        """Return the percentage of near copies that were gone by then.

        Raises:
            KeyError: nothing was measured.
        """
        if not self.delays:
            raise KeyError("delays")
        return 100 * sum(delay <= milliseconds for delay in self.delays) / len(self.delays)

    def differing_commands(self) -> float:
        """Return how many commands were not the same for few and for many entries.

        Raises:
            KeyError: nothing was measured.
        """
        first, *others = self.commands.values() or [{}]
        if not others:
            raise KeyError("commands")
        return max(sum(first.get(name, 0) != other.get(name, 0) for name in {*first, *other}) for other in others)
