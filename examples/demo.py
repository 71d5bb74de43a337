"""A minute of stillroom: what it does, shown on the source code of Python's own standard library.

Run it with ``make demo`` or ``python examples/demo.py``. It needs nothing but stillroom, and takes a few seconds.
"""

from __future__ import annotations

import ast
import asyncio
import platform
import sys
import sysconfig
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

from stillroom import Cache
from stillroom.testing import FakeClock

STDLIB = Path(sysconfig.get_path("stdlib"))
PACKAGES = ("asyncio", "email", "http", "json", "logging", "unittest")
THREADS, TASKS, REPEATS = 50, 200, 20_000

cache = Cache()
clock = FakeClock()  # stands still until it is told to move, so nothing below has to wait
patient_cache = Cache(clock=clock)


# Functions worth caching


class Survey(NamedTuple):
    """What a package is made of."""

    modules: int
    definitions: int
    longest: str
    lines: int


@cache(ttl="1h", tags=["package:{package}"])
def survey(package: str) -> Survey:
    """Parse all modules of a package: some hundred milliseconds of work."""
    return examine(package)


@cache(ttl="1h", tags=["package:{package}"])
async def survey_async(package: str) -> Survey:
    """Do the same without holding up the event loop."""
    return await asyncio.to_thread(examine, package)


@cache(ttl="1h")
def functions_in(path: Path) -> list[str]:
    """Return the names of the functions in a file; the first load is held up after it has read the file."""
    names = [node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]
    pause.hold_up_once()
    return names


@patient_cache(ttl="1m", stale_if_error="1h", errors=OSError)
def length_of(path: Path) -> int:
    """Return how many lines a file has."""
    return len(path.read_text("utf-8").splitlines())


# What they are made of

examined: Counter[str] = Counter()
"""How often each package was parsed: counted here, not by the cache."""


def examine(package: str) -> Survey:
    """Parse all modules of a package."""
    examined[package] += 1
    modules = [ast.parse(path.read_bytes()) for path in sorted((STDLIB / package).glob("*.py"))]
    nodes = [node for module in modules for node in ast.walk(module)]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    longest = max(functions, key=lines_of)
    return Survey(len(modules), len(functions) + len(classes), longest.name, lines_of(longest))


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function takes."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


class Pause:
    """Holds up one load, so that something can happen while it is in flight."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.over = threading.Event()

    def hold_up_once(self) -> None:
        """Wait until the pause is over, unless it has been reached before."""
        if not self.reached.is_set():
            self.reached.set()
            self.over.wait(timeout=5)


pause = Pause()


# What is shown


def show_that_the_second_call_is_cheap() -> None:
    title("The second call costs next to nothing")
    began = perf_counter()
    for package in PACKAGES:
        found = survey(package)
        longest = f"longest function: {found.longest}, {found.lines} lines"
        row(package, f"{found.modules:3} modules  {found.definitions:5,} definitions  {longest}")
    first = (perf_counter() - began) / len(PACKAGES)

    began = perf_counter()
    for _ in range(REPEATS):
        survey("asyncio")
    second = (perf_counter() - began) / REPEATS

    row("first call", f"{first * 1e3:.0f} ms on average")
    row("second call", f"{second * 1e6:.2f} µs on average, {first / second:,.0f} times faster")


def show_that_callers_share_a_load() -> None:
    title("One load, however many ask at once")
    examined.clear()
    survey.invalidate("asyncio")
    start = threading.Barrier(THREADS)

    def ask(_: int) -> Survey:
        start.wait()
        return survey("asyncio")

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(ask, range(THREADS)))
    row(f"{THREADS} threads", f"{examined['asyncio']} load, {len(set(answers))} answer")

    async def ask_all() -> list[Survey]:
        return await asyncio.gather(*(survey_async("json") for _ in range(TASKS)))

    answers = asyncio.run(ask_all())
    row(f"{TASKS} tasks", f"{examined['json']} load, {len(set(answers))} answer")


def show_that_invalidation_wins(file: Path) -> None:
    title("Invalidation wins against a load in flight")
    file.write_text("def old(): ...\n")
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(functions_in, file)
        pause.reached.wait(timeout=5)  # the load has read the file and is still running

        file.write_text("def new(): ...\n")
        functions_in.invalidate(file)
        during = functions_in(file)

        pause.over.set()
        row("asked before", f"{early.result()[0]}, which is what its load had read")
    row("asked during", f"{during[0]}, from a load of its own")
    row("asked after", f"{functions_in(file)[0]}, though the old load ended last")


def show_that_a_stale_value_rescues_an_error(file: Path) -> None:
    title("A stale value rescues an error")
    file.write_text("one\ntwo\nthree\n")
    row("fresh", f"{length_of(file)} lines")

    file.unlink()
    clock.advance("2m")
    with patient_cache.detect() as calls:
        lines = length_of(file)
    row("2 minutes on", f"{lines} lines ({calls[0].outcome}), though the file is gone")

    clock.advance("2h")
    try:
        length_of(file)
    except FileNotFoundError as error:
        row("2 hours on", f"{type(error).__name__}: that is too old to be served")


def show_that_a_tag_clears_a_group() -> None:
    title("A tag clears a group")
    cache.invalidate(tags=["package:json"])
    with cache.detect() as calls:
        for package in PACKAGES:
            survey(package)
        asyncio.run(survey_async("json"))
    for outcome in ("hit", "miss"):
        answered = [package for package, call in zip(PACKAGES, calls, strict=False) if call.outcome == outcome]
        row(outcome, ", ".join(answered))
    row("async", f"{calls[-1].outcome}, since the entry of survey_async carried the tag too")


def show_statistics() -> None:
    title("Statistics")
    for function in (survey, survey_async):
        stats = function.stats
        counts = f"{stats.calls:,} calls = {stats.hits:,} hits + {stats.misses} misses"
        row(function.__name__, f"{counts}, {stats.loads} loads in {stats.load_seconds:.2f} s")
    row("", "A miss is a call that waited for a load; callers of one key share it.")


# How it looks


def title(text: str) -> None:
    """Print a heading, in bold on a terminal."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}")


def row(label: str, text: str) -> None:
    """Print one line of a section."""
    print(f"  {label:<14}{text}")


def main() -> None:
    """Print the report."""
    print(f"stillroom, shown on the source code of Python {platform.python_version()}")
    show_that_the_second_call_is_cheap()
    show_that_callers_share_a_load()
    with TemporaryDirectory() as folder:
        show_that_invalidation_wins(Path(folder, "module.py"))
        show_that_a_stale_value_rescues_an_error(Path(folder, "lines.txt"))
    show_that_a_tag_clears_a_group()
    show_statistics()


if __name__ == "__main__":
    main()
