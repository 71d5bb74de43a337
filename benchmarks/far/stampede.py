"""Many threads that want one missing key at the same moment, while a load takes a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from .findings import Stampede
from .peers import BLOCKING, TTL, load, stillroom

__all__ = ["measure"]

THREADS = 50
SECONDS = 0.2


def measure(url: str, *, times: int) -> dict[str, Stampede]:
    """Return how each library fares, the same number of times in turn."""
    loaded: list[int] = []

    def slow(a: int, b: int) -> dict[str, Any]:
        loaded.append(a)
        time.sleep(SECONDS)
        return load(a, b)

    decorated = {"stillroom": stillroom(url)(ttl=TTL, lock="shared", name="slow")(slow)}
    for name, peer in BLOCKING.items():
        try:
            decorated[name] = peer(url)(slow)
        except ImportError:
            continue
    stampedes = {name: Stampede() for name in decorated}
    keys = count()
    for function in decorated.values():
        function(next(keys), 0)  # it connects
    for _ in range(times):
        for name, function in decorated.items():
            loaded.clear()
            took = _together(function, next(keys))
            stampedes[name].ratios.append(took / SECONDS)
            stampedes[name].loads.append(len(loaded))
    return stampedes


def _together(function: Callable[[int, int], Any], key: int) -> float:
    """Return how many seconds pass until all threads have the value."""
    ready, answers = threading.Barrier(THREADS + 1), []

    def caller() -> None:
        ready.wait()
        answers.append(function(key, 0))

    threads = [threading.Thread(target=caller) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    assert answers == [load(key, 0)] * THREADS, "not everybody got the value"
    return took
