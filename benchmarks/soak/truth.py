"""What all processes of a soak know: the version that the source of each key has, and the one that no answer may be below.

Whoever changes something first raises its *version*, then invalidates. Once that has returned, and reached the server, the
version is the key's *floor*: a call that begins now must not return less. Arrays in shared memory hold both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["Truth"]


class Truth:
    """Versions and floors of all keys; can be handed to processes that are started with "spawn".

    Args:
        context: where the arrays come from, a context of ``multiprocessing``.
        size: how many keys there are.
    """

    def __init__(self, context: Any, size: int) -> None:
        self._versions = context.Array("q", size)
        self._floors = context.Array("q", size)

    def version(self, key: int) -> int:
        """Return what a load that begins now returns."""
        version: int = self._versions[key]
        return version

    def raise_version(self, keys: Sequence[int]) -> dict[int, int]:
        """Change the source of some keys; return their new versions."""
        with self._versions.get_lock():
            for key in keys:
                self._versions[key] += 1
            return {key: self._versions[key] for key in keys}

    def floor(self, key: int) -> int:
        """Return what a call that begins now must not be below."""
        floor: int = self._floors[key]
        return floor

    def raise_floor(self, versions: dict[int, int]) -> None:
        """Take note that versions have been invalidated up to these, everywhere."""
        with self._floors.get_lock():
            for key, version in versions.items():
                self._floors[key] = max(self._floors[key], version)
