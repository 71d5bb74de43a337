"""Tallies: the small states that guards keep, such as when a function was called of late.

A tally changes in steps. In memory, a step runs under the lock of the table. On a server it is a script of the same name, so
that all processes share the tally and one round trip does; the server's clock tells the time there. Whatever a step decides it
leaves to pure functions, which the script mirrors, and tests hold the two against each other.

Tallies live apart from cached values: nothing that is stored can crowd them out.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar

from .._runtime.forks import on_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..protocols import Clock

__all__ = ["ENDLESS", "Change", "Forget", "Outcome", "Step", "Tallies", "TallyTable"]

T = TypeVar("T")

ENDLESS: Final = float("inf")
"""When a tally is of no more use that is never forgotten by itself, such as a filter."""

ROOM: Final = 100_000
"""So many tallies that end are kept in memory at most; then the one that was longest without a change is forgotten."""
_NONE: Final = (None, 0.0)


class Change(NamedTuple):
    """What a step makes of a tally.

    Attributes:
        state: the tally from now on; ``None`` if there is nothing to remember.
        ends_at: from when on it is of no more use, on the clock.
        reply: what the guard wants to know.
    """

    state: Any
    ends_at: float
    reply: Any


Outcome: TypeAlias = "tuple[Any, float, Any]"
"""A `Change`, or what unpacks like one, on ways where it is worth the while to make no object for it."""


class Step(Protocol):
    """A change of a tally, made in one go.

    Attributes:
        script: what a server knows it by.
        arguments: what the script is told besides the tally's name.
    """

    @property
    def script(self) -> str: ...
    @property
    def arguments(self) -> tuple[bytes | int, ...]: ...

    def apply(self, state: Any, now: float) -> Outcome:
        """Return what becomes of a tally. The state is the step's own to change; ``None`` if there was none."""
        ...

    def read(self, reply: Any) -> Any:
        """Return what the guard wants to know, from what the script has replied."""
        ...


class Forget(NamedTuple):
    """Forget a tally."""

    script: str = "forget"
    arguments: tuple[int, ...] = ()

    def apply(self, state: object, now: float) -> Change:
        return Change(None, now, None)

    def read(self, reply: object) -> None:
        return None


class Tallies(Protocol):
    """Where tallies are kept."""

    async def step(self, name: str, step: Step) -> Any:
        """Change a tally, and return what the guard wants to know.

        Raises:
            StoreError: the store is out of reach; nobody knows whether the tally has changed.
        """
        ...


class TallyTable:
    """The tallies that are kept in this process.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now
        self._lock = threading.RLock()
        self._kept: dict[str, tuple[Any, float]] = {}  # in the order of their last changes
        self._endless: dict[str, tuple[Any, float]] = {}
        on_fork(self)

    def __len__(self) -> int:
        return len(self._kept) + len(self._endless)

    async def step(self, name: str, step: Step) -> Any:
        """Change a tally; see `Tallies.step`."""
        return self.change(name, step)

    def look(self, name: str, view: Callable[[Any], T]) -> T:
        """Return what comes of a view of a tally, ``None`` if there is none; it must not change it."""
        with self._lock:
            state, ends_at = self._kept.get(name) or self._endless.get(name, _NONE)
            return view(state if self._now() < ends_at else None)

    def change(self, name: str, step: Step) -> Any:
        """Change a tally; see `Tallies.step`, which is the same for whoever need not know that nobody waits here."""
        kept, endless = self._kept, self._endless
        with self._lock:
            now = self._now()
            found = kept.pop(name, None) or endless.get(name, _NONE)
            state, ends_at, reply = step.apply(found[0] if now < found[1] else None, now)
            if ends_at == ENDLESS:
                endless[name] = (state, ends_at)
                return reply
            if found[1] == ENDLESS:
                del endless[name]
            if state is not None:
                if len(kept) >= ROOM:
                    del kept[next(iter(kept))]
                kept[name] = (state, ends_at)
            self._sweep(now)
        return reply

    def _sweep(self, now: float) -> None:
        """Forget what is over among those that have not changed for longest: two for each that comes, so that none stays."""
        kept = self._kept
        for _ in (1, 2):
            oldest = next(iter(kept), None)
            if oldest is None or now < kept[oldest][1]:
                return
            del kept[oldest]

    def before_fork(self) -> None:
        """Take the lock, so that the child's copy is whole."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Give the lock back; the child counts on from where the parent was."""
        self._lock.release()
