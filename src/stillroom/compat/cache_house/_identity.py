"""What stands in a key for a function, and for an object that has no value.

Values are written out exactly, as in the keys of stillroom's own functions. An object that is none has a number instead, which
no other object ever has, in this process or another one: results for it are found as long as it lives.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import blake2b
from itertools import count
from types import CodeType, ModuleType
from typing import Any, Final, NamedTuple, cast
from uuid import uuid4
from weakref import ref

from ... import Cache, UncacheableArgument

__all__ = ["exactly", "identity", "stand_in"]

_USED_UP: Final = ("__next__", "__anext__")

_process = uuid4().hex
_numbers: Final = count(1)
_numbered: Final[dict[int, tuple[ref[Any], int]]] = {}


def _of_process(*parts: Any) -> None:
    """Stand for whatever has parts; it is never called, but its keys tell all parts apart."""


_parts: Final = Cache()(name="parts")(_of_process)


def exactly(*parts: Any) -> str:
    """Return the text that stands for these values and for no others.

    Raises:
        UncacheableArgument: one of them has no value.
    """
    return _parts.key(*parts)


def identity(function: Callable[..., Any]) -> tuple[str, str]:
    """Return the module and the full name of a function, with what tells it from others of that name.

    The first one of a name that stands in a module or class goes by that alone, whatever it closes over, so that all processes
    know it by that. Of lambdas and functions within functions there may be several at any time.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    owner = getattr(function, "__self__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return type(function).__module__, f"{type(function).__qualname__}~{_number(function)}"
    if owner is not None and not isinstance(owner, ModuleType):
        return module, f"{name}~{_text_or_number(owner)}"
    mine = _Claim(_code_of(function), bool(getattr(function, "__closure__", None)))
    if "<" in name:
        return module, f"{name}~{mine.code}~{_around(function)}"
    first = _claims.setdefault((module, name), mine)
    if first is mine or (first == mine and not mine.closes_over):
        return module, name
    return module, f"{name}~{_number(function) if mine.closes_over else mine.code}"


class _Claim(NamedTuple):
    """The first function of a name: its code, and whether it closes over something."""

    code: str
    closes_over: bool


_claims: Final[dict[tuple[str, str], _Claim]] = {}


def _code_of(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    told = _told(code) if isinstance(code, CodeType) else type(function).__qualname__
    return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _told(one: object) -> str:
    if isinstance(one, CodeType):
        return f"<{one.co_code.hex()} {one.co_names} {[*map(_told, one.co_consts)]}>"
    return f"{{{sorted(map(repr, cast('Any', one)))}}}" if type(one) is frozenset else repr(one)  # a set has no order


def _around(function: Callable[..., Any]) -> str:
    """Return what a function closes over, as text; its own number if there is something that may change."""
    try:
        values = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
        hash(tuple(values))  # what can change is no value
        return exactly(*values)
    except Exception:  # there is nothing there yet, or it has no value
        return _number(function)


def stand_in(one: Any) -> str | None:
    """Return what stands for an object without a value: its class if it has no attributes, else its number.

    ``None`` if nothing can: what was not made by a class of Python's, or is used up by being looked at, is not what it was a
    moment ago.
    """
    kind = cast("Any", type(one))
    if not _has_only_attributes(kind):
        return None
    return _number(one) if vars(one) else f"a {_text_or_number(kind)}"


class _Bare:
    """As large as any object that has attributes and nothing else."""


def _has_only_attributes(kind: type[Any]) -> bool:
    if any(hasattr(kind, name) for name in _USED_UP):
        return False
    return kind.__basicsize__ == _Bare.__basicsize__ and kind.__itemsize__ == 0


def _text_or_number(one: Any) -> str:
    try:
        return exactly(one)
    except UncacheableArgument:
        return _number(one)


def _number(one: Any) -> str:
    key = id(one)
    known = _numbered.get(key)
    if known is None or known[0]() is not one:
        known = _numbered[key] = (ref(one, lambda gone: _forget(key, gone)), next(_numbers))
    return f"{_process}.{known[1]}"


def _forget(key: int, gone: ref[Any]) -> None:
    known = _numbered.get(key)
    if known is not None and known[0] is gone:
        del _numbered[key]


def _renew() -> None:
    global _process  # noqa: PLW0603 - a forked child gives the same numbers to other objects
    _process = uuid4().hex


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
