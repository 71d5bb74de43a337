"""Backends of the facade on every kind of server, each test with its own, and none left over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.compat.cache_house.places import Init, Settings

from stillroom.compat.cache_house.backends import RedisCache, RedisClusterCache, RedisFactory

PLACES = ("memory", "redis", "cluster")
PATIENCE = 1.0
NOBODY = 1
"""A port that nobody listens at."""


def forget() -> None:
    """Make the facade as it is when it has just been imported."""
    for holder in (RedisFactory, RedisCache, RedisClusterCache):
        if holder.instance is not None:
            holder.instance.store.close()
        holder.instance = None


@pytest.fixture(autouse=True)
def _nothing_is_initialized() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def init() -> Init:
    """Initializes the facade, and returns the instance."""

    def initialize(**settings: Any) -> RedisCache:
        RedisFactory.init(**{"port": NOBODY, "host": "127.0.0.1", "socket_timeout": PATIENCE, **settings})
        assert RedisFactory.instance is not None
        return RedisFactory.instance

    return initialize


@pytest.fixture
def redis_at(redis_server: Any) -> Settings:
    """The settings of a client of an empty server."""
    place = urlsplit(redis_server.url)
    return {"host": place.hostname, "port": place.port}


@pytest.fixture
def cluster_at(redis_cluster: Any) -> Settings:
    """The settings of a client of an empty cluster."""
    place = urlsplit(redis_cluster.nodes[0].url)
    return {"host": place.hostname, "port": place.port}


@pytest.fixture(params=PLACES)
def at(request: pytest.FixtureRequest) -> Settings:
    """Where results are kept: in memory, since there is no server; on one; on a cluster."""
    if request.param == "memory":
        return {}
    settings: Settings = request.getfixturevalue(f"{request.param}_at")
    return settings
