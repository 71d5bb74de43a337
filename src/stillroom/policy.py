"""The freshness rules of one decorated function, checked once and frozen.

Every setting of ``@cache(...)`` that says how long a value may be served, and what happens around its end, is a field of
`Policy`. A policy decides nothing by itself: `stillroom._engine.verdict` does, from a policy, an entry and the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from .durations import Duration, seconds
from .errors import ConfigurationError

__all__ = ["LoadLock", "Policy", "RefreshAhead", "StoreIf", "Ttl", "flag"]

Ttl: TypeAlias = "Duration | Callable[..., Duration | None] | None"
"""How long a value is fresh: a duration, ``None`` (until invalidated), or a callable that returns one of these."""
TtlRule: TypeAlias = Callable[[Mapping[str, object], Mapping[str, object]], "Duration | None"]
"""A ttl that depends on the call: given the arguments by name, and the value under the name ``value``."""
RefreshAhead: TypeAlias = 'float | Literal["xfetch"] | None'
LoadLock: TypeAlias = 'Literal["process", "shared"] | None'
StoreIf: TypeAlias = 'Callable[[Any], bool] | Literal["not_none"] | None'

DEFAULT_RETRY_AFTER: Final = 1.0
"""For how many seconds a failing origin is left alone under ``stale_if_error``, unless the user says otherwise."""


def _not_none(value: object) -> bool:
    return value is not None


@dataclass(frozen=True, slots=True)
class Policy:
    """The freshness rules of one function. All lengths of time are in seconds.

    Attributes:
        ttl: how long a value is fresh; ``inf`` until invalidated; a rule if it depends on the call.
        stale_while_revalidate: for how long after that an old value is served while it is refreshed behind (RFC 5861).
        stale_if_error: for how long after that an old value is served when the load fails (RFC 5861).
        errors: which errors ``stale_if_error`` covers.
        retry_after: for how long a failing origin is left alone.
        refresh_ahead: the fraction of ``ttl`` after which a hit refreshes behind, or ``"xfetch"``.
        keep_warm: refresh on expiry without being asked.
        idle_after: how long after its last read a warm key is let go; ``None`` for twice its ttl.
        max_hits: after how many hits a value expires.
        refresh_after_hits: after how many hits it is refreshed behind.
        soft_timeout: with a stale value at hand, how long to wait for a load.
        jitter: by up to what fraction ``ttl`` is shortened, at random.
        store_if: a predicate on the value; what fails it is not stored.
        cache_errors: how long errors of each type are remembered.
        missing_ttl: for how long it is remembered that there is no such item; ``None`` if it is not.
        shares_loads: whether callers of the same key share one load.
        waits_its_turn: whether a load waits while another process loads the same key.
        copy: whether values are copied deeply on their way in and out.
    """

    ttl: float | TtlRule = math.inf
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    errors: tuple[type[Exception], ...] = (Exception,)
    retry_after: float = DEFAULT_RETRY_AFTER
    refresh_ahead: RefreshAhead = None
    keep_warm: bool = False
    idle_after: float | None = None
    max_hits: int | None = None
    refresh_after_hits: int | None = None
    soft_timeout: float | None = None
    jitter: float = 0.0
    store_if: Callable[[Any], bool] | None = None
    cache_errors: tuple[tuple[type[Exception], float], ...] = ()
    missing_ttl: float | None = None
    shares_loads: bool = True
    waits_its_turn: bool = False
    copy: bool = False

    @property
    def grace(self) -> float:
        """For how long after it stopped being fresh a value may still be of use."""
        return max(self.stale_while_revalidate, self.stale_if_error)

    def with_rule(self, ttl: TtlRule) -> Policy:
        """Return the same policy with a rule for the ttl."""
        return replace(self, ttl=ttl)

    def with_missing(self, missing_ttl: Duration | None) -> Policy:
        """Return the same policy for a function of which items may be missing, and for how long that is remembered."""
        return replace(self, missing_ttl=_optional(missing_ttl, "missing_ttl"))

    @classmethod
    def checked(
        cls,
        *,
        ttl: Duration | TtlRule | None = None,
        stale_while_revalidate: Duration | None = None,
        stale_if_error: Duration | None = None,
        errors: type[Exception] | tuple[type[Exception], ...] | None = None,
        retry_after: Duration | None = None,
        refresh_ahead: RefreshAhead = None,
        keep_warm: bool = False,
        idle_after: Duration | None = None,
        max_hits: int | None = None,
        refresh_after_hits: int | None = None,
        soft_timeout: Duration | None = None,
        jitter: float | None = None,
        store_if: StoreIf = None,
        cache_errors: Mapping[type[Exception], Duration] | None = None,
        lock: LoadLock = "process",
        copy: bool = False,
    ) -> Policy:
        """Return the policy that these settings describe.

        Raises:
            ConfigurationError: one of them makes no sense, by itself or beside the others.
        """
        policy = cls(
            ttl=_ttl(ttl),
            stale_while_revalidate=_optional(stale_while_revalidate, "stale_while_revalidate") or 0.0,
            stale_if_error=_optional(stale_if_error, "stale_if_error") or 0.0,
            errors=_error_types(errors, "errors") if errors is not None else (Exception,),
            retry_after=_optional(retry_after, "retry_after") or DEFAULT_RETRY_AFTER,
            refresh_ahead=_refresh_ahead(refresh_ahead),
            keep_warm=flag(keep_warm, "keep_warm"),
            idle_after=_optional(idle_after, "idle_after"),
            max_hits=_count(max_hits, "max_hits"),
            refresh_after_hits=_count(refresh_after_hits, "refresh_after_hits"),
            soft_timeout=_optional(soft_timeout, "soft_timeout"),
            jitter=0.0 if jitter is None else _fraction(jitter, "jitter"),
            store_if=_store_if(store_if),
            cache_errors=_cache_errors(cache_errors),
            shares_loads=_lock(lock) is not None,
            waits_its_turn=lock == "shared",
            copy=flag(copy, "copy"),
        )
        _check_needs(policy, errors=errors is not None, retry_after=retry_after is not None)
        return policy


def _check_needs(policy: Policy, *, errors: bool, retry_after: bool) -> None:
    """Check that settings that make sense only beside others are not alone."""

    def require(holds: bool, setting: str, needed: str) -> None:
        if not holds:
            raise ConfigurationError(f"{setting} needs {needed}", setting=setting, given=getattr(policy, setting))

    if policy.ttl == math.inf:
        for setting in ("stale_while_revalidate", "stale_if_error", "refresh_ahead", "keep_warm", "jitter"):
            require(not getattr(policy, setting), setting, "a ttl: a value without one never ends")
    require(not errors or bool(policy.stale_if_error), "errors", "stale_if_error")
    require(
        not retry_after or bool(policy.grace) or policy.keep_warm,
        "retry_after",
        "stale_if_error, stale_while_revalidate or keep_warm",
    )
    require(policy.idle_after is None or policy.keep_warm, "idle_after", "keep_warm=True")
    require(
        policy.soft_timeout is None or bool(policy.stale_if_error),
        "soft_timeout",
        "stale_if_error: it says how old the value may be that is served instead",
    )
    if policy.refresh_after_hits is not None:
        enough = policy.max_hits is not None and policy.refresh_after_hits < policy.max_hits
        require(enough, "refresh_after_hits", "a larger max_hits")


def _ttl(given: Duration | TtlRule | None) -> float | TtlRule:
    if given is None:
        return math.inf
    return given if callable(given) else seconds(given, "ttl")


def _optional(given: Duration | None, setting: str) -> float | None:
    return None if given is None else seconds(given, setting)


def flag(given: bool, setting: str) -> bool:
    """Return a setting that is either on or off.

    Raises:
        ConfigurationError: it is neither.
    """
    if not isinstance(given, bool):
        raise ConfigurationError(f"{setting} must be True or False, not {given!r}", setting=setting, given=given)
    return given


def _count(given: int | None, setting: str) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ConfigurationError(f"{setting} must be a whole number from 1, not {given!r}", setting=setting, given=given)
    return given


def _fraction(given: float, setting: str) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 < given < 1:
        raise ConfigurationError(f"{setting} must lie between 0 and 1, not {given!r}", setting=setting, given=given)
    return float(given)


def _refresh_ahead(given: RefreshAhead) -> RefreshAhead:
    if given is None or given == "xfetch":
        return given
    if isinstance(given, str):
        raise ConfigurationError(
            f'refresh_ahead must be a fraction of ttl between 0 and 1, or "xfetch", not {given!r}',
            setting="refresh_ahead",
            given=given,
        )
    return _fraction(given, "refresh_ahead")


def _store_if(given: StoreIf) -> Callable[[Any], bool] | None:
    if given is None or callable(given):
        return given
    if given == "not_none":
        return _not_none
    raise ConfigurationError(
        f'store_if must be a predicate on the value, or "not_none", not {given!r}', setting="store_if", given=given
    )


def _error_types(given: type[Exception] | tuple[type[Exception], ...], setting: str) -> tuple[type[Exception], ...]:
    types = given if isinstance(given, tuple) else (given,)
    if not types or not all(isinstance(one, type) and issubclass(one, Exception) for one in types):
        raise ConfigurationError(
            f"{setting} must be exception types below Exception, not {given!r}", setting=setting, given=given
        )
    return types


def _cache_errors(given: Mapping[type[Exception], Duration] | None) -> tuple[tuple[type[Exception], float], ...]:
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f'cache_errors must map exception types to durations, such as {{LookupError: "30s"}}, not {given!r}',
            setting="cache_errors",
            given=given,
        )
    return tuple(
        (error, seconds(length, "cache_errors"))
        for errors, length in given.items()
        for error in _error_types(errors, "cache_errors")
    )


def _lock(given: LoadLock) -> LoadLock:
    if given not in ("process", "shared", None):
        raise ConfigurationError(f'lock must be "process", "shared" or None, not {given!r}', setting="lock", given=given)
    return given
