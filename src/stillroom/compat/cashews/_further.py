"""What commands do in a block of `invalidate_further`: forget what they are asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ._disabled import nothing
from .commands import RETRIEVE_CMDS, Command

if TYPE_CHECKING:
    from .backends.interface import Backend

__all__ = ["unless_invalidating"]


async def unless_invalidating(
    call: Callable[..., Awaitable[Any]], cmd: Command, backend: Backend, *args: Any, **kwargs: Any
) -> Any:
    """Run a command; if it is one that asks for values, forget them instead. A middleware."""
    if cmd not in RETRIEVE_CMDS:
        return await call(*args, **kwargs)
    if cmd is Command.GET_MATCH:
        await backend.delete_match(kwargs["pattern"])
        return nothing()
    if cmd is Command.GET_MANY:
        await backend.delete_many(*args)
        return (kwargs.get("default"),) * len(args)
    await backend.delete(kwargs["key"])
    return kwargs.get("default")
