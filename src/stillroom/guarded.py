"""What guards make of functions, as type checkers see it; see `stillroom.guarding` for how it works.

Parameters and result stay as they were. What users reach a guard by comes in two forms: for coroutine functions, what its
methods return is to be awaited. Where a guard stands above ``@cache(...)``, the type stays that of the cached function.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from .decorated import AnyCached
from .guards.bloom import Contents
from .guards.rate import Standing

__all__ = [
    "AsyncBloomFilter",
    "AsyncBloomed",
    "AsyncLimited",
    "AsyncLimiter",
    "BloomFilter",
    "Bloomed",
    "BloomedDecorator",
    "Limited",
    "LimitedDecorator",
    "Limiter",
]

P = ParamSpec("P")
Rest = ParamSpec("Rest")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Owner = TypeVar("Owner")
Owner_contra = TypeVar("Owner_contra", contravariant=True)
C = TypeVar("C", bound=AnyCached)


class Limiter(Protocol):
    """The limit of a function.

    Attributes:
        limit: how many calls are let through in a period.
        period: the length of the period, in seconds.
    """

    limit: int
    period: float

    def peek(self, *args: Any, **kwargs: Any) -> Standing:
        """Return how things stand for a call with these arguments, and count nothing."""
        ...

    def reset(self, *args: Any, **kwargs: Any) -> None:
        """Forget the calls so far with these arguments, and a ban."""
        ...


class AsyncLimiter(Protocol):
    """What `Limiter` is, for coroutine functions."""

    limit: int
    period: float

    def peek(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Standing]:
        """Return how things stand for a call with these arguments, and count nothing."""
        ...

    def reset(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        """Forget the calls so far with these arguments, and a ban."""
        ...


class _Method(Protocol[Owner_contra, Rest]):
    """Whatever takes an object first."""

    def __call__(self, owner: Owner_contra, /, *args: Rest.args, **kwargs: Rest.kwargs) -> object: ...


class Limited(Protocol[P, R_co]):
    """A function with a limit."""

    __name__: str
    __qualname__: str
    limiter: Limiter

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __get__(self, obj: None, owner: type[Any]) -> Limited[P, R_co]: ...
    @overload
    def __get__(self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None) -> Limited[Rest, R_co]: ...


class AsyncLimited(Protocol[P, R_co]):
    """A coroutine function with a limit."""

    __name__: str
    __qualname__: str
    limiter: AsyncLimiter

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...
    @overload
    def __get__(self, obj: None, owner: type[Any]) -> AsyncLimited[P, R_co]: ...
    @overload
    def __get__(self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None) -> AsyncLimited[Rest, R_co]: ...


class LimitedDecorator(Protocol):
    """What ``cache.rate_limit(...)`` returns."""

    # What tells the last two apart is that the result of the first is awaited; to a type checker, a coroutine is an R as well.
    @overload
    def __call__(self, function: C, /) -> C: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        function: Callable[P, Coroutine[Any, Any, R]],  # pyright: ignore[reportOverlappingOverload]
        /,
    ) -> AsyncLimited[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Limited[P, R]: ...


# Bloom filters


class BloomFilter(Protocol):
    """The filter of a predicate."""

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Say that the function may answer True for these arguments."""
        ...

    def fill(self, calls: Iterable[Any]) -> None:
        """Make the filter anew: the function may answer True for these calls, and for no others."""
        ...

    def peek(self) -> Contents | None:
        """Return what is in the filter; ``None`` if it is certain of nothing."""
        ...


class AsyncBloomFilter(Protocol):
    """What `BloomFilter` is, for coroutine functions."""

    def add(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        """Say that the function may answer True for these arguments."""
        ...

    def fill(self, calls: Iterable[Any]) -> Coroutine[Any, Any, None]:
        """Make the filter anew: the function may answer True for these calls, and for no others."""
        ...

    def peek(self) -> Coroutine[Any, Any, Contents | None]:
        """Return what is in the filter; ``None`` if it is certain of nothing."""
        ...


class Bloomed(Protocol[P]):
    """A predicate with a filter."""

    __name__: str
    __qualname__: str
    bloom: BloomFilter

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    def add(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Say that the function may answer True for these arguments."""
        ...

    @overload
    def __get__(self, obj: None, owner: type[Any]) -> Bloomed[P]: ...
    @overload
    def __get__(self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None) -> Bloomed[Rest]: ...


class AsyncBloomed(Protocol[P]):
    """A predicate with a filter that is a coroutine function."""

    __name__: str
    __qualname__: str
    bloom: AsyncBloomFilter

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, bool]: ...
    def add(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, None]:
        """Say that the function may answer True for these arguments."""
        ...

    @overload
    def __get__(self, obj: None, owner: type[Any]) -> AsyncBloomed[P]: ...
    @overload
    def __get__(self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None) -> AsyncBloomed[Rest]: ...


class BloomedDecorator(Protocol):
    """What ``cache.bloom(...)`` returns."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, bool]], /) -> AsyncBloomed[P]: ...
    @overload
    def __call__(self, function: Callable[P, bool], /) -> Bloomed[P]: ...
