"""``locked(backend, ttl=...)``, and what needs no backend."""

from __future__ import annotations

from .._protecting import thunder_protection
from ._handed import handed

__all__ = ["locked", "thunder_protection"]

locked = handed("locked", "key", "ttl", "wait", "prefix", "check_interval", prefix="lock")
