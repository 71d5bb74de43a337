"""What a caching decorator was told, and what that is in the words of a native cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .ttl import TTL, of_call, ttl_to_seconds

__all__ = ["EXCEPTIONS", "Early", "Failover", "Hit", "Recipe", "Soft"]

EXCEPTIONS: Final = (Exception,)
_SOON: Final = 0.33
"""The share of its ttl after which a value is refreshed, unless the user says otherwise."""
_AT_ONCE: Final = 1e-30
"""How long a function that has failed is left alone: cashews asks it again with the next call."""


@dataclass(frozen=True)
class Recipe:
    """What ``@cache(...)`` was told.

    Attributes:
        name: what detectors call it.
        ttl: how long a result lives.
        condition: which results are stored; ``None`` for all.
        least: results are stored only if the function took longer than so many seconds.
        upper: results are stored only if no result from the cache went into them.
        lock: ``"process"``, ``"shared"`` or ``None``, as natively.
        background: whether refreshes go on behind.
    """

    ttl: TTL
    condition: Callable[..., Any] | None = None
    least: float | None = None
    upper: bool = False
    lock: Any = "process"
    background: bool = True
    name: str = "simple"

    @property
    def is_fixed(self) -> bool:
        """Whether the native settings are the same for all calls."""
        return True

    @property
    def remembers_errors(self) -> bool:
        """Whether the condition is asked about errors, too."""
        return True

    def seconds(self, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any = None) -> float | None:
        """Return how many seconds a result lives; ``None`` without end, which is what zero says too."""
        length: float | None = of_call(self.ttl, args, kwargs, result)
        return length or None

    def fresh_for(self, seconds: float | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | None:
        """Return for how many of these seconds it is fresh."""
        return seconds

    def settings(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the native settings for a call."""
        return {"ttl": _above_zero(self._fixed_ttl()), "lock": self.lock}

    def told(self, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any, left: float | None) -> dict[str, Any]:
        """Return what detectors are told of a result, of whose life so many seconds are left."""
        return {"ttl": self.seconds(args, kwargs, value)}

    def is_due(self, args: tuple[Any, ...], kwargs: dict[str, Any], left: float | None) -> bool:
        """Tell whether a result is to be refreshed while its caller waits."""
        return False

    def _fixed_ttl(self) -> float | None:
        return None if callable(self.ttl) else ttl_to_seconds(self.ttl) or None


@dataclass(frozen=True)
class Early(Recipe):
    """What ``@cache.early(...)`` was told. ``early_ttl``: after how long a result is refreshed behind."""

    early_ttl: TTL = None
    name: str = "early"

    @property
    def is_fixed(self) -> bool:
        return self.background and not callable(self.ttl) and not callable(self.early_ttl)

    def settings(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        ttl, early = self.lengths(args, kwargs)
        settings = {"ttl": _above_zero(ttl), "lock": self.lock}
        if self.background and ttl and 0 < early < ttl:
            settings["refresh_ahead"] = early / ttl
        return settings

    def lengths(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[float | None, float]:
        """Return how long a result lives, and after how long it is refreshed."""
        ttl = self.seconds(args, kwargs)
        early = of_call(self.early_ttl, args, kwargs)
        return ttl, (ttl or 0) * _SOON if early is None else early

    def told(self, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any, left: float | None) -> dict[str, Any]:
        ttl, early = self.lengths(args, kwargs)
        return {"ttl": ttl, "early_ttl": early, "early_expire_at": _moment(left, ttl, early)}

    def is_due(self, args: tuple[Any, ...], kwargs: dict[str, Any], left: float | None) -> bool:
        ttl, early = self.lengths(args, kwargs)
        return not self.background and ttl is not None and left is not None and left < ttl - early


@dataclass(frozen=True)
class Soft(Recipe):
    """What ``@cache.soft(...)`` was told. ``soft_ttl``: after how long a result stands in only if the function fails."""

    soft_ttl: TTL = None
    exceptions: tuple[type[Exception], ...] = EXCEPTIONS
    name: str = "soft"

    @property
    def is_fixed(self) -> bool:
        return not callable(self.ttl) and not callable(self.soft_ttl)

    @property
    def remembers_errors(self) -> bool:
        return False

    def fresh_for(self, seconds: float | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | None:
        soft = of_call(self.soft_ttl, args, kwargs)
        if soft is None:
            return None if seconds is None else seconds * _SOON
        return float(soft) if seconds is None else min(soft, seconds)

    def settings(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        try:
            ttl = self.seconds(args, kwargs)
        except Exception:  # it depends on the result: nobody knows for how long an old one may stand in
            return {"ttl": None, "lock": self.lock}
        soft = self.fresh_for(ttl, args, kwargs)
        settings: dict[str, Any] = {"ttl": _above_zero(soft), "lock": self.lock}
        rest = _CENTURY if ttl is None else ttl - (soft or 0)
        if soft is not None and rest > 0:
            settings |= {"stale_if_error": rest, "errors": self.exceptions, "retry_after": _AT_ONCE}
        return settings

    def told(self, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any, left: float | None) -> dict[str, Any]:
        return {
            "ttl": self.ttl if callable(self.ttl) else self.seconds(args, kwargs),
            "soft_ttl": ttl_to_seconds(self.soft_ttl),
            "soft_expire_at": _moment(left, left, left or 0),
        }


@dataclass(frozen=True)
class Hit(Recipe):
    """What ``@cache.hit(...)`` was told: after how many hits a result ends, and after how many it is refreshed behind."""

    cache_hits: int = 0
    update_after: int | None = None
    name: str = "hit"

    def settings(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        settings = {**super().settings(args, kwargs), "max_hits": max(self.cache_hits, 1)}
        after = self.update_after
        if not after or not 0 < after <= self.cache_hits:
            return settings
        if not self.background:  # callers get the same values if the next one waits for the refresh
            return {**settings, "max_hits": after}
        if after > 1:  # natively, the next hit after so many refreshes
            return {**settings, "refresh_after_hits": after - 1}
        return {**settings, "ttl": settings["ttl"] or _CENTURY, "refresh_ahead": _FROM_THE_START}

    def told(self, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any, left: float | None) -> dict[str, Any]:
        return {"ttl": self.seconds(args, kwargs, value), "cache_hits": self.cache_hits}


@dataclass(frozen=True)
class Failover(Recipe):
    """What ``@cache.failover(...)`` was told: for which errors a result stands in."""

    exceptions: tuple[type[Exception], ...] = EXCEPTIONS
    upper: bool = True
    name: str = "failover"

    @property
    def is_fixed(self) -> bool:
        return False  # each call runs the function

    @property
    def remembers_errors(self) -> bool:
        return False


_CENTURY: Final = 3.2e9
_FROM_THE_START: Final = 1e-15


def _above_zero(seconds: float | None) -> float | None:
    """Return a length that native caches take; what would have ended before it began is not stored, whatever this says."""
    return seconds if seconds is None or seconds > 0 else 1.0


def _moment(left: float | None, whole: float | None, after: float) -> Any:
    """Return when so many seconds of a result's life will have gone by."""
    from datetime import datetime, timedelta, timezone

    gone = 0.0 if left is None or whole is None else whole - left
    return datetime.now(timezone.utc) + timedelta(seconds=max(min(after - gone, _CENTURY), -_CENTURY))
