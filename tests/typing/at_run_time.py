"""`assert_type` for a program that runs: what the type checkers are told has to be true."""

from __future__ import annotations

from collections.abc import Iterable
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

__all__ = ["assert_type"]

SPECIAL = {"__call__", "__doc__", "__name__", "__qualname__", "__wrapped__"}


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
    if origin is Literal:
        return value in arguments
    if origin is None or origin is type(None):
        return value is None
    if getattr(origin, "_is_protocol", False) and origin.__module__ == "stillroom.decorated":
        return all(hasattr(value, name) for name in _members(origin))
    if not isinstance(value, origin):
        return False
    items: Iterable[Any] = value if origin in (list, tuple) else ()
    return all(_fits(item, arguments[0]) for item in items)


def _members(protocol: type) -> set[str]:
    """Return the names that a protocol promises; ``__get__`` is not among them, which is for classes to look up."""
    return {name for name in dir(protocol) if not name.startswith("_")} | SPECIAL
