"""Invalidating a tag that one entry carries, and one that a hundred thousand carry.

Every entry carries all the tags, and each tag is invalidated once, so that each invalidation concerns all the entries stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns

from stillroom import Cache

from ..timing import Timings
from .peers import TTL, stillroom
from .servers import Server

__all__ = ["measure"]

FEW, MANY, CHUNK = 1, 100_000, 1_000
TAGS = 20
UNTIMED = 3


def measure(server: Server, *, quick: bool = False) -> tuple[Timings, dict[str, Mapping[str, int]]]:
    """Return how long invalidations take, one in each round, and the commands of the first one that is timed."""
    tags = [f"tag{number}" for number in range(TAGS)]
    sizes = (FEW, MANY // 20 if quick else MANY)
    caches = {f"{size:,} {'entry' if size == 1 else 'entries'}": _filled(server.url, size, tags) for size in sizes}
    timings = Timings({name: [] for name in caches})
    commands: dict[str, Mapping[str, int]] = {}
    for number, tag in enumerate(tags):
        for name, cache in caches.items() if number % 2 else reversed(caches.items()):
            if number == UNTIMED:
                server.reset_stats()
            began = perf_counter_ns()
            cache.invalidate(tags=[tag])
            took = perf_counter_ns() - began
            if number == UNTIMED:
                commands[name] = dict(server.commandstats())
            if number >= UNTIMED:
                timings.rounds[name].append(float(took))
    return timings, commands


def _filled(url: str, size: int, tags: list[str]) -> Cache:
    cache = stillroom(url)
    for first in range(0, size, CHUNK):
        cache.set_many({f"n{number}": number for number in range(first, min(first + CHUNK, size))}, TTL, tags=tags)
    return cache
