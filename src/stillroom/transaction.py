"""Transactions: what is changed inside is applied together at the end, and dropped on an error.

While a transaction is open, whoever opened it reaches the cache through a side of its own (`Side.inside`), whose store is an
overlay; `stillroom.stores.transaction` says what that does, and why nobody outside sees what is not committed.

A transaction belongs to the context that opened it. Tasks and threads that are started inside with that context, as
`asyncio.gather` and `asyncio.to_thread` do, see what the transaction sees, and what they set is part of it. Not to let them
would be wrong where they take part in the same database transaction. But one that goes on behind may have a transaction of
its own, so they are *guests*: what they invalidate is told outside at once as well.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from enum import Enum, auto
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ._runtime.flights import Flights
from ._runtime.runtime import drive
from .capabilities import TwoSided
from .entry import MISSING
from .errors import StillroomError
from .policy import flag
from .stores.memory import MemoryStore
from .stores.transaction import Changes, Overlay, apply, drop, outdate
from .stores.transaction.packing import Packing

if TYPE_CHECKING:
    from .core import Core
    from .protocols import Serializer
    from .side import Side

__all__ = ["Transaction", "inside"]

ROOM: Final = 1_000_000
"""How many entries a transaction keeps; beyond that the least useful are let go, as by any memory store."""


class End(Enum):
    """What becomes of what a transaction has changed: all of it counts, nothing, or only that something is outdated."""

    APPLY = auto()
    DROP = auto()
    OUTDATE = auto()


class Transaction:
    """A transaction of a cache, for the length of a block, with ``with`` or ``async with``.

    Args:
        core: the cache's parts.
        keep_loads: store what was loaded inside, if nothing that it depends on has been touched.
        independent: be no savepoint, whatever transaction is open.
        of: be a savepoint of this transaction, whatever other one is open.
    """

    def __init__(self, core: Core, keep_loads: bool, independent: bool, of: _State | None = None) -> None:
        self._core = core
        self._keeps_loads = flag(keep_loads, "keep_loads")
        self._is_independent = flag(independent, "independent")
        self._of = of
        self._state: _State | None = None

    def __enter__(self) -> Transaction:
        self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        drive(self._close(self._core.outside(blocking=True), End.APPLY if kind is None else End.DROP))

    async def __aenter__(self) -> Transaction:
        self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close(self._core.outside(blocking=False), End.APPLY if kind is None else End.DROP)

    def outdate(self) -> None:
        """End it where nobody knows whether what it stands for has succeeded: values are dropped, invalidations count."""
        drive(self._close(self._core.outside(blocking=True), End.OUTDATE))

    def savepoint(self) -> Transaction:
        """Return a savepoint of this transaction, wherever it is opened, and whatever other transaction is open there."""
        return Transaction(self._core, self._keeps_loads, False, self._opened())

    def _open(self) -> None:
        if self._state is not None:
            raise StillroomError("this transaction has been opened already; make one for each block")
        self._state = state = _State(self._core, self._keeps_loads, self._is_independent, self._of)
        _open.set((*[one for one in _open.get() if not one.changes.is_closed], state))
        self._core.count_transactions(1)

    async def _close(self, outside: Side, end: End) -> None:
        state = self._opened()
        ending = state.ending(outside, end)
        state.changes.is_closed = True
        _open.set(tuple([one for one in _open.get() if one is not state]))
        try:
            if ending is not None:
                await outside.runtime.to_the_end(ending)
        finally:
            state.let_go()
            self._core.count_transactions(-1)

    def _opened(self) -> _State:
        if self._state is None or self._state.changes.is_closed:
            raise StillroomError("this transaction is not open")
        return self._state


class _State:
    """A transaction that is open.

    Attributes:
        core: the cache's parts.
        changes: what it has changed.
    """

    def __init__(self, core: Core, keeps_loads: bool, is_independent: bool, of: _State | None) -> None:
        around = _current(core)
        self.core = core
        self._parent = None if is_independent else around if of is None or of.is_around(around) else of
        self._beside = None if around is self._parent else around
        self.changes: Changes = Changes(
            isinstance(core.store, TwoSided),
            keeps_loads,
            partial(core.close_gates, self),
            parent=None if self._parent is None else self._parent.changes,
            beside=None if self._beside is None else self._beside.changes,
        )
        self._owners = {_me()}
        self._ways: dict[tuple[bool, bool], _Way] = {}
        self._kits: dict[None, _Kit] = {}

    def is_around(self, other: _State | None) -> bool:
        """Tell whether another transaction is this one, or a savepoint of it at any depth."""
        while other is not None and other is not self:
            other = other._parent
        return other is not None

    def side(self, outside: Side) -> Side:
        """Return how callers of one colour reach the cache from inside."""
        return self._way(outside).side

    def _way(self, outside: Side) -> _Way:
        """Return the way of the caller. It is made when it is first needed: many transactions never look into the cache."""
        is_guest = _me() not in self._owners
        known = self._ways.get((outside.runtime.blocking, is_guest))
        return known or self._ways.setdefault((outside.runtime.blocking, is_guest), self._new_way(outside, is_guest))

    def _new_way(self, outside: Side, is_guest: bool) -> _Way:
        core, under = self.core, outside if self._parent is None else self._parent.side(outside)
        kit = self._kits.get(None) or self._kits.setdefault(None, _Kit.of(core))  # one step: others may be at it, too
        overlay = Overlay(
            under.store, self.changes, kit.entries, kit.packing, core.clock.now, partial(_is_well, core), is_guest=is_guest
        )
        around = nullcontext if is_guest else self._as_owner
        return _Way(under.inside(overlay, kit.flights[is_guest], around), overlay, under)

    @contextmanager
    def _as_owner(self) -> Generator[None]:
        """Let a load be what the owner does, who waits for it, though it may run in a task of its own."""
        me = _me()
        is_another = me not in self._owners
        self._owners.add(me)
        try:
            yield
        finally:
            if is_another:
                self._owners.discard(me)

    def ending(self, outside: Side, end: End) -> Coroutine[Any, Any, None] | None:
        """Return what ends the transaction, to be run anywhere; ``None`` if there is nothing to do."""
        if not self._ways:
            return None
        way = self._way(outside)
        beside = None if self._beside is None else outside if self._beside.changes.is_closed else self._beside.side(outside)
        return self._end(way, outside, beside, end)

    async def _end(self, way: _Way, outside: Side, beside: Side | None, end: End) -> None:
        gather = outside.runtime.gather
        try:
            if end is End.APPLY:
                await apply(way.overlay, way.under.store, gather)
            else:
                await drop(way.overlay, gather)
            if end is End.OUTDATE:
                await outdate(self.changes, way.under.store, gather, dropped=True)
        finally:
            for one in self.changes.pending():
                way.under.flights.drop(one.lookup.key)
            if beside is not None:  # the transaction that this one stood in may have been meant, and invalidating is harmless
                await outdate(self.changes, beside.store, gather, dropped=end is not End.APPLY)

    def let_go(self) -> None:
        """Keep nothing, since tasks that were started inside may hold on to this for long."""
        for way in list(self._ways.values()):
            way.side.engine.retire()
        self.core.open_gates(self)
        self.changes.clear()
        self._ways.clear()
        self._kits.clear()
        self._owners.clear()


class _Kit(NamedTuple):
    """What all callers in a transaction share: its entries, how they are kept, the flights of its owner and of its guests."""

    entries: MemoryStore
    packing: Packing
    flights: tuple[Flights, Flights]

    @classmethod
    def of(cls, core: Core) -> _Kit:
        store = core.store
        packing = Packing(partial(_usual, store) if isinstance(store, TwoSided) else None)
        return cls(MemoryStore(max_entries=ROOM, clock=core.clock), packing, (Flights(), Flights()))


class _Way(NamedTuple):
    """How callers of one colour, and of one sort, reach the cache: their side, its store, and the side under it."""

    side: Side
    overlay: Overlay
    under: Side


def inside(core: Core, outside: Side) -> Side:
    """Return how a caller reaches a cache: from inside a transaction, if the caller is in one."""
    state = _current(core)
    return outside if state is None else state.side(outside)


def _current(core: Core) -> _State | None:
    """Return the innermost open transaction that the caller is in."""
    return next((one for one in reversed(_open.get()) if one.core is core and not one.changes.is_closed), None)


def _me() -> tuple[int, object]:
    """Return what tells one thread or task from another."""
    asyncio = sys.modules.get("asyncio")  # who has not imported it is in no task
    loop = None if asyncio is None else asyncio._get_running_loop()
    return threading.get_ident(), None if loop is None or asyncio is None else asyncio.current_task(loop)


def _usual(store: TwoSided) -> Serializer:
    return store.serializer_for(None, MISSING, MISSING, ())


def _is_well(core: Core) -> bool:
    return core.health().state == "ok"


_open: ContextVar[tuple[_State, ...]] = ContextVar("stillroom_transactions", default=())
"""The transactions that this context is in, outermost first."""
