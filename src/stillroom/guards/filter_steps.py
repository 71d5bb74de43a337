"""What is done to Bloom filters, in memory and by scripts on a server: to ask, to add members, to fill anew.

Each filling has a number, higher than those before. What it adds counts only while no other filling has begun, since that
has emptied the filter: of several at once, the last to begin makes it whole. A filter that was begun by its first member has
the number zero.

The steps of a filling are counted, so that the next one finds out if one was lost, as when a replica has taken over.
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

from .filter import Shape
from .tally import ENDLESS, Change

__all__ = ["Adding", "Asking", "Completing", "Counting", "Emptying", "Outcome", "Progress"]


class Outcome(enum.IntEnum):
    """What became of a change."""

    LOST = 0
    """Nothing: there is no filter, or one that lacks what the filling has done."""
    DONE = 1
    OVERTAKEN = 2
    """Nothing: another filling has begun meanwhile."""


class Progress(NamedTuple):
    """How far a filling has come.

    Attributes:
        filling: its number; zero for members that come by themselves.
        steps: how many steps it has done.
    """

    filling: int = 0
    steps: int = 0


class _Bits:
    """A filter in memory."""

    __slots__ = ("bits", "filling", "is_whole", "members", "size", "steps")

    def __init__(self, size: int, filling: int = 0) -> None:
        self.bits = bytearray((size + 7) // 8)
        self.size = size
        self.filling = filling
        self.steps = 0
        self.is_whole = not filling
        self.members = 0

    def has(self, walk: range) -> bool:
        bits, size = self.bits, self.size
        for step in walk:  # no comprehension, since this is on the way of every call
            at = step % size
            if not bits[at >> 3] >> (at & 7) & 1:
                return False
        return True

    def add(self, walk: range) -> None:
        self.members += not self.has(walk)
        for step in walk:
            at = step % self.size
            self.bits[at >> 3] |= 1 << (at & 7)

    def go_on(self, progress: Progress) -> Outcome:
        """Count a step of a filling if it follows those before, and tell what becomes of it."""
        if (self.filling, self.steps) == progress:
            self.steps += 1
            return Outcome.DONE
        return Outcome.OVERTAKEN if self.filling > progress.filling else Outcome.LOST


class Adding(NamedTuple):
    """Add members.

    Attributes:
        shape: the size of the filter.
        texts: the members.
        may_make: make a filter that is whole if there is none; otherwise nothing is done then.
        progress: that of the filling that adds them.
    """

    shape: Shape
    texts: tuple[str, ...]
    may_make: bool = True
    progress: Progress = Progress()

    @property
    def script(self) -> str:
        return "bloom_add"

    @property
    def arguments(self) -> tuple[int, ...]:
        shape = self.shape
        positions = [at for text in self.texts for at in shape.positions(text)]
        return (shape.bits, shape.hashes, int(self.may_make), *self.progress, *positions)

    def apply(self, state: _Bits | None, now: float) -> Change:
        if state is None and not self.may_make:
            return Change(None, now, Outcome.LOST)
        bits = _Bits(self.shape.bits) if state is None else state
        outcome = bits.go_on(self.progress) if self.progress.filling else Outcome.DONE
        if outcome is Outcome.DONE:
            for text in self.texts:
                bits.add(self.shape.walk(text))
        return Change(bits, ENDLESS, outcome)

    def read(self, reply: Any) -> Outcome:
        return Outcome(reply)


class Emptying(NamedTuple):
    """Put an empty filter, which is not whole, in the place of what is there; tell the number of the filling that begins."""

    shape: Shape

    @property
    def script(self) -> str:
        return "bloom_empty"

    @property
    def arguments(self) -> tuple[int, ...]:
        return (self.shape.bits,)

    def apply(self, state: _Bits | None, now: float) -> Change:
        number = max(0 if state is None else state.filling + 1, int(now * 1_000_000), 1)
        return Change(_Bits(self.shape.bits, number), ENDLESS, number)

    def read(self, reply: Any) -> int:
        return int(reply)


class Completing(NamedTuple):
    """Say that a filter is whole now, which a filling has emptied and filled."""

    shape: Shape
    progress: Progress

    @property
    def script(self) -> str:
        return "bloom_whole"

    @property
    def arguments(self) -> tuple[int, ...]:
        return (self.shape.bits, *self.progress)

    def apply(self, state: _Bits | None, now: float) -> Change:
        if state is None:
            return Change(None, now, Outcome.LOST)
        outcome = state.go_on(self.progress)
        state.is_whole = state.is_whole or outcome is Outcome.DONE
        return Change(state, ENDLESS, outcome)

    def read(self, reply: Any) -> Outcome:
        return Outcome(reply)


class Asking(NamedTuple):
    """Tell whether a text may be a member; nothing unless there is a filter that is whole."""

    shape: Shape
    text: str

    @property
    def script(self) -> str:
        return "bloom_test"

    @property
    def arguments(self) -> tuple[int, ...]:
        return (self.shape.bits, *self.shape.positions(self.text))

    def apply(self, state: _Bits | None, now: float) -> Change:
        if state is None:
            return Change(None, now, None)
        return Change(state, ENDLESS, state.has(self.shape.walk(self.text)) if state.is_whole else None)

    def read(self, reply: Any) -> bool | None:
        return None if reply is None else bool(reply)


class Counting(NamedTuple):
    """Tell how many members there are; nothing unless there is a filter that is whole."""

    shape: Shape

    @property
    def script(self) -> str:
        return "bloom_test"

    @property
    def arguments(self) -> tuple[int, ...]:
        return (self.shape.bits,)

    def apply(self, state: _Bits | None, now: float) -> Change:
        if state is None:
            return Change(None, now, None)
        return Change(state, ENDLESS, state.members if state.is_whole else None)

    def read(self, reply: Any) -> int | None:
        return None if reply is None else int(reply)
