"""What is decorated in the place of a function whose calls are keyed by something else than their arguments.

stillroom keys a call by its arguments. Where another library has a key of its own, such as a text that the user's function
makes, it is this key that is the argument, and the call itself is one that is ignored::

    answer = cache(ignore=("call",))(keyed(function))
    answer("user:5", partial(function, 5))
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final

__all__ = ["AsyncKeyed", "Keyed", "keyed", "plain"]

_SHOWN: Final = frozenset({"__closure__", "__code__", "__defaults__", "__kwdefaults__", "__name__", "__qualname__", "__self__"})
"""What stillroom tells functions apart by."""


class Keyed:
    """Stands for a function: it goes by its name, and depends on where it was made as the function does.

    Args:
        function: the function.
    """

    __signature__ = inspect.Signature([inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in ("key", "call")])

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__module__ = function.__module__
        self._function = function

    def __call__(self, key: object, call: Callable[[], Any]) -> Any:
        return call()

    def __getattr__(self, name: str) -> Any:
        if name not in _SHOWN:
            raise AttributeError(name)
        return getattr(self._function, name)


class AsyncKeyed(Keyed):
    """The same for a coroutine function."""

    async def __call__(self, key: object, call: Callable[[], Awaitable[Any]]) -> Any:
        return await call()


def keyed(function: Callable[..., Any]) -> Keyed:
    """Return what stands for a function."""
    return AsyncKeyed(function) if inspect.iscoroutinefunction(function) else Keyed(function)


def plain(decorated: Any) -> Any:
    """Return what a decorated function is outside of the body of a class, for a wrapper that does the binding."""
    return decorated.__get__(None, object)
