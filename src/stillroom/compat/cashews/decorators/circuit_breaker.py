"""``circuit_breaker(backend, errors_rate, period, ttl)``."""

from __future__ import annotations

from ._handed import handed

__all__ = ["circuit_breaker"]

circuit_breaker = handed(
    "circuit_breaker", "errors_rate", "period", "ttl", "half_open_ttl", "min_calls", "exceptions", "key", "prefix"
)
