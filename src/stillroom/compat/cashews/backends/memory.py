"""The backend of ``mem://``: values in this process, so many at most."""

from __future__ import annotations

from copy import copy
from typing import Any, Final

from .._translation import life
from ..serialize import Serializer
from .interface import Backend

__all__ = ["Memory"]

_UNCHANGEABLE: Final = frozenset({int, str, bytes, float, bool, type(None)})


class Memory(Backend):
    """Values in this process.

    Args:
        size: how many there may be; what is asked for least leaves first.
        check_interval: taken and not needed: what has expired is never found, and leaves as other values come.
        serializer: with one that pickles, every caller gets a copy.
    """

    def __init__(
        self, size: int = 1000, check_interval: float = 1, serializer: Serializer | None = None, **settings: Any
    ) -> None:
        self.size = int(size)
        copies = serializer is not None and not serializer.keeps_objects
        super().__init__(
            serializer=serializer, url="memory://", options={"max_entries": self.size, "eviction": "lru", "copy": copies}
        )

    async def close(self) -> None:
        """Do nothing: there is nothing to let go of but values, and cashews keeps them."""
        self._is_init = False

    async def _length(self, key: str, expire: float | None) -> float | None:
        """Return for how long a value is stored: what is set without end keeps the end that there was, as in cashews."""
        return expire or life(await self.native.attl(key))

    def _kept(self, value: Any) -> Any:
        try:
            return value if type(value) in _UNCHANGEABLE else copy(value)
        except Exception:  # whatever a class may say about it
            return value
