"""``@cache.bloom(...)``: answers "certainly not" without a call.

A filter is *whole* if all is in it that should be. One that is not (none was made yet, it is being filled, or the store has
lost it) is certain of nothing: the function is called.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import StoreError
from .filter import Shape, rate_of
from .filter_steps import Adding, Asking, Completing, Counting, Emptying, Outcome, Progress
from .guard import Handle, Instead, Reach, tally_name

if TYPE_CHECKING:
    from .guard import Way

__all__ = ["Bloom", "BloomFilter", "Contents"]

_AT_ONCE: Final = 1000
"""How many members are added in one step, for which a server stands still."""


class Contents(NamedTuple):
    """What is in a filter.

    Attributes:
        members: how many different ones there are, those left out that were taken for members already.
        capacity: how many it was made for.
        false_positive_rate: how often it takes something for a member that is none, as is to be expected with so many.
    """

    members: int
    capacity: int
    false_positive_rate: float


class Bloom:
    """Answers for a predicate where its filter is certain.

    Args:
        name: what the guarded function is called.
        capacity: how many members the filter is made for.
        shape: its size.
        namespace: that of the cache.
    """

    word = "bloom"
    looks_back = False

    def __init__(self, name: str, capacity: int, shape: Shape, namespace: str) -> None:
        self.capacity = capacity
        self.shape = shape
        self._is_known = False
        self.tally = tally_name("bloom", namespace, name) + f"{capacity}:{shape.bits}:{shape.hashes}"

    async def enter(self, way: Way, key: str) -> Instead | None:
        """Answer a call if the filter is certain; see `Guard.enter`."""
        try:
            found = await way.tallies.step(self.tally, Asking(self.shape, key))
        except StoreError:  # then the function has to tell
            return None
        if found is None:
            return None
        self._is_known = True
        return None if found else _NO

    async def leave(self, way: Way, key: str, ticket: None, error: BaseException | None) -> None:
        """Nothing: the filter learns from nobody but `add`."""

    async def add(self, way: Way, text: str) -> None:
        """Add a member. A filter that was there, and is no more, is not made anew: the other members would be missing."""
        step = Adding(self.shape, (text,), may_make=not self._is_known)
        self._is_known = await way.tallies.step(self.tally, step) is Outcome.DONE or self._is_known

    async def fill(self, way: Way, texts: Iterable[str]) -> None:
        """Make the filter anew, with these members; those that others add meanwhile stay in it.

        What another filling that has begun later does is not to be mixed with this one, which ends without effect then.
        """
        progress = Progress(await way.tallies.step(self.tally, Emptying(self.shape)))
        members = iter(texts)
        outcome = Outcome.DONE
        while outcome is Outcome.DONE and (some := tuple(islice(members, _AT_ONCE))):
            outcome = await way.tallies.step(self.tally, Adding(self.shape, some, False, progress))
            progress = progress._replace(steps=progress.steps + 1)
        if outcome is Outcome.DONE:
            outcome = await way.tallies.step(self.tally, Completing(self.shape, progress))
        if outcome is Outcome.LOST:
            raise StoreError("the filter was lost while it was filled", store="", operation="fill")
        self._is_known = True

    async def contents(self, way: Way) -> Contents | None:
        """Return what is in the filter."""
        members = await way.tallies.step(self.tally, Counting(self.shape))
        return None if members is None else Contents(members, self.capacity, rate_of(self.shape, members))


_NO = Instead(False)


class BloomFilter(Handle):
    """The filter of a predicate, as its users see it. For coroutine functions, what its methods return is to be awaited."""

    def __init__(self, reach: Reach, guard: Bloom) -> None:
        super().__init__(reach)
        self._guard = guard

    def add(self, /, *args: Any, **kwargs: Any) -> Any:
        """Say that the function may answer True for these arguments.

        Raises:
            StoreError: the store is out of reach, so that others would not know.
        """
        return self._reach.run(self._guard.add(self._reach.way, self._reach.key(args, kwargs)))

    def fill(self, calls: Iterable[Any]) -> Any:
        """Make the filter anew: the function may answer True for these calls, and for no others.

        Args:
            calls: for each a tuple of arguments, a mapping of named ones, or the only argument itself.

        Raises:
            StoreError: the store is out of reach; the filter is certain of nothing until it has been filled.
        """
        return self._reach.run(self._guard.fill(self._reach.way, map(self._reach.key_of_one, calls)))

    def peek(self) -> Any:
        """Return what is in the filter, a `Contents`; ``None`` if it is certain of nothing.

        Raises:
            StoreError: the store is out of reach.
        """
        return self._reach.run(self._guard.contents(self._reach.way))
