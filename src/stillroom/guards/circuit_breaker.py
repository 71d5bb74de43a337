"""``@cache.circuit_breaker(...)``: no more calls for a while, once too many have failed."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import CircuitOpen, ConfigurationError
from .circuit import Circuit, End, Mode, Standing, State, Ticket, Turn, admit, force, look, passing, report
from .guard import Counting, Handle, Reach, tally_name
from .judge import Act, Judge, microseconds, says_nothing

if TYPE_CHECKING:
    from ..observe.hub import Hub
    from .guard import Way

__all__ = ["Asking", "Breaker", "CircuitBreaker", "Closing", "Judgement", "Looking", "Opening", "Reporting"]


@lru_cache
def _told(circuit: Circuit) -> bytes:
    return struct.pack(
        ">8d",
        circuit.error_rate,
        circuit.window * 100_000,
        circuit.min_calls,
        microseconds(circuit.open_for),
        circuit.growth,
        microseconds(circuit.max_open_for),
        circuit.half_open_calls,
        microseconds(circuit.trial_for),
    )


class _Act(Act[Circuit]):
    __slots__ = ()
    script = "circuit"
    fresh = State

    @property
    def told(self) -> bytes:
        return _told(self.rules)


class Asking(_Act):
    """Ask to be let through; with a token, also as a trial."""

    __slots__ = ("_token",)
    act = b"admit"

    def __init__(self, rules: Circuit, token: bytes = b"") -> None:
        super().__init__(rules)
        self._token = token

    @property
    def more(self) -> tuple[bytes | int, ...]:
        return (self._token,)

    def on(self, state: State, now: float) -> Turn:
        return admit(self.rules, state, now, self._token)

    def read(self, reply: Any) -> Turn:
        passes, epoch, wait, mode = reply
        return Turn(passes > 0, int(epoch), int(wait) / 1_000_000, _mode(mode), passes > 1)


class Reporting(_Act):
    """Take note of how a call has ended."""

    __slots__ = ("_end", "_ticket")
    act = b"report"

    def __init__(self, rules: Circuit, ticket: Ticket, end: End) -> None:
        super().__init__(rules)
        self._ticket = ticket
        self._end: End = end

    @property
    def more(self) -> tuple[bytes | int, ...]:
        return (self._ticket.token, self._ticket.epoch, self._end.encode())

    def on(self, state: State, now: float) -> Standing | None:
        return report(self.rules, state, now, self._ticket, self._end)

    def read(self, reply: Any) -> Standing | None:
        return _standing(reply) if reply else None


class Looking(_Act):
    """Only look how things stand."""

    __slots__ = ()
    act = b"look"

    def on(self, state: State, now: float) -> Standing:
        return look(self.rules, state, now)

    def read(self, reply: Any) -> Standing:
        return _standing(reply)


class Opening(_Act):
    """Open the circuit, whatever its state."""

    __slots__ = ()
    act = b"open"

    def on(self, state: State, now: float) -> Standing | None:
        return force(self.rules, state, now, "open")

    def read(self, reply: Any) -> Standing | None:
        return _standing(reply) if reply else None


class Closing(Opening):
    """Close the circuit, whatever its state."""

    __slots__ = ()
    act = b"close"

    def on(self, state: State, now: float) -> Standing | None:
        return force(self.rules, state, now, "closed")


class Judgement(NamedTuple):
    """Which errors count.

    Attributes:
        errors: those by which a call has failed.
        ignore: those that say nothing.
    """

    errors: tuple[type[BaseException], ...]
    ignore: tuple[type[BaseException], ...]

    def of(self, error: BaseException) -> End:
        """Return what it says that a call has ended with an error; one that has not has succeeded."""
        if says_nothing(error) or isinstance(error, self.ignore):
            return ""
        return "failed" if isinstance(error, self.errors) else "succeeded"


class CircuitBreaker(Judge[Turn]):
    """Refuses calls while the circuit is open.

    Args:
        name: what the guarded function is called.
        circuit: its rules.
        judgement: which errors count.
        counting: keeps the circuits.
        hub: is told when one opens or closes.
    """

    word = "circuit_breaker"
    refusal = CircuitOpen

    def __init__(self, name: str, circuit: Circuit, judgement: Judgement, counting: Counting, hub: Hub) -> None:
        super().__init__(name, tally_name("circuit", counting.namespace, name), counting, Asking(circuit), passing)
        self.circuit = circuit
        self._judgement = judgement
        self._hub = hub
        self._passed = _Passed.of(circuit, 0)

    def trial(self, token: bytes) -> Asking:
        """Return the step by which a call asks to be a trial."""
        return Asking(self.circuit, token)

    def withdrawal(self, token: bytes) -> Reporting:
        """Return the step by which a trial gives its place back."""
        return Reporting(self.circuit, Ticket(0, token), "")

    async def enter(self, way: Way, key: str) -> Ticket | None:
        """Let a call through, or refuse it; see `Guard.enter`.

        Raises:
            CircuitOpen: the circuit is open.
        """
        epoch = self.glance(way, key)
        if epoch is None:
            turn, token = await self.admit(way, key)
            if turn is None or token:
                return turn and Ticket(turn.epoch, token, turn.is_trial)
            epoch = turn.epoch
        return self._passed_in(epoch).ticket

    async def leave(self, way: Way, key: str, ticket: Ticket | None, error: BaseException | None) -> None:
        """Count how a call has ended; see `Guard.leave`."""
        end: End = "succeeded" if error is None else self._judgement.of(error)
        if ticket is None or not (end or ticket.token):
            return
        step, table = self._reporting(ticket, end), self._counting.at_hand(way)
        standing: Standing | None = (
            await self.report(way, key, step, ticket.token) if table is None else table.change(self._tally + key, step)
        )
        if standing is not None:
            self._tell(key, standing.state, _reason(standing, ticket, self.circuit))

    async def standing(self, way: Way, key: str) -> Standing:
        """Return how things stand, and count nothing."""
        standing: Standing | None = await self.step(way, key, Looking(self.circuit))
        return Standing("closed", 0, 0, 0.0) if standing is None else standing

    async def state(self, way: Way, key: str) -> Mode:
        """Return the state of the circuit."""
        return (await self.standing(way, key)).state

    async def switch(self, way: Way, key: str, how: type[Opening]) -> None:
        """Open or close the circuit."""
        standing: Standing | None = await self.step(way, key, how(self.circuit))
        if standing is not None:
            self._tell(key, standing.state, "by hand")

    def _reporting(self, ticket: Ticket, end: End) -> Reporting:
        if ticket.token:
            return Reporting(self.circuit, ticket, end)
        passed = self._passed_in(ticket.epoch)
        return passed.failed if end == "failed" else passed.succeeded

    def _passed_in(self, epoch: int) -> _Passed:
        passed = self._passed
        if passed.ticket.epoch != epoch:
            passed = self._passed = _Passed.of(self.circuit, epoch)
        return passed

    def _tell(self, key: str, became: Mode, reason: str) -> None:
        if self._hub.has_listeners:
            announcer = self._hub.announcer
            announce = announcer.circuit_opened if became == "open" else announcer.circuit_closed
            announce(key, self._name, reason)


class _Passed(NamedTuple):
    """What is made once for all calls that one state of a circuit lets through, which is most of them: ticket and reports."""

    ticket: Ticket
    succeeded: Reporting
    failed: Reporting

    @classmethod
    def of(cls, circuit: Circuit, epoch: int) -> _Passed:
        """Return that of the state with a number."""
        ticket = Ticket(epoch)
        return cls(ticket, Reporting(circuit, ticket, "succeeded"), Reporting(circuit, ticket, "failed"))


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
        return self._reach.run(self._guard.switch(self._reach.way, self._reach.key(args, kwargs), Opening))

    def close(self, /, *args: Any, **kwargs: Any) -> Any:
        """Close the circuit for calls with these arguments, and forget how they have ended so far."""
        return self._reach.run(self._guard.switch(self._reach.way, self._reach.key(args, kwargs), Closing))


def _reason(standing: Standing, ticket: Ticket, circuit: Circuit) -> str:
    if ticket.is_trial:
        return "a trial failed" if standing.state == "open" else "all trials succeeded"
    return f"{standing.errors} of {standing.calls} calls failed in {circuit.window:g} s"


def _standing(reply: Any) -> Standing:
    mode, calls, errors, wait = reply
    return Standing(_mode(mode), int(calls), int(errors), int(wait) / 1_000_000)


def _mode(text: bytes) -> Mode:
    mode: Mode = text.decode()  # type: ignore[assignment]
    if mode not in ("closed", "open", "half_open"):
        raise ValueError(mode)
    return mode
