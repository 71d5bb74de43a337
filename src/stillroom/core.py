"""What all functions and verbs of one cache share: its store, engine, runtimes, switches and listeners."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ._engine.fetch import Engine
from ._runtime.blocking import BlockingRuntime
from ._runtime.flights import Flights
from ._runtime.forks import ForkSafeLock, imported_late
from ._runtime.runtime import drive
from .errors import ConfigurationError
from .guards.lock import LockTable
from .observe.hub import Hub
from .observe.outcome import Outcome
from .observe.reports import Reports
from .observe.stats import Ledger, Stats
from .protocols import Clock, Key, Keyspace, Lookup, Store
from .stores.memory import Gate, MemoryStore

if TYPE_CHECKING:
    from ._engine.call import Answer
    from ._runtime.tasks import TaskRuntime
    from .function import Operations

__all__ = ["Core"]


imported_late("stillroom._runtime.tasks", with_="asyncio")


class Core:
    """The parts of one cache.

    Attributes:
        store: where entries live.
        engine: answers calls.
        flights: the loads in progress.
        blocking: the runtime of blocking callers.
        hub: where events go.
        locks: the locks that are held.
        ledger: counts what is asked for by name, not through a function.
        clock: tells the time, for the store's entries too.
        namespace: the namespace of whatever gives none of its own.
        copies: whether values are copied deeply, unless a function says otherwise.
    """

    def __init__(self, store: Store, clock: Clock, namespace: str, *, enabled: bool, copies: bool) -> None:
        self.clock = clock
        self.namespace = namespace
        self.copies = copies
        self.flights = Flights()
        self.blocking = BlockingRuntime(clock)
        self.ledger = Ledger()
        self.locks = LockTable(clock)
        self._tasks: TaskRuntime | None = None
        self._lock = ForkSafeLock()
        self._switched_off = 0 if enabled else 1
        self._names: weakref.WeakValueDictionary[str, Keyspace] = weakref.WeakValueDictionary()
        self._own_names = self.names(namespace)  # lives as long as the cache; those of others as long as their functions
        self._gates: weakref.WeakKeyDictionary[Gate, tuple[Keyspace, bool]] = weakref.WeakKeyDictionary()
        self._operations: weakref.WeakSet[Operations] = weakref.WeakSet()
        self._templates: dict[tuple[str, str], weakref.ref[Operations]] = {}
        self._versions: dict[tuple[str, str], str] = {}  # the last generation of templates whose functions have versions
        self._over: deque[str] = deque()  # generations of templated functions that are gone
        self.hub = Hub(self._set_plain)
        self.store = store
        self.engine = self._engine_on(store)

    @property
    def tasks(self) -> TaskRuntime:
        """The runtime of asyncio callers; asyncio is imported only now."""
        if self._tasks is None:
            from ._runtime.tasks import TaskRuntime

            self._tasks = TaskRuntime(self.clock)
        return self._tasks

    @staticmethod
    def draw() -> float:
        """Return a random number from (0, 1]."""
        import random  # only now: it imports hashlib, and few policies leave anything to chance

        return 1.0 - random.random()  # noqa: S311 - spreads load, keeps no secret

    @property
    def enabled(self) -> bool:
        """Whether calls go through the cache."""
        return self._switched_off == 0

    def use(self, store: Store) -> None:
        """Move to another store; functions decorated before follow."""
        former = self.store
        if store is former:
            return
        self.engine.retire()
        for operations in self._living():
            operations.keep_counts()
        self.store = store
        self.engine = self._engine_on(store)
        self.flights.clear()
        with self._lock:
            gates = list(self._gates.items())
        for gate, (space, checked) in gates:
            if isinstance(former, MemoryStore):
                former.detach(gate)
            self._attach(gate, space, checked)
        self._set_plain()

    def gate(self, space: Keyspace, *, checked: bool, owner: str) -> Gate:
        """Return a new gate to the entries of a keyspace, for a plain hit path."""
        gate = Gate(owner)
        with self._lock:
            gate.is_open = self.enabled and not self.hub.hears_calls
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
            if isinstance(self.store, MemoryStore):
                drive(self.store.invalidate(names=(generation,)))

    def _forget_gate(self, gate: Gate) -> None:
        with self._lock:
            self._gates.pop(gate, None)
        if isinstance(self.store, MemoryStore):
            self.store.detach(gate)

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

    def note_bypass(self, ledger: Ledger, key: str, function: str) -> None:
        """Count and announce a call that goes past the cache."""
        ledger.count(Outcome.BYPASS)
        if self.hub.hears_calls:
            self.hub.announcer.call_answered(key, function, Outcome.BYPASS, self.store.name, None)

    async def forget(self, keys: list[Key]) -> int:
        """Delete entries, so that no load that has begun counts, and return how many there were."""
        found = await self.store.delete(keys)
        for key in keys:
            self.flights.drop(key)
        if self.hub.has_listeners:
            self.hub.announcer.invalidated(keys=tuple(keys))
        return found

    def given(self, answer: Answer) -> Any:
        """Return the value of an answer as a caller of a verb gets it, or raise its error."""
        value = answer.unwrap()
        return deepcopy(value) if self.copies and not answer.is_private else value

    def stats(self) -> Stats:
        """Return the counts of all functions that are alive, and of the verbs."""
        total = Stats.total([self.ledger.snapshot(), *(one.snapshot() for one in self._living())])
        return replace(total, evictions=self.store.evictions) if isinstance(self.store, MemoryStore) else total

    async def ping(self) -> bool:
        """Tell whether the store answers."""
        await self.store.read((Lookup(Key(self.names(self.namespace), "ping")),), count=False)
        return True

    async def close(self) -> None:
        """Close the store; functions run uncached from now on."""
        self.engine.retire()
        await self.store.close()
        self.flights.clear()

    def plain_counts(self, space: Keyspace) -> tuple[int, int]:
        """Return the hits that the plain path answered from a keyspace, and the evictions from it."""
        if not isinstance(self.store, MemoryStore):
            return 0, 0
        partition = self.store.partition(space)
        return partition.count_hits(), partition.evictions

    def _engine_on(self, store: Store) -> Engine:
        return Engine(store, self.flights, self.clock.now, self.draw, Reports(self.hub, store, self.clock.now))

    def _attach(self, gate: Gate, space: Keyspace, checked: bool) -> None:
        if isinstance(self.store, MemoryStore):
            self.store.attach(gate, space, checked=checked)

    def _set_plain(self) -> None:
        """Open or close the plain hit path, as the switches and listeners of this moment want it."""
        store = self.store
        if isinstance(store, MemoryStore):
            with self._lock:  # or of two threads, the one that looked first could have the last word
                store.plain(self.enabled and not self.hub.hears_calls, list(self._gates))
                others = tuple([one for one in store.on_evict if one != self._evicted])
                store.on_evict = (*others, self._evicted) if self.hub.hears_evictions else others

    def _evicted(self, key: Key) -> None:
        self.hub.announcer.entry_evicted(key)
