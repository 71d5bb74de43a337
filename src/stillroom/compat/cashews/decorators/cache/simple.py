"""``cache(backend, ttl)``."""

from __future__ import annotations

from .._handed import STORING, handed

__all__ = ["cache"]

cache = handed("cache", "ttl", "key", *STORING)
