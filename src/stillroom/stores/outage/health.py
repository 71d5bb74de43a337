"""How a cache's far store is doing, for whoever watches an application."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from .breaker import State

__all__ = ["Health", "Servers", "text_of"]

Servers: TypeAlias = Literal["single", "cluster", "sentinel"]
"""How the servers of a store belong together."""

_CREDENTIALS: Final = re.compile(r"://\S*@")


@dataclass(frozen=True, slots=True)
class Health:
    """How a cache's store is doing.

    Attributes:
        state: ``"ok"``; ``"down"`` while the store is out of reach and not asked; ``"recovering"`` while it answers again, and
            is told what has been invalidated meanwhile.
        since: for how many seconds that has been so.
        pending: how many invalidations it has still to be told of.
        error: what the last failure said, also after the store has recovered; ``None`` if there was none.
        failures: how many operations and probes have failed since the last one that succeeded.
        near: ``"live"`` while the near store is used, otherwise why it is not; ``None`` if there is none.
        servers: ``"single"``, ``"cluster"`` or ``"sentinel"``; ``None`` if there are none, or that is still to be found out.
    """

    state: State
    since: float
    pending: int = 0
    error: str | None = None
    failures: int = 0
    near: str | None = None
    servers: Servers | None = None


def text_of(error: BaseException) -> str:
    """Return what an error says, without the credentials of urls."""
    return _CREDENTIALS.sub("://***@", str(error)) or type(error).__name__
