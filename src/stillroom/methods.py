"""Cached functions in the body of a class: what ``obj.method`` and ``Class.method`` give.

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

if TYPE_CHECKING:
    from .function import Operations

__all__ = ["BoundFunction", "CachedMethod", "descriptor"]


class BoundFunction:
    """A cached method of one object, or a cached class method of one class. Subclasses bring a compiled ``__call__``."""

    __slots__ = ("__self__", "__weakref__")

    __func__: Callable[..., Any]
    operations: Operations

    def __init__(self, owner: Any, obj: Any = MISSING) -> None:
        # With two arguments, the function first, as the type of bound methods takes them: `weakref.WeakMethod` goes by that.
        self.__self__ = owner if obj is MISSING else obj

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__func__, name)

    def __repr__(self) -> str:
        return f"<bound cached method {self.__func__.__qualname__} of {self.__self__!r}>"

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
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self._function = function

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<cached method {self._function.__qualname__}>"

    def __getattr__(self, name: str) -> Any:
        if name == "_function":  # not there yet, as in a copy that is being made
            raise AttributeError(name)
        return getattr(self._function, name)


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

    made: type[CachedMethod] = type("CachedMethod", (CachedMethod,), {"__get__": bind_class if of_class else bind})
    return made(function)
