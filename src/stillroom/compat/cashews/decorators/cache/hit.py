"""``hit(backend, ttl, cache_hits)``."""

from __future__ import annotations

from .._handed import STORING, handed

__all__ = ["hit"]

hit = handed("hit", "ttl", "cache_hits", "update_after", "key", *STORING, "background")
