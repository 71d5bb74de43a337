"""The first two bytes of what is not MessagePack, so that no serializer takes the bytes of another for its own.

No MessagePack begins with the first of them.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CUSTOM_BYTES", "CUSTOM_TEXT", "ERROR", "JSON", "PICKLE", "SEALED", "ZLIB", "ZSTD", "unmarked"]

JSON: Final = b"\xc1j"
PICKLE: Final = b"\xc1p"
CUSTOM_BYTES: Final = b"\xc1c"
CUSTOM_TEXT: Final = b"\xc1t"
ERROR: Final = b"\xc1e"
SEALED: Final = b"\xc1S"
ZLIB: Final = b"\xc1z"
ZSTD: Final = b"\xc1Z"


def unmarked(data: bytes, mark: bytes) -> bytes:
    """Return what follows a mark.

    Raises:
        ValueError: the bytes do not begin with it.
    """
    if data[:2] != mark:
        raise ValueError("these bytes were made by another serializer")
    return data[2:]
