"""`assert_type` for a program that runs: what the type checkers are told has to be true."""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

__all__ = ["assert_type"]


def assert_type(value: Any, expected: Any) -> Any:
    """Return a value, unless it is not of the type that is expected."""
    assert _fits(value, expected), f"{value!r} is no {expected}"
    return value


def _fits(value: Any, expected: Any) -> bool:
    origin, arguments = get_origin(expected) or expected, get_args(expected)
    if origin is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in arguments)
    if origin is None or origin is type(None):
        return value is None
    if getattr(origin, "_is_protocol", False) and origin.__module__ == "stillroom.decorated":
        return all(hasattr(value, name) for name in _members(origin))
    if origin in (list, tuple):
        return isinstance(value, origin) and all(_fits(item, arguments[0]) for item in value)
    return isinstance(value, origin)


def _members(protocol: type) -> set[str]:
    """Return the names that a protocol of stillroom promises; ``__get__`` is for classes, which look it up themselves."""
    bases = [base for base in protocol.__mro__ if base.__module__ == protocol.__module__]
    named = {name for base in bases for name in (*vars(base), *base.__dict__.get("__annotations__", {}))}
    return {name for name in named if not name.startswith("_")} | {"__call__", "__name__", "__qualname__", "__doc__", "__wrapped__"}
