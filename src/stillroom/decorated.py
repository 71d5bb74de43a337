"""What ``@cache(...)`` returns, as type checkers see it.

Nothing is an instance of these types when a program runs. A decorated function is a plain function with attributes, and a
descriptor if it was decorated in the body of a class; each type here describes both. They serve annotations::

    def forget(lookup: CachedFunction[[int], str]) -> None: ...

There is one type for each `Kind` of function. Its ``__get__`` takes the object or the class off the front of the parameters, so
that ``obj.method.invalidate(1)`` is checked as ``obj.method(1)`` is.

What no checker can know: that a function hands on an iterator or a coroutine instead of being a generator or coroutine function
itself; and that it is static, if its first parameter takes any object. A generator must be annotated as an ``Iterator`` or
``Generator``, asynchronous or not, to be told from a function that returns a list.

pyright compares the attributes of classes unbound, so it refuses a cached method that overrides a method or implements a
protocol's; mypy takes both.
"""

# The overloads of `Decorator` overlap on purpose: the first one that fits is the narrowest.
# mypy: disable-error-code="overload-overlap"
# pyright: reportOverlappingOverload=false

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, Protocol, TypeGuard, TypeVar, overload

if TYPE_CHECKING:
    from .observe.stats import FunctionStats

__all__ = ["AsyncCachedFunction", "AsyncCachedGenerator", "CachedFunction", "CachedGenerator", "Decorator"]

P = ParamSpec("P")
"""The parameters of a function."""
Rest = ParamSpec("Rest")
"""The parameters after the first one."""
R = TypeVar("R")
"""What a function returns, or a coroutine function once it is awaited."""
T = TypeVar("T")
"""One item of a generator."""
D = TypeVar("D")
"""What ``peek`` gives if nothing is stored."""
Owner = TypeVar("Owner")
"""The object that a method is called on, or an instance of the class that a class method is called on."""

Call_co = TypeVar("Call_co", covariant=True)
"""What a call gives."""
Value = TypeVar("Value")
"""What the helpers give."""
Given_contra = TypeVar("Given_contra", contravariant=True)
"""What ``put`` takes."""
Owner_contra = TypeVar("Owner_contra", contravariant=True)


# What the kinds share


