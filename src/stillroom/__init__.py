"""stillroom caches the results of functions, sync and async, and never serves a wrong answer.

    from stillroom import cache

    @cache(ttl="10m")
    def exchange_rate(base: str, quote: str) -> Decimal: ...
"""

from .cache import Cache, cache
from .errors import ConfigurationError, LockTimeout, StillroomError, StoreError, UncacheableArgument
from .keys import register_key_type

__all__ = [
    "Cache",
    "ConfigurationError",
    "LockTimeout",
    "StillroomError",
    "StoreError",
    "UncacheableArgument",
    "cache",
    "register_key_type",
]
