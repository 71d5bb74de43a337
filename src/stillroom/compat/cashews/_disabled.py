"""What a command does that is disabled: nothing, and what it asks for is not there.

While *all* commands are disabled, what makes a value out of date still counts: deletions are made, and to set a value is to
forget the former one. Otherwise that would be served again once the commands are enabled. Who disables a deletion by name
means it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from .commands import PATTERN_CMDS, Command

if TYPE_CHECKING:
    from .backends.interface import Backend

__all__ = ["nothing", "unless_disabled"]

_FORGETS = frozenset({Command.DELETE, Command.DELETE_MANY, Command.DELETE_MATCH, Command.CLEAR})


async def unless_disabled(
    call: Callable[..., Awaitable[Any]], cmd: Command, backend: Backend, *args: Any, **kwargs: Any
) -> Any:
    """Run a command, unless it is disabled; a middleware."""
    if not backend.is_disable(cmd):
        return await call(*args, **kwargs)
    if backend.is_full_disable:
        await _forget(call, cmd, backend, *args, **kwargs)
    if cmd is Command.GET:
        return kwargs.get("default")
    if cmd is Command.GET_MANY:
        return (kwargs.get("default"),) * len(args)
    return nothing() if cmd in PATTERN_CMDS and cmd is not Command.DELETE_MATCH else None


async def nothing() -> AsyncIterator[Any]:
    """Go through nothing at all."""
    empty: tuple[Any, ...] = ()
    for one in empty:
        yield one


async def _forget(call: Callable[..., Awaitable[Any]], cmd: Command, backend: Backend, *args: Any, **kwargs: Any) -> None:
    if cmd in _FORGETS:
        await call(*args, **kwargs)
    elif cmd in (Command.SET, Command.INCR, Command.EXPIRE, Command.SET_RAW):
        await backend.delete(kwargs["key"])
    elif cmd is Command.SET_MANY:
        await backend.delete_many(*kwargs["pairs"])
