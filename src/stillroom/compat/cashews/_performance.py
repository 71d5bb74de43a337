"""`@cache.perf(...)`: no calls for a while once one has taken much longer than those before."""

from __future__ import annotations

import functools
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from ._loading import run
from ._naming import Called, Naming
from ._reach import Reach
from .exceptions import CacheError
from .ttl import TTL, of_call

__all__ = ["PerfDegradationException", "is_degraded", "tracing"]

_MOST_TRACES: Final = 4096

Condition: TypeAlias = "Callable[[float, Sequence[float]], bool]"
"""Told how long a call has taken, and those before; tells whether that is too long."""


class PerfDegradationException(CacheError):
    """Raised instead of a call of a function that has become slow."""


def is_degraded(current: float, previous: Sequence[float]) -> bool:
    """Tell whether a call took more than twice as long as those before on average."""
    return sum(previous) / len(previous) * 2 < current


def tracing(
    reach: Reach, function: Callable[..., Any], naming: Naming, ttl: TTL, trace_size: int, condition: Condition
) -> Callable[..., Any]:
    """Return a function that is not called for ``ttl`` once a call has taken too long, judged by ``trace_size`` before it."""
    traces: OrderedDict[Called, deque[float]] = OrderedDict()

    def trace(called: Called) -> deque[float]:
        known = traces.setdefault(called, deque(maxlen=trace_size))
        traces.move_to_end(called)
        if len(traces) > _MOST_TRACES:
            traces.popitem(last=False)
        return known

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        called = naming.called(args, kwargs)
        backend, lock = reach.backend_of(called.name), f"{called.name}:lock"
        if await backend.exists(lock):
            raise PerfDegradationException(f"{called.name} has become slow")
        began = time.perf_counter()
        result = await run(function, args, kwargs)
        taken, known = time.perf_counter() - began, trace(called)
        if len(known) == trace_size and condition(taken, list(known)):
            await backend.set(lock, taken, of_call(ttl, args, kwargs))
        else:
            known.append(taken)
        return result

    return call
