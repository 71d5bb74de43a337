"""What guards cost a call that they let through, in memory; see `benchmarks.far.guards` for Redis."""

from __future__ import annotations

import asyncio
from typing import Any

from .contenders import CALL, aload, load
from .timing import Contender

__all__ = ["FOREVER", "contenders", "guarded"]

FOREVER = 10**9
"""A limit that is never reached."""


def guarded(cache: Any, function: Any) -> dict[str, Any]:
    """Return a function behind each guard, with a key of its arguments where guards usually have one."""
    bloomed = cache.bloom(capacity=1000, key="{a}", name=f"bloom {function.__name__}")(function)
    return {
        "rate_limit, window": cache.rate_limit(limit=20_000, period="10ms", key="{a}", name="window")(function),
        "rate_limit, bucket": cache.rate_limit(limit=FOREVER, period="1s", burst=FOREVER, key="{a}", name="bucket")(function),
        "locked": cache.locked(key="{a}", name="locked")(function),
        "bloom": bloomed,
        "circuit_breaker": cache.circuit_breaker(key="{a}", name="circuit")(function),
        "slow": cache.slow(key="{a}", name="slow")(function),
    }


def contenders() -> list[Contender]:
    """The function alone, and behind each guard, blocking and awaited."""
    from stillroom import Cache

    made = [Contender("no guard", CALL, {"f": load}), Contender("no guard async", CALL, {"f": aload}, awaited=True)]
    blocking, awaited = guarded(Cache(), load), guarded(Cache(), aload)
    blocking["bloom"].add(1, 2)
    asyncio.run(awaited["bloom"].add(1, 2))
    for name, f in blocking.items():
        made.append(Contender(name, CALL, {"f": f}))
    for name, f in awaited.items():
        made.append(Contender(f"{name} async", CALL, {"f": f}, awaited=True))
    return made
