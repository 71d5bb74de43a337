"""The eviction policy LRU, by itself and against a model that says the same in a naive way."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Hashable

import pytest
from tests.stores.keeping import calls, entry

from stillroom import Cache, ConfigurationError
from stillroom.stores.lru import Lru
from stillroom.stores.node import Node
from stillroom.stores.partition import Partition
from stillroom.stores.partitions import Partitions

HOME: Partition = Partitions().make(calls("f"))


def node(key: object) -> Node:
    return Node(HOME, key, entry(), (), 1)


def test_it_evicts_what_the_model_evicts() -> None:
    choice = random.Random(5)
    policy, nodes, model = Lru(8), dict[Hashable, Node](), OrderedDict[Hashable, None]()
    for now in range(1, 4_000):
        key = choice.choice([*range(6), choice.randrange(30)])
        if key in nodes and choice.random() < 0.2:
            former, nodes[key] = nodes[key], node(key)
            nodes[key].loaded_at = now
            policy.replace(former, nodes[key])
        elif key in nodes:
            nodes[key].uses += 1
            nodes[key].read_at = now
        else:
            if policy.size == 8:
                evicted = policy.evict().key
                assert evicted == model.popitem(last=False)[0]
                del nodes[evicted]
            nodes[key] = node(key)
            nodes[key].loaded_at = now
            policy.insert(nodes[key])
        model[key] = None
        model.move_to_end(key)


def test_a_plain_hit_which_leaves_no_time_counts_as_the_last_use() -> None:
    policy, nodes = Lru(3), [node(key) for key in range(3)]
    for one in nodes:
        policy.insert(one)
    nodes[0].hits += 1
    assert [policy.evict().key for _ in range(3)] == [1, 2, 0]


def test_an_eviction_looks_at_few_nodes_even_if_all_are_in_use() -> None:
    policy, nodes = Lru(10_000), [node(key) for key in range(10_000)]
    for at, one in enumerate(nodes):
        policy.insert(one)
        one.uses, one.read_at = 1, 20_000 - at
    policy.evict()
    assert sum(one.seen for one in nodes if one.queue) < 100


def test_it_is_chosen_by_the_url() -> None:
    cache = Cache("memory://?max_entries=2&eviction=lru")
    cache.set("a", 1)
    cache.set("b", 2)
    assert cache.get("a") == 1
    cache.set("c", 3)
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "c": 3}
    cache.clear()
    cache.set_many({"a": 1, "b": 2})
    cache.set("a", 3)
    cache.set("c", 4)
    assert cache.get_many(["a", "b", "c"]) == {"a": 3, "c": 4}


def test_other_policies_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="eviction must be one of s3-fifo, lru"):
        Cache("memory://?eviction=fifo")
