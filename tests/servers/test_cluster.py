"""A real cluster fails over, is resharded, and heals."""

from __future__ import annotations

import pytest
import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import AskError, MovedError
from tests.servers.cluster import PRIMARIES, Cluster, slot_of
from tests.servers.processes import HOST
from tests.servers.server import Server


@pytest.fixture
def client(redis_cluster: Cluster):
    client: redis.RedisCluster = RedisCluster(startup_nodes=[ClusterNode(HOST, node.port) for node in redis_cluster.nodes])
    yield client
    client.close()


def another(cluster: Cluster, node: Server) -> Server:
    """Return a primary that is not this one."""
    return next(other for other in cluster.primaries() if other is not node)


def test_a_cluster_has_three_primaries_with_a_replica_each(redis_cluster: Cluster, client) -> None:
    assert redis_cluster.is_clean()
    assert redis_cluster.primaries() == redis_cluster.nodes[:PRIMARIES]
    assert [redis_cluster.replica_of(node) for node in redis_cluster.primaries()] == redis_cluster.nodes[PRIMARIES:]
    assert redis_cluster.url == "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in redis_cluster.nodes)
    for number in range(30):
        client.set(f"key {number}", number)
        assert redis_cluster.primary_of(f"key {number}").client().get(f"key {number}") == str(number).encode()
    assert redis_cluster.commandstats()["set"] == 30
    redis_cluster.flush()
    assert not any(node.client().dbsize() for node in redis_cluster.primaries())


def test_a_replica_takes_over_from_a_killed_primary_which_comes_back_as_its_replica(redis_cluster: Cluster, client) -> None:
    client.set("a", 1)
    old = redis_cluster.primary_of("a")
    assert old.client().wait(1, 1000) == 1
    new = redis_cluster.fail_over("a")
    assert not old.is_up
    assert redis_cluster.primary_of("a") is new is not old
    assert client.get("a") == b"1"
    redis_cluster.revive(old)
    assert redis_cluster.replica_of(new) is old
    redis_cluster.heal()
    assert redis_cluster.is_clean()
    assert redis_cluster.primary_of("a") is old


def test_a_replica_takes_over_on_request(redis_cluster: Cluster, client) -> None:
    client.set("a", 1)
    old = redis_cluster.primary_of("a")
    new = redis_cluster.fail_over("a", "ask")
    assert redis_cluster.primary_of("a") is new
    assert redis_cluster.replica_of(new) is old
    assert client.get("a") == b"1"


def test_a_slot_half_moved_is_asked_for_in_two_places(redis_cluster: Cluster, client) -> None:
    keys = [f"{{a}}{number}" for number in range(4)]
    for key in keys:
        client.set(key, key)
    source, slot = redis_cluster.primary_of(keys[0]), slot_of(keys[0])
    target = another(redis_cluster, source)
    move = redis_cluster.begin_move(slot, target)
    move.carry(*keys[:2])
    with pytest.raises(AskError):
        source.client().get(keys[0])
    assert source.client().get(keys[3]) == keys[3].encode()
    assert [client.get(key) for key in keys] == [key.encode() for key in keys]
    move.finish()
    assert redis_cluster.primary_of(keys[0]) is target
    with pytest.raises(MovedError):
        source.client().get(keys[3])
    assert [client.get(key) for key in keys] == [key.encode() for key in keys]


def test_moved_slots_come_back(redis_cluster: Cluster) -> None:
    first, second, _ = redis_cluster.primaries()
    redis_cluster.move_slot(0, second)
    redis_cluster.begin_move(1, second)
    redis_cluster.move_slot(second_slot := 10922, first)
    pids = [node.pid for node in redis_cluster.nodes]
    redis_cluster.heal()
    assert redis_cluster.is_clean()
    assert (redis_cluster.owner(0), redis_cluster.owner(second_slot)) == (first, second)
    assert [node.pid for node in redis_cluster.nodes] == pids  # without starting anew


def test_a_paused_node_is_resumed(redis_cluster: Cluster) -> None:
    redis_cluster.nodes[0].pause()
    assert redis_cluster.nodes[0] not in redis_cluster.living()
    assert not redis_cluster.is_clean()
    redis_cluster.heal()
    assert redis_cluster.is_clean()
