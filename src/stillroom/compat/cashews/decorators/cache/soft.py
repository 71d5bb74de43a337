"""``soft(backend, ttl)``."""

from __future__ import annotations

from .._handed import STORING, handed

__all__ = ["soft"]

soft = handed("soft", "ttl", "key", "soft_ttl", "exceptions", *STORING)
