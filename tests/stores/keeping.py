"""What the tests of the memory store share: a clock that is set by hand, and short ways to the verbs."""

from __future__ import annotations

import math
from collections.abc import Coroutine, Hashable
from typing import Any, TypeVar

from stillroom.entry import MISSING, Entry, Generations
from stillroom.protocols import Key, Keyspace, Lookup, Timer
from stillroom.stores.memory import Gate, MemoryStore, Partition
from stillroom.stores.node import Node

T = TypeVar("T")


class Now:
    """A clock that shows what it was last set to."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def call_at(self, when: float, callback: Any) -> Timer:
        raise NotImplementedError


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("suspended")


def entry(value: Any = "value", generations: Generations = (), *, fresh: float = math.inf, stale: float = 0.0) -> Entry[Any]:
    """Return an entry that is fresh until some time, and of use for a while longer."""
    return Entry(value, 0.0, fresh, fresh + stale, 0.0, generations, plain_until=fresh)


def names(namespace: str = "main") -> Keyspace:
    """Return a keyspace of names."""
    return Keyspace(namespace, "", str)


def calls(function: str, namespace: str = "main") -> Keyspace:
    """Return the keyspace of the calls of a function."""
    return Keyspace(namespace, function + ":", repr, function)


class Shop:
    """A store, one keyspace in it and a gate that leads there."""

    def __init__(self, space: Keyspace | None = None, *, checked: bool = False, **settings: Any) -> None:
        self.clock = Now()
        self.store = MemoryStore(clock=self.clock, **settings)
        self.space = space or calls("f")
        self.gate = Gate()
        self.store.attach(self.gate, self.space, checked=checked)

    @property
    def partition(self) -> Partition:
        return self.store.partition(self.space)

    def key(self, local: Hashable) -> Key:
        return Key(self.space, local)

    def lookup(self, local: Hashable, *tags: str) -> Lookup:
        function = self.space.function
        return Lookup(self.key(local), (*(() if function is None else (function,)), *tags))

    async def read(self, local: Hashable, *tags: str) -> Any:
        """Return the value, or MISSING."""
        (reading,) = await self.store.read([self.lookup(local, *tags)])
        return MISSING if reading.entry is MISSING else reading.entry.value

    async def load(
        self, local: Hashable, value: Any = "value", *tags: str, fresh: float = math.inf, stale: float = 0.0
    ) -> bool:
        """Fill a key under a lease."""
        lease = await self.store.lease(self.lookup(local, *tags))
        return await self.store.fill(self.key(local), entry(value, lease.reading.generations, fresh=fresh, stale=stale), lease)

    def hit(self, local: Hashable) -> Any:
        """Ask as the plain hit path of a function without tags does."""
        try:
            node = self.gate.entries[local]
        except KeyError:
            return MISSING
        if self.clock.now() < node.plain_until:
            node.hits += 1
            return node.value
        return MISSING

    def checked_hit(self, local: Hashable) -> Any:
        """Ask as the plain hit path of a function with tags does."""
        node = self.gate.entries.get(local)
        return self.hit(local) if node is not None and node.epoch is self.gate.store.epoch else MISSING


def linked(store: MemoryStore) -> list[Node]:
    """Return the nodes in the queues of a store, having checked the links and the sums."""
    queues, found = store._room._queues, []
    for queue in (queues.small, queues.main):
        node, before, size, weight = queue.ring.next, queue.ring, 0, 0
        while node is not queue.ring:
            assert node.prev is before
            assert node.queue is queue
            size, weight = size + 1, weight + node.weight
            found.append(node)
            node, before = node.next, node
        assert (queue.size, queue.weight) == (size, weight)
    assert (queues.size, queues.weight) == (len(found), sum(node.weight for node in found))
    return found


def check(store: MemoryStore) -> None:
    """Check what holds of a store whenever nobody is at work on it."""
    nodes = linked(store)
    kept = [node for partition in store._partitions for node in partition.entries.values()]
    buried = [node for partition in store._room._bereaved for grave in partition.graves for node in grave.values()]
    assert {id(node) for node in nodes} == {id(node) for node in kept} | {id(node) for node in buried}
    assert len(kept) <= len(nodes) == store.size <= store._room.max_entries
    assert store.weight <= store._room.max_weight
    assert store._room.dropped == []
    for partition in store._partitions:
        assert all(node.home is partition and node.key == key for key, node in partition.entries.items())
