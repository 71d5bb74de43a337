"""Shows what was found on Redis besides the times of calls."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from .findings import FarFindings
from .hammering import LIMIT

__all__ = ["as_json", "as_text"]


def as_text(far: FarFindings) -> Iterator[str]:
    """Return tables of what was measured."""
    for rows in (_commands(far), _delays(far), _stampedes(far), _hammered(far), _overhead(far)):
        lines = list(rows)
        if lines:
            yield from (*lines, "")
    if far.load_average:
        yield "The machine's load average before and after what needs Redis: {:.1f}, {:.1f}\n".format(*far.load_average)


def _commands(far: FarFindings) -> Iterator[str]:
    if far.commands:
        yield "The commands that invalidate a tag in Redis"
    for name, commands in far.commands.items():
        yield f"  {name:<40}{', '.join(f'{times} {command}' for command, times in sorted(commands.items()))}"


def _delays(far: FarFindings) -> Iterator[str]:
    if far.delays:
        yield f"{'A near copy goes after an invalidation elsewhere':<50}{'ms':>2}"
        for name, delay in _quantiles(far.delays).items():
            yield f"  {name:<40}{delay:>10.1f}"
        yield f"  {'reads of the server for each':<40}{far.delay_reads:>10.1f}"


def _stampedes(far: FarFindings) -> Iterator[str]:
    if far.stampedes:
        yield f"{'50 threads, one missing key in Redis':<42}{'x load':>10}{'worst':>10}{'loads':>8}"
    for name, stampede in far.stampedes.items():
        yield f"  {name:<40}{stampede.ratio:>10.2f}{max(stampede.ratios):>10.2f}{max(stampede.loads):>8}"


def _hammered(far: FarFindings) -> Iterator[str]:
    if far.hammered:
        yield f"{f'8 processes, a limit of {LIMIT} a second':<42}{'most in 1 s':>12}{'given away':>12}"
    for name, hammered in far.hammered.items():
        yield f"  {name:<40}{hammered.most:>12}{hammered.share:>10.1f} %"


def _overhead(far: FarFindings) -> Iterator[str]:
    if far.overhead:
        yield f"{'An entry in Redis, beyond its payload':<42}{'bytes':>10}"
    for sort, size in far.overhead.items():
        yield f"  {sort:<40}{size:>10}"


def _quantiles(delays: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(delays, n=100, method="inclusive")
    return {"median": cuts[49], "90 %": cuts[89], "99 %": cuts[98], "longest": max(delays)}


def as_json(far: FarFindings) -> dict[str, Any]:
    """Return the same, as JSON has it."""
    return {
        "tag_commands": far.commands,
        "delays_ms": {name: round(delay, 2) for name, delay in _quantiles(far.delays).items()} if far.delays else {},
        "stampedes": {
            name: {"loads": stampede.loads, "ratios": [round(ratio, 2) for ratio in stampede.ratios]}
            for name, stampede in far.stampedes.items()
        },
        "hammered": {name: {"most": one.most, "share": round(one.share, 1)} for name, one in far.hammered.items()},
        "bytes_beyond_payload": far.overhead,
        "load_average": far.load_average,
    }
