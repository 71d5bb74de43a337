"""Detectors, where cashews has them."""

from ..._detecting import CacheDetect, context_cache_detect

__all__ = ["CacheDetect", "context_cache_detect"]
