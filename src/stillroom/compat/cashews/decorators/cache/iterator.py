"""``iterator(backend, ttl)``."""

from __future__ import annotations

from .._handed import handed

__all__ = ["iterator"]

iterator = handed("iterator", "ttl", "key", "condition")
