"""The load that is running, as the function that is loaded sees it.

Inside a load, `current_load` returns a `Load`: what the value replaces, and what is to become of the value once it is there. A
function learns only while it loads for how long its value is good, or which tags it belongs to; here it says so.

Rules that this file keeps:

- Each load sees its own `Load`, and the one around it is back when it ends. A call past the cache has one as well, which has no
  effect: so a function that asks for it works with the cache switched off.
- What a `Load` is told counts only until the function has returned. Whoever tells it something later is told so, since nothing
  would come of it.
- A value that is handed back as it was (`Load.not_modified`) goes on carrying the tags that it had.

**Tags that come late.** An invalidation of a tag must win over every load that began before it. Tags of the decorator are known
when the load begins, so their tokens are read before it. A tag that is added in its middle may have been invalidated by then,
after the value was read, so its token proves nothing when it is read now. What does is up to the store, which is told the names
with the entry (`Entry.tags`): it vouches that none of them has been invalidated since the lease was given, or it does not store
(``stores/generations.py`` and ``stores/redis/sightings.py`` say how). For the same reason a call that has boarded the flight
after its load began is served only if the store vouches (`Store.untouched`): it may have begun after an invalidation of such a
tag.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar, Token
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final, NoReturn

from .durations import Duration, seconds
from .entry import MISSING, Entry, Missing
from .errors import LoadAborted, StillroomError, UncacheableArgument
from .kinds import Recording
from .settings import text

if TYPE_CHECKING:
    from .policy import Policy

__all__ = ["Load", "LoadTags", "Said", "current_load", "repeat", "within"]


class Said:
    """What a load is asked, and what it says of its value; the engine reads it when the function has returned.

    Args:
        key: returns what the entry is called.
        policy: what holds for the value if nothing is said of it.

    Attributes:
        given: the value that is still stored, as the function knows it; ``MISSING`` if it has not asked.
        ttl: for how many seconds the new value is fresh, ``inf`` until invalidated; ``None`` if the policy decides.
        is_skipped: the value is not to be stored.
        is_renewal: the value is the former one.
        aborted: what the function has ended itself with.
        is_over: the function has returned, so that nothing more can be said.
    """

    # Class attributes, for most loads say nothing, and one is made on every miss.
    given: Any = MISSING
    ttl: float | None = None
    is_skipped = False
    is_renewal = False
    is_over = False
    aborted: LoadAborted | None = None
    _added: dict[str, None] | None = None

    def __init__(self, key: Callable[[], str], policy: Policy) -> None:
        self._key = key
        self._policy = policy

    @property
    def policy(self) -> Policy:
        """What holds for the value if nothing is said of it."""
        return self._policy

    @property
    def key(self) -> str:
        """What the entry is called; empty for arguments that have no key, which do past the cache."""
        try:
            return self._key()
        except UncacheableArgument:
            return ""

    @property
    def entry(self) -> Entry[Any] | Missing:
        """The entry that is still stored."""
        return MISSING

    @property
    def usual_ttl(self) -> float:
        """For how many seconds a value is fresh unless the load says otherwise; ``inf`` also if that is not known yet."""
        ttl = self.policy.ttl
        return ttl if isinstance(ttl, float) else math.inf

    @property
    def copies(self) -> bool:
        """Whether values are copied on their way out."""
        return self.policy.copy

    @property
    def added(self) -> tuple[str, ...]:
        """What the value carries besides the tags of the decorator, in the order of adding."""
        return () if self._added is None else tuple(self._added)

    def add(self, tags: tuple[str, ...]) -> None:
        """Let the value carry tags."""
        added: dict[str, None] = self.__dict__.setdefault("_added", {})  # one step: other threads may add as well
        added.update(dict.fromkeys(tags))

    def former(self) -> Any:
        """Return the value that is still stored, as the function may know it; ``MISSING`` if there is none."""
        entry = self.entry
        if entry is not MISSING and not entry.is_error and self.given is MISSING:
            value = entry.value
            shown = value.items if isinstance(value, Recording) else value
            self.given = deepcopy(shown) if self.copies else shown
        return self.given

    def repeat(self, other: Said) -> None:
        """Say what was said of several values at once, of which this load's is one."""
        self.ttl, self.is_skipped, self.aborted = other.ttl, other.is_skipped, other.aborted
        if other.added:
            self.add(other.added)

    def end(self, value: object = MISSING) -> None:
        """Let nothing more be said; ``MISSING`` stands for the value of a function that raised."""
        self.is_over = True
        if self.given is not MISSING and value is self.given:
            self.is_renewal = True

    def check(self) -> None:
        """Raise if nothing more can be said. After it was said: of two threads, one of which ends the load, one sees the other.

        Raises:
            StillroomError: the function has returned.
        """
        if self.is_over:
            raise StillroomError(f"the load of {self.key} has ended; nothing that it is told now would have an effect")


