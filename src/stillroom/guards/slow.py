"""``@cache.slow(...)``: no more calls for a while, once they take much longer than they used to."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import TooSlow
from .guard import Counting, Handle, Reach, tally_name
from .judge import Act, Judge, microseconds, says_nothing
from .slowness import Limits, Mode, Standing, State, Ticket, Turn, admit, grade, length, look, passing, report
from .tally import Forget

if TYPE_CHECKING:
    from ..protocols import Clock
    from .guard import Way

__all__ = ["Asking", "Looking", "Pace", "Reporting", "Slow", "Slowness"]


@lru_cache
def _told(limits: Limits) -> bytes:
    return struct.pack(
        ">6d",
        limits.distance,
        limits.quantile,
        limits.window * 500_000,
        limits.baseline * 500_000,
        limits.min_calls,
        microseconds(limits.refuse_for),
    )


class _Act(Act[Limits]):
    __slots__ = ()
    script = "slow"
    fresh = State

    @property
    def told(self) -> bytes:
        return _told(self.rules)


class Asking(_Act):
    """Ask to be let through; with a token, also to measure."""

    __slots__ = ("_token",)
    act = b"admit"

    def __init__(self, rules: Limits, token: bytes = b"") -> None:
        super().__init__(rules)
        self._token = token

    @property
    def more(self) -> tuple[bytes | int, ...]:
        return (self._token,)

    def on(self, state: State, now: float) -> Turn:
        return admit(self.rules, state, now, self._token)

    def read(self, reply: Any) -> Turn:
        passes, epoch, wait, slow, usual = reply
        return Turn(bool(passes), int(epoch), int(wait) / 1_000_000, _found(slow), _found(usual))


class Reporting(_Act):
    """Take note of the grade of how long a call took."""

    __slots__ = ("_ticket", "_took")
    act = b"report"

    def __init__(self, rules: Limits, ticket: Ticket, took: int | None) -> None:
        self.rules = rules
        self._ticket = ticket
        self._took = took

    @property
    def more(self) -> tuple[bytes | int, ...]:
        return (self._ticket.token, self._ticket.epoch, -1 if self._took is None else self._took)

    def on(self, state: State, now: float) -> None:
        report(self.rules, state, now, self._ticket, self._took)

    def read(self, reply: Any) -> None:
        return None


class Looking(_Act):
    """Only look how things stand."""

    __slots__ = ()
    act = b"look"

    def on(self, state: State, now: float) -> Standing:
        return look(self.rules, state, now)

    def read(self, reply: Any) -> Standing:
        mode, calls, recent, usual, wait = reply
        return Standing(_mode(mode), int(calls), _found(recent), _found(usual), int(wait) / 1_000_000)


class Pace(NamedTuple):
    """How fast a function is.

    Attributes:
        state: ``"normal"``, ``"refusing"`` or ``"measuring"``.
        calls: how many recent calls were counted.
        recent: within how many seconds most recent calls end; while calls are refused or measure, why they are. ``None`` if
            there were no calls.
        usual: within how many seconds most calls usually end; ``None`` if that is not known yet.
        retry_after: after how many seconds the next call may be let through; zero if one would be now.
    """

    state: Mode
    calls: int
    recent: float | None
    usual: float | None
    retry_after: float


class Slow(Judge[Turn]):
    """Refuses calls while the function is much slower than usual.

    Args:
        name: what the guarded function is called.
        limits: the rules.
        counting: keeps what is known of functions.
        clock: measures.
    """

    word = "slow"
    refusal = TooSlow

    def __init__(self, name: str, limits: Limits, counting: Counting, clock: Clock) -> None:
        super().__init__(name, tally_name("slow", counting.namespace, name), counting, Asking(limits), passing)
        self._limits = limits
        self._now = clock.now

    def trial(self, token: bytes) -> Asking:
        """Return the step by which a call asks to measure."""
        return Asking(self._limits, token)

    def withdrawal(self, token: bytes) -> Reporting:
        """Return the step by which a call that measures gives its place back."""
        return Reporting(self._limits, Ticket(0, 0.0, token), None)

    async def enter(self, way: Way, key: str) -> Ticket | None:
        """Let a call through, or refuse it; see `Guard.enter`.

        Raises:
            TooSlow: the function is too slow.
        """
        epoch = self.glance(way, key)
        if epoch is not None:
            return Ticket(epoch, self._now())
        turn, token = await self.admit(way, key)
        return turn and Ticket(turn.epoch, self._now(), token)

    async def leave(self, way: Way, key: str, ticket: Ticket | None, error: BaseException | None) -> None:
        """Take note of how long a call took; see `Guard.leave`."""
        if ticket is None:
            return
        took = grade(self._now() - ticket.began) if error is None or not says_nothing(error) else None
        if took is None and not ticket.token:
            return
        step, table = Reporting(self._limits, ticket, took), self._counting.at_hand(way)
        if table is None:
            await self.report(way, key, step, ticket.token)
        else:
            table.change(self._tally + key, step)

    async def pace(self, way: Way, key: str) -> Pace:
        """Return how fast the function is, and count nothing."""
        standing: Standing | None = await self.step(way, key, Looking(self._limits))
        if standing is None:
            return Pace("normal", 0, None, None, 0.0)
        return Pace(standing.mode, standing.calls, _seconds(standing.recent), _seconds(standing.usual), standing.retry_after)

    async def reset(self, way: Way, key: str) -> None:
        """Forget how long calls took."""
        await self.step(way, key, Forget())


class Slowness(Handle):
    """How slow a function is, as its users see it. For coroutine functions, what its methods return is to be awaited."""

    def __init__(self, reach: Reach, guard: Slow) -> None:
        super().__init__(reach)
        self._guard = guard

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return how fast calls with these arguments are, and count nothing."""
        return self._reach.run(self._guard.pace(self._reach.way, self._reach.key(args, kwargs)))

    def reset(self, /, *args: Any, **kwargs: Any) -> Any:
        """Forget how long calls with these arguments took, and let all of them through."""
        return self._reach.run(self._guard.reset(self._reach.way, self._reach.key(args, kwargs)))


def _seconds(of: int | None) -> float | None:
    return None if of is None else length(of)


def _found(reply: Any) -> int | None:
    return None if reply < 0 else int(reply)


def _mode(text: bytes) -> Mode:
    mode: Mode = text.decode()  # type: ignore[assignment]
    if mode not in ("normal", "refusing", "measuring"):
        raise ValueError(mode)
    return mode
