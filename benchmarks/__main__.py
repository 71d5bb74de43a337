"""Runs the benchmarks: ``python -m benchmarks``, or ``make bench``."""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from . import contenders, facades, guards, importing
from .chart import bars
from .report import as_json, as_text
from .targets import TARGETS, Findings
from .timing import time_rounds

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
PUBLISHED = HERE.parent / "docs"
REDIS = ("hit", "async", "crowd", "near", "many", "tags", "delay", "load", "guards", "facades", "hammer", "bytes")
PARTS = ("hit", "miss", "guards", "facades", "scale", "memory", "hit_rate", "import", *(f"redis_{part}" for part in REDIS))
GROUPS = {
    "redis": {part for part in PARTS if part.startswith("redis_")},
    "toolbox": {"guards", "redis_guards", "redis_hammer"},
    "moving-in": {"facades", "redis_facades"},
}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    known = (*PARTS, *GROUPS)
    parser.add_argument("parts", nargs="*", help=f"what to measure; everything unless given: {', '.join(known)}")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: to try the machinery, not to quote")
    parser.add_argument("--strict", action="store_true", help="fail if a target is missed or was not measured")
    parser.add_argument("--publish", action="store_true", help="copy results and chart into docs/")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(known):
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(known)}")
    given.parts = set().union(*(GROUPS.get(part, {part}) for part in given.parts or PARTS))
    return given


def measure(parts: set[str], *, quick: bool) -> Findings:
    """Measure what is asked for."""
    rounds, seconds = (5, 0.002) if quick else (31, 0.02)
    findings = Findings()
    if parts & {"hit", "miss"}:  # the target of a miss is given in hits
        findings.hit = time_rounds(contenders.hits(), rounds=rounds, seconds=seconds)
    if "miss" in parts:
        findings.miss = time_rounds(contenders.misses(), rounds=rounds, seconds=seconds)
    if "guards" in parts:
        findings.guards = time_rounds(guards.contenders(), rounds=rounds, seconds=seconds)
    if "facades" in parts:
        findings.facades = time_rounds(facades.contenders(), rounds=rounds, seconds=seconds)
    if "scale" in parts:
        findings.scale = time_rounds(contenders.scales(20_000 if quick else 1_000_000), rounds=rounds, seconds=seconds)
    if "memory" in parts:
        findings.memory = dict(_measured_by("memory"))
    if "hit_rate" in parts:
        findings.hit_rates = dict(_measured_by("hit_rate"))
    if "import" in parts:
        findings.importing = importing.measure()
    if far := parts & GROUPS["redis"]:
        findings.far = _measured_by("far.measuring", far, quick=quick) or findings.far
    return findings


def _measured_by(module: str, *args: Any, **settings: Any) -> Any:
    try:
        return importlib.import_module(f"{__package__}.{module}").measure(*args, **settings)
    except (ImportError, FileNotFoundError, StopIteration) as missing:  # a library, or the traces
        print(f"left out: {module}: {missing!r}", file=sys.stderr)
        return ()


def write(findings: Findings, *, publish: bool) -> None:
    """Write results and chart."""
    OUT.mkdir(exist_ok=True)
    files = {"benchmarks.json": json.dumps(as_json(findings), indent=2, ensure_ascii=False) + "\n"}
    if findings.hit.rounds:
        times = {name: findings.hit.ns(name) for name in findings.hit.rounds}
        files["benchmarks.svg"] = bars("A hit in memory (less is better)", times)
    for name, text in files.items():
        (OUT / name).write_text(text, "utf-8")
        if publish:
            shutil.copy(OUT / name, PUBLISHED / name)


def main() -> int:
    """Run, show, write, and say whether the targets were met."""
    given = arguments()
    findings = measure(given.parts, quick=given.quick)
    print(as_text(findings))
    write(findings, publish=given.publish)
    return int(given.strict and not all(target.answer(findings).met for target in TARGETS))


if __name__ == "__main__":
    sys.exit(main())
