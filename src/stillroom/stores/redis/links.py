"""What differs between blocking callers and event loops when they talk to servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from ...errors import StoreError
from .client import Node
from .layout import RedisKey

if TYPE_CHECKING:
    from asyncio import Future

    from .glance import Prepared

__all__ = ["Batch", "Links", "OutOfMemory", "Outcome", "end_of", "failed", "was_closed"]


class Batch(NamedTuple):
    """Commands for one node, as they are sent.

    Attributes:
        node: where they go.
        data: the commands.
        replies: how many replies there will be.
        is_repeatable: they may be sent again if the connection turns out to have been closed.
    """

    node: Node
    data: bytes
    replies: int
    is_repeatable: bool = True


Outcome: TypeAlias = "list[Any] | StoreError"
"""The replies to a batch, or why there are none."""


class Links(Protocol):
    """Connections of one colour."""

    @property
    def timeout(self) -> float:
        """How many seconds an operation may take."""
        ...

    def deadline(self) -> float:
        """Return until when an operation that begins now may take, on the system's monotonic clock."""
        ...

    async def exchange(self, batches: Sequence[Batch], until: float) -> list[Outcome]:
        """Send each node its commands and return the replies of each, in the order of the batches; errors are returned too."""
        ...

    async def values(self, node: Node, keys: Sequence[RedisKey]) -> Outcome:
        """Return the values of some keys of one node, which one command may name together."""
        ...

    def ask(self, node: Node, command: bytes) -> Any:
        """Return the reply to one command that only reads, or why there is none; for blocking callers only."""
        ...

    def ask_soon(self, node: Node, prepared: Prepared) -> Future[Any] | None:
        """Read an entry and its generations, together with all that is read in this turn; for callers on event loops only.

        Returns:
            What will have a tuple of the entry, the tokens, and what an entry carries that was loaded under them; or a list
            with the reply to the command alone, if nothing else was read in this turn; or why there is neither.
            ``None`` if there is no connection yet.
        """
        ...

    async def pause(self, length: float) -> None:
        """Return after so many seconds."""
        ...

    def forget(self, node: Node) -> None:
        """Close idle connections to a node."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class OutOfMemory(StoreError):
    """The server has no room for what it was to store, and has stored nothing."""


def was_closed(outcome: object) -> bool:
    """Tell whether a connection that had been made was closed from the other end, which says little about the server."""
    return isinstance(outcome, StoreError) and isinstance(outcome.__cause__, ConnectionError)


def end_of(connection: Any) -> Exception | None:
    """Return why an asyncio connection of redis-py's has ended already: whoever takes it over will not be told."""
    reader = connection._reader
    if reader.exception() is None and not reader.at_eof() and not connection._writer.transport.is_closing():
        return None
    error: Exception | None = reader.exception()
    return error or ConnectionResetError("the server has closed the connection")


def failed(node: Node, error: object) -> StoreError:
    """Return the error for a node that did not answer."""
    reason = str(error) or type(error).__name__
    made = StoreError(f"no answer from {node}: {reason}", store="redis", operation="exchange")
    if isinstance(error, BaseException):
        made.__cause__ = error
    return made
