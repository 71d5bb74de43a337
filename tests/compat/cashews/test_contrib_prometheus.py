"""The middleware for Prometheus."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from stillroom.compat.cashews import Cache, cache
from stillroom.compat.cashews.contrib.prometheus import create_metrics_middleware

pytestmark = pytest.mark.asyncio_only


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"backend_class": "Memory", "tag": "", **labels}) or 0.0


async def test_hits_misses_and_latencies_are_counted() -> None:
    measured = Cache()
    measured.setup("mem://", middlewares=(create_metrics_middleware(),))
    before = value("cashews_get_operation_total", result="hit"), value("cashews_get_operation_total", result="miss")
    sets = value("cashews_operations_latency_seconds_count", operation="set")
    await measured.get("key")
    await measured.set("key", 1)
    await measured.get("key", default=0)
    assert value("cashews_get_operation_total", result="hit") == before[0] + 1
    assert value("cashews_get_operation_total", result="miss") == before[1] + 1
    assert value("cashews_operations_latency_seconds_count", operation="set") == sets + 1


async def test_decorated_functions_are_measured_too() -> None:
    measured = Cache()
    measured.setup("mem://", middlewares=(create_metrics_middleware(),))
    hits, misses = [value("cashews_get_operation_total", result=result) for result in ("hit", "miss")]

    @measured(ttl="1m")
    async def double(number: int) -> int:
        return number * 2

    assert [await double(2) for _ in range(3)] == [4, 4, 4]
    assert value("cashews_get_operation_total", result="hit") == hits + 2
    assert value("cashews_get_operation_total", result="miss") == misses + 1


async def test_the_first_tag_of_a_key_is_a_label() -> None:
    measured = Cache()
    measured.setup("mem://", middlewares=(create_metrics_middleware(with_tag=True),))
    cache.register_tag("metrics-test", "metrics:{number}")
    await measured.get("metrics:1")
    assert value("cashews_get_operation_total", result="miss", tag="metrics-test") == 1
