"""Holds `redis_cache`, where cachify has it."""

from .decorating import redis_cache

__all__ = ["redis_cache"]
