"""Runs the parts of the benchmarks that need Redis."""

from __future__ import annotations

import os

from ..timing import Timings, time_rounds
from . import delays, facades, guards, hammering, hits, overhead, stampede, tags
from .findings import FarFindings
from .placing import on_one_processor
from .servers import Server, cluster, cluster_url

__all__ = ["measure"]


def measure(parts: set[str], *, quick: bool) -> FarFindings:
    """Measure the parts that are asked for, on a server and a Cluster of their own."""
    found, began = FarFindings(), os.getloadavg()[0]
    rounds, crowds, seconds = (5, 3, 0.006) if quick else (31, 15, 0.03)
    with Server(config={"tcp-backlog": "511"}) as server:
        url = server.url
        if "redis_hit" in parts:
            found.hit_as_placed = time_rounds(hits.blocking(url, peers=False), rounds=rounds, seconds=seconds)
            with on_one_processor(server.pid):
                found.hit = time_rounds(hits.blocking(url), rounds=rounds, seconds=seconds)
        if "redis_async" in parts:
            found.tasks_as_placed = time_rounds(hits.tasks(url, peers=False), rounds=rounds, seconds=seconds)
            with on_one_processor(server.pid):
                found.tasks = time_rounds(hits.tasks(url), rounds=rounds, seconds=seconds)
        if "redis_crowd" in parts:
            found.crowd = time_rounds(hits.crowd(url), rounds=crowds, seconds=seconds)
        if "redis_near" in parts:
            found.near = time_rounds(hits.near(server), rounds=rounds, seconds=seconds)
        if "redis_many" in parts:
            found.many = _many(server, rounds, seconds)
        if "redis_tags" in parts:
            found.tags, found.commands = tags.measure(server, quick=quick)
        if "redis_delay" in parts:
            found.delays, found.delay_reads = delays.measure(server, samples=30 if quick else 300)
        if "redis_load" in parts:
            found.stampedes = stampede.measure(url, times=1 if quick else 5)
        if "redis_guards" in parts:
            with on_one_processor(server.pid):
                found.guards = time_rounds(guards.contenders(url), rounds=rounds, seconds=seconds)
        _facades(found, parts, server, rounds, seconds)
        if "redis_hammer" in parts:
            found.hammered = hammering.measure(url, seconds=2 if quick else 6)
        if "redis_bytes" in parts:
            found.overhead = overhead.measure(server)
    found.load_average = (began, os.getloadavg()[0])
    return found


def _facades(found: FarFindings, parts: set[str], server: Server, rounds: int, seconds: float) -> None:
    if "redis_facades" in parts:
        with on_one_processor(server.pid):
            found.facades = time_rounds(facades.blocking(server.url), rounds=rounds, seconds=seconds)
            found.facade_tasks = time_rounds(facades.tasks(server.url), rounds=rounds, seconds=seconds)


def _many(server: Server, rounds: int, seconds: float) -> Timings:
    with cluster() as nodes, on_one_processor(server.pid, *(node.pid for node in nodes)):
        contenders = [*hits.many(server.url), *hits.many(cluster_url(nodes), " on Cluster")]
        return time_rounds(contenders, rounds=rounds, seconds=seconds)
