"""cashews' interface, with stillroom underneath: ``from stillroom.compat.cashews import cache``."""

from . import decorators
from ._cache import Cache
from ._performance import PerfDegradationException
from ._settings import register_backend
from ._transaction import TransactionMode
from .cache_condition import NOT_NONE, only_exceptions, with_exceptions
from .commands import Command
from .decorators import CacheDetect, context_cache_detect, fast_condition, thunder_protection
from .exceptions import CacheBackendInteractionError, CircuitBreakerOpen, LockedError, RateLimitError
from .formatter import default_formatter
from .helpers import add_prefix, all_keys_lower, memory_limit
from .key import get_cache_key, get_cache_key_template, noself
from .key_context import context as key_context
from .key_context import register as register_key_context
from .ttl import TTL
from .validation import invalidate_further

cache = Cache(name="default")
bloom = cache.bloom
cache_detect = cache.detect
circuit_breaker = cache.circuit_breaker
dual_bloom = cache.dual_bloom
dynamic = cache.dynamic
early = cache.early
fail = cache.fail
failover = cache.failover
hit = cache.hit
invalidate = cache.invalidate
invalidate_func = cache.invalidate_func
iterator = cache.iterator
locked = cache.locked
perf = cache.perf
rate_limit = cache.rate_limit
setup = cache.setup
slice_rate_limit = cache.slice_rate_limit
soft = cache.soft
transaction = cache.transaction

mem = Cache(name="mem")
mem.setup("mem://?check_interval=1", size=1_000_000)

__all__ = [
    "NOT_NONE",
    "TTL",
    "Cache",
    "CacheBackendInteractionError",
    "CacheDetect",
    "CircuitBreakerOpen",
    "Command",
    "LockedError",
    "PerfDegradationException",
    "RateLimitError",
    "TransactionMode",
    "add_prefix",
    "all_keys_lower",
    "bloom",
    "cache",
    "cache_detect",
    "circuit_breaker",
    "context_cache_detect",
    "decorators",
    "default_formatter",
    "dual_bloom",
    "dynamic",
    "early",
    "fail",
    "failover",
    "fast_condition",
    "get_cache_key",
    "get_cache_key_template",
    "hit",
    "invalidate",
    "invalidate_func",
    "invalidate_further",
    "iterator",
    "key_context",
    "locked",
    "mem",
    "memory_limit",
    "noself",
    "only_exceptions",
    "perf",
    "rate_limit",
    "register_backend",
    "register_key_context",
    "setup",
    "slice_rate_limit",
    "soft",
    "thunder_protection",
    "transaction",
    "with_exceptions",
]
