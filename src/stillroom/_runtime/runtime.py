"""All that the core asks of the world it runs in.

The core is written once, as coroutines, and there are two runtimes for it. Under the *blocking* runtime no coroutine ever
suspends, so that `drive` finishes it with a single ``send(None)``. Under the *task* runtime the caller awaits it on an
asyncio event loop. A runtime is always handed on, never guessed: a blocking call made inside a running event loop stays
blocking.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from ..protocols import Timer
from .flights import Flight

__all__ = ["Runtime", "drive"]

T = TypeVar("T")


class Runtime(Protocol):
    """What differs between blocking callers and tasks."""

    @property
    def blocking(self) -> bool:
        """Whether waiting holds up the thread."""
        ...

    async def lead(self, flight: Flight, load: Coroutine[Any, Any, None]) -> bool:
        """Run the load of a flight, unless somebody else has begun it; return, when it has ended, whether this call ran it."""
        ...

    async def wait(self, flight: Flight, until: float | None) -> None:
        """Return when a flight has ended, or at the time ``until`` on the runtime's clock if that comes first."""
        ...

    async def pause(self, length: float) -> None:
        """Return after so many seconds."""
        ...

    def spawn(self, flight: Flight, load: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Run the load of a flight behind, if nobody else claims it first; false if there is no room for more."""
        ...

    async def called_off(self, flight: Flight) -> None:
        """Cancel the load of a flight, and return when it has ended."""
        ...

    def later(self, when: float, act: Callable[[], None]) -> Timer:
        """Call ``act`` at a time on the runtime's clock, where `spawn` can be called."""
        ...

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, though its caller be cancelled; that comes through afterwards."""
        ...

    async def gather(self, works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """Run several coroutines to their end, side by side where the runtime can, and return their results in order."""
        ...


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, and return its result.

    Raises:
        RuntimeError: it did suspend. A part of the core or of a store does what it must not do under the blocking runtime.
    """
    try:
        coroutine.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} suspended under the blocking runtime; a store for blocking callers must not")
