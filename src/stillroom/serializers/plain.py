"""What needs no more than lists, dicts and scalars: which values are like that, and ``serializer="msgpack"`` for them.

The plain part of a value's types means the same to Python and MessagePack, so it is stored by msgspec as it is. Types are known
exactly: an instance of a subclass would come back as its base.
"""

from __future__ import annotations

from types import NoneType
from typing import Any

from .refusals import DEEPEST, Refused, item_step
from .wire import wire

__all__ = ["JSON_SCALARS", "SCALARS", "PlainSerializer", "is_plain", "refusal", "unwritable"]

SCALARS: frozenset[type[Any]] = frozenset({NoneType, bool, int, float, str, bytes})
JSON_SCALARS = SCALARS - {bytes}
_CONTAINERS: frozenset[type[Any]] = frozenset({list, dict})
_STR = frozenset({str})


def is_plain(value: Any, scalars: frozenset[type[Any]] = SCALARS, levels: int = DEEPEST) -> bool:
    """Tell whether a value consists of lists, dicts with text keys, and scalars alone."""
    kind = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is list:
        members = value
    elif kind is dict:
        if not _STR.issuperset(map(type, value)):
            return False
        members = value.values()
    else:
        return kind in scalars
    nested = {*map(type, members)} - scalars  # sets and map: most values never reach a loop in Python
    if not nested:
        return levels > 0
    if not nested <= _CONTAINERS or levels <= 0:
        return False
    return all(is_plain(member, scalars, levels - 1) for member in members if type(member) in _CONTAINERS)  # stops at the first


def refusal(value: Any, scalars: frozenset[type[Any]], name: str, levels: int = DEEPEST) -> Refused:
    """Return the refusal of the first thing in a value that makes it not plain."""
    kind = type(value)  # pyright: ignore[reportUnknownVariableType]
    if levels < 0:
        return Refused.too_deep(type(value))
    items = enumerate(value) if kind is list else value.items() if kind is dict else ()
    for key, member in items:
        if kind is dict and type(key) is not str:
            refused = Refused(type(key), f"serializer={name!r} would turn this key into text", _ways(type(key)))
            refused.steps.append(".keys()")
            return refused
        if not is_plain(member, scalars, levels - 1):
            refused = refusal(member, scalars, name, levels - 1)
            refused.steps.append(item_step(key))
            return refused
    return Refused(kind, f"serializer={name!r} has no {kind.__name__} that would come back as it is", _ways(kind))


def unwritable(value: object, name: str, error: Exception) -> Refused:
    """Return the refusal of a plain value that the format cannot write."""
    return Refused(type(value), f"serializer={name!r} cannot write it ({error})", _ways(type(value)))


def _ways(kind: Any) -> tuple[str, ...]:
    return (
        'use serializer="auto", which knows more types; annotate the function with the classes it returns',
        f"make the type known to it with register_type({kind.__name__})",
        'use serializer="pickle" with a secret',
    )


class PlainSerializer:
    """``serializer="msgpack"``: plain values as MessagePack, everything else refused.

    Its bytes are those that ``"auto"`` makes of a plain value, so each reads the other's.
    """

    def __init__(self) -> None:
        this = wire()
        self._encode = this.encode
        self._decode = this.decoder(_no_extensions)

    def __repr__(self) -> str:
        return "PlainSerializer()"

    def dump(self, value: Any) -> bytes:
        try:
            if is_plain(value):
                return self._encode(value)
            refused = refusal(value, SCALARS, "msgpack")
        except (OverflowError, ValueError, RuntimeError) as error:  # a huge int, a lone surrogate, changed while it was read
            refused = unwritable(value, "msgpack", error)
        raise refused.error()

    def load(self, data: bytes) -> Any:
        try:
            return self._decode(data)
        except Exception as error:
            raise ValueError(f"these bytes are no plain MessagePack: {type(error).__name__}") from error


def _no_extensions(code: int, _: memoryview) -> Any:
    raise ValueError(f"an extension of type {code} among plain values")
