"""The errors that cashews raises, and the tree they stand in.

CacheError
├── BackendNotAvailableError, NotConfiguredError, TagNotRegisteredError, WrongKeyError
├── UnsupportedPicklerError, UnsupportedDigestmod, UnsupportedCompressorError, DecompressionError
├── UnSecureDataError, SignIsMissingError
├── CacheBackendInteractionError, LockedError, RateLimitError
CircuitBreakerOpen
"""

from __future__ import annotations

__all__ = [
    "BackendNotAvailableError",
    "CacheBackendInteractionError",
    "CacheError",
    "CircuitBreakerOpen",
    "DecompressionError",
    "LockedError",
    "NotConfiguredError",
    "RateLimitError",
    "SignIsMissingError",
    "TagNotRegisteredError",
    "UnSecureDataError",
    "UnsupportedCompressorError",
    "UnsupportedDigestmod",
    "UnsupportedPicklerError",
    "WrongKeyError",
]


class CacheError(Exception):
    """The root of the errors below it."""


class BackendNotAvailableError(CacheError):
    """No backend answers to the url's scheme, or what it needs is not installed."""


class NotConfiguredError(CacheError):
    """A cache was used for a key that no `setup` has been made for."""


class UnsupportedPicklerError(CacheError):
    """There is no such pickler, or what it needs is not installed."""


class UnsupportedDigestmod(CacheError):
    """There is no such digest."""


class UnsupportedCompressorError(CacheError):
    """There is no such compression."""


class DecompressionError(CacheError):
    """What is stored cannot be decompressed. Here such a value is a miss."""


class UnSecureDataError(CacheError):
    """What is stored bears a wrong signature. Here such a value is a miss."""


class SignIsMissingError(CacheError):
    """What is stored bears no signature. Here such a value is a miss."""


class WrongKeyError(CacheError):
    """A key template names what is no parameter of the function."""


class TagNotRegisteredError(CacheError):
    """A tag was used that is not registered."""


class LockedError(CacheError):
    """A key is locked already."""


class CacheBackendInteractionError(CacheError):
    """The backend is out of reach, and errors are not suppressed."""


class RateLimitError(CacheError):
    """A rate limit has been reached."""


class CircuitBreakerOpen(Exception):
    """A circuit breaker is open."""
