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
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .measures import BUCKETS, Measured, Shown

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Histogram
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
except ImportError as _error:
    raise ConfigurationError("this needs prometheus-client: pip install 'stillroom[prometheus]'", setting="export") from _error

if TYPE_CHECKING:
    from prometheus_client import Metric

__all__ = ["export"]


def export(cache: Measured, *, registry: CollectorRegistry = REGISTRY, name: str = "default") -> Callable[[], None]:
    """Show what there is to measure of a cache in a registry, and return what ends that.

    Nothing is done for a hit: calls are counted by the functions themselves, and read when Prometheus asks.

    Args:
        cache: the cache.
        registry: where Prometheus looks.
        name: the value of the label ``cache``, which tells several caches of one process apart.

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
    return collector.add(cache, name)


class _Collector:
    """What a registry asks of all caches that it shows: each measure is one family, whichever cache it is of."""

    def __init__(self) -> None:
        self._shown = Shown()
        self._loads: dict[str, Histogram] = {}

    def add(self, cache: Measured, name: str) -> Callable[[], None]:
        """Show one more cache, and return what ends that."""
        labels = ("cache", "function")
        loads = Histogram("stillroom_load_seconds", "How long loads took.", labels, buckets=BUCKETS, registry=None)
        close = self._shown.add(name, cache, lambda function, seconds: loads.labels(name, function).observe(seconds))
        self._loads[name] = loads

        def end() -> None:
            close()
            if self._loads.get(name) is loads:
                del self._loads[name]

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
        for histogram in list(self._loads.values()):
            for family in histogram.collect():
                if family.name in families:
                    families[family.name].samples.extend(family.samples)
                else:
                    families[family.name] = family
        yield from families.values()


_registering = threading.Lock()
_collectors: weakref.WeakKeyDictionary[CollectorRegistry, _Collector] = weakref.WeakKeyDictionary()
