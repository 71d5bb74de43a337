"""Shows what a run found: a table to read, and the same as JSON."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Any

from .far import report as far_report
from .targets import TARGETS, Answer, Findings
from .timing import Timings

__all__ = ["as_json", "as_text"]

VERDICTS = {True: "met", False: "MISSED", None: "not measured"}
BASE = "lru_cache typed"


def as_text(findings: Findings) -> str:
    """Return tables of all timings and targets."""
    return "\n".join(
        [
            *_timings("A hit", findings.hit, "lru_cache"),
            *_timings("A miss that evicts, load included", findings.miss, BASE),
            *_timings("A call that a guard lets through", findings.guards, "no guard"),
            *_timings("A hit by another library, and by its facade", findings.facades, "cashews"),
            *_timings("A hit in a small and in a large cache", findings.scale, f"{BASE} small"),
            *(line for title, base, timings in findings.far.timings.values() for line in _timings(title, timings, base)),
            *far_report.as_text(findings.far),
            *_targets([target.answer(findings) for target in TARGETS]),
        ]
    )


def _timings(title: str, timings: Timings, base: str) -> Iterator[str]:
    if timings.rounds:
        yield f"{title:<42}{'ns':>10}{'x ' + base:>24}{'spread':>9}"
        for name in timings.rounds:
            ratio = f"{timings.ratio(name, base):.2f}" if base in timings.rounds else ""
            yield f"  {name:<40}{timings.ns(name):>10,.0f}{ratio:>24}{timings.spread(name):>8.0%}"
        yield ""


def _targets(answers: list[Answer]) -> Iterator[str]:
    yield f"{'Target':<46}{'measured':>12}{'limit':>12}"
    for target, measured, limit, met in answers:
        if measured is None or limit is None:
            yield f"  {target.name:<44}{'':>24}  {VERDICTS[met]}"
        else:
            sign = ">=" if target.at_least else "<="
            yield f"  {target.name:<44}{measured:>12,.2f}{sign:>4}{limit:>8,.4g} {target.unit:<3} {VERDICTS[met]}"


def as_json(findings: Findings) -> dict[str, Any]:
    """Return everything measured, as JSON has it."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "ns": {
            section: {name: round(timings.ns(name), 1) for name in timings.rounds}
            for section, timings in (
                ("hit", findings.hit),
                ("miss", findings.miss),
                ("guards", findings.guards),
                ("facades", findings.facades),
                ("scale", findings.scale),
                *((section, timings) for section, (_, _, timings) in findings.far.timings.items()),
            )
        },
        "redis": far_report.as_json(findings.far),
        "memory": dict(findings.memory),
        "hit_rates": findings.hit_rates,
        "import_ms": findings.importing and findings.importing.milliseconds,
        "targets": [
            {"name": target.name, "unit": target.unit, "measured": measured, "limit": limit, "met": met}
            for target, measured, limit, met in (target.answer(findings) for target in TARGETS)
        ],
    }
