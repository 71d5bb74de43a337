"""Eras: native guards count apart from values, and what they have counted is to end when its key is deleted, or everything is.

So an entry stands under that key, which holds the name of the era, and guards count for each era by itself. What other
processes delete is noticed after a second, and what this one does at once.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from stillroom import Cache as Native

from ._marks import Kept
from ._translation import translated
from .backends.interface import Backend

__all__ = ["Eras"]

_MARK: Final = "era"
"""What tells an era from results of functions, so that none is served with it."""
_SPANS: Final = 4
_MOST_KEYS: Final = 4096
_TRUSTED_FOR: Final = 1.0


class _Known(NamedTuple):
    """An era as it was last looked at.

    Attributes:
        era: its name.
        backend: where it stands.
        deletions: how many the backend had seen.
        until: until when it is trusted.
    """

    era: str
    backend: Backend
    deletions: int
    until: float


class Eras:
    """The eras of one decorated function's keys.

    Args:
        begin: called, with the native cache, when an era begins.
    """

    def __init__(self, begin: Callable[[Native], Awaitable[None]] | None = None) -> None:
        self._begin = begin
        self._known: dict[str, _Known] = {}

    async def of(self, backend: Backend, key: str, span: float | None = None) -> str:
        """Return the era of a key.

        Args:
            backend: what is responsible for it.
            key: the key.
            span: for how many seconds, at least, it goes on after this; ``None`` without end, and looked at each time.
        """
        if span is None:
            return await self._found(backend, key, None)
        known, now, deletions = self._known.get(key), time.monotonic(), backend.deletions
        if known is not None and known.backend is backend and known.deletions == deletions and now < known.until:
            return known.era
        era = await self._found(backend, key, span * _SPANS)
        if len(self._known) >= _MOST_KEYS:
            self._known.clear()
        self._known[key] = _Known(era, backend, deletions, now + min(span, _TRUSTED_FOR))
        return era

    @translated
    async def _found(self, backend: Backend, key: str, ttl: float | None) -> str:
        is_new, home = False, backend.native

        async def begin() -> Kept:
            nonlocal is_new
            if self._begin is not None:
                await self._begin(home)
            is_new = True
            return Kept(_MARK, uuid.uuid4().hex)

        era = await home.aget_or_load(key, begin, ttl)
        if ttl is not None and not is_new:  # it is in use, and goes on
            await home.atouch(key, ttl)
        return str(era.value) if isinstance(era, Kept) and era.mark == _MARK else ""  # it is taken by something else
