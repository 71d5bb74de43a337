"""Puts a caller and its servers on one processor, so that what is timed is the library.

One caller and its server take turns, so one processor is all they need. Left to itself, the system sometimes puts them on two,
and then each of them has to be woken for every reply. On virtual machines that costs several times as much as the fastest
library takes for a hit, comes and goes within seconds, and makes all libraries look alike.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["on_one_processor"]


@contextmanager
def on_one_processor(*pids: int) -> Iterator[None]:
    """Keep the calling thread and these processes on one processor; does nothing where systems cannot do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    threads = [0, *(int(thread.name) for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir())]
    try:
        for thread in threads:
            os.sched_setaffinity(thread, {max(before)})
        yield
    finally:
        for thread in threads:
            os.sched_setaffinity(thread, before)
