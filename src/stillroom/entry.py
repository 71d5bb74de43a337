"""What a store keeps for a key, and the mark for "nothing there".

Times are seconds on the clock of the store that holds the entry: a monotonic one in memory, the server's elsewhere. An
entry is never changed: a new one takes its place. (Not ``frozen=True`` all the same: that would treble the time it takes to
make one, and one is made on every miss.)
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

__all__ = ["ABSENT", "MISSING", "Entry", "Generations", "Missing", "Tags"]

V = TypeVar("V")


class Missing(enum.Enum):
    """The type of `MISSING`."""

    MISSING = enum.auto()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing.MISSING
"""Stands for "no value", so that ``None`` remains a value like any other."""

Tags: TypeAlias = tuple[tuple[str, object], ...]
"""Names of generations, each with its token as it was before the load began, or ``None`` if that is not known."""


class _Absent(Exception):
    """The type of `ABSENT`."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""What a batch function brings for an item that it did not return. It is stored as errors are, and raised to nobody."""

Generations: TypeAlias = tuple[object, ...]
"""Generation tokens, in the order of the names they were asked for. Only a store looks into them; others compare them."""


@dataclass(slots=True, eq=False)
class Entry(Generic[V]):
    """A stored value with its times, its cost and the generations it was loaded under.

    Attributes:
        value: what the load returned, or the exception it raised if ``is_error``.
        loaded_at: when the load ended.
        fresh_until: when the value stops being fresh; ``inf`` if it stays fresh until invalidated.
        expires_at: when the entry is of no more use to anybody, all windows for stale values included.
        cost: how many seconds the load took.
        generations: the tokens of its generations, read before the load began.
        is_error: the value is an exception to raise, remembered by ``cache_errors``; or `ABSENT`, by ``missing_ttl``.
        retry_at: after a failed refresh, the time before which the origin is left alone.
        plain_until: until when a hit needs no decision, so that the plain hit path may answer it.
        tags: generations that it carries besides those that its caller goes by, as far as `generations` has not got them.
    """

    value: V
    loaded_at: float
    fresh_until: float
    expires_at: float
    cost: float = 0.0
    generations: Generations = ()
    is_error: bool = False
    retry_at: float = 0.0
    plain_until: float = 0.0
    tags: Tags = ()
