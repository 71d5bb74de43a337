"""What the guards that judge a function have in common: how a call is let through, or is let through on trial.

A call *asks* first, which changes nothing. Where all is well, that is all, and the same question serves all calls. Where it is
not, and there is room for a trial, the call asks again, and goes by a *token* from then on: so one that is called off before it
has heard that it is a trial gives its place back, and nobody else's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from ..errors import Refused, StoreError
from .guard import UNKNOWN_FOR
from .tally import Outcome, Step

if TYPE_CHECKING:
    from .guard import Counting, Way

__all__ = ["Act", "Judge", "microseconds", "says_nothing"]


class Turn(Protocol):
    """What came of asking to be let through.

    Attributes:
        is_let_through: the call is.
        retry_after: if it is not, after how many seconds the next one may be; zero if it is to ask again, with a token.
        why: why it is not.
    """

    @property
    def is_let_through(self) -> bool: ...
    @property
    def retry_after(self) -> float: ...
    @property
    def why(self) -> str: ...


T = TypeVar("T", bound=Turn)
R = TypeVar("R")


class Kept(Protocol):
    """What is known of a function.

    Attributes:
        ends_at: when that is of no more use.
    """

    ends_at: float


class Act(Generic[R]):
    """A step of a guard that judges.

    Args:
        rules: those by which it judges.

    Attributes:
        script: what a server knows it by, together with all others of the guard.
        act: what tells it from them.
        fresh: makes what is known of a function at first.
    """

    __slots__ = ("rules",)
    script: ClassVar[str]
    act: ClassVar[bytes]
    fresh: ClassVar[type[Any]]

    def __init__(self, rules: R) -> None:
        self.rules = rules

    @property
    def arguments(self) -> tuple[bytes | int, ...]:
        return (self.act, self.told, *self.more)

    @property
    def told(self) -> bytes:
        """How the script is told the rules: in one piece, of doubles one after the other."""
        raise NotImplementedError

    @property
    def more(self) -> tuple[bytes | int, ...]:
        """What the script is told besides the rules."""
        return ()

    def on(self, state: Any, now: float) -> Any:
        """Do it, and return what the guard wants to know."""
        raise NotImplementedError

    def apply(self, state: Kept | None, now: float) -> Outcome:
        found = self.fresh() if state is None else state
        reply = self.on(found, now)
        ends_at = found.ends_at
        return (found if ends_at > now else None), ends_at, reply


class Judge(Generic[T]):
    """A guard that lets calls through until it has seen how others have ended.

    Args:
        name: what the guarded function is called.
        tally: what the names of its tallies begin with.
        counting: keeps them.
        question: the step by which a call asks to be let through.
        passing: returns the number of a state that lets all calls through, and ``None`` for others.

    Attributes:
        refusal: the error for calls that are refused.
    """

    looks_back = True
    refusal: type[Refused]

    def __init__(self, name: str, tally: str, counting: Counting, question: Step, passing: Callable[[Any], int | None]) -> None:
        self._name = name
        self._tally = tally
        self._counting = counting
        self._question = question
        self._passing = passing

    def trial(self, token: bytes) -> Step:
        """Return the step by which a call asks to be let through on trial."""
        raise NotImplementedError

    def withdrawal(self, token: bytes) -> Step:
        """Return the step by which a trial gives its place back, though nobody knows whether it ever had one."""
        raise NotImplementedError

    def glance(self, way: Way, key: str) -> int | None:
        """Return the number of a state that lets all calls through, if nobody has to wait for that."""
        table = self._counting.at_hand(way)
        return None if table is None else table.look(self._tally + key, self._passing)

    async def admit(self, way: Way, key: str) -> tuple[T | None, bytes]:
        """Let a call through; return what came of it, ``None`` if it goes unseen, and the token that it goes by, if any.

        Raises:
            Refused: it is not let through.
        """
        token = b""
        try:
            turn: T | None = await self.step(way, key, self._question)
            if turn is not None and not turn.is_let_through and turn.retry_after <= 0:
                token = new_token()
                turn = await self._try(way, key, token)
        except StoreError as error:
            raise self._refused(key, UNKNOWN_FOR, "the store that counts is out of reach") from error
        if turn is not None and not turn.is_let_through:
            raise self._refused(key, turn.retry_after, turn.why)
        return turn, token

    async def report(self, way: Way, key: str, step: Step, token: bytes) -> Any:
        """Take note of how a call has ended; of one that may be a trial whatever happens, since others wait for it."""
        try:
            work = self.step(way, key, step)
            return await (way.runtime.to_the_end(work) if token else work)
        except StoreError:  # with a result at hand; a trial ends by itself
            return None

    async def step(self, way: Way, key: str, step: Step) -> Any:
        """Change what is known of the function, or look at it."""
        return await self._counting.step(way, self._tally + key, step)

    async def _try(self, way: Way, key: str, token: bytes) -> T | None:
        try:
            turn: T | None = await self.step(way, key, self.trial(token))
        except StoreError:
            raise
        except BaseException:  # such as a cancellation after the call had become a trial, and before that was known
            await self.report(way, key, self.withdrawal(token), token)
            raise
        return turn

    def _refused(self, key: str, retry_after: float, why: str) -> Refused:
        of = f" for {key!r}" if key else ""
        return self.refusal(f"{self._name} is not called{of}: {why}; try again in {retry_after:.3g} s", retry_after=retry_after)


def new_token() -> bytes:
    """Return what no other call of any process goes by."""
    return os.urandom(8)


def says_nothing(error: BaseException) -> bool:
    """Return whether an error says nothing of the function whose call it has ended: it was called off, or refused below."""
    return not isinstance(error, Exception) or isinstance(error, Refused)


def microseconds(seconds: float) -> int:
    """Return a length of time as scripts are told it: never zero."""
    return max(1, round(seconds * 1_000_000))
