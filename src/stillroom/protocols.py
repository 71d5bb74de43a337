"""Everything that stillroom can be extended with, on one page.

A `Store` keeps entries. A `Serializer` turns values into bytes for stores outside of this process. A `Clock` tells the time and
wakes those who wait for it. A `Listener` hears of events.

The methods of a store are coroutines because some stores wait for a network; a blocking caller runs them to their end with a
single ``send(None)``, so a store used by blocking callers must not suspend (see ``_runtime/blocking.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from .entry import Entry, Generations, Missing
    from .observe.events import Event

__all__ = [
    "Clock",
    "Key",
    "Keyspace",
    "Lease",
    "Listener",
    "Lookup",
    "Reading",
    "Serializer",
    "Store",
    "Timer",
]


class Keyspace:
    """A set of keys that never meet those of another set: the names of one namespace, or the calls of one function.

    In memory, identity tells keyspaces apart, so that two functions never meet even if they bear the same name. On a shared
    store `label` does.

    Attributes:
        namespace: the namespace whose generation its entries carry.
        label: the text that stands before the keys of this keyspace on a shared store.
        text: from a local key to its text within the keyspace.
        shared_text: the same for stores that other processes use, or `UncacheableArgument` where it would mean nothing there.
        function: the name of the generation that all entries of this keyspace carry besides those of namespace and
            everything; ``None`` for a keyspace of names, whose entries come from many functions.
    """

    __slots__ = ("__weakref__", "function", "label", "namespace", "shared_text", "text")

    def __init__(
        self,
        namespace: str,
        label: str,
        text: Callable[[Any], str],
        function: str | None = None,
        shared_text: Callable[[Any], str] | None = None,
    ) -> None:
        self.namespace = namespace
        self.label = label
        self.text = text
        self.shared_text = shared_text or text
        self.function = function

    def __repr__(self) -> str:
        return f"Keyspace({self.namespace!r}, {self.label!r})"


class Key(NamedTuple):
    """One key: the keyspace, and the local key within it (a name, or a tuple made of arguments)."""

    space: Keyspace
    local: Hashable

    @property
    def text(self) -> str:
        """The key as text, the same in every process."""
        return self.space.label + self.space.text(self.local)


class Lookup(NamedTuple):
    """A key to read, and who asks.

    Attributes:
        key: the key.
        generations: the names of the generations (of function and tags) that the caller goes by.
        owner: the function that asks for a name, by its generation; ``None`` if a verb does, or the keyspace is a function's
            own. What another function has loaded under the same name is nothing that this one may be served.
        serializer: turns the values of this key into bytes, where a store needs them; ``None`` for the store's own.
        is_counted: the caller's policy counts hits, so a store that is shared must count them for all processes.
    """

    key: Key
    generations: tuple[str, ...] = ()
    owner: str | None = None
    serializer: Serializer | None = None
    is_counted: bool = False


class Reading(NamedTuple):
    """What a store knows of a key.

    Attributes:
        entry: the entry, unless there is none, it has expired, or one of its generations is over.
        generations: the tokens now in force: of everything, of the namespace, then of the names asked for.
        uses: how often the entry has been read before, for policies that count.
        read_at: when it was last read, as far as this process knows.
        stamp: differs between any two entries that the key has had.
        carries: the names of the generations that the entry carries, as the store knows them, besides those of everything and
            of the namespace; none if these are the ones asked for.
    """

    entry: Entry[Any] | Missing
    generations: Generations
    uses: int = 0
    read_at: float = 0.0
    stamp: object = None
    carries: tuple[str, ...] = ()


class Lease(Protocol):
    """The right to fill one key, void as soon as the key is invalidated.

    Attributes:
        reading: the key's state at the moment the lease was given.
        is_granted: whether the key may be loaded under it; if not, another process is at it, and the thing to do is to wait.
    """

    @property
    def reading(self) -> Reading: ...
    @property
    def is_granted(self) -> bool: ...


@runtime_checkable
class Store(Protocol):
    """Where entries live.

    Three rules make invalidation win. A load begins only under a lease. `fill` stores only if the lease still stands and
    all its generations are still in force. `write`, `delete` and `invalidate` void the leases of what they touch *before*
    they return.

    A store must not call user code, log, or serialise while it holds a lock.
    """

    @property
    def name(self) -> str:
        """A short name for events and statistics, such as ``"memory"``."""
        ...

    async def read(self, lookups: Sequence[Lookup], *, count: bool = True) -> list[Reading]:
        """Return what is known of each key, in the order asked; ``count=False`` leaves no trace in eviction and counts.

        A store that is shared with other processes counts the reads of lookups that are to be counted, and no others.
        """
        ...

    async def lease(self, lookup: Lookup, known: Reading | None = None, *, renew: bool = False, alone: bool = False) -> Lease:
        """Take a lease and look once more, in one step.

        Args:
            lookup: the key.
            known: that there was no entry a moment ago, and that no load of this process has ended since. A store that no other
                process fills may take this for the state of things.
            renew: first void all leases that others hold on the key.
            alone: grant no lease while another process has one that began under the same generations.
        """
        ...

    async def fill(self, key: Key, entry: Entry[Any], lease: Lease) -> bool:
        """Store what was loaded under a lease, give that back, and tell whether it stood and `Entry.tags` were `untouched`.

        Raises:
            UncacheableValue: the value cannot be stored; the lease has been given back.
        """
        ...

    async def release(self, key: Key, lease: Lease) -> None:
        """Give a lease back without filling the key."""
        ...

    async def stands(self, lease: Lease) -> bool:
        """Tell whether a lease still stands, so that it could be filled; if in doubt, that it does not."""
        ...

    async def untouched(self, lease: Lease, tags: Sequence[str]) -> bool:
        """Vouch that none of these generations was invalidated since a lease was given; false if in doubt."""
        ...

    async def write(self, entries: Sequence[tuple[Lookup, Entry[Any]]]) -> list[bool]:
        """Store values given by a user, under the generations now in force, and tell which of them were stored.

        Raises:
            UncacheableValue: one of the values cannot be stored; nothing has changed.
        """
        ...

    async def add(self, lookup: Lookup, entry: Entry[Any]) -> bool:
        """Do what `write` does for one value, if the key has no fresh one, and tell whether it was stored."""
        ...

    async def delete(self, keys: Iterable[Key]) -> int:
        """Remove entries, void the leases on their keys, and return how many fresh values there were.

        A remembered error is no value, here and for `names`, `add`, `increment` and `touch`.
        """
        ...

    async def invalidate(self, *, names: Iterable[str] = (), namespaces: Iterable[str] = (), everything: bool = False) -> None:
        """Replace generation tokens, so that whatever was loaded under the old ones is over."""
        ...

    async def names(self, space: Keyspace, *, fresh: bool = True) -> list[str]:
        """Return the local keys of a keyspace of names: of fresh values, or of all that there is to delete.

        Args:
            space: the keyspace.
            fresh: list what verbs may see; otherwise what is stale or being loaded as well.
        """
        ...

    async def increment(self, lookup: Lookup, amount: int, initial: Entry[Any]) -> int:
        """Add to the fresh ``int`` stored under a key, keeping its times, or store ``initial`` if there is none.

        Returns the new value. Voids the leases on the key.

        Raises:
            TypeError: what is stored is not an ``int``; nothing was changed.
        """
        ...

    async def touch(self, key: Key, fresh_until: float, expires_at: float) -> bool:
        """Give a fresh entry new times, and tell whether there was one."""
        ...

    async def close(self) -> None:
        """Let go of everything held; a closed store answers every read with ``MISSING``."""
        ...


@runtime_checkable
class Serializer(Protocol):
    """Turns values into bytes and back, for stores outside of this process."""

    def dump(self, value: Any) -> bytes:
        """Return a value as bytes.

        Raises:
            TypeError: it is of a type that would not come back as it is (`UncacheableValue` says how to help that).
        """
        ...

    def load(self, data: bytes) -> Any:
        """Return the value that became these bytes.

        Raises:
            ValueError: they are not what `dump` made.
        """
        ...


class Timer(Protocol):
    """A wake-up that has been asked for."""

    def cancel(self) -> None:
        """Forget the wake-up, if it has not happened yet."""
        ...


class Clock(Protocol):
    """The time, and wake-ups."""

    def now(self) -> float:
        """Return the seconds since some fixed moment; never goes back."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` once, in any thread, as soon as `now` has reached ``when``. It must be quick and not raise."""
        ...


Listener: TypeAlias = "Callable[[Event], None]"
"""Anything that can be called with an event; see `stillroom.observe.events`."""
