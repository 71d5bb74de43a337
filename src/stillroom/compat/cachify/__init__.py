"""The interface of cachify, with stillroom underneath: ``from stillroom.compat.cachify import cache, rcache``.

Modules have the names that they have there, as far as users import from them.
"""

from .decorating import clear_never_die_registry
from .memory_cache import cache
from .redis import DEFAULT_KEY_PREFIX, get_redis_config, reset_redis_config, setup_redis_config
from .redis_cache import redis_cache  # the function, whose name its module has as well
from .types import CacheKwargs

__all__ = [
    "DEFAULT_KEY_PREFIX",
    "CacheKwargs",
    "__version__",
    "cache",
    "clear_never_die_registry",
    "get_redis_config",
    "rcache",
    "redis_cache",
    "reset_redis_config",
    "setup_redis_config",
]

__version__ = "0.3.6"
"""The release of cachify whose interface this is."""

rcache = redis_cache
