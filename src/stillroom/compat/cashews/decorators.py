"""The decorators of cashews for whoever hands them the cache, or a backend: ``early(cache, ttl=60)``; and detectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._cache import Cache
from ._detecting import CacheDetect, context_cache_detect
from ._protecting import thunder_protection
from .backends.interface import Backend
from .cache_condition import NOT_NONE

__all__ = [
    "NOT_NONE",
    "CacheDetect",
    "bloom",
    "cache",
    "circuit_breaker",
    "context_cache_detect",
    "dual_bloom",
    "early",
    "failover",
    "fast_condition",
    "hit",
    "iterator",
    "locked",
    "rate_limit",
    "slice_rate_limit",
    "soft",
    "thunder_protection",
]


def _handed(name: str, *order: str, **defaults: Any) -> Callable[..., Any]:
    """Return a decorator of a cache as a function that is handed the cache, and then its settings in this order."""

    def decorator(backend: Any, *args: Any, **kwargs: Any) -> Any:
        cache = Cache.of_backend(backend) if isinstance(backend, Backend) else backend
        return getattr(cache, name)(**{**defaults, **dict(zip(order, args, strict=False)), **kwargs})

    decorator.__name__ = decorator.__qualname__ = name
    return decorator


_STORING = ("condition", "prefix", "tags")

cache = _handed("cache", "ttl", "key", *_STORING)
early = _handed("early", "ttl", "key", "early_ttl", *_STORING, "background")
soft = _handed("soft", "ttl", "key", "soft_ttl", "exceptions", *_STORING)
hit = _handed("hit", "ttl", "cache_hits", "update_after", "key", *_STORING, "background")
failover = _handed("failover", "ttl", "exceptions", "key", "condition", "prefix")
iterator = _handed("iterator", "ttl", "key", "condition")
locked = _handed("locked", "key", "ttl", "wait", "prefix", "check_interval", prefix="lock")
rate_limit = _handed("rate_limit", "limit", "period", "ttl", "key", "action", "prefix")
slice_rate_limit = _handed("slice_rate_limit", "limit", "period", "key", "action", "prefix", prefix="srate")
circuit_breaker = _handed(
    "circuit_breaker", "errors_rate", "period", "ttl", "half_open_ttl", "min_calls", "exceptions", "key", "prefix"
)
bloom = _handed("bloom")
dual_bloom = _handed("dual_bloom")


def fast_condition(getter: Callable[[str], Any], setter: Callable[[str, Any], Any] | None = None) -> Callable[..., bool]:
    """Return a condition that keeps a result only if ``getter`` finds none for its key, and tells ``setter`` of it."""

    def condition(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any], key: str = "") -> bool:  # noqa: ARG001 - called so
        if getter(key):
            return False
        if setter:
            setter(key, result)
        return True

    return condition
