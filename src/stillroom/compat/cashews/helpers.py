"""Middlewares that are ready to use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ._middleware import Middleware
from .backends.interface import Backend
from .commands import PATTERN_CMDS, Command
from .utils import get_obj_size

__all__ = ["add_prefix", "all_keys_lower", "memory_limit"]


def add_prefix(prefix: str) -> Middleware:
    """Return a middleware that puts a text before all keys."""
    return _renaming(lambda key: prefix + key)


def all_keys_lower() -> Middleware:
    """Return a middleware that makes all keys lower case."""
    return _renaming(str.lower)


def memory_limit(min_bytes: int = 0, max_bytes: int | None = None) -> Middleware:
    """Return a middleware that does not store what is smaller or larger than this."""

    def fits(value: Any) -> bool:
        weight = get_obj_size(value)
        return weight >= min_bytes and (not max_bytes or weight <= max_bytes)

    async def limit(call: Callable[..., Awaitable[Any]], cmd: Command, _: Backend, *args: Any, **kwargs: Any) -> Any:
        if cmd is Command.SET_MANY:
            kwargs["pairs"] = {key: value for key, value in kwargs["pairs"].items() if fits(value)}
            if not kwargs["pairs"]:
                return None
        elif cmd is Command.SET and not fits(kwargs["value"]):
            return None
        return await call(*args, **kwargs)

    return limit


def _renaming(rename: Callable[[str], str]) -> Middleware:
    async def renaming(call: Callable[..., Awaitable[Any]], cmd: Command, _: Backend, *args: Any, **kwargs: Any) -> Any:
        if cmd in (Command.GET_MANY, Command.DELETE_MANY):
            return await call(*map(rename, args), **kwargs)
        if cmd is Command.SET_MANY:
            pairs = {rename(key): value for key, value in kwargs.pop("pairs").items()}
            return await call(pairs=pairs, **kwargs)
        name = "pattern" if cmd in PATTERN_CMDS else "key"
        if kwargs.get(name):
            kwargs[name] = rename(kwargs[name])
        elif args:
            args = (rename(args[0]), *args[1:])
        return await call(*args, **kwargs)

    return renaming
