"""``early(backend, ttl)``."""

from __future__ import annotations

from .._handed import STORING, handed

__all__ = ["early"]

early = handed("early", "ttl", "key", "early_ttl", *STORING, "background")
