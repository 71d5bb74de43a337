"""The texts of built-in containers.

A member's text has no comma, colon or closing bracket outside of its own quotes and brackets, so the texts of members can
simply be joined. What has no order is sorted by the texts of its members, never by their hashes.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .walk import Encoder, Walk

__all__ = ["ENCODERS"]


def _at(index: int) -> str:
    return f"[{index}]"


def _tuple(value: tuple[object, ...], walk: Walk) -> str:
    return f"({','.join(walk.texts(value, value, _at))}{',' if len(value) == 1 else ''})"


def _list(value: list[object], walk: Walk) -> str:
    return f"[{','.join(walk.texts(value, value, _at))}]"


def _deque(value: deque[object], walk: Walk) -> str:
    return f"deque([{','.join(walk.texts(value, value, _at))}],{value.maxlen})"


def _set(value: set[object], walk: Walk) -> str:
    return f"{{{_sorted(value, walk)}}}" if value else "set()"


def _frozenset(value: frozenset[object], walk: Walk) -> str:
    return f"frozenset({{{_sorted(value, walk)}}})" if value else "frozenset()"


def _sorted(members: set[object] | frozenset[object], walk: Walk) -> str:
    return ",".join(sorted(walk.texts(members, members, "{...}")))


def _dict(value: dict[object, object], walk: Walk) -> str:
    return f"{{{','.join(sorted(_items(value, walk)))}}}"


def _ordered_dict(value: OrderedDict[object, object], walk: Walk) -> str:
    return f"OrderedDict({','.join(_items(value, walk))})"


def _items(value: dict[object, object], walk: Walk) -> list[str]:
    value = value.copy()  # another thread may change it between the two passes
    keys = walk.texts(value, value, ".keys()")
    members = walk.texts(value, value.values(), _under(keys))
    return [f"{key}:{member}" for key, member in zip(keys, members, strict=True)]


def _under(keys: list[str]) -> Callable[[int], str]:
    return lambda index: f"[{keys[index]}]"


def _range(value: range, walk: Walk) -> str:
    return f"range({','.join(walk.texts(value, _canonical(value), _at))})"


def _canonical(value: range) -> tuple[int, int, int]:
    # Equal ranges may have been written differently: range(0, 3, 2) has the same members as range(0, 4, 2).
    if not value:
        return 0, 0, 1
    first, last = value[0], value[-1]
    step = value.step if first != last else 1
    return first, last + step, step


def _slice(value: slice, walk: Walk) -> str:
    return f"slice({','.join(walk.texts(value, (value.start, value.stop, value.step), _at))})"


ENCODERS: dict[type[Any], Encoder] = {
    tuple: _tuple,
    list: _list,
    deque: _deque,
    set: _set,
    frozenset: _frozenset,
    dict: _dict,
    OrderedDict: _ordered_dict,
    range: _range,
    slice: _slice,
}
"""The encoders of built-in containers, by exact type."""
