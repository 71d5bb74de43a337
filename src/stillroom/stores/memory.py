"""The memory store: entries in this process, bounded in number and, if asked, in bytes.

How it fits together: a `Partition` keeps the nodes of one keyspace in a dict; a `Room` bounds the nodes of all partitions;
tokens tell which nodes count (`generations`). One short lock guards all of this. The plain hit path takes no lock: it reads
``gate.entries`` and a node, see `partition` and `node`.

Rules that this file keeps:

- Under the lock runs no code of the user but ``__hash__`` and ``__eq__`` of what keys are made of. Weights are taken before,
  and what leaves is freed and reported after.
- A node is put in place only while its lease stands and its generations are in force, both looked at under the lock.
- `MemoryStore.epoch` is replaced after tokens have ended. A node's epoch is one that was current before its tokens were found
  to be in force. So a node of the current epoch counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, cast

from .._runtime.clock import SystemClock
from .._runtime.forks import on_fork
from ..entry import MISSING, Entry, Generations
from ..protocols import Clock, Key, Keyspace, Lease, Lookup, Reading
from .interruption import Interruptions, nothing_known
from .leases import MemoryLease, Standing
from .node import Node
from .partition import NEVER, Gate, Partition
from .partitions import Partitions
from .room import Room
from .weigher import Weigher, chosen

__all__ = ["Gate", "MemoryStore", "Partition"]


class MemoryStore:
    """Keeps entries in this process.

    Args:
        max_entries: how many entries there may be.
        max_bytes: how much they may weigh together; ``None`` for no bound.
        weigher: returns the weight of a local key and a value; `weigh` unless given.
        eviction: who makes room for others: ``"s3-fifo"`` or ``"lru"``.
        clock: tells the time.

    Attributes:
        name: ``"memory"``.
        epoch: an object that every invalidation replaces.
        on_evict: who is called with the key of each entry that made room for another; they must not raise.
    """

    def __init__(
        self,
        *,
        max_entries: int = 10_000,
        max_bytes: int | None = None,
        weigher: Weigher | None = None,
        eviction: str = "s3-fifo",
        clock: Clock | None = None,
    ) -> None:
        self.name = "memory"
        self.epoch = object()
        self.on_evict: tuple[Callable[[Key], None], ...] = ()
        self._weigher = chosen(weigher, max_bytes)
        self._now = (clock or SystemClock()).now
        self._room = Room(max_entries, max_bytes, eviction)
        self._partitions = Partitions()
        self._is_closed = False
        # Reentrant, because a garbage collection may come at any moment and end what has a part in this store: an abandoned
        # generator gives its lease back, on the thread that holds the lock.
        self._lock = threading.RLock()
        self._is_interrupted: Callable[[], bool] = self._lock._is_owned  # type: ignore[attr-defined]
        self._interruptions = Interruptions()
        on_fork(self)

    def __repr__(self) -> str:
        return f"MemoryStore(max_entries={self._room.max_entries}, size={self.size})"

    @property
    def size(self) -> int:
        """How many entries are held, those included that are over but not cleared away yet."""
        return self._room.size

    @property
    def weight(self) -> int:
        """How much they weigh together; zero without ``max_bytes``."""
        return self._room.weight

    @property
    def evictions(self) -> int:
        """How many entries made room for others."""
        return self._room.evictions

    # What plain hit paths need

    def partition(self, space: Keyspace) -> Partition:
        """Return the entries of a keyspace."""
        if (partition := self._partitions.get(space)) is not None:
            return partition
        with self._lock:
            return self._partitions.make(space)

    def attach(self, gate: Gate, space: Keyspace, *, checked: bool = False) -> None:
        """Let a gate lead to the entries of a keyspace, for as long as the gate lives.

        Args:
            gate: what a plain hit path reads.
            space: whose entries it may serve.
            checked: it compares ``node.epoch`` with the store's, so it may serve entries with tags.
        """
        partition = self.partition(space)
        with self._lock:
            gate.store = self
            partition.admit(gate, checked)

    def detach(self, gate: Gate) -> None:
        """Let a gate lead nowhere."""
        with self._lock:
            gate.leave()

    def plain(self, is_open: bool, gates: Iterable[Gate]) -> None:
        """Open or close gates; behind a closed one there are no entries."""
        with self._lock:
            for gate in gates:
                gate.open(is_open)

    # The store protocol

    async def read(self, lookups: Sequence[Lookup], *, count: bool = True) -> list[Reading]:
        """Return what is known of each key; see `Store.read`."""
        if self._interrupts():
            return [nothing_known() for _ in lookups]
        homes = [self.partition(lookup.key.space) for lookup in lookups]
        now = self._now()
        with self._lock:
            readings = [self._look(home, lookup, now, count) for home, lookup in zip(homes, lookups, strict=True)]
        self._let_go()
        return readings

    async def lease(
        self, lookup: Lookup, known: Reading | None = None, *, renew: bool = False, alone: bool = False
    ) -> MemoryLease:
        """Take a lease and look once more; see `Store.lease`."""
        home = self.partition(lookup.key.space)
        if self._interrupts():
            return MemoryLease(home, nothing_known(), None, None, self._partitions.generations)
        now = self._now()
        with self._lock:
            if renew:
                home.leases.pop(lookup.key.local, None)
            reading = known or self._look(home, lookup, now, False)
            standing = None if self._is_closed else self._standing(home, lookup.key)
            lease = MemoryLease(home, reading, standing, lookup.owner, self._partitions.generations)
        self._let_go()
        return lease

    async def fill(self, key: Key, entry: Entry[Any], lease: Lease) -> bool:
        """Store what was loaded under a lease, and give the lease back; see `Store.fill`."""
        assert isinstance(lease, MemoryLease)
        if self._interrupts():
            lease.give_back()
            return False
        try:
            node = Node(lease.home, key.local, entry, entry.generations, self._weigh(key, entry), lease.owner)
        except BaseException:
            await self.release(key, lease)
            raise
        now = self._now()
        with self._lock:
            stored = lease.give_back() and lease.admits(entry) and self._put(lease.tagged(node, entry), now)
        self._let_go()
        return stored

    async def release(self, key: Key, lease: Lease) -> None:
        """Give a lease back without filling the key."""
        assert isinstance(lease, MemoryLease)
        with self._lock:
            lease.give_back()
        self._let_go()

    async def stands(self, lease: Lease) -> bool:
        return cast(MemoryLease, lease).stands

    async def untouched(self, lease: Lease, tags: Sequence[str]) -> bool:
        """Vouch that tags were not invalidated since a lease was given; see `Store.untouched`."""
        with self._lock:
            return not self._interruptions.pending and cast(MemoryLease, lease).is_untouched(tags)

    async def write(self, entries: Sequence[tuple[Lookup, Entry[Any]]], *, if_absent: bool = False) -> list[bool]:
        """Store values given by a user; see `Store.write`."""
        if self._interrupts():
            await self.delete([lookup.key for lookup, _ in entries])
            return [False] * len(entries)
        weighed = [(self.partition(one.key.space), one, entry, self._weigh(one.key, entry)) for one, entry in entries]
        now = self._now()
        with self._lock:
            stored = [self._write(*one, now, if_absent) for one in weighed]
        self._let_go()
        return stored

    async def add(self, lookup: Lookup, entry: Entry[Any]) -> bool:
        """Store a value given by a user, if there is no fresh one; see `Store.add`."""
        return (await self.write(((lookup, entry),), if_absent=True))[0]

    async def delete(self, keys: Iterable[Key]) -> int:
        """Remove entries and void the leases on their keys; return how many fresh values there were."""
        keys = tuple(keys)
        placed = [(self.partition(key.space), key.local) for key in keys]
        if self._interrupts():
            self._interruptions.delete(placed, partial(self.delete, keys))
            return 0
        now, found = self._now(), 0
        with self._lock:
            for home, local in placed:
                home.leases.pop(local, None)
                node = self._known(home, local, now)
                if node is not None:
                    found += now < node.fresh_until and not node.is_error
                    self._room.remove(node)
        self._let_go()
        return found

    async def invalidate(self, *, names: Iterable[str] = (), namespaces: Iterable[str] = (), everything: bool = False) -> None:
        """Replace generation tokens, so that whatever was loaded under the old ones is over."""
        names, namespaces = set(names), set(namespaces)
        if self._interrupts():
            self._partitions.doom(names, namespaces, everything)
            self.epoch = object()
            work = partial(self.invalidate, names=names, namespaces=namespaces, everything=everything)
            self._interruptions.invalidate(list(self._partitions), work)
            return
        former = None
        with self._lock:
            over = self._partitions.end(names, namespaces, everything)
            self.epoch = object()
            if everything:
                former = self._room.clear(over)
            else:
                self._room.bury(over)
        if former is not None:
            former.dissolve()
        self._let_go()

    async def names(self, space: Keyspace, *, fresh: bool = True) -> list[str]:
        """Return the local keys of a keyspace of names; see `Store.names`. Remembered errors are no fresh values."""
        home, now = self.partition(space), self._now()
        if not fresh:
            return cast("list[str]", list({**home.entries, **home.leases}))
        nodes = list(home.entries.values())  # one step, so no lock is needed
        return [cast(str, node.key) for node in nodes if now < node.fresh_until and node.counts(now) and not node.is_error]

    async def increment(self, lookup: Lookup, amount: int, initial: Entry[Any]) -> int:
        """Add to the fresh ``int`` stored under a key, or store ``initial``; see `Store.increment`."""
        key = lookup.key
        if self._interrupts():
            await self.delete((key,))
            return cast(int, initial.value)
        home, weight = self.partition(key.space), self._weigh(key, initial)
        now = self._now()
        with self._lock:
            node = self._fresh(home, key, now)
            if node is None:
                value = cast(int, initial.value)
                self._write(home, lookup, initial, weight, now, False)
            elif type(node.value) is int:  # a subclass would bring its own addition
                entry = node.entry
                value = entry.value = node.value + amount
                self._succeed(node, entry, now)
            else:
                raise TypeError(f"only an int can be incremented, not {type(node.value).__name__}")
        self._let_go()
        return value

    async def touch(self, key: Key, fresh_until: float, expires_at: float) -> bool:
        """Give a fresh entry new times, and tell whether there was one."""
        if self._interrupts():
            return False
        home = self.partition(key.space)
        now = self._now()
        with self._lock:
            node = self._fresh(home, key, now)
            if node is not None:
                entry = node.entry
                # A deadline ahead of the end of freshness was chosen for the old times. The engine decides about the new ones.
                entry.plain_until = fresh_until if node.plain_until == node.fresh_until else NEVER
                entry.fresh_until, entry.expires_at = fresh_until, expires_at
                self._succeed(node, entry, now)
        self._let_go()
        return node is not None

    async def close(self) -> None:
        """Let go of everything held; a closed store answers every read with ``MISSING``."""
        with self._lock:
            self._is_closed = True
        await self.invalidate(everything=True)

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        for partition in self._partitions:
            partition.leases = {}  # their loads run in the parent
        self._lock.release()

    # Without the lock

    def _weigh(self, key: Key, entry: Entry[Any]) -> int:
        return 0 if self._weigher is None else max(0, self._weigher(key.local, entry.value))

    def _interrupts(self) -> bool:
        """Tell whether this call comes in the middle of a change; if not, what was asked for in one is done first."""
        if self._is_interrupted():
            return True
        if self._interruptions.pending:
            self._interruptions.catch_up()
        return False

    def _let_go(self) -> None:
        """Free and report what has left the room: both may run code of the user."""
        self._interrupts()
        if not self._room.dropped:
            return
        with self._lock:
            dropped, evicted = self._room.hand_over()
        del dropped
        for on_evict in self.on_evict:
            for node in evicted:
                space = node.home.space()
                if space is not None:
                    on_evict(Key(space, node.key))

    # Under the lock

    def _standing(self, home: Partition, key: Key) -> Standing:
        """Join the lease that stands on a key, or make one."""
        standing = home.leases.get(key.local)
        if standing is None:
            standing = home.leases[key.local] = Standing(key.local)
        standing.holders += 1
        return standing

    def _known(self, home: Partition, local: object, now: float) -> Node | None:
        """Return the node that counts for a key; one that no longer does is removed."""
        node = home.entries.get(local)
        if node is not None and node.counts(now):
            node.epoch = self.epoch
            return node
        if node is not None:
            self._room.remove(node)
        return None

    def _fresh(self, home: Partition, key: Key, now: float) -> Node | None:
        """Return the node that holds a fresh value for a key; a remembered error is none."""
        node = self._known(home, key.local, now)
        return node if node is not None and now < node.fresh_until and not node.is_error else None

    def _look(self, home: Partition, lookup: Lookup, now: float, count: bool) -> Reading:
        generations = self._partitions.tokens(home, lookup.generations)
        node = self._known(home, lookup.key.local, now)
        if node is None or (lookup.owner is not None and node.owner not in (None, lookup.owner)):
            return Reading(MISSING, generations)
        reading = node.reading(generations)
        if count:
            node.uses += 1
            node.read_at = now
        return reading

    def _write(self, home: Partition, lookup: Lookup, entry: Entry[Any], weight: int, now: float, if_absent: bool) -> bool:
        if self._is_closed or (if_absent and self._fresh(home, lookup.key, now) is not None):
            return False
        home.leases.pop(lookup.key.local, None)
        generations: Generations = self._partitions.tokens(home, lookup.generations)
        return self._put(Node(home, lookup.key.local, entry, generations, weight, lookup.owner), now)

    def _succeed(self, node: Node, entry: Entry[Any], now: float) -> None:
        """Put an entry that is the same but for its value or its times into the place of a node."""
        node.home.leases.pop(node.key, None)
        successor = Node(node.home, node.key, entry, node.generations, node.weight, node.owner)
        successor.uses = node.hits + node.uses
        self._put(successor, now)

    def _put(self, node: Node, now: float) -> bool:
        if self._partitions.lost:
            self._room.bury(self._partitions.take_lost())
        if now < node.expires_at and node.weight <= self._room.max_weight:
            node.epoch = self.epoch
            if node.home.bars(node):
                node.plain_until = NEVER
            self._room.put(node, now)
            return True
        former = self._known(node.home, node.key, now)
        if former is not None:
            self._room.remove(former)  # it is outdated, though its successor cannot stay
        return False
