"""Eras: native guards count apart from values, and what they have counted is to end when its key is deleted, or everything is.

So an entry stands under that key, which holds the name of the era, and guards count for each era by itself.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from stillroom import Cache as Native

from ._marks import Kept
from ._translation import translated

__all__ = ["Eras"]

_MARK: Final = "era"
"""What tells an era from results of functions, so that none is served with it."""
_SPANS: Final = 4
_MOST_KEYS: Final = 4096
_FOREVER: Final = float("inf")


class Eras:
    """The eras of one decorated function's keys.

    Args:
        begin: called, with the native cache, when an era begins.
    """

    def __init__(self, begin: Callable[[Native], Awaitable[None]] | None = None) -> None:
        self._begin = begin
        self._prolonged: dict[tuple[int, str], float] = {}

    @translated
    async def of(self, home: Native, key: str, span: float | None = None) -> str:
        """Return the era of a key.

        Args:
            home: the native cache that is responsible for it.
            key: the key.
            span: for how many seconds, at least, it goes on after this; ``None`` without end.
        """
        begun: list[Kept] = []

        async def begin() -> Kept:
            if self._begin is not None:
                await self._begin(home)
            begun.append(Kept(_MARK, uuid.uuid4().hex))
            return begun[0]

        era = await home.aget_or_load(key, begin, None if span is None else span * _SPANS)
        if span is not None and self._is_due((id(home), key), span, is_new=bool(begun)):
            await home.atouch(key, span * _SPANS)
        return str(era.value) if isinstance(era, Kept) and era.mark == _MARK else ""  # it is taken by something else

    def _is_due(self, which: tuple[int, str], span: float, *, is_new: bool) -> bool:
        """Tell whether an era is to be prolonged now, so that none ends that is in use."""
        now = time.monotonic()
        if not is_new and now - self._prolonged.get(which, -_FOREVER) < span:
            return False
        if len(self._prolonged) >= _MOST_KEYS:
            self._prolonged.clear()
        self._prolonged[which] = now
        return not is_new
