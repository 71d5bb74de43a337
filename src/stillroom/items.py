"""The items of a batch function: where they stand among its arguments, what it returns for them, and which are the same."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from .compile import Bound
from .entry import ABSENT

__all__ = ["Shape", "Slot", "group_of", "told"]


class Slot(NamedTuple):
    """Where the items stand among the arguments of a function, or where the single item does.

    Attributes:
        at: the place among all parameters.
        name: the parameter's name.
        is_named: it is passed on by name.
    """

    at: int
    name: str
    is_named: bool

    def of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what stands there."""
        return kwargs[self.name] if self.is_named else args[self.at]

    def with_(self, bound: Bound, given: Any) -> Bound:
        """Return the same arguments with something else in that place."""
        values = (*bound.values[: self.at], given, *bound.values[self.at + 1 :])
        if self.is_named:
            return Bound(values, bound.args, {**bound.kwargs, self.name: given})
        return Bound(values, (*bound.args[: self.at], given, *bound.args[self.at + 1 :]), bound.kwargs)


class Shape(NamedTuple):
    """What a batch function returns.

    Attributes:
        name: what the function is called, for errors.
        is_mapping: it returns a mapping from item to value, in which some may be missing; otherwise a sequence.
    """

    name: str
    is_mapping: bool

    def apart(self, items: Mapping[Hashable, Any]) -> Mapping[Hashable, Any]:
        """Return those of different items that one run can be asked for: a mapping cannot tell ``1`` from ``True``."""
        try:
            if not self.is_mapping or len(set(items.values())) == len(items):
                return items
        except TypeError:  # one cannot be hashed, so it will not be in the mapping either
            return items
        first: dict[Any, Hashable] = {}
        for name, item in items.items():
            first.setdefault(item, name)
        return {name: item for item, name in first.items()}

    def values(self, items: Sequence[Any], returned: Any) -> list[Any]:
        """Return the value of each item, or `ABSENT`.

        Raises:
            TypeError: the function has returned something else.
            ValueError: it has returned more or fewer values than items were asked for.
        """
        if self.is_mapping:
            if not isinstance(returned, Mapping):
                raise TypeError(
                    f"{self.name} must return a mapping of the items asked for, not a {type(returned).__qualname__}"
                )
            found: Mapping[Any, Any] = returned  # pyright: ignore[reportUnknownVariableType]
            return [found.get(item, ABSENT) for item in items]
        if not isinstance(returned, Sequence) or isinstance(returned, (str, bytes)):
            raise TypeError(f"{self.name} must return a sequence of values, not a {type(returned).__qualname__}")
        values: list[Any] = list(returned)  # pyright: ignore[reportUnknownArgumentType]
        if len(values) != len(items):
            raise ValueError(f"{self.name} must return one value for each item, in their order: {len(values)} for {len(items)}")
        return values

    def returned(self, items: Sequence[Any], values: Sequence[Any]) -> Any:
        """Return what callers get: a dict without the items that are missing, or a list."""
        if not self.is_mapping:
            return list(values)
        return {item: value for item, value in zip(items, values, strict=True) if value is not ABSENT}


_PLAIN_TYPES = frozenset({int, str, bytes, bool, type(None)})


def group_of(args: tuple[Any, ...], kwargs: Mapping[str, Any], without: int | None) -> tuple[Hashable, ...]:
    """Return what is equal for calls whose other arguments are the same."""
    others: list[Any] = [*(one for at, one in enumerate(args) if at != without), *kwargs.values()]
    return (*kwargs, *map(told, others))


def told(value: Any) -> Hashable:
    """Return what is equal for values that are surely the same, while they live."""
    return (type(value).__name__, value) if type(value) in _PLAIN_TYPES else ("", id(value))
