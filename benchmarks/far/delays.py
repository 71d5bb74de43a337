"""After how long near copies are gone that were invalidated in another process.

The other process, `watching`, reads a key again and again, with short pauses in which its other threads can work as they would
in a program that has something else to do. It says when it first got something new. That the key was invalidated in the
meantime is known here: the clock is the same for all processes of a machine.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from typing import Any

from .servers import Server
from .watching import cached

__all__ = ["measure"]

TAGGED_EVERY = 2


def measure(server: Server, *, samples: int) -> tuple[list[float], float]:
    """Return the milliseconds for each sample, and how many reads of the server there were for one."""
    f, cache = cached(server.url, near=None)
    chance = random.Random(1)
    watcher: subprocess.Popen[str] = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.far.watching", server.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watcher.stdin is not None
    assert watcher.stdout is not None
    delays = []
    try:
        _told(watcher.stdout)  # its feed is live
        server.reset_stats()
        for key in range(samples):
            print(key, file=watcher.stdin, flush=True)
            _told(watcher.stdout)  # it has a near copy
            time.sleep(chance.uniform(0.001, 0.005))
            if key % TAGGED_EVERY:
                cache.invalidate(tags=[f"key:{key}"])
            else:
                f.invalidate(key)
            done = time.monotonic()
            delays.append(max(0.0, 1000 * (_told(watcher.stdout) - done)))
        reads = server.commandstats()["mget"] / samples
    finally:
        watcher.stdin.close()
        try:
            watcher.wait(5)
        except subprocess.TimeoutExpired:
            watcher.kill()
            watcher.wait()
    return delays, reads


def _told(out: Any) -> float:
    line = out.readline()
    if not line:
        raise RuntimeError("the other process has ended")
    return float(line)
