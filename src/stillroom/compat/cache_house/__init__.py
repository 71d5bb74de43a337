"""The interface of cache-house: ``from stillroom.compat.cache_house.cache import cache``.

::

    backends   RedisFactory, RedisCache, RedisClusterCache: where results are kept
    cache      the decorator
    helpers    defaults, the key builder, the encoder and the decoder
    exceptions

What a decorated function returned is kept as its encoder wrote it, also in memory, and each hit decodes it anew: so callers
never share objects, whatever stands in for a server.
"""

__all__ = ["__version__"]

__version__ = "1.0.1"
"""The release whose interface this is."""
