"""What all functions and verbs of one cache share: its store, the two sides that lead to it, switches and listeners."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ._engine.generations import shared_name
from ._runtime.blocking import BlockingRuntime
from ._runtime.flights import Flights
from ._runtime.forks import ForkSafeLock, imported_late
from ._runtime.runtime import drive
from .capabilities import TwoSided
from .errors import ConfigurationError
from .guards.lock import Locks
from .guards.lock_table import LockTable
from .guards.tally import TallyTable
from .labels import Labels
from .observe.hub import Hub
from .observe.outcome import Outcome
from .observe.stats import Ledger, Stats
from .observe.watching import Watching
from .protocols import Clock, Key, Keyspace, Serializer, Store
from .side import Side
from .stores.memory import Gate, MemoryStore

if TYPE_CHECKING:
    from ._engine.call import Answer
    from .function import Operations
    from .stores.outage import Health

__all__ = ["Core"]


imported_late("stillroom._runtime.tasks", with_="asyncio")
imported_late("stillroom.transaction")


class Core:
    """The parts of one cache.

    Attributes:
        store: where entries live.
        memory: the part of it that is in this process, whose entries the plain hit path may serve; ``None`` if there is none.
        flights: the loads in progress.
        hub: where events go.
        locks: the locks that are held in this process.
        tallies: what guards count in this process.
        labels: which functions go by which name.
        ledger: counts what is asked for by name, not through a function.
        clock: tells the time, for the store's entries too.
        namespace: the namespace of whatever gives none of its own.
        copies: whether values are copied deeply, unless a function says otherwise.
    """

    def __init__(self, store: Store | TwoSided, clock: Clock, namespace: str, *, enabled: bool, copies: bool) -> None:
        self.clock = clock
        self.namespace = namespace
        self.copies = copies
        self.flights = Flights()
        self.ledger = Ledger()
        self.locks: Locks = LockTable(clock)
        self.tallies = TallyTable(clock)
        self._lock = ForkSafeLock()
        self._switched_off = 0 if enabled else 1
        self._names: weakref.WeakValueDictionary[str, Keyspace] = weakref.WeakValueDictionary()
        self._own_names = self.names(namespace)  # lives as long as the cache; those of others as long as their functions
        self.labels = Labels()
        self._gates: weakref.WeakKeyDictionary[Gate, tuple[Keyspace, bool]] = weakref.WeakKeyDictionary()
        self._operations: weakref.WeakSet[Operations] = weakref.WeakSet()
        self._by_generation: weakref.WeakValueDictionary[str, Operations] = weakref.WeakValueDictionary()
        self._templates: dict[tuple[str, str], weakref.ref[Operations]] = {}
        self._versions: dict[tuple[str, str], str] = {}  # the last generation of templates whose functions have versions
        self._over: deque[str] = deque()  # generations of templated functions that are gone
        self.hub = Hub(self._set_plain)
        self.store = store
        self.memory = _memory_of(store)
        self._watcher = Watching(self.hub, lambda: self.store, self._serializer_of)
        if isinstance(store, TwoSided):
            store.watch(self._watcher)
        self._transactions = 0
        self._changing: set[object] = set()
        self._blocking = Side(self, BlockingRuntime(clock))
        self._tasks: Side | None = None

    @property
    def blocking(self) -> Side:
        """How blocking callers reach the store."""
        return self._inside(self._blocking) if self._transactions else self._blocking

    @property
    def tasks(self) -> Side:
        """How callers on event loops reach the store."""
        side = self._tasks or self.outside(blocking=False)
        return self._inside(side) if self._transactions else side

    def _inside(self, outside: Side) -> Side:
        from .transaction import inside  # whoever has opened one has imported it

        return inside(self, outside)

    def outside(self, *, blocking: bool) -> Side:
        """Return how callers of one colour reach the store outside of any transaction; asyncio is imported only if need be."""
        if blocking:
            return self._blocking
        if self._tasks is None:
            from ._runtime.tasks import TaskRuntime

            side = Side(self, TaskRuntime(self.clock))
            with self._lock:
                self._tasks = self._tasks or side
        return self._tasks

    @staticmethod
    def draw() -> float:
        """Return a random number from (0, 1]."""
        from ._runtime import chance  # only now: few policies leave anything to it

        return 1.0 - chance.draw()

    @property
    def enabled(self) -> bool:
        """Whether calls go through the cache."""
        return self._switched_off == 0

    def use(self, store: Store | TwoSided) -> None:
        """Move to another store; functions decorated before follow."""
        former = self.memory
        if store is self.store:
            return
        if isinstance(store, TwoSided):
            for operations in self._living():
                operations.serializer_on(store)  # what makes no sense there is found before anything has changed
            store.watch(self._watcher)
        for side in self._sides():
            side.engine.retire()
        for operations in self._living():
            operations.keep_counts()
        left, self.store = self.store, store
        self.memory = _memory_of(store)
        for operations in self._living():
            self._find_by_generation(operations)
        for side in self._sides():
            side.use(store)
        self.flights.clear()
        with self._lock:
            gates = list(self._gates.items())
        for gate, (space, checked) in gates:
            if former is not None:
                former.detach(gate)
            self._attach(gate, space, checked)
        self._set_plain()
        if isinstance(left, TwoSided):
            left.retire()

    def health(self) -> Health:
        """Return how the store is doing; one that is in this process is always well."""
        if isinstance(self.store, TwoSided):
            return self.store.health()
        from .stores.outage import Health

        return Health("ok", 0.0)

    def _sides(self) -> list[Side]:
        return [self._blocking] if self._tasks is None else [self._blocking, self._tasks]

    def gate(self, space: Keyspace, *, checked: bool, owner: str) -> Gate:
        """Return a new gate to the entries of a keyspace, for a plain hit path."""
        gate = Gate(owner)
        with self._lock:
            gate.is_open = self._is_plain
            self._gates[gate] = (space, checked)
        self._attach(gate, space, checked)
        return gate

    def names(self, namespace: str) -> Keyspace:
        """Return the keyspace of the names of a namespace."""
        with self._lock:
            space = self._names.get(namespace)
            if space is None:
                space = self._names[namespace] = Keyspace(namespace, "", str)
            return space

    def register(self, operations: Operations, template: tuple[str, str] | None) -> None:
        """Take note of a decorated function.

        Raises:
            ConfigurationError: another function has the same template and does not share it on purpose.
        """
        if template is not None:
            self._claim(template, operations)
        with self._lock:
            self._operations.add(operations)
        self._find_by_generation(operations)

    def _claim(self, template: tuple[str, str], operations: Operations) -> None:
        """Give a template to a function; one that is defined anew takes it over, and the former one no longer caches."""
        claimed = self._templates.get(template)
        former = None if claimed is None else claimed()
        if former is not None and not operations.shares_with(former):
            raise ConfigurationError(
                f"{operations.name} and {former.name} have the same key template {template[1]!r}, so each would be served "
                f"the other's values; change one of them, or give both the same name= if they are to share",
                setting="key",
                given=template[1],
            )
        if former is not None and not (operations.is_named and former.name == operations.name):
            former.is_retired = True
            self._forget_gate(former.gate)
            self._over.append(former.generation)
        self._templates[template] = self._claim_of(operations, template)
        if operations.has_version:
            previous = self._versions.get(template, operations.generation)
            if previous != operations.generation:
                self._over.append(previous)
            self._versions[template] = operations.generation
        self._end_what_is_over()

    def _claim_of(self, operations: Operations, template: tuple[str, str]) -> weakref.ref[Operations]:
        generation = None if operations.is_named else operations.generation

        def give_up(claim: weakref.ref[Operations]) -> None:  # may run at any moment, so it only takes notes
            if self._templates.get(template) is claim:
                del self._templates[template]
            if generation is not None:
                self._over.append(generation)

        return weakref.ref(operations, give_up)

    def _end_what_is_over(self) -> None:
        """Let what functions that are gone have loaded in memory count no more, now that others may get their names."""
        while self._over:
            generation = self._over.popleft()
            if self.memory is not None:
                drive(self.memory.invalidate(names=(generation,)))

    def _serializer_of(self, generation: str) -> Serializer | None:
        operations = self._by_generation.get(generation)
        return None if operations is None else operations.serializer()

    def _find_by_generation(self, operations: Operations) -> None:
        if isinstance(self.store, TwoSided):  # elsewhere nobody asks, and names need not be shortened
            self._by_generation[shared_name(operations.generation)] = operations

    def _forget_gate(self, gate: Gate) -> None:
        with self._lock:
            self._gates.pop(gate, None)
        if self.memory is not None:
            self.memory.detach(gate)

    def _living(self) -> list[Operations]:
        with self._lock:
            return list(self._operations)

    @contextmanager
    def switched_off(self) -> Generator[None]:
        """Let all calls go past the cache, in all threads and tasks, until the block ends."""
        self.switch(1)
        try:
            yield
        finally:
            self.switch(-1)

    def switch(self, by: int) -> None:
        """Count one more, or one fewer, reason for calls to go past the cache."""
        with self._lock:
            self._switched_off += by
        self._set_plain()

    def count_transactions(self, by: int) -> None:
        """Count one more, or one fewer, open transaction, so that callers are asked whether they are in it."""
        with self._lock:
            self._transactions += by

    def close_gates(self, reason: object) -> None:
        """Close the plain hit path, whose finds may not count for all, until `open_gates` is called for the same reason."""
        with self._lock:
            self._changing.add(reason)
        self._set_plain()

    def open_gates(self, reason: object) -> None:
        """Drop a reason for which the plain hit path is closed."""
        with self._lock:
            is_last = self._changing == {reason}
            self._changing.discard(reason)
        if is_last:
            self._set_plain()

    def note_bypass(self, ledger: Ledger, key: str, function: str) -> None:
        """Count and announce a call that goes past the cache."""
        ledger.count(Outcome.BYPASS)
        if self.hub.hears_calls:
            self.hub.announcer.call_answered(key, function, Outcome.BYPASS, self.store.name, None, None)

    def given(self, answer: Answer) -> Any:
        """Return the value of an answer as a caller of a verb gets it, or raise its error."""
        value = answer.unwrap()
        return deepcopy(value) if self.copies and not answer.is_private else value

    def stats(self) -> Stats:
        """Return the counts of all functions that are alive, and of the verbs."""
        total = Stats.total([self.ledger.snapshot(), *(one.snapshot() for one in self._living())])
        return total if self.memory is None else replace(total, evictions=self.memory.evictions)

    def size(self) -> int:
        """Return how many entries are in the memory of this process."""
        return 0 if self.memory is None else self.memory.size

    def stats_by_function(self) -> dict[str, Stats]:
        """Return the counts of all functions that are alive, by name."""
        found: dict[str, list[Stats]] = {}
        for one in self._living():
            found.setdefault(one.name, []).append(one.snapshot())
        return {name: Stats.total(parts) for name, parts in sorted(found.items())}

    def cool(self) -> None:
        """Keep nothing warm of what has been loaded so far."""
        for one in self._sides():
            one.engine.cool()

    async def ping(self, side: Side) -> bool:
        """Tell whether the store answers."""
        return await self.store.ping(side.runtime.blocking) if isinstance(self.store, TwoSided) else True

    async def close(self, side: Side) -> None:
        """Close the store; functions run uncached from now on."""
        for one in self._sides():
            one.engine.retire()
        await side.store.close()
        if isinstance(self.store, TwoSided):
            self.store.retire()  # the other colour's connections too
        self.flights.clear()

    def plain_counts(self, space: Keyspace) -> tuple[int, int]:
        """Return the hits that the plain path answered from a keyspace, and the evictions from it."""
        if self.memory is None:
            return 0, 0
        partition = self.memory.partition(space)
        return partition.count_hits(), partition.evictions

    def _attach(self, gate: Gate, space: Keyspace, checked: bool) -> None:
        if self.memory is not None:
            self.memory.attach(gate, space, checked=checked)

    @property
    def _is_plain(self) -> bool:
        return self.enabled and not self.hub.hears_calls and not self._changing

    def _set_plain(self) -> None:
        """Open or close the plain hit path, as the switches and listeners of this moment want it."""
        store = self.memory
        if store is not None:
            with self._lock:  # or of two threads, the one that looked first could have the last word
                store.plain(self._is_plain, list(self._gates))
                others = tuple([one for one in store.on_evict if one != self._evicted])
                store.on_evict = (*others, self._evicted) if self.hub.hears_evictions else others

    def _evicted(self, key: Key) -> None:
        self.hub.announcer.entry_evicted(key)


def _memory_of(store: Store | TwoSided) -> MemoryStore | None:
    if isinstance(store, TwoSided):
        return store.near
    return store if isinstance(store, MemoryStore) else None
