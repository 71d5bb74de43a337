"""What the engine is given for one call, and what it gives back.

Errors travel through the core as values and are raised only at its outer edge. So a ``StopIteration`` out of a user's function
passes through coroutines unharmed (PEP 479), and nothing between can mistake a user's error for one of its own.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..entry import Entry
from ..observe.outcome import Outcome
from ..observe.stats import Ledger
from ..policy import Policy
from ..protocols import Key, Lookup

__all__ = ["Answer", "Call", "Purpose", "Source", "served"]


class Source:
    """Where values come from: one decorated function, or the loads given to ``get_or_load``.

    Attributes:
        name: the function's identity.
        policy: its freshness rules.
        ledger: its counts.
        awaits: whether a load must be awaited.
        shown: turns what a load returned into the value that users know.
        has_warned: the log has been told that a result cannot be stored.
    """

    __slots__ = ("awaits", "has_warned", "ledger", "name", "policy", "shown")

    def __init__(
        self, name: str, policy: Policy, ledger: Ledger, awaits: bool, shown: Callable[[Any], Any] = lambda value: value
    ) -> None:
        self.name = name
        self.policy = policy
        self.ledger = ledger
        self.awaits = awaits
        self.shown = shown
        self.has_warned = False


class Call:
    """One call of a source.

    Attributes:
        lookup: the key, with the generations that its entry must belong to.
        load: runs the user's function with the arguments of this call.
        arguments: the arguments by name, for rules that depend on them.
        came: when the caller came.
    """

    __slots__ = ("arguments", "came", "load", "lookup", "source")

    def __init__(
        self,
        source: Source,
        lookup: Lookup,
        load: Callable[[], Any],
        arguments: Callable[[], Mapping[str, object]],
        came: float,
    ) -> None:
        self.source = source
        self.lookup = lookup
        self.load = load
        self.arguments = arguments
        self.came = came

    @property
    def key(self) -> Key:
        """The key alone."""
        return self.lookup.key


class Purpose(enum.Enum):
    """Why a load is run."""

    ANSWER = "somebody waits for the value"
    RENEW = "somebody wants a new value, whatever is stored"
    REFRESH_BEHIND = "nobody waits for the value in particular"


class Answer(NamedTuple):
    """How a call was answered: a value or an error, and by what.

    Attributes:
        value: what the caller gets, unless there is an error.
        error: what the caller is to be raised.
        outcome: how the call was answered.
        fresh_until: when the stored value stops being fresh; ``None`` if none is stored.
        is_private: the value can be used only once, so it is for a single caller.
    """

    value: Any
    error: Exception | None
    outcome: Outcome
    fresh_until: float | None = None
    is_private: bool = False

    def unwrap(self) -> Any:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value


def served(entry: Entry[Any], outcome: Outcome) -> Answer:
    """Return the answer that an entry gives: its value, or the error that it remembers."""
    if entry.is_error:
        # Raised anew each time; without this its traceback would grow by every raise.
        return Answer(None, entry.value.with_traceback(None), outcome, entry.fresh_until)
    return Answer(entry.value, None, outcome, entry.fresh_until)
