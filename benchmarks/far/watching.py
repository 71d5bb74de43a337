"""A process with a near store that watches copies go, for `delays`: ``python -m benchmarks.far.watching URL``.

For each key that comes in, it says when it has a near copy, and then when that was gone.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from stillroom import Cache

__all__ = ["cached"]

PAUSE = 0.0002
NEARBY = 0.00005
"""Seconds that a hit in the near store takes at most; one on the server takes longer."""


def cached(url: str, near: str | None) -> tuple[Any, Cache]:
    """Return a function that all processes share, and its cache. What it returns is told apart by when it was loaded."""
    cache = Cache(url, prefix="delays", timeout=10.0, on_error="raise", near=near)

    @cache(ttl=600, name="loaded_at", tags=["key:{key}"])
    def loaded_at(key: int) -> tuple[int, float]:
        return key, time.monotonic()

    return loaded_at, cache


def main(url: str) -> None:
    """Watch one key after the other."""
    f, _ = cached(url, "memory://?max_entries=10000")
    _become_near(f, -1)
    print(time.monotonic(), flush=True)
    for line in sys.stdin:
        key = int(line)
        _become_near(f, key)
        before = f(key)
        print(time.monotonic(), flush=True)
        while f(key) == before:
            time.sleep(PAUSE)
        print(time.monotonic(), flush=True)


def _become_near(f: Any, key: int) -> None:
    """Read a key until that is so quick that the server had no part in it."""
    while True:
        f(key)
        began = time.perf_counter()
        f(key)
        if time.perf_counter() - began < NEARBY:
            return


if __name__ == "__main__":
    main(sys.argv[1])
