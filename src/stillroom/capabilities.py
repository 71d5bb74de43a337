"""What a store may be besides a `Store`: one that blocking callers and event loops reach in different ways, one that can answer
a hit in fewer steps, or one that leases several keys at once. A cache asks for these, and does without them where there are
none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from .protocols import Key, Lease, Lookup, Reading, Serializer, Store

if TYPE_CHECKING:
    from .entry import Entry
    from .errors import StoreError, UncacheableValue
    from .guards.lock import Locks
    from .guards.tally import Tallies
    from .stores.memory import MemoryStore
    from .stores.outage import Health

__all__ = ["Bulk", "Glancing", "Settlement", "TwoSided", "Wanted", "Watcher"]


@runtime_checkable
class TwoSided(Protocol):
    """A store that blocking callers and callers on event loops reach in different ways.

    Attributes:
        blocking: what blocking callers ask; it never suspends.
        tasks: what callers on event loops ask; it never blocks.
        near: the entries that both keep in this process, if they do.
        name: a short name, as that of a store.
        raises: whether callers want to see its failures.
    """

    @property
    def blocking(self) -> Store: ...
    @property
    def tasks(self) -> Store: ...
    @property
    def near(self) -> MemoryStore | None: ...
    @property
    def raises(self) -> bool: ...

    def serializer_for(self, setting: Any, compress: Any, returns: Any, errors: tuple[type[Exception], ...]) -> Serializer:
        """Return what turns the values of a function into bytes.

        Args:
            setting: the function's own choice; ``None`` for that of the store.
            compress: the function's own choice; ``MISSING`` for that of the store.
            returns: its return annotation; ``MISSING`` if it has none.
            errors: the exceptions that are remembered.

        Raises:
            ConfigurationError: a setting makes no sense.
        """
        ...

    def locks(self, blocking: bool, local: Locks) -> Locks:
        """Return where callers of one colour take locks; ``local`` is what stands in while the store is out of reach."""
        ...

    def tallies(self, blocking: bool) -> Tallies:
        """Return where guards of one colour keep count, with all processes on the store."""
        ...

    def watch(self, watcher: Watcher) -> None:
        """Have somebody hear of what happens to the store."""
        ...

    def health(self) -> Health:
        """Return how the store is doing."""
        ...

    async def ping(self, blocking: bool) -> bool:
        """Tell whether the store itself answers, callers of one colour at least."""
        ...

    def retire(self) -> None:
        """Let go of everything held, since another store takes over."""
        ...

    @property
    def name(self) -> str: ...


@runtime_checkable
class Glancing(Protocol):
    """A store that can answer a hit in fewer steps than `Store.read` takes."""

    def prepare(self, lookup: Lookup) -> Any:
        """Return what it takes to look for a key, to be used again and again.

        Raises:
            UncacheableArgument: the key holds something that means nothing to other processes.
        """
        ...

    def glance(self, prepared: Any) -> tuple[bool, Any]:
        """Look for a key, for blocking callers.

        Returns:
            Whether there is an entry that needs no decision; its value, or else what is known of the key (`Reading`), ``None``
            if that is still to be asked.
        """
        ...

    def ask(self, prepared: Any) -> tuple[Awaitable[Any], object] | None:
        """Ask for a key, for callers on event loops, who await the first of what is returned and give both to `told`.

        There is no coroutine of the store's own, since each one costs every hit. ``None`` if a glance is not possible now.
        """
        ...

    def told(self, prepared: Any, asked: object, outcome: Any) -> tuple[bool, Any]:
        """Return what `glance` does, from what came of `ask`."""
        ...

    async def glance_many(self, prepared: Sequence[Any]) -> list[tuple[bool, Any]]:
        """Do what `glance` does for several keys, in one round trip and for callers of either colour."""
        ...


Wanted: TypeAlias = "tuple[Lookup, Reading | None]"
"""A key to take a lease on, and what is known of it; see `Store.lease`."""
Settlement: TypeAlias = "tuple[Key, Entry[Any] | None, Lease]"
"""What a load under a lease has brought: an entry to fill the key with, or nothing."""


@runtime_checkable
class Bulk(Protocol):
    """A store that can do for several keys in one step what `Store` does for one."""

    async def lease_many(self, wanted: Sequence[Wanted], *, renew: bool = False, alone: bool = False) -> list[Lease]:
        """Take a lease on each key; see `Store.lease`. If one cannot be had, none is held afterwards."""
        ...

    async def settle_many(self, settlements: Sequence[Settlement]) -> list[UncacheableValue | None]:
        """Give leases back, filled or not, and return for each why its value could not be stored, if that is why it was not."""
        ...

    async def stand(self, leases: Sequence[Lease]) -> list[bool]:
        """Tell for each lease whether it still stands; see `Store.stands`."""
        ...


class Watcher(Protocol):
    """Hears of what happens to a store outside of any call, and tells what only the cache knows."""

    def serializer_of(self, generation: str) -> Serializer | None:
        """Return what the values of a function are read with, given its generation; ``None`` if there is no such function."""
        ...

    def lost(self, error: StoreError) -> None:
        """The store is out of reach."""

    def regained(self, seconds: float) -> None:
        """The store is within reach again, after so many seconds."""

    def unreadable(self, key: str, error: Exception) -> None:
        """An entry cannot be read."""

    def packed(self, lookup: Lookup, size: int) -> None:
        """An entry that is to be stored has become so many bytes."""
