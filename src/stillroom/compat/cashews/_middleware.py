"""`Middleware`: what stands around the commands of a cache."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .backends.interface import Backend
    from .commands import Command

__all__ = ["Call", "Middleware"]


class Call(Protocol):
    """What runs a command, or the next middleware within."""

    def __call__(self, *args: Any, **kwargs: Any) -> Awaitable[Any]: ...


class Middleware(Protocol):
    """Stands around commands: calls ``call``, or does not, with the arguments of the command or others."""

    def __call__(
        self, call: Callable[..., Awaitable[Any]], cmd: Command, backend: Backend, /, *args: Any, **kwargs: Any
    ) -> Awaitable[Any]: ...
