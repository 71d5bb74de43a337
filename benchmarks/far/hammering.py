"""Eight processes that hammer at one rate limit: is it ever exceeded, and is all of it given away?

Each process notes when a call that was let through had begun and ended. A limit has been exceeded for certain if more calls
than that lie, from the beginning of the first to the end of the last, within one period.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass

__all__ = ["LIMIT", "Hammered", "measure"]

PROCESSES = 8
LIMIT, PERIOD = 200, 1.0

_HAMMER = """
import json, sys, time
url, seconds = sys.argv[1], float(sys.argv[2])
{decorated}
passed = []
def hammer(call):
    start = time.monotonic() + 1.0
    while time.monotonic() < start:
        pass
    end = start + seconds
    while (before := time.monotonic()) < end:
        if call():
            passed.append((before, time.monotonic()))
{run}
print(json.dumps(passed))
"""

_RUN = "hammer(call)"

LIBRARIES = {
    "stillroom": (
        """
from stillroom import Cache, RateLimited
@Cache(url, timeout=10).rate_limit(limit={limit}, period={period}, name="hammered")
def f(): pass
def call():
    try:
        f()
    except RateLimited:
        return False
    return True
""",
        _RUN,
    ),
    "limits": (
        """
from limits import RateLimitItemPerSecond, storage, strategies
limiter = strategies.MovingWindowRateLimiter(storage.RedisStorage(url))
item = RateLimitItemPerSecond({limit}, int({period}))
def call(): return limiter.hit(item, "hammered")
""",
        _RUN,
    ),
    "cashews": (
        """
import asyncio
from cashews import cache, RateLimitError
cache.setup(url)
@cache.slice_rate_limit(limit={limit}, period={period}, key="hammered")
async def f(): pass
loop = asyncio.new_event_loop()
async def once():
    try:
        await f()
    except RateLimitError:
        return False
    return True
def call(): return loop.run_until_complete(once())
""",
        _RUN,
    ),
}


@dataclass(frozen=True)
class Hammered:
    """What became of a limit.

    Attributes:
        most: how many calls were let through in the fullest period, for certain.
        share: how many were let through of those that could have been, in per cent.
    """

    most: int
    share: float


def measure(url: str, *, seconds: float) -> dict[str, Hammered]:
    """Return how each library fares that is there."""
    found = {}
    for name, (decorated, run) in LIBRARIES.items():
        if importlib.util.find_spec(name) is not None:
            code = _HAMMER.format(decorated=decorated.format(limit=LIMIT, period=PERIOD), run=run)
            found[name] = _judged(_hammered(code, url, seconds))
    return found


def _hammered(code: str, url: str, seconds: float) -> list[tuple[float, float]]:
    commands = [[sys.executable, "-c", code, url, str(seconds)] for _ in range(PROCESSES)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    return sorted((before, after) for process in processes for before, after in json.loads(process.communicate()[0]))


def _judged(passed: list[tuple[float, float]]) -> Hammered:
    first, last = passed[0][0], passed[-1][1]
    most = 0
    for start, (began, _) in enumerate(passed):
        most = max(most, sum(ended - began < PERIOD for _, ended in passed[start : start + 2 * LIMIT]))
    whole = int((last - first) / PERIOD)
    within = sum(ended < first + whole * PERIOD for _, ended in passed)
    return Hammered(most, 100 * within / (whole * LIMIT))
