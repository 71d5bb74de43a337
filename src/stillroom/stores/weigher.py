"""How many bytes a key and its value take, roughly."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final, TypeAlias, cast

from ..errors import ConfigurationError

__all__ = ["Weigher", "chosen", "weigh"]

Weigher: TypeAlias = Callable[[Any, Any], int]
"""Returns the weight of a local key and a value."""

_SAMPLE: Final = 50  # parts of one object that are weighed, evenly spaced, to stand for all of its parts
_EFFORT: Final = 2_000  # objects that are weighed with their parts; of those beyond, only what they take themselves counts
_DEPTH: Final = 50

_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, CodeType)
"""Belong to the program, not to the values that refer to them."""


def chosen(weigher: Weigher | None, max_bytes: int | None) -> Weigher | None:
    """Return what weighs entries; ``None`` if nobody asks for weights.

    Raises:
        ConfigurationError: a weigher was given that cannot be called, or that there is no use for.
    """
    if weigher is not None and max_bytes is None:
        raise ConfigurationError("weigher has no use without max_bytes", setting="weigher", given=weigher)
    if weigher is not None and not callable(weigher):
        raise ConfigurationError(f"weigher must be callable, not {weigher!r}", setting="weigher", given=weigher)
    return None if max_bytes is None else weigher or weigh


def weigh(key: object, value: object) -> int:
    """Return the approximate size in bytes of a key and its value.

    It adds up what ``sys.getsizeof`` says of both and of all that they refer to, such as items and attributes, each object
    once. Objects that the rest of the program uses as well, such as ``None`` and short text, count in full. Of large
    containers only some items are weighed and taken to stand for the others, so that no value takes longer than a few
    milliseconds to weigh.
    """
    weighing = _Weighing()
    return weighing.all_of(key, _DEPTH) + weighing.all_of(value, _DEPTH)


class _Weighing:
    """What has been seen so far, and how much effort is left."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._effort = _EFFORT

    def all_of(self, one: object, depth: int) -> int:
        """Return the size of an object with its parts, so many levels deep; zero if it was seen before."""
        if id(one) in self._seen:
            return 0
        self._seen.add(id(one))
        own = sys.getsizeof(one, 0)
        self._effort -= 1
        return own + self._parts_of(one, depth - 1) if depth and self._effort > 0 else own

    def _parts_of(self, one: object, depth: int) -> int:
        parts = [part for part in _referents(one) if not isinstance(part, _SHARED)]
        step = -(-len(parts) // _SAMPLE) or 1
        sample = parts[::step]
        total = sum([self.all_of(part, depth) for part in sample])
        return total * len(parts) // len(sample) if sample else 0


def _referents(one: object) -> list[object]:
    if isinstance(one, dict):
        named = cast("dict[object, object]", one)
        return [*named.keys(), *named.values()]  # what is there for the garbage collector leaves out keys that are text
    return gc.get_referents(one)  # asks the type itself: no attribute is looked up, so no code of the user runs
