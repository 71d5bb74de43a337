"""Metrics of commands, for Prometheus, under the names that they have in cashews."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

try:
    from prometheus_client import Counter, Histogram
except ImportError as _error:
    raise ImportError("metrics for Prometheus need prometheus-client: pip install 'stillroom[prometheus]'") from _error

from .. import cache
from .._middleware import Middleware
from ..backends.interface import Backend
from ..commands import Command

__all__ = ["create_metrics_middleware"]

_LATENCY = Histogram(
    "cashews_operations_latency_seconds",
    "Latency of different operations with a cache",
    labelnames=["operation", "backend_class", "tag"],
)
_FOUND = Counter(
    "cashews_get_operation", "Count of hits or missed GET operations", labelnames=["result", "backend_class", "tag"]
)


def create_metrics_middleware(with_tag: bool = False) -> Middleware:
    """Return a middleware that counts hits and misses, and measures how long commands take.

    Args:
        with_tag: whether the first tag of each key is a label.
    """

    async def measure(call: Callable[..., Awaitable[Any]], cmd: Command, backend: Backend, *args: Any, **kwargs: Any) -> Any:
        tag = next(iter(cache.get_key_tags(kwargs["key"])), "") if with_tag and "key" in kwargs else ""
        kind = type(backend).__name__
        with _LATENCY.labels(operation=cmd.value, backend_class=kind, tag=tag).time():
            result = await call(*args, **kwargs)
        if cmd is Command.GET:
            found = "miss" if result is kwargs.get("default") else "hit"
            _FOUND.labels(result=found, backend_class=kind, tag=tag).inc()
        return result

    return measure
