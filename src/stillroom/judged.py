"""What the guards that judge make of functions, as type checkers see it; see `stillroom.guarded` for the others.

They stand below ``@cache(...)`` only, so what they guard is no cached function.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from .guards.circuit import Mode, Standing
from .guards.slow import Pace

__all__ = [
    "AsyncBreakable",
    "AsyncBreaker",
    "AsyncSlowness",
    "AsyncTimed",
    "Breakable",
    "Breaker",
    "BreakerDecorator",
    "SlowDecorator",
    "Slowness",
    "Timed",
]

P = ParamSpec("P")
Rest = ParamSpec("Rest")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Owner = TypeVar("Owner")
Owner_contra = TypeVar("Owner_contra", contravariant=True)


class _Method(Protocol[Owner_contra, Rest]):
    """Whatever takes an object first."""

    def __call__(self, owner: Owner_contra, /, *args: Rest.args, **kwargs: Rest.kwargs) -> object: ...


class Breaker(Protocol):
    """The circuit of a function."""

    @property
    def state(self) -> Mode:
        """The state of the circuit, if the function has one: ``"closed"``, ``"open"`` or ``"half_open"``."""
        ...

    def peek(self, *args: Any, **kwargs: Any) -> Standing:
        """Return how things stand for a call with these arguments, and count nothing."""
        ...

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Open the circuit for calls with these arguments, as if too many had failed."""
        ...

    def close(self, *args: Any, **kwargs: Any) -> None:
        """Close the circuit for calls with these arguments, and forget how they have ended so far."""
        ...


class AsyncBreaker(Protocol):
    """What `Breaker` is, for coroutine functions."""

    @property
    def state(self) -> Coroutine[Any, Any, Mode]:
        """The state of the circuit, if the function has one: ``"closed"``, ``"open"`` or ``"half_open"``."""
        ...

    def peek(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Standing]:
        """Return how things stand for a call with these arguments, and count nothing."""
        ...

    def open(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        """Open the circuit for calls with these arguments, as if too many had failed."""
        ...

    def close(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        """Close the circuit for calls with these arguments, and forget how they have ended so far."""
        ...


class Slowness(Protocol):
    """How slow a function is."""

    def peek(self, *args: Any, **kwargs: Any) -> Pace:
        """Return how fast calls with these arguments are, and count nothing."""
        ...

    def reset(self, *args: Any, **kwargs: Any) -> None:
        """Forget how long calls with these arguments took, and let all of them through."""
        ...


class AsyncSlowness(Protocol):
    """What `Slowness` is, for coroutine functions."""

    def peek(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Pace]:
        """Return how fast calls with these arguments are, and count nothing."""
        ...

    def reset(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        """Forget how long calls with these arguments took, and let all of them through."""
        ...


class Breakable(Protocol[P, R_co]):
    """A function with a circuit breaker."""

    __name__: str
    __qualname__: str
    breaker: Breaker

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __get__(self, obj: None, owner: type[Any]) -> Breakable[P, R_co]: ...
    @overload
    def __get__(self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None) -> Breakable[Rest, R_co]: ...


class AsyncBreakable(Protocol[P, R_co]):
    """A coroutine function with a circuit breaker."""

    __name__: str
    __qualname__: str
    breaker: AsyncBreaker

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...
    @overload
    def __get__(self, obj: None, owner: type[Any]) -> AsyncBreakable[P, R_co]: ...
    @overload
    def __get__(self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None) -> AsyncBreakable[Rest, R_co]: ...


class BreakerDecorator(Protocol):
    """What ``cache.circuit_breaker(...)`` returns."""

    # What tells the two apart is that the result of the first is awaited; to a type checker, a coroutine is an R as well.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        function: Callable[P, Coroutine[Any, Any, R]],  # pyright: ignore[reportOverlappingOverload]
        /,
    ) -> AsyncBreakable[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Breakable[P, R]: ...


class Timed(Protocol[P, R_co]):
    """A function whose calls are timed."""

    __name__: str
    __qualname__: str
    slowness: Slowness

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __get__(self, obj: None, owner: type[Any]) -> Timed[P, R_co]: ...
    @overload
    def __get__(self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None) -> Timed[Rest, R_co]: ...


class AsyncTimed(Protocol[P, R_co]):
    """A coroutine function whose calls are timed."""

    __name__: str
    __qualname__: str
    slowness: AsyncSlowness

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...
    @overload
    def __get__(self, obj: None, owner: type[Any]) -> AsyncTimed[P, R_co]: ...
    @overload
    def __get__(self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None) -> AsyncTimed[Rest, R_co]: ...


class SlowDecorator(Protocol):
    """What ``cache.slow(...)`` returns."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        function: Callable[P, Coroutine[Any, Any, R]],  # pyright: ignore[reportOverlappingOverload]
        /,
    ) -> AsyncTimed[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Timed[P, R]: ...
