"""``python -m benchmarks.soak SECONDS``: see the package."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from typing import Any

from tests.servers.server import Server

from .faults import Faults
from .process import SIZE, Orders, run
from .truth import Truth

PROCESSES = 4
EVERY = 2.0
LOCKS = 8


def soak(seconds: float, every: float = EVERY, seed: int = 0) -> bool:
    """Soak for some seconds, print what happened, and tell whether all was well."""
    context: Any = multiprocessing.get_context("spawn")
    stop, results = context.Event(), context.Queue()
    truth, locks = Truth(context, SIZE), [context.Lock() for _ in range(LOCKS)]
    with Server() as server:
        processes = [
            context.Process(
                target=run,
                args=(Orders(at, server.url, "bypass" if at % 2 else "fallback", truth, stop, results, locks),),
                daemon=True,
            )
            for at in range(PROCESSES)
        ]
        for process in processes:
            process.start()
        faults = Faults(server, every, seed)
        time.sleep(seconds)
        faults.stop()
        stop.set()
        told = [results.get(timeout=30) for _ in processes]
        for process in processes:
            process.join(10)
        keys = server.client().dbsize()
    return _report(told, faults, keys, seconds)


def _report(told: list[dict[str, Any]], faults: Faults, keys: int, seconds: float) -> bool:
    counts: Counter[str] = sum((Counter(one["counts"]) for one in told), Counter())
    problems = [problem for one in told for problem in one["problems"]]
    if faults.error is not None:
        problems.append(f"the faults ended with {faults.error!r}")
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(faults.survived.items()))
    print(f"{PROCESSES} processes, {seconds:g} s: {counts['calls']:,} calls, {counts['loads']:,} loads,", end=" ")
    print(f"{counts['invalidations']:,} invalidations")
    print(f"faults survived: {faults.survived.total()} ({kinds})")
    print(f"slowest call: {max(one['slowest'] for one in told):.2f} s; keys left on the server: {keys}")
    print(f"wrong answers and exceptions: {len(problems)}")
    for problem in problems[:20]:
        print(f"  {problem}")
    return not problems


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=180.0, help="for how long")
    parser.add_argument("--every", type=float, default=EVERY, help="how many seconds lie between two faults")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="which faults come when")
    given = parser.parse_args()
    sys.exit(0 if soak(given.seconds, given.every, given.seed) else 1)