class _Cached(Protocol[P, Call_co]):
    """What all cached functions offer, blocking or not."""

    __name__: str
    __qualname__: str

    @property
    def __wrapped__(self) -> Callable[P, Call_co]:
        """The function as it was written."""
        ...

    @property
    def stats(self) -> FunctionStats:
        """The counts of this function."""
        ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Call_co:
        """Answer a call, from the cache if it can."""
        ...

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the key for these arguments, as text."""
        ...

    def bypass(self, *args: P.args, **kwargs: P.kwargs) -> Call_co:
        """Run the function and return what it returns; the cache is neither read nor changed."""
        ...


class _Blocking(_Cached[P, Call_co], Protocol[P, Call_co, Value, Given_contra]):
    """The helpers of functions that are called from blocking code."""

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the result for these arguments, and tell whether there was a fresh value."""
        ...

    def invalidate_all(self) -> None:
        """Forget all results of this function."""
        ...

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> Value:
        """Load now, store the value, and return it."""
        ...

    @overload
    def peek(self, *args: P.args, **kwargs: P.kwargs) -> Value | None:
        """Return the fresh value that is stored for these arguments, or ``default``; never load."""
        ...

    @overload  # a ParamSpec allows no keyword of one's own beside it, so the arguments go unchecked here
    def peek(self, *args: Any, default: D, **kwargs: Any) -> Value | D: ...

    def put(self, value: Given_contra, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Store a value as the result for these arguments."""
        ...

    def many(self, calls: Iterable[Any]) -> list[Value]:
        """Answer several calls at once, in the order asked: each a tuple, a mapping of names, or the only argument itself."""
        ...


class _Awaited(_Cached[P, Call_co], Protocol[P, Call_co, Value, Given_contra]):
    """The helpers of functions that are called from asyncio code: those of `_Blocking`, to be awaited."""

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, bool]:
        """Forget the result for these arguments, and tell whether there was a fresh value."""
        ...

    def invalidate_all(self) -> Coroutine[Any, Any, None]:
        """Forget all results of this function."""
        ...

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Value]:
        """Load now, store the value, and return it."""
        ...

    @overload
    def peek(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Value | None]:
        """Return the fresh value that is stored for these arguments, or ``default``; never load."""
        ...

    @overload  # unchecked arguments as above
    def peek(self, *args: Any, default: D, **kwargs: Any) -> Coroutine[Any, Any, Value | D]: ...

    def put(self, value: Given_contra, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, None]:
        """Store a value as the result for these arguments."""
        ...

    def many(self, calls: Iterable[Any]) -> Coroutine[Any, Any, list[Value]]:
        """Answer several calls at once, in the order asked: each a tuple, a mapping of names, or the only argument itself."""
        ...


class AnyCached(Protocol):
    """Whatever has been cached, for decorators that leave its type as it is."""

    @property
    def stats(self) -> FunctionStats:
        """The counts of this function."""
        ...

    def invalidate_all(self) -> Any:
        """Forget all results of this function."""
        ...


class _Method(Protocol[Owner_contra, Rest]):
    """Whatever takes an object first."""

    def __call__(self, owner: Owner_contra, /, *args: Rest.args, **kwargs: Rest.kwargs) -> object: ...


class _ClassMethod(Protocol[Owner_contra, Rest]):
    """Whatever takes a class first."""

    def __call__(self, owner: type[Owner_contra], /, *args: Rest.args, **kwargs: Rest.kwargs) -> object: ...


# The kinds. Each ``__get__`` tells, in this order: a class method, a method asked of its class, a method, a static method.


class CachedFunction(_Blocking[P, R, R, R], Protocol[P, R]):
    """A cached function that returns an ``R``."""

    @overload
    def __get__(self: _ClassMethod[Owner, Rest], obj: Owner | None, owner: type[Owner]) -> CachedFunction[Rest, R]: ...
    @overload
    def __get__(self, obj: None, owner: type[Any]) -> CachedFunction[P, R]: ...
    @overload
    def __get__(self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None) -> CachedFunction[Rest, R]: ...
    @overload
    def __get__(self, obj: object, owner: type[Any] | None = None) -> CachedFunction[P, R]: ...


class AsyncCachedFunction(_Awaited[P, Coroutine[Any, Any, R], R, R], Protocol[P, R]):
    """A cached coroutine function that returns an ``R`` once it is awaited."""

    @overload
    def __get__(self: _ClassMethod[Owner, Rest], obj: Owner | None, owner: type[Owner]) -> AsyncCachedFunction[Rest, R]: ...
    @overload
    def __get__(self, obj: None, owner: type[Any]) -> AsyncCachedFunction[P, R]: ...
    @overload
    def __get__(self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None) -> AsyncCachedFunction[Rest, R]: ...
    @overload
    def __get__(self, obj: object, owner: type[Any] | None = None) -> AsyncCachedFunction[P, R]: ...


class CachedGenerator(_Blocking[P, Generator[T, None, Any], tuple[T, ...], Iterable[T]], Protocol[P, T]):
    """A cached generator function with items of type ``T``; its helpers deal in tuples of them."""

    @overload
    def __get__(self: _ClassMethod[Owner, Rest], obj: Owner | None, owner: type[Owner]) -> CachedGenerator[Rest, T]: ...
    @overload
    def __get__(self, obj: None, owner: type[Any]) -> CachedGenerator[P, T]: ...
    @overload
    def __get__(self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None) -> CachedGenerator[Rest, T]: ...
    @overload
    def __get__(self, obj: object, owner: type[Any] | None = None) -> CachedGenerator[P, T]: ...


class AsyncCachedGenerator(_Awaited[P, AsyncGenerator[T, None], tuple[T, ...], Iterable[T]], Protocol[P, T]):
    """A cached asynchronous generator function with items of type ``T``; its helpers deal in tuples of them."""

    @overload
    def __get__(self: _ClassMethod[Owner, Rest], obj: Owner | None, owner: type[Owner]) -> AsyncCachedGenerator[Rest, T]: ...
    @overload
    def __get__(self, obj: None, owner: type[Any]) -> AsyncCachedGenerator[P, T]: ...
    @overload
    def __get__(self: _Method[Owner, Rest], obj: Owner, owner: type[Any] | None = None) -> AsyncCachedGenerator[Rest, T]: ...
    @overload
    def __get__(self, obj: object, owner: type[Any] | None = None) -> AsyncCachedGenerator[P, T]: ...


class Decorator(Protocol):
    """What ``cache(...)`` returns: it turns a function, class method or static method into its cached form."""

    # Only a result of type Any passes for a TypeGuard[NoReturn]: pyright would otherwise take it for a coroutine, while mypy
    # makes the whole Any. The second overload keeps mypy from taking a result that is a bare type variable for a coroutine.
    @overload
    def __call__(self, function: Callable[P, TypeGuard[NoReturn]], /) -> CachedFunction[P, Any]: ...
    @overload
    def __call__(self, function: Callable[P, NoReturn], /) -> CachedFunction[..., Any]: ...

    # Functions, class methods and static methods as they stand below ``@cache(...)``.
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncCachedFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, AsyncIterator[T]], /) -> AsyncCachedGenerator[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, Iterator[T]], /) -> CachedGenerator[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...

    # Class methods as objects, which cannot be called themselves; static methods can.
    @overload
    def __call__(
        self, function: classmethod[Owner, P, Coroutine[Any, Any, R]], /
    ) -> AsyncCachedFunction[Concatenate[type[Owner], P], R]: ...
    @overload
    def __call__(
        self, function: classmethod[Owner, P, AsyncIterator[T]], /
    ) -> AsyncCachedGenerator[Concatenate[type[Owner], P], T]: ...
    @overload
    def __call__(self, function: classmethod[Owner, P, Iterator[T]], /) -> CachedGenerator[Concatenate[type[Owner], P], T]: ...
    @overload
    def __call__(self, function: classmethod[Owner, P, R], /) -> CachedFunction[Concatenate[type[Owner], P], R]: ...
