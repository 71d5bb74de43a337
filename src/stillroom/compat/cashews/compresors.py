"""How large values are compressed on Redis. The module's name is spelled as it is in cashews."""

from __future__ import annotations

from enum import Enum

__all__ = ["CompressType"]


class CompressType(Enum):
    """What ``compress_type`` may be. Gzip is zlib with a longer header, and is stored as zlib."""

    NULL = "null"
    GZIP = "gzip"
    ZLIB = "zlib"
