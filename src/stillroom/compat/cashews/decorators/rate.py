"""``rate_limit(backend, limit, period)``."""

from __future__ import annotations

from ._handed import handed

__all__ = ["rate_limit"]

rate_limit = handed("rate_limit", "limit", "period", "ttl", "key", "action", "prefix")
