"""The eviction policy, by itself and against a model that says the same in a naive way."""

from __future__ import annotations

import math
import random
from collections import OrderedDict, deque

import pytest
from tests.stores.keeping import calls, entry

from stillroom.stores.node import Node
from stillroom.stores.partition import Partition
from stillroom.stores.partitions import Partitions
from stillroom.stores.s3fifo import S3Fifo

SPACE = calls("f")
HOME: Partition = Partitions().make(SPACE)


def node(key: object, weight: int = 1) -> Node:
    return Node(HOME, key, entry(), (), weight)


class Cache:
    """A cache that is nothing but the policy and a dict."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.policy = S3Fifo(capacity)
        self.nodes: dict[object, Node] = {}

    def ask(self, key: object) -> bool:
        if key in self.nodes:
            self.nodes[key].hits += 1
            return True
        if self.policy.size >= self.capacity:
            del self.nodes[self.policy.evict().key]
        self.nodes[key] = node(key)
        self.policy.insert(self.nodes[key])
        return False


class Model:
    """S3-FIFO with deques, an exact ghost and endless patience."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.share = max(1, int(capacity * 0.1))
        self.small: deque[int] = deque()
        self.main: deque[int] = deque()
        self.uses: dict[int, int] = {}
        self.ghost: OrderedDict[int, None] = OrderedDict()

    def ask(self, key: int) -> bool:
        if key in self.uses:
            self.uses[key] = min(3, self.uses[key] + 1)
            return True
        while len(self.uses) >= self.capacity:
            self.evict()
        (self.main if key in self.ghost else self.small).append(key)
        self.ghost.pop(key, None)
        self.uses[key] = 0
        return False

    def evict(self) -> None:
        while self.small and (len(self.small) >= self.share or not self.main):
            key = self.small.popleft()
            if self.uses[key] < 2:
                del self.uses[key]
                self.ghost[key] = None
                if len(self.ghost) > int(self.capacity * 0.9):
                    self.ghost.popitem(last=False)
                return
            self.uses[key] = 0
            self.main.append(key)
        while self.uses[self.main[0]]:
            self.uses[self.main[0]] -= 1
            self.main.rotate(-1)
        del self.uses[self.main.popleft()]


def trace(length: int) -> list[int]:
    """Return keys of which few are asked for often, with scans of keys that are asked for once in between."""
    chance = random.Random(5)
    keys: list[int] = []
    while len(keys) < length:
        keys += [int(chance.paretovariate(0.6)) % 5_000 for _ in range(500)]
        keys += range(10_000 + len(keys), 10_100 + len(keys))
    return keys


@pytest.mark.parametrize("capacity", [50, 250, 1000])
def test_it_hits_as_often_as_the_model(capacity: int) -> None:
    keys = trace(40_000)
    cache, model = Cache(capacity), Model(capacity)
    hits, expected = sum(map(cache.ask, keys)), sum(map(model.ask, keys))
    assert hits >= expected - 0.005 * len(keys)


def test_nodes_that_nobody_used_leave_first_come_first_out() -> None:
    cache = Cache(10)
    for key in range(10):
        cache.ask(key)
    assert [cache.policy.evict().key for _ in range(10)] == list(range(10))


def test_two_uses_earn_a_place_in_the_main_queue_and_one_does_not() -> None:
    cache = Cache(10)
    for key in range(10):
        cache.ask(key)
    cache.nodes[0].hits += 2
    cache.nodes[1].uses += 1
    assert cache.policy.evict().key == 1
    assert cache.nodes[0].queue is cache.policy.main


def test_a_key_that_comes_back_soon_enters_the_main_queue() -> None:
    cache = Cache(10)
    for key in range(11):
        cache.ask(key)
    assert 0 not in cache.nodes
    cache.ask(0)
    assert cache.nodes[0].queue is cache.policy.main


def test_uses_in_the_main_queue_earn_as_many_rounds_and_at_most_three() -> None:
    policy = S3Fifo(10)
    nodes = [node(key) for key in range(4)]
    for one in nodes:
        policy.main.append(one)
        policy.size += 1
    nodes[0].hits, nodes[1].uses, nodes[2].hits = 100, 2, 1
    assert [policy.evict().key for _ in range(4)] == [3, 2, 1, 0]
    assert nodes[0].hits - nodes[0].seen == 0


def test_an_eviction_looks_at_few_nodes_even_if_all_are_in_use() -> None:
    cache = Cache(10_000)
    for key in range(10_000):
        cache.ask(key)
        cache.nodes[key].hits = 100
    cache.policy.evict()
    assert cache.policy.main.size < 100


def test_a_replacement_takes_over_place_and_frequency() -> None:
    policy, nodes = S3Fifo(10), [node(key) for key in range(3)]
    for one in nodes:
        policy.insert(one)
    nodes[0].hits = 2
    new = node(0, weight=5)
    new.uses = 7
    policy.replace(nodes[0], new)
    assert (policy.size, policy.weight) == (3, 7)
    assert new.hits + new.uses - new.seen == 2
    assert policy.small.ring.next is new
    assert [policy.evict().key for _ in range(3)] == [1, 2, 0]


def test_the_main_queue_gives_way_when_the_small_one_is_below_its_share() -> None:
    cache = Cache(20)
    for key in range(20):
        cache.ask(key)
        cache.nodes[key].hits = 2
    assert cache.policy.evict().queue is None
    assert cache.policy.main.size == 18


def test_with_weights_the_small_queue_has_a_share_of_the_weight() -> None:
    policy = S3Fifo(1_000, 100)
    old, new = node("main", 80), node("small", 20)
    policy.insert(old)
    policy.insert(new)
    old.hits = 2
    assert policy.evict() is new
    assert old.queue is policy.main


def test_the_hand_meets_everybody_in_turn_whatever_happens_to_the_queues() -> None:
    policy, nodes = S3Fifo(10), [node(key) for key in range(6)]
    for one in nodes:
        policy.insert(one)
    met = [policy.next_in_turn() for _ in range(4)]
    policy.remove(nodes[2])
    policy.replace(nodes[3], node("new"))
    met += [policy.next_in_turn() for _ in range(8)]
    assert [one.key for one in met if one is not None][:7] == [0, 1, "new", 4, 5, 0, 1]


def test_an_empty_policy_has_nobody_to_meet() -> None:
    policy = S3Fifo(10)
    assert [policy.next_in_turn() for _ in range(5)] == [None] * 5


def test_dissolving_frees_every_node_without_the_garbage_collector() -> None:
    space = calls("f")
    home = Partitions().make(space)
    policy = S3Fifo(1_000)
    for key in range(1_000):
        policy.insert(Node(home, key, entry(fresh=math.inf), ()))
        policy.small.ring.prev.hits = 1
    assert home.plain_hits == 0
    policy.dissolve()
    assert home.plain_hits == 1_000
