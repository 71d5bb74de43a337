"""stillroom caches the results of functions, sync and async, and never serves a wrong answer.

from stillroom import cache

@cache(ttl="10m")
def exchange_rate(base: str, quote: str) -> Decimal: ...
"""

from .cache import Cache, cache
from .errors import (
    CircuitOpen,
    ConfigurationError,
    LockTimeout,
    RateLimited,
    Refused,
    StillroomError,
    StoreError,
    TooSlow,
    UncacheableArgument,
    UncacheableValue,
)
from .keys import register_key_type
from .serializers import register_type

__all__ = [
    "Cache",
    "CircuitOpen",
    "ConfigurationError",
    "LockTimeout",
    "RateLimited",
    "Refused",
    "StillroomError",
    "StoreError",
    "TooSlow",
    "UncacheableArgument",
    "UncacheableValue",
    "cache",
    "register_key_type",
    "register_type",
]

for _public in (
    Cache,
    CircuitOpen,
    ConfigurationError,
    LockTimeout,
    RateLimited,
    Refused,
    StillroomError,
    StoreError,
    TooSlow,
    UncacheableArgument,
    UncacheableValue,
    register_key_type,
    register_type,
):
    _public.__module__ = __name__  # so that they show, and are pickled, under the name that users know
del _public
