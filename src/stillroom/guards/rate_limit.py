"""``@cache.rate_limit(...)``: no more than so many calls in so much time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import RateLimited, StoreError
from .guard import UNKNOWN_FOR, Counting, Handle, Reach, tally_name
from .rate import Bucket, Rate, Standing, State, Window, look, take
from .tally import Change, Forget

if TYPE_CHECKING:
    from .guard import Way

__all__ = ["Limiter", "RateLimit", "Taking"]


class Taking(NamedTuple):
    """Let a call through if the limit admits it; or only tell how things stand."""

    rate: Rate
    is_taken: bool = True

    @property
    def script(self) -> str:
        return "window" if self.rate.burst is None else "bucket"

    @property
    def arguments(self) -> tuple[int, ...]:
        rate = self.rate
        return (rate.limit, _micro(rate.period), rate.burst or 0, _micro(rate.ban), int(self.is_taken))

    def apply(self, state: State | None, now: float) -> Change:
        rate, is_new = self.rate, state is None
        if state is None:
            state = Window() if rate.burst is None else Bucket()
        standing = take(rate, state, now) if self.is_taken else look(rate, state, now)
        full_at = now + rate.period if isinstance(state, Window) else state.full_at
        is_empty = is_new and not self.is_taken
        return Change(None if is_empty else state, max(full_at, state.banned_until), standing)

    def read(self, reply: Any) -> Standing:
        is_open, remaining, wait = reply
        return Standing(bool(is_open), int(remaining), int(wait) / 1_000_000)


class RateLimit:
    """Refuses calls beyond a limit.

    Args:
        name: what the guarded function is called.
        rate: the limit.
        counting: keeps the tallies.
    """

    word = "rate_limit"
    looks_back = False

    def __init__(self, name: str, rate: Rate, counting: Counting) -> None:
        self._name = name
        self.rate = rate
        self._take, self._look = Taking(rate), Taking(rate, is_taken=False)
        # Only those who count in the same way can count together.
        self._tally = tally_name("rate", counting.namespace, name, self._take.script, f"{rate.period:g}")
        self._counting = counting

    async def enter(self, way: Way, key: str) -> None:
        """Count a call, or refuse it; see `Guard.enter`.

        Raises:
            RateLimited: there were too many.
        """
        try:
            standing = await self._counting.step(way, self._tally + key, self._take)
        except StoreError as error:
            raise self._refusal(key, UNKNOWN_FOR, "the store that counts is out of reach") from error
        if standing is not None and not standing.is_open:
            rate = self.rate
            raise self._refusal(key, standing.retry_after, f"there were {rate.limit} calls in {rate.period:g} s")

    async def leave(self, way: Way, key: str, ticket: None, error: BaseException | None) -> None:
        """Nothing: how a call ends does not matter here."""

    async def standing(self, way: Way, key: str) -> Standing:
        """Return how things stand, and count nothing."""
        found = await self._counting.step(way, self._tally + key, self._look)
        return Standing(True, self.rate.limit, 0.0) if found is None else found

    async def reset(self, way: Way, key: str) -> None:
        """Forget the calls so far, and a ban."""
        await self._counting.step(way, self._tally + key, Forget())

    def _refusal(self, key: str, retry_after: float, why: str) -> RateLimited:
        of = f" for {key!r}" if key else ""
        message = f"{self._name} is called too often{of}: {why}; try again in {retry_after:.3g} s"
        return RateLimited(message, retry_after=retry_after, limit=self.rate.limit, remaining=0)


class Limiter(Handle):
    """The limit of a function, as its users see it. For coroutine functions, what its methods return is to be awaited.

    Attributes:
        limit: how many calls are let through in a period.
        period: the length of the period, in seconds.
    """

    def __init__(self, reach: Reach, guard: RateLimit) -> None:
        super().__init__(reach)
        self._guard = guard
        self.limit = guard.rate.limit
        self.period = guard.rate.period

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return how things stand for a call with these arguments, and count nothing."""
        return self._reach.run(self._guard.standing(self._reach.way, self._reach.key(args, kwargs)))

    def reset(self, /, *args: Any, **kwargs: Any) -> Any:
        """Forget the calls so far with these arguments, and a ban."""
        return self._reach.run(self._guard.reset(self._reach.way, self._reach.key(args, kwargs)))


def _micro(seconds: float) -> int:
    return max(1, round(seconds * 1_000_000)) if seconds else 0
