"""How callers of one colour reach a cache: blocking ones, or those on an event loop.

Both sides of a cache share its flights, so that a thread and a task which want the same key share one load. What differs is
the runtime they wait with, the view of the store that never does what their colour must not, and the engine upon these two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from copy import copy
from typing import TYPE_CHECKING

from ._engine.fetch import Engine
from ._engine.generations import tag_generation
from ._runtime.foreground import Foreground
from ._runtime.turns import Turns
from .capabilities import Glancing, TwoSided
from .observe.reports import Reports
from .protocols import Key, Store

if TYPE_CHECKING:
    from ._runtime.flights import Flights
    from ._runtime.runtime import Runtime
    from .core import Core
    from .guards.lock import Locks
    from .guards.tally import Tallies

__all__ = ["Side"]


class Side:
    """One colour's way to the store.

    Attributes:
        runtime: what its callers wait with.
        flights: the loads in progress that they may share.
        store: where entries live, as this colour asks for them.
        engine: answers its calls.
        locks: where locks are taken.
        tallies: where guards keep count.
        glancing: the store, if it can answer a hit in fewer steps; ``None`` otherwise.
        turns: those of callers who change the same key on a server; ``None`` without one.
    """

    store: Store
    engine: Engine
    locks: Locks
    tallies: Tallies
    glancing: Glancing | None
    turns: Turns | None

    def __init__(self, core: Core, runtime: Runtime) -> None:
        self._core = core
        self.runtime = runtime
        self.flights = core.flights
        self.use(core.store)

    def use(self, store: Store | TwoSided) -> None:
        """Ask another store from now on."""
        core = self._core
        self._raises, self.locks, self.tallies, self.turns = False, core.locks, core.tallies, None
        if isinstance(store, TwoSided):
            self.turns = Turns(self.runtime, core.clock)
            self.locks = store.locks(self.runtime.blocking, core.locks)
            self.tallies = store.tallies(self.runtime.blocking)
            self._raises, store = store.raises, store.blocking if self.runtime.blocking else store.tasks
        self.glancing = store if isinstance(store, Glancing) else None
        self._answer_from(store)

    def inside(self, store: Store, flights: Flights, around: Callable[[], AbstractContextManager[object]]) -> Side:
        """Return how callers in a transaction reach the cache; see `stillroom.transaction`.

        Args:
            store: what the transaction sees.
            flights: its own loads in progress.
            around: returns what stands around each load.
        """
        side = copy(self)
        side.runtime, side.flights, side.glancing, side.turns = Foreground(self.runtime, around), flights, None, None
        side._answer_from(store)
        return side

    def _answer_from(self, store: Store) -> None:
        core, self.store = self._core, store
        reports = Reports(core.hub, store, core.clock.now)
        self.engine = Engine(store, self.runtime, self.flights, core.clock.now, core.draw, reports, self._raises)

    async def invalidate(self, tags: Sequence[str], namespace: str | None = None) -> None:
        """End what carries one of these tags, and all that a namespace holds."""
        names = [tag_generation(tag) for tag in tags]
        await self.store.invalidate(names=names, namespaces=() if namespace is None else (namespace,))
        if self._core.hub.has_listeners:
            self._core.hub.announcer.invalidated(tags=tuple(tags), namespace=namespace)

    async def invalidate_function(self, name: str, generation: str) -> None:
        """End all results of a function."""
        await self.store.invalidate(names=(generation,))
        if self._core.hub.has_listeners:
            self._core.hub.announcer.invalidated(function=name)

    async def forget(self, keys: list[Key]) -> int:
        """Delete entries, so that no load that has begun counts, and return how many there were."""
        found = await self.store.delete(keys)
        for key in keys:
            self.flights.drop(key)
        if self._core.hub.has_listeners:
            self._core.hub.announcer.invalidated(keys=tuple(keys))
        return found
