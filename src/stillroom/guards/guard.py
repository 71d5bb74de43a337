"""What all guards have in common: they look at a call before it is made, may refuse it, and may look at how it ended.

A guard stores no result. It is written once, for both colours, like everything that may wait: `stillroom.guarding` runs it
around blocking functions, and awaits it around coroutine functions.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from .._runtime.runtime import drive
from ..errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from .._runtime.runtime import Runtime
    from .lock import Locks
    from .tally import Step, Tallies, TallyTable

__all__ = ["UNKNOWN_FOR", "Counting", "Guard", "Handle", "Instead", "OnError", "Reach", "Way", "of_owner", "tally_name"]

OnError: TypeAlias = Literal["fallback", "bypass", "refuse"]
"""What a guard does while the store is out of reach: count in memory, let every call through, or refuse every call."""
ON_ERROR: Final[tuple[OnError, ...]] = ("fallback", "bypass", "refuse")
UNKNOWN_FOR: Final = 1.0
"""After how many seconds to try again what was refused since the store is out of reach."""


class Way(Protocol):
    """How callers of one colour reach what guards share."""

    @property
    def runtime(self) -> Runtime: ...
    @property
    def locks(self) -> Locks: ...
    @property
    def tallies(self) -> Tallies: ...


def tally_name(*parts: str) -> str:
    """Return what the names of a guard's tallies begin with: no part can imitate another, nor a key that follows."""
    return "".join([part.replace("%", "%25").replace(":", "%3A") + ":" for part in parts])


class Instead:
    """What a call gets without the function having been called.

    Attributes:
        value: that.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Guard(Protocol):
    """Stands before a function.

    Attributes:
        word: what kind of guard it is, as events call it.
        looks_back: it wants to know how calls have ended.
    """

    @property
    def word(self) -> str: ...
    @property
    def looks_back(self) -> bool: ...

    async def enter(self, way: Way, key: str) -> Any:
        """Let a call through, and return what is to be known when it has ended; or an `Instead`, to answer it without a call.

        Raises:
            Refused: the call is not let through.
        """
        ...

    async def leave(self, way: Way, key: str, ticket: Any, error: BaseException | None) -> None:
        """Take note of how a call has ended that was let through."""
        ...


class Counting:
    """Keeps a tally where the cache has its entries, and does as it was told while that is out of reach.

    Args:
        local: counts in memory meanwhile.
        on_error: what to do meanwhile.
        namespace: that of the cache, which is part of the name of each tally.

    Attributes:
        namespace: the same.
    """

    def __init__(self, local: TallyTable, on_error: OnError, namespace: str) -> None:
        if on_error not in ON_ERROR:
            raise ConfigurationError(
                f"on_error must be one of {', '.join(ON_ERROR)}, not {on_error!r}", setting="on_error", given=on_error
            )
        self._local = local
        self.namespace = namespace
        self._on_error = on_error

    def at_hand(self, way: Way) -> TallyTable | None:
        """Return the table in memory, if the cache has its entries there as well: nobody waits for that."""
        return self._local if way.tallies is self._local else None

    async def step(self, way: Way, name: str, step: Step) -> Any:
        """Change a tally, and return what the guard wants to know; ``None`` if the call is to be let through unseen.

        Raises:
            StoreError: the call is to be refused.
        """
        try:
            return await way.tallies.step(name, step)
        except StoreError:
            if self._on_error == "refuse":
                raise
            return None if self._on_error == "bypass" else await self._local.step(name, step)


class Reach:
    """From the arguments that a user gives to a handle to what its guard goes by.

    Args:
        way: returns how callers of the function's colour reach what guards share.
        is_async: the function is a coroutine function, so what users call is to be awaited.
        key_of: returns the key for the arguments of a call; ``None`` if all calls of the function have the same.
        first: arguments that stand before those that are given.
    """

    def __init__(
        self, way: Callable[[], Way], is_async: bool, key_of: Callable[..., str] | None, first: tuple[Any, ...] = ()
    ) -> None:
        self._way = way
        self._is_async = is_async
        self._key_of = key_of
        self._first = first

    @property
    def way(self) -> Way:
        """How callers of the function's colour reach what guards share."""
        return self._way()

    @property
    def is_one(self) -> bool:
        """Whether all calls of the function have the same key, so that it needs no arguments to find it."""
        return self._key_of is None

    def key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return the key for the arguments of a call."""
        return "" if self._key_of is None else self._key_of(*self._first, *args, **kwargs)

    def key_of_one(self, call: Any) -> str:
        """Return the key for one of several calls: a tuple of arguments, a mapping of named ones, or the only one itself."""
        key_of = self._key_of
        if key_of is None:
            return ""
        if isinstance(call, Mapping):
            return key_of(*self._first, **call)
        return key_of(*self._first, *call) if isinstance(call, tuple) else key_of(*self._first, call)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something: at once, or when it is awaited if the function is to be awaited as well."""
        return work if self._is_async else drive(work)

    def of(self, owner: Any) -> Reach:
        """Return the same for a method of one object."""
        return Reach(self._way, self._is_async, self._key_of, (owner,))


class Handle:
    """What users reach a guard by, as an attribute of the guarded function; that of a method knows its object."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def of(self, owner: Any) -> Handle:
        """Return the handle for a method of one object."""
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__)
        bound._reach = self._reach.of(owner)
        return bound


def of_owner(found: Any, owner: Any) -> Any:
    """Return what a method of one object has for an attribute of its function: handles, and their methods, know the object."""
    if isinstance(found, Handle):
        return found.of(owner)
    handle = getattr(found, "__self__", None)
    return getattr(handle.of(owner), found.__name__) if isinstance(handle, Handle) else found
