"""A picture of the nodes is published as a whole, and never an older one after a newer one."""

from __future__ import annotations

from typing import Any

import pytest

from stillroom import Cache
from stillroom.errors import StoreError
from stillroom.stores.redis.client import Node, parse
from stillroom.stores.redis.commands import command
from stillroom.stores.redis.layout import RedisKey
from stillroom.stores.redis.picture import of_cluster, of_server
from stillroom.stores.redis.topology import Draft, Topology
from stillroom.stores.redis.unconfirmed import Unconfirmed

ALL = RedisKey(b"stillroom:all")
OLD, NEW = Node("old", 1), Node("new", 1)


def topology(url: str) -> Topology:
    return Topology(parse(url, {}, None), Unconfirmed(command(ALL, b"DEL", ALL.name)))


def test_what_was_drawn_earlier_does_not_replace_what_was_drawn_later() -> None:
    here = topology("redis+sentinel://localhost/shop/0")
    here.publish(Draft(2, of_server(NEW), False))
    here.publish(Draft(1, of_server(OLD), False))
    assert here.only_node == NEW


def test_nothing_is_read_anywhere_before_a_picture_is_published() -> None:
    here = topology("redis+sentinel://localhost/shop/0")
    assert here.only_node is None
    assert not here.is_known
    with pytest.raises(StoreError, match="not known yet"):
        here.node_of(0)


def test_a_former_master_is_told_of_changes_until_it_does_not_answer() -> None:
    here = topology("redis+sentinel://localhost/shop/0")
    here.publish(Draft(1, of_server(OLD), False))
    assert here.former() is None
    here.publish(Draft(2, of_server(NEW), True))
    assert here.former() == OLD
    here.publish(Draft(3, of_server(NEW), False))
    assert here.former() == OLD
    here.dismiss(OLD)
    assert here.former() is None


def test_a_slot_that_nobody_has_makes_the_picture_doubtful() -> None:
    here = topology("redis+cluster://localhost")
    here.publish(Draft(1, of_cluster([([[0, 99, [b"old", 1]]], OLD)]), False))
    assert here.is_known
    with pytest.raises(StoreError, match="no node of the cluster has slot 100"):
        here.node_of(100)
    assert not here.is_known


def test_a_single_server_is_not_doubted_since_there_is_no_other() -> None:
    here = topology("redis://localhost/1")
    (node,) = here.picture.primaries()
    here.suspect(node)
    assert here.only_node == node


def test_what_the_servers_are_is_told_when_it_is_known(redis_server: Any, redis_cluster: Any, sentinel: Any) -> None:
    places = {"single": redis_server.url, "cluster": redis_cluster.nodes[0].url, "sentinel": sentinel.url}
    for servers, url in places.items():
        cache = Cache(url, timeout=5)
        assert cache.health().servers in (None, servers)
        cache.get("anything")
        assert cache.health().servers == servers
        cache.close()
    assert Cache().health().servers is None
