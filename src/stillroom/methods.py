"""Cached and guarded functions in the body of a class: what ``obj.method`` and ``Class.method`` give.

A plain function in a class becomes a bound method by itself, but its attributes do not learn of the object:
``obj.method.invalidate(1)`` could not know its ``obj``. So a function that is decorated in a class body is wrapped in a
descriptor, whose bound form does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import update_wrapper
from types import MethodType
from typing import TYPE_CHECKING, Any

from .entry import MISSING
from .guards.guard import of_owner

if TYPE_CHECKING:
    from .function import Operations

__all__ = ["Bound", "BoundFunction", "BoundGuarded", "CachedMethod", "GuardedMethod", "descriptor", "stands_in_class"]


class Bound:
    """A decorated method of one object, or a decorated class method of one class; each has a subclass with its function."""

    __slots__ = ("__self__", "__weakref__")

    __func__: Callable[..., Any]

    def __init__(self, owner: Any, obj: Any = MISSING) -> None:
        # With two arguments, the function first, as the type of bound methods takes them: `weakref.WeakMethod` goes by that.
        self.__self__ = owner if obj is MISSING else obj

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.__self__ is other.__self__

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.__self__, self.__func__.__name__)

    def __hash__(self) -> int:
        return hash((type(self), id(self.__self__)))

    @property
    def __wrapped__(self) -> Any:
        return MethodType(self.__func__.__wrapped__, self.__self__)  # type: ignore[attr-defined]

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(MethodType(self.__func__, self.__self__))


class BoundFunction(Bound):
    """A cached method of one object, or a cached class method of one class. Subclasses bring a compiled ``__call__``."""

    __slots__ = ()

    operations: Operations

    def __getattr__(self, name: str) -> Any:
        return of_owner(getattr(self.__func__, name), self.__self__)

    def __repr__(self) -> str:
        return f"<bound cached method {self.__func__.__qualname__} of {self.__self__!r}>"

    def invalidate(self, /, *args: Any, **kwargs: Any) -> Any:
        """Forget the result for these arguments."""
        return self.operations.invalidate(self.__self__, *args, **kwargs)

    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Load now, store the value, and return it."""
        return self.operations.refresh(self.__self__, *args, **kwargs)

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return the value that is stored for these arguments, or ``default``."""
        return self.operations.peek(self.__self__, *args, **kwargs)

    def put(self, value: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Store a value as the result for these arguments."""
        return self.operations.put(value, self.__self__, *args, **kwargs)

    def key(self, /, *args: Any, **kwargs: Any) -> str:
        """Return the key for these arguments, as text."""
        return self.operations.key(self.__self__, *args, **kwargs)

    def bypass(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the method; the cache is neither read nor changed."""
        return self.operations.bypass(self.__self__, *args, **kwargs)

    def many(self, calls: Iterable[Any]) -> Any:
        """Answer several calls of this object's method at once, in the order asked."""
        return self.operations.many(calls, first=(self.__self__,))


class CachedMethod:
    """A cached function in the body of a class.

    Args:
        function: the caller, as it works outside of classes, helpers and all.

    Attributes:
        function: the same.
        is_of_class: binding is to the class, as for ``classmethod``.
    """

    is_of_class = False

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self.function = function

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<cached method {self.function.__qualname__}>"

    def __getattr__(self, name: str) -> Any:
        if name == "function":  # not there yet, as in a copy that is being made
            raise AttributeError(name)
        return getattr(self.function, name)


def descriptor(function: Callable[..., Any], bound: type[BoundFunction], *, of_class: bool) -> CachedMethod:
    """Return what stands in the body of a class for a cached function.

    ``__get__`` is made for this one function, as a closure: every call of the method goes through it.

    Args:
        function: the caller, as it works outside of classes.
        bound: the class of what binding gives.
        of_class: binding is to the class, as for ``classmethod``.
    """

    def bind(_: CachedMethod, obj: Any, _owner: type[Any] | None = None) -> Any:
        return function if obj is None else bound(obj)

    def bind_class(_: CachedMethod, obj: Any, owner: type[Any] | None = None) -> Any:
        return bound(type(obj) if owner is None else owner)

    body = {"__get__": bind_class if of_class else bind, "is_of_class": of_class}
    made: type[CachedMethod] = type("CachedMethod", (CachedMethod,), body)
    return made(function)


class GuardedMethod:
    """A guarded function in the body of a class.

    Args:
        function: the caller, as it works outside of classes.
        inner: what was guarded, such as a cached method, whose helpers stay within reach.

    Attributes:
        function: the same.
        is_of_class: binding is to the class, as for ``classmethod``.
    """

    def __init__(self, function: Callable[..., Any], inner: Any) -> None:
        update_wrapper(self, function)
        self.function = function
        self.is_of_class = isinstance(inner, classmethod) or getattr(inner, "is_of_class", False)
        body = {"__slots__": (), "__func__": staticmethod(function), "inner": _bound_alike(inner, self.is_of_class)}
        body |= {"__doc__": function.__doc__, "__module__": function.__module__}
        self._bound: type[BoundGuarded] = type("BoundGuarded", (BoundGuarded,), body)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __get__(self, obj: Any, owner: type[Any] | None = None) -> Any:
        if self.is_of_class:
            return self._bound(type(obj) if owner is None else owner)
        return self.function if obj is None else self._bound(obj)


def _bound_alike(inner: Any, is_of_class: bool) -> property:
    """Return the property of a bound method that is what was guarded, bound to the same."""
    if is_of_class:
        return property(lambda bound: inner.__get__(None, bound.__self__))
    return property(lambda bound: inner.__get__(bound.__self__, type(bound.__self__)))


class BoundGuarded(Bound):
    """A guarded method of one object, or a guarded class method of one class."""

    __slots__ = ()

    inner: Any

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<bound guarded method {self.__func__.__qualname__} of {self.__self__!r}>"

    def __getattr__(self, name: str) -> Any:
        found = vars(self.__func__).get(name)
        known = of_owner(found, self.__self__)
        return known if known is not found else getattr(self.inner, name)


def stands_in_class(function: Callable[..., Any]) -> bool:
    """Tell whether a function is being defined in the body of a class."""
    if getattr(function, "__self__", None) is not None:
        return False  # bound already
    around = str(getattr(function, "__qualname__", "")).split(".")[:-1]
    return bool(around) and around[-1].isidentifier()