class LoadTags:
    """The tags that a load has added to those of the decorator."""

    __slots__ = ("_said",)

    def __init__(self, said: Said) -> None:
        self._said = said

    def __repr__(self) -> str:
        return f"LoadTags({list(self._said.added)!r})"

    def __iter__(self) -> Iterator[str]:
        return iter(self._said.added)

    def __len__(self) -> int:
        return len(self._said.added)

    def __contains__(self, tag: object) -> bool:
        return tag in self._said.added

    def add(self, *tags: str) -> None:
        """Let the value carry tags, so that ``cache.invalidate(tags=...)`` forgets it.

        Raises:
            ConfigurationError: one of them is no text, or empty.
            StillroomError: the load has ended.
        """
        self._said.add(tuple([text(tag, "tags") for tag in tags]))
        self._said.check()


class Load:
    """A load in progress."""

    __slots__ = ("_said",)

    def __init__(self, said: Said) -> None:
        self._said = said

    def __repr__(self) -> str:
        return f"Load({self.key!r})"

    @property
    def key(self) -> str:
        """What the entry is called; empty for arguments that have no key, which do past the cache."""
        return self._said.key

    @property
    def has_stale(self) -> bool:
        """Whether a value is still stored, most often a stale one, that this load is to replace."""
        entry = self._said.entry
        return entry is not MISSING and not entry.is_error

    @property
    def stale_value(self) -> Any:
        """The value that is still stored; ``None`` if there is none, which `has_stale` tells from a ``None`` that is."""
        value = self._said.former()
        return None if value is MISSING else value

    @property
    def tags(self) -> LoadTags:
        """The tags that it has added to those of the decorator; ``tags.add("team:7")`` adds one."""
        return LoadTags(self._said)

    @property
    def ttl(self) -> float | None:
        """For how many seconds the value will be fresh; ``None`` if until invalidated, or if a rule has yet to decide.

        Set it to a duration, or to ``None``, and it takes the place of the policy's.

        Raises:
            ConfigurationError: it is no duration, or not above zero.
            StillroomError: the load has ended.
        """
        length = self._said.usual_ttl if self._said.ttl is None else self._said.ttl
        return None if length == math.inf else length

    @ttl.setter
    def ttl(self, given: Duration | None) -> None:
        self._said.ttl = math.inf if given is None else seconds(given, "ttl")
        self._said.check()

    def skip(self) -> None:
        """Let the value be returned, and not stored."""
        self._said.is_skipped = True
        self._said.check()

    def fail(self, reason: str) -> NoReturn:
        """End the load as if the function had raised: ``stale_if_error`` serves the stale value, whatever ``errors`` says.

        Raises:
            LoadAborted: always; without a stale value, it reaches the caller.
        """
        self._said.check()
        self._said.aborted = LoadAborted(reason, key=self.key)
        raise self._said.aborted

    def not_modified(self) -> Any:
        """Return the stale value, to be returned by the function: it is still right, and good for another ttl.

        Raises:
            StillroomError: there is none, or the load has ended, or it is that of a generator, which has to yield its items.
        """
        entry = self._said.entry
        if entry is MISSING or entry.is_error:
            raise StillroomError(f"nothing is stored under {self.key} that could go on being good; has_stale tells")
        if isinstance(entry.value, Recording):
            raise StillroomError("a generator cannot return what it gave before; it can yield the items of stale_value")
        self._said.is_renewal = True
        self._said.check()
        return self.stale_value


_CURRENT: Final[ContextVar[Said | None]] = ContextVar("stillroom_load", default=None)


def current_load() -> Load:
    """Return the load that is running here: that of the innermost cached function.

    Raises:
        StillroomError: none is.
    """
    said = _CURRENT.get()
    if said is None:
        raise StillroomError("current_load() was called outside of a load: no cached function is being loaded in this context")
    return Load(said)


def repeat(other: Said) -> None:
    """Let the load that is running here say what was said of several values at once."""
    said = _CURRENT.get()
    if said is not None:
        said.repeat(other)


class within:  # noqa: N801 - reads as a statement
    """Lets a load be the current one until the block ends."""

    __slots__ = ("_said", "_token")

    def __init__(self, said: Said) -> None:
        self._said = said

    def __enter__(self) -> None:
        self._token: Token[Said | None] = _CURRENT.set(self._said)

    def __exit__(self, *_: object) -> None:
        try:
            _CURRENT.reset(self._token)
        except ValueError:  # a coroutine whose loop was closed ends in the context of whoever collects it
            pass
