"""How many bytes entries take on Redis, as whoever listens is told."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry
from tests.servers.cluster import Cluster
from tests.servers.server import Server

from stillroom import Cache
from stillroom.observe import opentelemetry, prometheus
from stillroom.observe.events import EntryEncoded


@pytest.fixture
def new_cache() -> Iterator[Callable[..., Cache]]:
    """Returns caches with a prefix of their own."""
    opened: list[Any] = []

    def new(url: str, **options: Any) -> Cache:
        cache = Cache(url, prefix=secrets.token_hex(4), timeout=5, **options)
        opened.append(cache._core.store)
        return cache

    yield new
    for store in opened:
        store.retire()


def use(cache: Cache) -> None:
    """Store something in every way that there is."""

    @cache(ttl=60, name="whole", key="whole:{n}", version=2)
    def whole(n: int) -> str:
        return "x" * n

    @cache.batch(ttl=60, name="items")
    async def items(ids: list[int]) -> list[str]:
        return ["y" * one for one in ids]

    whole(1000)
    whole.put("z", 1)
    asyncio.run(items([10, 5000]))
    cache.set("name", "value")
    cache.get_or_load("other", lambda: b"v" * 500)


def test_each_entry_that_is_stored_is_told_with_its_size(redis_server: Server, new_cache: Callable[..., Cache]) -> None:
    cache, told = new_cache(redis_server.url), list[Any]()
    stop = cache.subscribe(told.append, EntryEncoded)
    use(cache)
    stop()
    use(cache)
    assert [event.function for event in told] == ["whole@2", "whole@2", "items", "items", None, None]
    assert [event.key for event in told][:2] == ["whole:1000", "whole:1"]
    stored = [redis_server.ask("STRLEN", name) for name in redis_server.ask("KEYS", "*{*}")]
    assert {event.size for event in told} <= {*stored}
    assert told[0].size > 1000 > told[1].size


@pytest.mark.parametrize("near", [None, "memory://"])
def test_sizes_are_measured_by_function(redis_cluster: Cluster, new_cache: Callable[..., Cache], near: Any) -> None:
    reader, registry = InMemoryMetricReader(), CollectorRegistry()
    provider, cache = MeterProvider([reader]), new_cache(redis_cluster.url, near=near)
    ends = [prometheus.export(cache, registry=registry), opentelemetry.export(cache, provider=provider)]
    use(cache)
    for function, small in (("whole@2", 1), ("items", 1), ("", 1)):
        labels = {"cache": "default", "function": function}
        assert registry.get_sample_value("stillroom_entry_bytes_count", labels) == 2
        assert registry.get_sample_value("stillroom_entry_bytes_bucket", {**labels, "le": "256.0"}) == small
    data: Any = reader.get_metrics_data()
    metrics = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    sizes = metrics["stillroom.entry.size"]
    assert sizes.unit == "By"
    assert {point.attributes["function"]: point.count for point in sizes.data.data_points} == {"whole@2": 2, "items": 2, "": 2}
    for end in ends:
        end()
    provider.shutdown()
