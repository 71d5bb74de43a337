"""Measures for OpenTelemetry: ``stillroom[opentelemetry]``.

Example:
    >>> from stillroom.observe.opentelemetry import export
    >>> export(cache)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .measures import BUCKETS, COUNTED, Measured, Measures

try:
    from opentelemetry import metrics
    from opentelemetry.metrics import Observation
except ImportError as _error:
    raise ConfigurationError(
        "this needs opentelemetry-api: pip install 'stillroom[opentelemetry]'", setting="export"
    ) from _error

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, MeterProvider

__all__ = ["export"]

_TOTALS = ("calls", "loads", "evictions", *(name for name, _ in COUNTED.values()))
_LEVELS = ("entries", "store_up", "invalidations_pending")


def export(cache: Measured, *, provider: MeterProvider | None = None, name: str = "default") -> Callable[[], None]:
    """Show what there is to measure of a cache as instruments of OpenTelemetry, and return what ends that.

    Nothing is done for a hit: calls are counted by the functions themselves, and read when a reader collects.

    Args:
        cache: the cache.
        provider: gives the meter; the global one if ``None``.
        name: the value of the attribute ``cache``, which tells several caches of one process apart.
    """
    meter = metrics.get_meter("stillroom", meter_provider=provider)
    loads = meter.create_histogram(
        "stillroom.load.duration", "s", "How long loads took.", explicit_bucket_boundaries_advisory=list(BUCKETS)
    )
    measures = Measures(cache, lambda function, seconds: loads.record(seconds, {"cache": name, "function": function}))
    is_open = [True]

    def observed(which: str, _: CallbackOptions) -> Iterable[Observation]:
        if not is_open[0]:
            return []
        return [
            Observation(sample.value, {"cache": name, **sample.labels}) for sample in measures.samples() if sample.name == which
        ]

    for total in _TOTALS:
        meter.create_observable_counter(f"stillroom.{total}", [partial(observed, total)])
    for level in _LEVELS:
        create: Any = meter.create_observable_gauge
        create(f"stillroom.{level}", [partial(observed, level)])

    def end() -> None:
        is_open[0] = False
        measures.close()

    return end
