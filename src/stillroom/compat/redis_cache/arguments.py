"""The arguments of a call by name, as text, and what the text does not tell of them."""

from __future__ import annotations

import inspect
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from json import dumps
from typing import Any, Final, TypeVar, cast

__all__ = ["chunks", "closes_over_values", "compact_dump", "encoded", "get_args", "mark", "named"]

T = TypeVar("T")

_PLAIN: Final = frozenset({bool, float, int, str, type(None)})


def compact_dump(value: Any) -> str:
    """Return a value as JSON without spaces, with the keys of dicts in order."""
    return dumps(value, separators=(",", ":"), sort_keys=True)


def get_args(fn: Callable[..., Any], args: Iterable[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name, with defaults; further ones as a list or a dict, if there are any.

    Those that are missing are left out.

    Raises:
        TypeError: the function takes no such arguments.
    """
    signature = inspect.signature(fn)
    return _completed(signature, signature.bind_partial(*args, **kwargs).arguments)


def chunks(iterable: Iterable[T], n: int) -> Iterator[list[T]]:
    """Go through an iterable in lists of ``n``."""
    rest = iter(iterable)
    while chunk := list(islice(rest, n)):
        yield chunk


def named(signature: inspect.Signature, args: Iterable[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Do what `get_args` does for a signature; that arguments are missing is a `TypeError`, too."""
    return _completed(signature, signature.bind(*args, **kwargs).arguments)


def encoded(serialized: Any) -> str:
    """Return what a serializer has made of arguments as text without signs that mean something in keys."""
    return b64encode(serialized.encode() if isinstance(serialized, str) else serialized).decode()


def mark(arguments: dict[str, Any]) -> str | None:
    """Return what tells arguments apart that are alike in JSON, such as ``(1, 2)`` and ``[1, 2]``; ``None`` for most."""
    return None if _is_json(arguments) else repr(arguments)


def closes_over_values(fn: Callable[..., Any]) -> bool:
    """Tell whether a function may depend on values from around it, and not just on lists and the like, which are none."""
    if getattr(fn, "__self__", None) is not None:
        return True
    try:
        around = [cell.cell_contents for cell in getattr(fn, "__closure__", None) or ()]
    except ValueError:  # there is nothing there yet
        return True
    return any(type(one).__hash__ is not None for one in around)


def _completed(signature: inspect.Signature, found: Mapping[str, Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, one in signature.parameters.items():
        if name in found:
            arguments[name] = list(found[name]) if one.kind is one.VAR_POSITIONAL else found[name]
        elif one.default is not one.empty:
            arguments[name] = one.default
    return arguments


def _is_json(value: object) -> bool:
    """Tell whether a value comes out of JSON as it was."""
    kind = type(value)
    if kind is list:
        return all(map(_is_json, cast("list[object]", value)))
    if kind is dict:
        members = cast("dict[object, object]", value)
        return all(type(name) is str for name in members) and all(map(_is_json, members.values()))
    return kind in _PLAIN
