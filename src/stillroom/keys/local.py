"""Keys for the memory of this process: tuples of the arguments themselves, wherever that is safe.

The local key of a call with ``n`` keyed parameters is the flat tuple ``(v1, ..., vn, t1, ..., tn)``:

===================  =======================  ===================
argument             v                        t
===================  =======================  ===================
flat                 the argument             its exact type
a numbered instance  its number               `INSTANCE`
any other            its text (see `encode`)  `ENCODED`
===================  =======================  ===================

Two local keys are equal exactly if their texts are. A caller may look up ``(a, b, type(a), type(b))`` for any arguments without
asking whether they are flat: what is stored bears a type of `FLAT` or a mark, and no type equals a mark, so the lookup finds
the right entry or none. It must not *store* under such a tuple; only `local_key` makes keys to store under.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from types import NoneType
from typing import Any, Final, TypeAlias

from ..errors import UncacheableArgument
from .encode import encode, is_built_in
from .instances import InstanceNumber

__all__ = ["ENCODED", "FLAT", "INSTANCE", "LocalKey", "Mark", "local_key", "text_of"]

LocalKey: TypeAlias = "tuple[Hashable, ...]"


class Mark:
    """Stands in a local key where a type would: one object, equal only to itself."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str:
        return self.name  # copies and pickles lead back to the one object


ENCODED: Final = Mark("ENCODED")
INSTANCE: Final = Mark("INSTANCE")

FLAT: Final = {NoneType, bool, int, str, bytes, float}
"""The types that a local key may hold as they are; ``date`` and ``UUID`` join them with the first one that comes along.

Hashing and comparing them is cheap, runs no code of users, and, given the exact type, equality is that of their texts. (A
datetime is not here for its fold, a Decimal for its trailing zeros.) Floats need a look at their value: ``-0.0`` equals
``0.0``, and NaN does not equal itself.
"""

_ALWAYS_FLAT = FLAT - {float}
_LATE_FLAT: Final = frozenset({("datetime", "date"), ("uuid", "UUID")})
"""Types that are flat, too, but whose modules are not worth importing for programs that have no such arguments."""


def local_key(names: Sequence[str], values: Sequence[object]) -> LocalKey:
    """Return the local key of a call.

    Args:
        names: the keyed parameters, for errors.
        values: what was given for each of them.

    Raises:
        UncacheableArgument: one of the values cannot be keyed.
    """
    kinds = tuple(map(type, values))
    if _ALWAYS_FLAT.issuperset(kinds):
        return (*values, *kinds)
    pairs = [_pair(name, value) for name, value in zip(names, values, strict=True)]
    return (*(value for value, _ in pairs), *(mark for _, mark in pairs))


def text_of(names: Sequence[str], key: LocalKey, *, shared: bool) -> str:
    """Return the text of the arguments in a local key, such as ``1,'x'``.

    Args:
        names: the keyed parameters, for errors.
        key: a key made by `local_key`.
        shared: the text is for a store that other processes use, too, not just for display.

    Raises:
        UncacheableArgument: ``shared``, and the key holds the number of an instance, which means nothing to other processes.
    """
    count = len(key) // 2
    parts = zip(names, key[:count], key[count:], strict=True)
    return ",".join([_text(name, value, mark, shared) for name, value, mark in parts])


def _pair(name: str, value: object) -> tuple[Any, Any]:
    kind = type(value)
    if kind in _ALWAYS_FLAT or (kind is float and value == value != 0.0) or _joins_flat(kind):
        return value, kind
    return (value, INSTANCE) if kind is InstanceNumber else (encode(value, name), ENCODED)


def _joins_flat(kind: type[Any]) -> bool:
    if (kind.__module__, kind.__qualname__) not in _LATE_FLAT or not is_built_in(kind):
        return False
    FLAT.add(kind)
    _ALWAYS_FLAT.add(kind)
    return True


def _text(name: str, value: object, mark: object, shared: bool) -> str:
    if mark is ENCODED:
        return str(value)
    if mark is not INSTANCE:
        return encode(value, name)
    if shared:
        raise _not_shared(name, value)
    return repr(value)


def _not_shared(name: str, number: object) -> UncacheableArgument:
    owner = number.owner() if isinstance(number, InstanceNumber) else None
    shown = owner.__qualname__ if owner else "its class"
    return UncacheableArgument(
        f"{name} cannot be part of a key in a shared store: which instance of {shown} it is means nothing to other processes. "
        f'Ways out: say what identifies it with key="...{{{name}.id}}" or register_key_type({shown}, function); '
        f'make {shown} a frozen dataclass; leave it out with ignore=("{name}",).',
        parameter=name,
        type=owner or object,
    )
