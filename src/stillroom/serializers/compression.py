"""Compression of what is large, around any serializer.

Compressed bytes are kept only if there are fewer of them. They tell how large they will be, and reading them never makes more
than that, nor more than `LARGEST`.
"""

from __future__ import annotations

import zlib
from typing import Any, ClassVar, Final, Protocol

from ..protocols import Serializer
from .marks import ZLIB, ZSTD

__all__ = ["ABOVE", "LARGEST", "CompressedSerializer", "Zlib"]

ABOVE: Final = 1024
"""How many bytes are never compressed: there is little to gain."""

LARGEST: Final = 256 * 1024 * 1024
"""How many bytes compressed ones may stand for; what is larger is stored as it is."""

_MARK_AND_SIZE: Final = 6


class Algorithm(Protocol):
    """A way to compress."""

    mark: ClassVar[bytes]
    """What stored bytes begin with."""

    def shrink(self, data: bytes) -> bytes:
        """Return fewer bytes, with luck."""
        ...

    def grow(self, data: bytes, size: int) -> bytes:
        """Return what was shrunk, without ever making more than a little beyond ``size`` bytes.

        Raises:
            Exception: they are not what `shrink` gave for so many bytes.
        """
        ...


class Zlib:
    """Compression by zlib."""

    mark: ClassVar[bytes] = ZLIB

    def shrink(self, data: bytes) -> bytes:
        return zlib.compress(data)

    def grow(self, data: bytes, size: int) -> bytes:
        stream = zlib.decompressobj()
        grown = stream.decompress(data, size + 1)
        if not stream.eof or stream.unused_data:
            raise ValueError("compressed bytes do not end where they should")
        return grown


class CompressedSerializer:
    """Compresses what a serializer makes, above a size.

    Args:
        inner: the serializer.
        algorithm: compresses.
        above: how many bytes are not compressed.
    """

    def __init__(self, inner: Serializer, algorithm: Algorithm, above: int = ABOVE) -> None:
        self._inner = inner
        self._algorithm = algorithm
        self._above = above

    def __repr__(self) -> str:
        return f"CompressedSerializer({self._inner!r})"

    def dump(self, value: Any) -> bytes:
        data = self._inner.dump(value)
        if not self._above < len(data) <= LARGEST:
            return data
        small = self._algorithm.mark + len(data).to_bytes(4, "big") + self._algorithm.shrink(data)
        return small if len(small) < len(data) else data

    def load(self, data: bytes) -> Any:
        return self._inner.load(self._grown(data) if data[:2] in (ZLIB, ZSTD) else data)

    def _grown(self, data: bytes) -> bytes:
        # What was stored before the setting changed is still read, unless it takes a package that may not be there.
        algorithm = self._algorithm if data[:2] == self._algorithm.mark else Zlib()
        size = int.from_bytes(data[2:_MARK_AND_SIZE], "big")
        if data[:2] != algorithm.mark or size > LARGEST:
            raise ValueError("these bytes were compressed in another way, or are too large")
        try:
            grown = algorithm.grow(data[_MARK_AND_SIZE:], size)
        except Exception as error:
            raise ValueError("these bytes cannot be decompressed") from error
        if len(grown) != size:
            raise ValueError("these bytes are not as many as they say")
        return grown
