"""What Prometheus and OpenTelemetry are shown of a cache."""

from __future__ import annotations

import gc
import logging
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, start_http_server

from stillroom import Cache, ConfigurationError, RateLimited
from stillroom.observe import measures, opentelemetry, prometheus
from stillroom.observe.events import LoadFinished
from stillroom.observe.logs import log_events
from stillroom.testing import FakeClock


def use(cache: Cache) -> None:
    """Call two functions in all sorts of ways."""

    @cache(ttl=60, name="square")
    def square(a: int) -> int:
        return a * a

    @cache.rate_limit(limit=3, period="1h", name="limited")
    @cache(ttl=60, name="inverse")
    def inverse(a: int) -> float:
        return 1 / a

    for a in (1, 1, 2):
        square(a)
    square.invalidate(1)
    for a in (1, 1, 0, 5):
        try:
            inverse(a)
        except (ZeroDivisionError, RateLimited):
            continue
    _alive.append((square, inverse))


_alive: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_stays_alive() -> Iterator[None]:
    yield
    _alive.clear()


EXPECTED = {
    ("calls", "square", "hit"): 1,
    ("calls", "square", "miss"): 2,
    ("calls", "inverse", "hit"): 1,
    ("calls", "inverse", "miss"): 1,
    ("calls", "inverse", "error"): 1,
}


def test_prometheus_scrapes_what_has_happened() -> None:
    """From a real endpoint."""
    cache, registry = Cache(), CollectorRegistry()
    end = prometheus.export(cache, registry=registry, name="main")
    use(cache)
    server, thread = start_http_server(0, "127.0.0.1", registry=registry)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=5) as reply:
            text = reply.read().decode()
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    for (name, function, outcome), value in EXPECTED.items():
        labels = f'cache="main",function="{function}",outcome="{outcome}"'
        assert f"stillroom_{name}_total{{{labels}}} {value:.1f}" in text
    assert 'stillroom_load_seconds_count{cache="main",function="square"} 2.0' in text
    assert 'stillroom_load_failures_total{cache="main",function="inverse"} 1.0' in text
    assert 'stillroom_calls_refused_total{cache="main",function="limited",guard="rate_limit"} 1.0' in text
    assert 'stillroom_invalidations_total{cache="main",of="key"} 1.0' in text
    assert 'stillroom_store_up{cache="main"} 1.0' in text
    assert 'stillroom_entries{cache="main"} 2.0' in text
    end()


def test_several_caches_share_the_families_of_a_registry() -> None:
    registry = CollectorRegistry()
    caches = {name: Cache() for name in ("one", "other")}
    ends = [prometheus.export(cache, registry=registry, name=name) for name, cache in caches.items()]
    for cache in caches.values():
        use(cache)
    families = [family for family in registry.collect() if family.name == "stillroom_calls"]
    assert len(families) == 1
    assert {sample.labels["cache"] for sample in families[0].samples} == {"one", "other"}
    with pytest.raises(ConfigurationError, match="called 'one' already"):
        prometheus.export(Cache(), registry=registry, name="one")
    ends[0]()
    (family,) = [family for family in registry.collect() if family.name == "stillroom_calls"]
    assert {sample.labels["cache"] for sample in family.samples} == {"other"}
    (loads,) = [family for family in registry.collect() if family.name == "stillroom_load_seconds"]
    assert {sample.labels["cache"] for sample in loads.samples} == {"other"}
    prometheus.export(caches["one"], registry=registry, name="one")()
    ends[1]()


def test_opentelemetry_shows_several_caches() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    caches = {name: Cache() for name in ("one", "other")}
    ends = [opentelemetry.export(cache, provider=provider, name=name) for name, cache in caches.items()]
    for cache in caches.values():
        use(cache)
    assert collected(reader)["stillroom.entries"] == {("one",): 2, ("other",): 2}
    with pytest.raises(ConfigurationError, match="called 'one' already"):
        opentelemetry.export(Cache(), provider=provider, name="one")
    ends[0]()
    assert collected(reader)["stillroom.entries"] == {("other",): 2}
    opentelemetry.export(caches["one"], provider=provider, name="one")()
    ends[1]()
    provider.shutdown()


def test_what_cannot_be_shown_is_refused() -> None:
    wrong: Any = 5
    exports: Any = (
        lambda **given: prometheus.export(**{"cache": Cache(), "registry": CollectorRegistry(), **given}),
        lambda **given: opentelemetry.export(**{"cache": Cache(), "provider": MeterProvider(), **given}),
    )
    for export, place in zip(exports, ("registry", "provider"), strict=True):
        for setting in ("cache", place, "name"):
            with pytest.raises(ConfigurationError, match=f"{setting} must") as caught:
                export(**{setting: wrong})
            assert caught.value.setting == setting
    with pytest.raises(ConfigurationError, match="level must") as caught:
        log_events(Cache(), level="INFO")  # type: ignore[arg-type]
    assert caught.value.setting == "level"


