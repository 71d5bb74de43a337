"""Measures for Prometheus: ``stillroom[prometheus]``.

Example:
    >>> from prometheus_client import start_http_server
    >>> from stillroom.observe.prometheus import export
    >>> export(cache)
    >>> start_http_server(9100)
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..errors import ConfigurationError
from .measures import DISTRIBUTIONS, Distribution, Measured, Shown

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Histogram
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
except ImportError as _error:
    raise ConfigurationError("this needs prometheus-client: pip install 'stillroom[prometheus]'", setting="export") from _error

__all__ = ["export"]


def export(
    cache: Measured, *, registry: CollectorRegistry = REGISTRY, name: str = "default", times_calls: bool = False
) -> Callable[[], None]:
    """Show what there is to measure of a cache in a registry, and return what ends that.

    Unless calls are timed, nothing is done for a hit: the functions count it themselves, and are asked when Prometheus asks.

    Args:
        cache: the cache.
        registry: where Prometheus looks.
        name: the value of the label ``cache``, which tells several caches of one process apart.
        times_calls: show how long calls took to answer, by outcome; each hit then takes the way through the engine.

    Raises:
        ConfigurationError: one of them makes no sense, or another cache of this registry has the name.
    """
    if not isinstance(registry, CollectorRegistry):
        raise ConfigurationError(f"registry must be a CollectorRegistry, not {registry!r}", setting="registry", given=registry)
    with _registering:
        collector = _collectors.get(registry)
        if collector is None:
            collector = _collectors[registry] = _Collector()
            registry.register(collector)
    return collector.add(cache, name, times_calls)


class _Collector:
    """What a registry asks of all caches that it shows: each measure is one family, whichever cache it is of."""

    def __init__(self) -> None:
        self._shown = Shown()
        self._histograms: dict[str, dict[Distribution, Histogram]] = {}

    def add(self, cache: Measured, name: str, times_calls: bool) -> Callable[[], None]:
        """Show one more cache, and return what ends that."""
        histograms = {one: _histogram(one) for one in DISTRIBUTIONS}

        def observe(which: Distribution, labels: tuple[str, ...], value: float) -> None:
            histograms[which].labels(name, *labels).observe(value)

        close = self._shown.add(name, cache, observe, times_calls=times_calls)
        self._histograms[name] = histograms

        def end() -> None:
            close()
            if self._histograms.get(name) is histograms:
                del self._histograms[name]

        return end

    def describe(self) -> Iterator[Metric]:
        """Nothing: a registry that does not know the families beforehand does not ask for them at registration."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Return all numbers of this moment."""
        families: dict[str, Any] = {}
        for cache, (name, about, value, labels, is_total) in self._shown.samples():
            family = families.get(name)
            if family is None:
                kind = CounterMetricFamily if is_total else GaugeMetricFamily
                family = families[name] = kind(f"stillroom_{name}", about, labels=("cache", *labels))
            family.add_metric((cache, *labels.values()), value)
        yield from families.values()
        yield from self._spread()

    def _spread(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        histograms = [one for several in list(self._histograms.values()) for one in several.values()]
        for family in [family for one in histograms for family in one.collect()]:
            whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            whole.samples += family.samples
        return families.values()


def _histogram(of: Distribution) -> Histogram:
    labels = ("cache", *of.labels)
    return Histogram(f"stillroom_{of.of}_{of.unit}", of.about, labels, buckets=of.buckets, registry=None)


_registering = threading.Lock()
_collectors: weakref.WeakKeyDictionary[CollectorRegistry, _Collector] = weakref.WeakKeyDictionary()
