"""``compress="zstd"``: compression by the standard library from Python 3.14 on, and by ``zstandard`` before."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any, ClassVar, Final

from ..errors import ConfigurationError
from .marks import ZSTD

__all__ = ["Zstd"]

_WINDOW: Final = 1 << 27
"""The memory that decompressing may take; no honest compressor asks for more by default."""


class Zstd:
    """Compression by zstd.

    Raises:
        ConfigurationError: there is nothing that does it.
    """

    mark: ClassVar[bytes] = ZSTD

    def __new__(cls) -> Zstd:
        if sys.version_info >= (3, 14):
            return object.__new__(_Standard)
        return object.__new__(_Package)

    def shrink(self, data: bytes) -> bytes:
        raise NotImplementedError

    def grow(self, data: bytes, size: int) -> bytes:
        raise NotImplementedError


class _Standard(Zstd):
    """By ``compression.zstd``."""

    def __init__(self) -> None:
        self._zstd: Any = importlib.import_module("compression.zstd")

    def shrink(self, data: bytes) -> bytes:
        shrunk: bytes = self._zstd.compress(data)
        return shrunk

    def grow(self, data: bytes, size: int) -> bytes:
        options = {self._zstd.DecompressionParameter.window_log_max: _WINDOW.bit_length() - 1}
        stream = self._zstd.ZstdDecompressor(options=options)
        grown: bytes = stream.decompress(data, max_length=size + 1)
        if not stream.eof or stream.unused_data:
            raise ValueError("compressed bytes do not end where they should")
        return grown


class _Package(Zstd):
    """By ``zstandard``, whose objects belong to one thread at a time."""

    def __init__(self) -> None:
        try:
            import zstandard
        except ImportError as error:
            message = "compress=\"zstd\" needs zstandard before Python 3.14: pip install 'stillroom[zstd]'"
            raise ConfigurationError(message, setting="compress", given="zstd") from error
        self._zstd = zstandard
        self._local = threading.local()

    def shrink(self, data: bytes) -> bytes:
        compressor = getattr(self._local, "compressor", None)
        if compressor is None:
            compressor = self._local.compressor = self._zstd.ZstdCompressor()
        shrunk: bytes = compressor.compress(data)
        return shrunk

    def grow(self, data: bytes, size: int) -> bytes:
        if self._zstd.get_frame_parameters(data).content_size != size:  # it allocates what the frame says, whatever we say
            raise ValueError("compressed bytes are not as many as they say")
        decompressor = getattr(self._local, "decompressor", None)
        if decompressor is None:
            decompressor = self._local.decompressor = self._zstd.ZstdDecompressor(max_window_size=_WINDOW)
        grown: bytes = decompressor.decompress(data, max_output_size=size, allow_extra_data=False)
        return grown
