"""How much memory an entry takes beyond its key and value, against cachetools.

    python -m benchmarks.memory

Keys are pairs of ints and made beforehand; values are one small int. Both caches are filled once; then as many entries again
pass through them, because what remembers evicted keys is part of the price.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

from stillroom.entry import Entry
from stillroom.protocols import Key, Keyspace, Lookup
from stillroom.stores.memory import MemoryStore

__all__ = ["measure"]

ENTRIES = 100_000
TTL = 600.0
Pair = tuple[int, int]


def measure() -> dict[str, float]:
    """Return the bytes for each entry, by library: full, and having evicted as many entries as it holds."""
    keys = [(number, number + 1) for number in range(2 * ENTRIES)]
    libraries = {"stillroom": _stillroom, "cachetools.TTLCache": _cachetools}
    full = {name: _bytes(fill, keys[:ENTRIES]) for name, fill in libraries.items()}
    return full | {f"{name}, having evicted": _bytes(fill, keys) for name, fill in libraries.items()}


def _bytes(fill: Callable[[Iterable[Pair]], object], keys: list[Pair]) -> float:
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        filled = fill(keys)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del filled
    return (after - before) / ENTRIES


def _stillroom(keys: Iterable[Pair]) -> object:
    store = MemoryStore(max_entries=ENTRIES)
    space = Keyspace("main", "memory", str, "memory")
    for local in keys:
        key = Key(space, local)
        lease = _run(store.lease(Lookup(key, ("memory",))))
        began, now = time.monotonic(), time.monotonic()
        entry = Entry(1, now, now + TTL, now + TTL, now - began, lease.reading.generations)
        entry.expires_at = entry.plain_until = entry.fresh_until  # as for a function without windows for stale values
        _run(store.fill(key, entry, lease))
    return store, space


def _cachetools(keys: Iterable[Pair]) -> object:
    import cachetools

    cache: Any = cachetools.TTLCache(ENTRIES, TTL)
    for key in keys:
        cache[key] = 1
    return cache


def _run(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the memory store never suspends")


def main() -> None:
    """Print the bytes for each library."""
    for library, size in measure().items():
        print(f"{library:34} {size:6.0f} bytes an entry")


if __name__ == "__main__":
    main()
