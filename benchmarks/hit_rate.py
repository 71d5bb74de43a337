"""How often the memory store has what it is asked for, on real traces.

    python -m benchmarks.hit_rate [--traces DIRECTORY]

The directory, ``../shared/traces`` next to the repository unless given here or in ``STILLROOM_TRACES``, holds the traces that
its own README describes. Each is run, with capacities of 2, 10 and 30 % of its distinct keys, through a `MemoryStore` as a
decorated function uses it: a plain hit counts in the node, a miss takes a lease and fills it.
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import math
import os
import sys
from array import array
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from stillroom.entry import Entry
from stillroom.protocols import Key, Keyspace, Lookup
from stillroom.stores.memory import Gate, MemoryStore

from .targets import CAPACITIES, S3_FIFO

__all__ = ["accesses", "hits", "measure"]

ACCESSES = 400_000
TRACES = tuple(S3_FIFO)
BINARY = {"web07": "i", "web12": "i", "orm-busy": "i", "corda": "q"}
"""Traces that are big-endian integers; the others are decimals, one a line."""


def measure(directory: Path | None = None) -> dict[str, dict[int, float]]:
    """Return the hit rates in per cent, by trace and then by capacity in per cent of its distinct keys; none without traces."""
    directory = directory or _directory()
    return {trace: _rates(accesses(directory, trace)) for trace in TRACES} if directory.is_dir() else {}


def _rates(keys: list[int]) -> dict[int, float]:
    distinct = len(set(keys))
    return {capacity: 100 * hits(keys, max(1, distinct * capacity // 100)) / len(keys) for capacity in CAPACITIES}


def accesses(directory: Path, trace: str) -> list[int]:
    """Return the first keys of a trace."""
    path = next(directory.glob(f"{trace}.trace.*"))
    with (lzma.open if path.suffix == ".xz" else gzip.open)(path, "rb") as file:
        if trace not in BINARY:
            return [int(line) for line in islice((line for line in file if line.strip() not in (b"", b"*")), ACCESSES)]
        keys = array(BINARY[trace])
        keys.frombytes(file.read(ACCESSES * keys.itemsize))
    if sys.byteorder == "little":
        keys.byteswap()
    return keys.tolist()


def hits(keys: Iterable[int], capacity: int) -> int:
    """Return how many of the accesses a store of this capacity answers."""
    store = MemoryStore(max_entries=capacity)
    space = Keyspace("main", "hit_rate", str, "hit_rate")
    gate = Gate()
    store.attach(gate, space)
    for key in keys:
        try:
            gate.entries[key].hits += 1
        except KeyError:
            _load(store, Key(space, key))
    return store.partition(space).count_hits()


def _load(store: MemoryStore, key: Key) -> None:
    lease = _run(store.lease(Lookup(key, ("hit_rate",))))
    _run(store.fill(key, Entry(None, 0.0, math.inf, math.inf, 0.0, lease.reading.generations), lease))


def _run(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the memory store never suspends")


def _directory() -> Path:
    beside = Path(__file__).resolve().parents[2] / "shared" / "traces"
    return Path(os.environ.get("STILLROOM_TRACES", beside))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Hit rates of the memory store on real traces.")
    parser.add_argument("--traces", type=Path, default=_directory(), help="where the traces are")
    rates = measure(parser.parse_args().traces)
    print(f"{'trace':10} {'capacity':>9} {'hit rate':>9} {'exact':>6}")
    for trace, found in rates.items():
        for (capacity, rate), exact in zip(found.items(), S3_FIFO[trace], strict=True):
            print(f"{trace:10} {capacity:7} % {rate:9.2f} {exact:6.1f}")


if __name__ == "__main__":
    main()
