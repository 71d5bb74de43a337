"""``@cache.slow(...)``: no more calls for a while, once they take much longer than they used to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from ..errors import Refused, StoreError, TooSlow
from .guard import UNKNOWN_FOR, Counting, Handle, Reach
from .slowness import Limits, Mode, State, Ticket, Turn, admit, grade, length, look, report
from .tally import Change, Forget

if TYPE_CHECKING:
    from ..protocols import Clock
    from .guard import Way

__all__ = ["Pace", "Slow", "Slowness", "Timing"]

Act: TypeAlias = Literal["admit", "report", "look"]
_NOBODY: Final = Ticket(0, measures=False, began=0.0)


class Timing(NamedTuple):
    """Let a call through, or take note of the grade of how long one took, or only look."""

    limits: Limits
    act: Act
    ticket: Ticket = _NOBODY
    took: int | None = None

    @property
    def script(self) -> str:
        return "slow"

    @property
    def arguments(self) -> tuple[bytes | int, ...]:
        limits = self.limits
        return (
            self.act.encode(),
            limits.distance,
            repr(limits.quantile).encode(),
            repr(limits.window * 500_000).encode(),
            repr(limits.baseline * 500_000).encode(),
            limits.min_calls,
            round(limits.refuse_for * 1_000_000),
            self.ticket.epoch,
            -1 if self.took is None else self.took,
        )

    def apply(self, state: State | None, now: float) -> Change:
        state = state or State()
        if self.act == "report":
            turn = report(self.limits, state, now, self.ticket, self.took)
        else:
            turn = (admit if self.act == "admit" else look)(self.limits, state, now)
        return Change(state if state.ends_at > now else None, state.ends_at, turn)

    def read(self, reply: Any) -> Turn:
        mode, calls, recent, usual, wait, epoch, is_let_through = reply
        found = None if recent < 0 else int(recent)
        normal = None if usual < 0 else int(usual)
        return Turn(_mode(mode), int(calls), found, normal, int(wait) / 1_000_000, int(epoch), bool(is_let_through))


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


class Slow:
    """Refuses calls while the function is much slower than usual.

    Args:
        name: what the guarded function is called.
        limits: the rules.
        counting: keeps what is known of functions.
        clock: measures.
    """

    word = "slow"
    looks_back = True

    def __init__(self, name: str, limits: Limits, counting: Counting, clock: Clock) -> None:
        self._name = name
        self._tally = f"slow:{counting.namespace}:{name}:"
        self._limits = limits
        self._counting = counting
        self._now = clock.now

    async def enter(self, way: Way, key: str) -> Ticket | None:
        """Let a call through, or refuse it; see `Guard.enter`.

        Raises:
            TooSlow: the function is too slow.
        """
        try:
            turn = await self._step(way, key, Timing(self._limits, "admit"))
        except StoreError as error:
            raise self._refusal(key, UNKNOWN_FOR, "the store that counts is out of reach") from error
        if turn is None:
            return None
        if not turn.is_let_through:
            raise self._refusal(key, turn.retry_after, _why(turn))
        return Ticket(turn.epoch, turn.mode == "measuring", self._now())

    async def leave(self, way: Way, key: str, ticket: Ticket | None, error: BaseException | None) -> None:
        """Take note of how long a call took; see `Guard.leave`."""
        if ticket is None:
            return
        says_nothing = isinstance(error, Refused) or not (error is None or isinstance(error, Exception))
        if says_nothing and not ticket.measures:
            return
        took = None if says_nothing else grade(self._now() - ticket.began)
        try:
            await self._step(way, key, Timing(self._limits, "report", ticket, took))
        except StoreError:  # with a result at hand
            return

    async def pace(self, way: Way, key: str) -> Pace:
        """Return how fast the function is, and count nothing."""
        turn = await self._step(way, key, Timing(self._limits, "look"))
        if turn is None:
            return Pace("normal", 0, None, None, 0.0)
        return Pace(turn.mode, turn.calls, _seconds(turn.recent), _seconds(turn.usual), turn.retry_after)

    async def reset(self, way: Way, key: str) -> None:
        """Forget how long calls took."""
        await self._counting.step(way, self._tally + key, Forget())

    async def _step(self, way: Way, key: str, timing: Timing) -> Turn | None:
        turn: Turn | None = await self._counting.step(way, self._tally + key, timing)
        return turn

    def _refusal(self, key: str, retry_after: float, why: str) -> TooSlow:
        of = f" for {key!r}" if key else ""
        message = f"{self._name} is not called{of}: {why}; try again in {retry_after:.3g} s"
        return TooSlow(message, retry_after=retry_after)


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


def _why(turn: Turn) -> str:
    recent, usual = _seconds(turn.recent), _seconds(turn.usual)
    return f"it takes {recent or 0:.2g} s of late, and {usual or 0:.2g} s usually"


def _seconds(of: int | None) -> float | None:
    return None if of is None else length(of)


def _mode(text: bytes) -> Mode:
    mode: Mode = text.decode()  # type: ignore[assignment]
    if mode not in ("normal", "refusing", "measuring"):
        raise ValueError(mode)
    return mode
