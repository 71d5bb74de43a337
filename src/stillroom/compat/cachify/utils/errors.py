"""What is raised where a call cannot be keyed."""

__all__ = ["CacheKeyError"]


class CacheKeyError(ValueError):
    """The arguments of a call, or what ``cache_key_func`` returned for them, cannot be pickled."""
