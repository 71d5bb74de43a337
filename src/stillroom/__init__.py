"""stillroom caches the results of functions, sync and async, and never serves a wrong answer.

from stillroom import cache

@cache(ttl="10m")
def exchange_rate(base: str, quote: str) -> Decimal: ...
"""

from .cache import Cache, cache
from .errors import (
    CircuitOpen,
    ConfigurationError,
    LoadAborted,
    LockTimeout,
    MissingKeyContext,
    RateLimited,
    Refused,
    StillroomError,
    StoreError,
    TooSlow,
    UncacheableArgument,
    UncacheableValue,
)
from .keys import default_key_context, key_context, register_key_type
from .load import Load, current_load
from .serializers import register_type

__all__ = [
    "Cache",
    "CircuitOpen",
    "ConfigurationError",
    "Load",
    "LoadAborted",
    "LockTimeout",
    "MissingKeyContext",
    "RateLimited",
    "Refused",
    "StillroomError",
    "StoreError",
    "TooSlow",
    "UncacheableArgument",
    "UncacheableValue",
    "cache",
    "current_load",
    "default_key_context",
    "key_context",
    "register_key_type",
    "register_type",
]

for _public in (
    Cache,
    CircuitOpen,
    ConfigurationError,
    Load,
    LoadAborted,
    LockTimeout,
    MissingKeyContext,
    RateLimited,
    Refused,
    StillroomError,
    StoreError,
    TooSlow,
    UncacheableArgument,
    UncacheableValue,
    current_load,
    default_key_context,
    key_context,
    register_key_type,
    register_type,
):
    _public.__module__ = __name__  # so that they show, and are pickled, under the name that users know
del _public
