"""Measures for OpenTelemetry: ``stillroom[opentelemetry]``.

Example:
    >>> from stillroom.observe.opentelemetry import export
    >>> export(cache)
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .measures import COUNTED, DISTRIBUTIONS, Distribution, Measured, Shown

try:
    from opentelemetry import metrics
    from opentelemetry.metrics import Observation
except ImportError as _error:
    raise ConfigurationError(
        "this needs opentelemetry-api: pip install 'stillroom[opentelemetry]'", setting="export"
    ) from _error

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider

__all__ = ["export"]

_TOTALS = ("calls", "loads", "evictions", *(name for name, _ in COUNTED.values()))
_NAMES = {"seconds": ("duration", "s"), "bytes": ("size", "By")}
"""What OpenTelemetry calls what is measured in a unit, and the unit."""
_LEVELS = ("entries", "store_up", "invalidations_pending")


def export(
    cache: Measured, *, provider: MeterProvider | None = None, name: str = "default", times_calls: bool = False
) -> Callable[[], None]:
    """Show what there is to measure of a cache as instruments of OpenTelemetry, and return what ends that.

    Unless calls are timed, nothing is done for a hit: the functions count it themselves, and are asked when a reader collects.

    Args:
        cache: the cache.
        provider: gives the meter; the global one if ``None``.
        name: the value of the attribute ``cache``, which tells several caches of one process apart.
        times_calls: show how long calls took to answer, by outcome; each hit then takes the way through the engine.

    Raises:
        ConfigurationError: one of them makes no sense, or another cache of this provider has the name.
    """
    if provider is not None and not callable(getattr(provider, "get_meter", None)):
        raise ConfigurationError(f"provider must be a MeterProvider, not {provider!r}", setting="provider", given=provider)
    place: object = metrics if provider is None else provider
    with _making:
        instruments = _instruments.get(place)
        if instruments is None:
            instruments = _instruments[provider or metrics] = _Instruments(
                metrics.get_meter("stillroom", meter_provider=provider)
            )
    return instruments.add(cache, name, times_calls)


class _Instruments:
    """The instruments of one meter, for all caches that it shows: a meter takes no second one of the same name.

    An instrument is there for good; of a cache that is shown no more, nothing stays with it.
    """

    def __init__(self, meter: Meter) -> None:
        self._shown = Shown()
        self._histograms = {one: _histogram(meter, one) for one in DISTRIBUTIONS}
        for total in _TOTALS:
            meter.create_observable_counter(f"stillroom.{total}", [partial(self._observed, total)])
        for level in _LEVELS:
            create: Any = meter.create_observable_gauge
            create(f"stillroom.{level}", [partial(self._observed, level)])

    def add(self, cache: Measured, name: str, times_calls: bool) -> Callable[[], None]:
        """Show one more cache, and return what ends that."""

        def observe(which: Distribution, labels: tuple[str, ...], value: float) -> None:
            self._histograms[which].record(value, {"cache": name, **dict(zip(which.labels, labels, strict=True))})

        return self._shown.add(name, cache, observe, times_calls=times_calls)

    def _observed(self, which: str, _: CallbackOptions) -> Iterator[Observation]:
        for name, sample in self._shown.samples():
            if sample.name == which:
                yield Observation(sample.value, {"cache": name, **sample.labels})


def _histogram(meter: Meter, of: Distribution) -> Histogram:
    measure, unit = _NAMES[of.unit]
    return meter.create_histogram(
        f"stillroom.{of.of}.{measure}", unit, of.about, explicit_bucket_boundaries_advisory=list(of.buckets)
    )


_making = threading.Lock()
_instruments: weakref.WeakKeyDictionary[object, _Instruments] = weakref.WeakKeyDictionary()
"""By their provider; those of the global one by the module that knows it."""
