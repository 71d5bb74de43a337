"""The decorators of cashews for whoever hands them the cache, or a backend: ``early(cache, ttl=60)``; and detectors."""

from ..cache_condition import NOT_NONE
from .bloom import bloom, dual_bloom
from .cache.defaults import CacheDetect, context_cache_detect
from .cache.early import early
from .cache.fail import failover, fast_condition
from .cache.hit import hit
from .cache.iterator import iterator
from .cache.simple import cache
from .cache.soft import soft
from .circuit_breaker import circuit_breaker
from .locked import locked, thunder_protection
from .rate import rate_limit
from .rate_slide import slice_rate_limit

__all__ = [
    "NOT_NONE",
    "CacheDetect",
    "bloom",
    "cache",
    "circuit_breaker",
    "context_cache_detect",
    "dual_bloom",
    "early",
    "failover",
    "fast_condition",
    "hit",
    "iterator",
    "locked",
    "rate_limit",
    "slice_rate_limit",
    "soft",
    "thunder_protection",
]
