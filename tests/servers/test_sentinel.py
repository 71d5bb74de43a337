"""A real Sentinel deployment fails over, and heals."""

from __future__ import annotations

import pytest
from redis.sentinel import Sentinel as SentinelClient
from tests.servers.processes import HOST
from tests.servers.sentinel import SERVICE, Sentinel


@pytest.mark.parametrize("how", ["kill", "ask"])
def test_a_replica_becomes_the_master(sentinel: Sentinel, how) -> None:
    client = SentinelClient([(HOST, watcher.port) for watcher in sentinel.watchers])
    old = sentinel.master()
    assert client.discover_master(SERVICE) == (HOST, old.port)
    assert sentinel.replicas() == sentinel.nodes[1:]
    new = sentinel.fail_over(how)
    assert new is sentinel.master() is not old
    assert client.discover_master(SERVICE) == (HOST, new.port)
    new.client().set("a", 1)
    sentinel.heal()
    assert sentinel.is_clean()
    assert sentinel.master() is old
    for watcher in client.sentinels:
        watcher.close()


def test_the_url_names_sentinels_and_service(sentinel: Sentinel) -> None:
    hosts = ",".join(f"127.0.0.1:{watcher.port}" for watcher in sentinel.watchers)
    assert sentinel.url == f"redis+sentinel://{hosts}/mymaster/0"


def test_statistics_count_what_clients_do(sentinel: Sentinel) -> None:
    sentinel.master().client().set("a", 1)
    assert sentinel.master().commandstats()["set"] == 1
