"""``slice_rate_limit(backend, limit, period)``."""

from __future__ import annotations

from ._handed import handed

__all__ = ["slice_rate_limit"]

slice_rate_limit = handed("slice_rate_limit", "limit", "period", "key", "action", "prefix", prefix="srate")
