"""The errors of cache-house."""

__all__ = ["CacheHouseError", "RedisNotInitialize", "RedisNotInitialized"]


class CacheHouseError(Exception):
    """The root of all of them."""


class RedisNotInitialized(CacheHouseError):
    """A backend was asked for before there was one."""


RedisNotInitialize = RedisNotInitialized
"""The former name."""
