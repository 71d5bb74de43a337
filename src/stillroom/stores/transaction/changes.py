"""What a transaction has changed so far, compressed: of several changes of one key, only their sum matters."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from ..._engine.generations import shared_name
from ..._engine.verdict import is_fresh
from ..._runtime.forks import ForkSafeLock
from ...entry import MISSING, Entry, Missing, Tags
from ...protocols import Key, Lease, Lookup

__all__ = ["Changes", "Loaded", "Pending"]


class Loaded(NamedTuple):
    """A value that was loaded inside, though nothing that it depends on had been touched, and the lease on its key outside.

    Attributes:
        lookup: whom it was loaded for.
        lease: the lease.
        tags: what the load has added to those that the lookup goes by.
        is_doubtful: it depends on what a transaction around this one, whose savepoint this is not, has touched.
    """

    lookup: Lookup
    lease: Lease
    tags: Tags
    is_doubtful: bool


class Pending:
    """What is to be done to one key.

    Attributes:
        lookup: the key, as it is written.
        is_settled: what was there before does not matter any more: it is deleted or replaced.
        is_given: what the transaction has for the key was given by a user, so it is stored in the end.
        if_absent: it is stored only if nobody else has stored something meanwhile.
        amount: what is added to the number that is there.
        initial: what is stored if there is none; ``None`` if nothing is added.
        times: until when the value is to be fresh, and to be kept; ``None`` if that stays as it is.
        until: when the value is over that something is added to, or that gets new times.
    """

    __slots__ = ("amount", "if_absent", "initial", "is_given", "is_settled", "lookup", "times", "until")

    def __init__(self, lookup: Lookup, *, is_settled: bool = False, is_given: bool = False, if_absent: bool = False) -> None:
        self.lookup = lookup
        self.is_settled = is_settled
        self.is_given = is_given
        self.if_absent = if_absent
        self.amount = 0
        self.initial: Entry[Any] | None = None
        self.times: tuple[float, float] | None = None
        self.until = math.inf

    @property
    def to_start_from(self) -> Entry[Any]:
        """What is stored if there is no number yet."""
        assert self.initial is not None
        return replace(self.initial, value=self.amount)

    def applied(self, entry: Entry[Any] | Missing, now: float) -> Entry[Any] | Missing:
        """Return what the transaction sees in the place of an entry outside."""
        if now >= self.until:
            return entry
        there = entry is not MISSING and is_fresh(entry, now) and not entry.is_error
        if self.initial is not None:
            if there and entry is not MISSING:
                entry = replace(entry, value=entry.value + self.amount) if type(entry.value) is int else entry
            else:
                entry = self.to_start_from
            there = True
        if self.times is not None and there and entry is not MISSING:
            return replace(entry, fresh_until=self.times[0], expires_at=self.times[1])
        return entry


class Changes:
    """What a transaction has changed so far.

    Args:
        is_shared: whether other functions of the same name share the entries of the store.
        keeps_loads: whether what was loaded inside may be stored outside in the end.
        on_first: called before the first change counts, perhaps more than once.
        parent: those of the transaction that this is a savepoint of.
        beside: those of a transaction that this stands in without being its savepoint.

    Attributes:
        is_closed: the transaction has ended; what comes now is no part of it.
        everything: whether everything was invalidated.
        namespaces: the namespaces that were.
        names: the generations that were.
        loads: what was loaded inside and may be stored outside in the end.
    """

    def __init__(
        self,
        is_shared: bool,
        keeps_loads: bool,
        on_first: Callable[[], None],
        *,
        parent: Changes | None,
        beside: Changes | None,
    ) -> None:
        self.is_closed = False
        self.keeps_loads = keeps_loads
        self.everything = False
        self.namespaces: set[str] = set()
        self.names: set[str] = set()
        self.loads: dict[Hashable, Loaded] = {}
        self._pending: dict[Hashable, Pending] = {}
        self._ended: set[str] = set()
        self._is_shared = is_shared
        self._on_first = on_first
        self._parent = parent
        self._beside = beside
        self._has_begun = False
        self._lock = ForkSafeLock()

    # What is known

    def touches(self, lookup: Lookup) -> bool:
        """Tell whether what is outside for a lookup does not count inside any more."""
        space = lookup.key.space
        if self.everything or space.namespace in self.namespaces:
            return True
        if self.names and (space.function in self.names or not self.names.isdisjoint(lookup.generations)):
            return True
        pending = self.of(lookup.key)
        return pending is not None and pending.is_settled

    def is_doubtful(self, lookup: Lookup) -> bool:
        """Tell whether a value may be of another transaction, which this one stands in and which has touched it."""
        return self._beside is not None and self._beside.concerns(lookup)

    def concerns(self, lookup: Lookup) -> bool:
        """Tell whether what is outside for a lookup does not count here, or in any transaction around."""
        return self.touches(lookup) or any(one.concerns(lookup) for one in (self._parent, self._beside) if one is not None)

    def adjusts(self, key: Key) -> bool:
        """Tell whether something is to be done to the value outside, which stays otherwise."""
        pending = self.of(key)
        return pending is not None and not pending.is_settled

    def ends(self, carried: Iterable[str]) -> bool:
        """Tell whether an entry that carries these generations is over inside."""
        return bool(self._ended) and not self._ended.isdisjoint(carried)

    def covers(self, namespace: str) -> bool:
        """Tell whether all that is outside in a namespace is over inside."""
        return self.everything or namespace in self.namespaces

    def of(self, key: Key) -> Pending | None:
        """Return what is to be done to a key, if anything."""
        return self._pending.get(self.identity(key)) if self._pending else None

    def pending(self) -> list[Pending]:
        """Return what is to be done to single keys."""
        with self._lock:
            return list(self._pending.values())

    def identity(self, key: Key) -> Hashable:
        """Return what tells a key from others where it is stored."""
        space = key.space
        return (space.namespace, space.label, space.shared_text(key.local)) if self._is_shared else key

    # What is new

    def deleted(self, keys: Iterable[Key]) -> None:
        """Note that keys are to be deleted."""
        self._begin()
        with self._lock:
            for key in keys:
                self._pend(Pending(Lookup(key), is_settled=True))

    def given(self, lookup: Lookup, *, if_absent: bool = False) -> None:
        """Note that a value was given for a key; ``if_absent``, because there was none."""
        self._begin()
        with self._lock:
            untouched = self.of(lookup.key) is None
            self._pend(Pending(lookup, is_settled=True, is_given=True, if_absent=if_absent and untouched))

    def loaded(self, key: Key) -> None:
        """Note that what the transaction has for a key is not what a user gave, but what it has loaded."""
        pending = self.of(key)
        if pending is not None:
            pending.is_given = False

    def added(self, lookup: Lookup, amount: int, initial: Entry[Any], until: float) -> None:
        """Note that something is to be added to the number outside, which is fresh until then."""
        self._begin()
        with self._lock:
            pending = self.of(lookup.key) or self._pend(Pending(lookup))
            pending.amount += amount
            pending.initial = pending.initial or initial
            pending.until = until

    def overdue(self, key: Key, now: float) -> None:
        """Forget what is to be done to a value outside that is over by now."""
        with self._lock:
            pending = self.of(key)
            if pending is not None and now >= pending.until:
                del self._pending[self.identity(key)]

    def touched(self, key: Key, fresh_until: float, expires_at: float) -> None:
        """Note that what is outside is to get new times."""
        self._begin()
        with self._lock:
            pending = self.of(key) or self._pend(Pending(Lookup(key)))
            pending.times, pending.until = (fresh_until, expires_at), fresh_until

    def invalidated(self, names: Iterable[str], namespaces: Iterable[str], everything: bool) -> None:
        """Note that generations are to be ended."""
        self._begin()
        with self._lock:
            self.everything = self.everything or everything
            self.namespaces.update(namespaces)
            self.names.update(names)
            self._ended.update(self.names, map(shared_name, self.names))
            for identity, one in list(self._pending.items()):
                if everything or one.lookup.key.space.namespace in namespaces:
                    del self._pending[identity]  # whatever was done to it before does not matter any more

    def _pend(self, pending: Pending) -> Pending:
        self._pending[self.identity(pending.lookup.key)] = pending
        return pending

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._pending.clear()
            self.loads.clear()
        self._parent = self._beside = None

    def _begin(self) -> None:
        if not self._has_begun and not self.is_closed:
            self._on_first()
            self._has_begun = True
