"""What ``@cache.batch(...)`` returns, as type checkers see it; see `stillroom.batching` for how it works.

A batch function is called as the function it was made of. Of what the function of one item takes no checker can know, since one
parameter has another name and type there; so its arguments go unchecked, as do those of ``put``.
"""

# The overloads of `BatchDecorator` overlap on purpose: to a type checker, a coroutine could be a mapping as well.
# mypy: disable-error-code="overload-overlap"
# pyright: reportOverlappingOverload=false

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from .decorated import AsyncCachedFunction, CachedFunction
    from .observe.stats import FunctionStats

__all__ = ["AsyncBatchFunction", "BatchDecorator", "BatchFunction"]

P = ParamSpec("P")
Rest = ParamSpec("Rest")
K = TypeVar("K")
V = TypeVar("V")
R_co = TypeVar("R_co", covariant=True)
Owner = TypeVar("Owner")
Owner_contra = TypeVar("Owner_contra", contravariant=True)


class _Method(Protocol[Owner_contra, Rest]):
    """Whatever takes an object first."""

    def __call__(self, owner: Owner_contra, /, *args: Rest.args, **kwargs: Rest.kwargs) -> object: ...


class _ClassMethod(Protocol[Owner_contra, Rest]):
    """Whatever takes a class first."""

    def __call__(self, owner: type[Owner_contra], /, *args: Rest.args, **kwargs: Rest.kwargs) -> object: ...


class BatchFunction(Protocol[P, R_co, V]):
    """A batch function that returns an ``R`` of values of type ``V``."""

    __name__: str
    __qualname__: str
    one: CachedFunction[..., V | None]

    @property
    def stats(self) -> FunctionStats:
        """The counts of this function, by items; a load is one run of it."""
        ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Answer a call: items that are there come from the cache, the others from one run of the function."""
        ...

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> int:
        """Forget these items, and return how many there were."""
        ...

    def invalidate_all(self) -> None:
        """Forget all items of this function."""
        ...

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Load these items now, store them, and return what a call would."""
        ...

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> dict[Any, V]:
        """Return those items of which there is a fresh value; never load."""
        ...

    def put(self, *args: Any, **kwargs: Any) -> None:
        """Store values for items, given as a mapping in the place of the items."""
        ...

    def bypass(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the function and return what a call would; the cache is neither read nor changed."""
        ...

    @overload
    def __get__(self: _ClassMethod[Owner, Rest], obj: Owner | None, owner: type[Owner]) -> BatchFunction[Rest, R_co, V]: ...
    @overload
    def __get__(self, obj: None, owner: type[Any]) -> BatchFunction[P, R_co, V]: ...
    @overload
    def __get__(self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None) -> BatchFunction[Rest, R_co, V]: ...


class AsyncBatchFunction(Protocol[P, R_co, V]):
    """What `BatchFunction` is, for coroutine functions."""

    __name__: str
    __qualname__: str
    one: AsyncCachedFunction[..., V | None]

    @property
    def stats(self) -> FunctionStats:
        """The counts of this function, by items; a load is one run of it."""
        ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]:
        """Answer a call: items that are there come from the cache, the others from one run of the function."""
        ...

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, int]:
        """Forget these items, and return how many there were."""
        ...

    def invalidate_all(self) -> Coroutine[Any, Any, None]:
        """Forget all items of this function."""
        ...

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]:
        """Load these items now, store them, and return what a call would."""
        ...

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, dict[Any, V]]:
        """Return those items of which there is a fresh value; never load."""
        ...

    def put(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        """Store values for items, given as a mapping in the place of the items."""
        ...

    def bypass(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]:
        """Run the function and return what a call would; the cache is neither read nor changed."""
        ...

    @overload
    def __get__(
        self: _ClassMethod[Owner, Rest], obj: Owner | None, owner: type[Owner]
    ) -> AsyncBatchFunction[Rest, R_co, V]: ...
    @overload
    def __get__(self, obj: None, owner: type[Any]) -> AsyncBatchFunction[P, R_co, V]: ...
    @overload
    def __get__(
        self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None
    ) -> AsyncBatchFunction[Rest, R_co, V]: ...


class BatchDecorator(Protocol):
    """What ``cache.batch(...)`` returns."""

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, Mapping[K, V]]], /
    ) -> AsyncBatchFunction[P, dict[K, V], V]: ...
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, Sequence[V]]], /) -> AsyncBatchFunction[P, list[V], V]: ...
    @overload
    def __call__(self, function: Callable[P, Mapping[K, V]], /) -> BatchFunction[P, dict[K, V], V]: ...
    @overload
    def __call__(self, function: Callable[P, Sequence[V]], /) -> BatchFunction[P, list[V], V]: ...
    @overload
    def __call__(
        self, function: classmethod[Owner, P, Coroutine[Any, Any, Mapping[K, V]]], /
    ) -> AsyncBatchFunction[Concatenate[type[Owner], P], dict[K, V], V]: ...
    @overload
    def __call__(
        self, function: classmethod[Owner, P, Coroutine[Any, Any, Sequence[V]]], /
    ) -> AsyncBatchFunction[Concatenate[type[Owner], P], list[V], V]: ...
    @overload
    def __call__(
        self, function: classmethod[Owner, P, Mapping[K, V]], /
    ) -> BatchFunction[Concatenate[type[Owner], P], dict[K, V], V]: ...
    @overload
    def __call__(
        self, function: classmethod[Owner, P, Sequence[V]], /
    ) -> BatchFunction[Concatenate[type[Owner], P], list[V], V]: ...