def test_opentelemetry_collects_the_same() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    cache = Cache()
    end = opentelemetry.export(cache, provider=provider)
    use(cache)
    found = collected(reader)
    for (name, function, outcome), value in EXPECTED.items():
        assert found[f"stillroom.{name}"][("default", function, outcome)] == value
    assert found["stillroom.loads"][("default", "square")] == 2
    assert found["stillroom.calls_refused"][("default", "limited", "rate_limit")] == 1
    assert found["stillroom.store_up"][("default",)] == 1
    assert found["stillroom.load.duration"][("default", "square")] == 2
    end()
    use(cache)
    assert "stillroom.calls" not in collected(reader)
    provider.shutdown()


def collected(reader: InMemoryMetricReader) -> dict[str, dict[tuple[str, ...], float]]:
    data: Any = reader.get_metrics_data()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for resource in data.resource_metrics if data is not None else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                points: dict[tuple[str, ...], float] = {}
                for point in metric.data.data_points:
                    labels = {key: str(value) for key, value in sorted(point.attributes.items())}
                    value: Any = getattr(point, "value", None) or getattr(point, "count", 0)
                    points[tuple(labels.values())] = value
                found[metric.name] = points
    return found


def test_calls_are_timed_on_request() -> None:
    reader, clock = InMemoryMetricReader(), FakeClock()
    provider, registry, cache = MeterProvider([reader]), CollectorRegistry(), Cache(clock=clock)
    with pytest.raises(ConfigurationError, match="times_calls must"):
        prometheus.export(cache, registry=registry, times_calls=5)  # type: ignore[arg-type]
    ends = [
        prometheus.export(cache, registry=registry, times_calls=True),
        opentelemetry.export(cache, provider=provider, times_calls=True),
    ]
    function = cache(ttl=60, name="slow")(lambda: clock.advance(2))
    for _ in range(3):
        function()
    function.bypass()
    labels = {"cache": "default", "function": "slow"}
    for outcome, seconds, count in (("miss", 2, 1), ("hit", 0, 2)):
        told = {**labels, "outcome": outcome}
        assert registry.get_sample_value("stillroom_call_seconds_sum", told) == seconds
        assert registry.get_sample_value("stillroom_call_seconds_bucket", {**told, "le": "1.0"}) == (0 if seconds else count)
        assert collected(reader)["stillroom.call.duration"][("default", "slow", outcome)] == count
    assert registry.get_sample_value("stillroom_call_seconds_count", {**labels, "outcome": "bypass"}) is None
    for end in ends:
        end()
    assert not cache._core.hub.hears_calls
    provider.shutdown()


def test_hits_go_on_taking_the_plain_hit_path() -> None:
    cache = Cache()
    end = prometheus.export(cache, registry=CollectorRegistry())
    assert not cache._core.hub.hears_calls
    end()
    assert not cache._core.hub.has_listeners


def test_there_are_never_more_series_than_functions_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "MOST_FUNCTIONS", 3)
    cache, registry = Cache(), CollectorRegistry()
    end = prometheus.export(cache, registry=registry)
    functions = [cache(ttl=60, name=name)(lambda: 1) for name in ("f0", "others", "f1", "f2", "f3", "f4")]
    for f in functions:
        f()
        f()
    (family,) = [family for family in registry.collect() if family.name == "stillroom_calls"]
    hits = {sample.labels["function"]: sample.value for sample in family.samples if sample.labels["outcome"] == "hit"}
    assert len(hits) == 4
    assert hits["others"] == 3
    assert sum(hits.values()) == 6
    end()


@pytest.mark.parametrize("way", ["prometheus", "opentelemetry"])
def test_a_cache_that_is_shown_no_more_is_let_go(way: str) -> None:
    registry, provider = CollectorRegistry(), MeterProvider()
    prometheus.export(Cache(), registry=registry)() if way == "prometheus" else opentelemetry.export(
        Cache(), provider=provider
    )()
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, measures.Measures)]


def test_events_are_structured_records(caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache()
    stop = log_events(cache)
    stop_loads = log_events(cache, LoadFinished, level=logging.DEBUG)
    with caplog.at_level(logging.DEBUG, "stillroom.events"):
        use(cache)
    stop()
    stop_loads()
    records: list[Any] = caplog.records
    assert [record.event for record in records] == ["LoadFinished"] * 3 + ["LoadFailed", "CallRefused"]
    assert records[0].cache_function == "square"
    assert records[-1].cache_guard == "rate_limit"
    assert "function='limited'" in records[-1].getMessage()
    assert not cache._core.hub.has_listeners
