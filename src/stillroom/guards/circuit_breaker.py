"""``@cache.circuit_breaker(...)``: no more calls for a while, once too many have failed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from ..errors import CircuitOpen, ConfigurationError, Refused, StoreError
from .circuit import Circuit, End, Mode, Standing, State, Ticket, Turn, admit, force, look, report
from .guard import UNKNOWN_FOR, Counting, Handle, Reach
from .tally import Change

if TYPE_CHECKING:
    from ..observe.hub import Hub
    from .guard import Way

__all__ = ["Breaker", "CircuitBreaker", "Judgement", "Moving"]

Act: TypeAlias = Literal["admit", "report", "look", "open", "close"]
_NOBODY: Final = Ticket(0, b"")


class Moving(NamedTuple):
    """Let a call through, take note of its end, or only look; or open or close the circuit."""

    circuit: Circuit
    act: Act
    ticket: Ticket = _NOBODY
    end: End = ""

    @property
    def script(self) -> str:
        return "circuit"

    @property
    def arguments(self) -> tuple[bytes | int, ...]:
        circuit, ticket = self.circuit, self.ticket
        return (
            self.act.encode(),
            repr(circuit.error_rate).encode(),
            repr(circuit.window * 100_000).encode(),
            circuit.min_calls,
            _micro(circuit.open_for),
            repr(circuit.growth).encode(),
            _micro(circuit.max_open_for),
            circuit.half_open_calls,
            _micro(circuit.trial_for),
            ticket.epoch,
            ticket.token,
            self.end.encode(),
        )

    def apply(self, state: State | None, now: float) -> Change:
        state = state or State()
        turn = self._turn(state, now)
        return Change(state if state.ends_at > now else None, state.ends_at, turn)

    def _turn(self, state: State, now: float) -> Turn:
        circuit, act = self.circuit, self.act
        if act == "admit":
            return admit(circuit, state, now, self.ticket.token)
        if act == "report":
            return report(circuit, state, now, self.ticket, self.end)
        return look(circuit, state, now) if act == "look" else force(circuit, state, now, "open" if act == "open" else "closed")

    def read(self, reply: Any) -> Turn:
        mode, calls, errors, wait, epoch, passes, became = reply
        standing = Standing(_mode(mode), int(calls), int(errors), int(wait) / 1_000_000)
        return Turn(standing, int(epoch), passes > 0, passes > 1, _mode(became) if became else None)


class Judgement(NamedTuple):
    """Which errors count.

    Attributes:
        errors: those by which a call has failed.
        ignore: those that say nothing.
    """

    errors: tuple[type[BaseException], ...]
    ignore: tuple[type[BaseException], ...]

    def of(self, error: BaseException | None) -> End:
        """Return what the end of a call says."""
        if error is None:
            return "succeeded"
        if not isinstance(error, Exception) or isinstance(error, (Refused, *self.ignore)):
            return ""
        return "failed" if isinstance(error, self.errors) else "succeeded"


class CircuitBreaker:
    """Refuses calls while the circuit is open.

    Args:
        name: what the guarded function is called.
        circuit: its rules.
        judgement: which errors count.
        counting: keeps the circuits.
        hub: is told when one opens or closes.
    """

    word = "circuit_breaker"
    looks_back = True

    def __init__(self, name: str, circuit: Circuit, judgement: Judgement, counting: Counting, hub: Hub) -> None:
        self._name = name
        self._tally = f"circuit:{counting.namespace}:{name}:"
        self.circuit = circuit
        self._judgement = judgement
        self._counting = counting
        self._hub = hub

    async def enter(self, way: Way, key: str) -> Ticket | None:
        """Let a call through, or refuse it; see `Guard.enter`.

        Raises:
            CircuitOpen: the circuit is open.
        """
        ticket = Ticket(0, os.urandom(8))
        try:
            turn = await self._step(way, key, "admit", ticket)
        except StoreError as error:
            raise self._refusal(key, UNKNOWN_FOR, "the store that counts is out of reach") from error
        except BaseException:  # such as a cancellation after the call had become a trial, and before that was known
            await self._give_back(way, key, ticket)
            raise
        if turn is None:
            return None
        if not turn.is_let_through:
            wait = turn.standing.retry_after
            open_ = "the circuit is open" if turn.standing.state == "open" else "the circuit is half open, and its trials go on"
            raise self._refusal(key, wait, open_)
        return Ticket(turn.epoch, ticket.token, turn.is_trial)  # not `_replace`, which is on the way of every call

    async def leave(self, way: Way, key: str, ticket: Ticket | None, error: BaseException | None) -> None:
        """Count how a call has ended; see `Guard.leave`."""
        end = self._judgement.of(error)
        if ticket is None or not (end or ticket.is_trial):
            return
        try:
            turn = await self._step(way, key, "report", ticket, end)
        except StoreError:  # with a result at hand
            return
        if turn is not None and turn.became is not None:
            self._tell(key, turn.became, _reason(turn, ticket, self.circuit))

    async def standing(self, way: Way, key: str) -> Standing:
        """Return how things stand, and count nothing."""
        turn = await self._step(way, key, "look")
        return Standing("closed", 0, 0, 0.0) if turn is None else turn.standing

    async def state(self, way: Way, key: str) -> Mode:
        """Return the state of the circuit."""
        return (await self.standing(way, key)).state

    async def switch(self, way: Way, key: str, act: Literal["open", "close"]) -> None:
        """Open or close the circuit."""
        turn = await self._step(way, key, act)
        if turn is not None and turn.became is not None:
            self._tell(key, turn.became, "by hand")

    async def _step(self, way: Way, key: str, act: Act, ticket: Ticket = _NOBODY, end: End = "") -> Turn | None:
        turn: Turn | None = await self._counting.step(way, self._tally + key, Moving(self.circuit, act, ticket, end))
        return turn

    async def _give_back(self, way: Way, key: str, ticket: Ticket) -> None:
        try:
            await self._step(way, key, "report", ticket)
        except StoreError:  # then the trial ends by itself
            return

    def _tell(self, key: str, became: Mode, reason: str) -> None:
        if self._hub.has_listeners:
            announcer = self._hub.announcer
            announce = announcer.circuit_opened if became == "open" else announcer.circuit_closed
            announce(key, self._name, reason)

    def _refusal(self, key: str, retry_after: float, why: str) -> CircuitOpen:
        of = f" for {key!r}" if key else ""
        message = f"{self._name} is not called{of}: {why}; try again in {retry_after:.3g} s"
        return CircuitOpen(message, retry_after=retry_after)


class Breaker(Handle):
    """The circuit of a function, as its users see it. For coroutine functions, what its methods return is to be awaited."""

    def __init__(self, reach: Reach, guard: CircuitBreaker) -> None:
        super().__init__(reach)
        self._guard = guard

    @property
    def state(self) -> Any:
        """The state of the function's circuit: ``"closed"``, ``"open"`` or ``"half_open"``.

        Raises:
            ConfigurationError: there is a circuit for each key; ``peek(*args).state`` tells of one.
        """
        if not self._reach.is_one:
            raise ConfigurationError(
                "state is that of one circuit, and with key= there are many: ask peek(*args).state", setting="key"
            )
        return self._reach.run(self._guard.state(self._reach.way, ""))

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return how things stand for a call with these arguments, and count nothing."""
        return self._reach.run(self._guard.standing(self._reach.way, self._reach.key(args, kwargs)))

    def open(self, /, *args: Any, **kwargs: Any) -> Any:
        """Open the circuit for calls with these arguments, as if too many had failed."""
        return self._reach.run(self._guard.switch(self._reach.way, self._reach.key(args, kwargs), "open"))

    def close(self, /, *args: Any, **kwargs: Any) -> Any:
        """Close the circuit for calls with these arguments, and forget how they have ended so far."""
        return self._reach.run(self._guard.switch(self._reach.way, self._reach.key(args, kwargs), "close"))


def _reason(turn: Turn, ticket: Ticket, circuit: Circuit) -> str:
    if ticket.is_trial:
        return "a trial failed" if turn.became == "open" else "all trials succeeded"
    return f"{turn.standing.errors} of {turn.standing.calls} calls failed in {circuit.window:g} s"


def _mode(text: bytes) -> Mode:
    mode: Mode = text.decode()  # type: ignore[assignment]
    if mode not in ("closed", "open", "half_open"):
        raise ValueError(mode)
    return mode


def _micro(seconds: float) -> int:
    return round(seconds * 1_000_000)
