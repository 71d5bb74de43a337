"""What to do with an entry: pure functions of entry, policy and time.

Nothing here waits, reads a clock or draws a random number: the time and the draw are arguments, so that every decision can
be shown in a table. The terms are those of RFC 9111 and RFC 5861.
"""

from __future__ import annotations

import enum
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..entry import ABSENT, MISSING, Entry, Generations, Missing

if TYPE_CHECKING:
    from ..policy import Policy

__all__ = [
    "Verdict",
    "is_fresh",
    "is_idle",
    "is_over",
    "is_spared",
    "judge",
    "made",
    "put_off",
    "remembered_for",
    "rescues",
    "warm_at",
]

NEVER: Final = -math.inf


class Verdict(enum.Enum):
    """What the engine does with an entry."""

    FRESH = "serve it"
    REFRESH_AHEAD = "serve it, and refresh it behind though it is still fresh"
    STALE = "serve it, and refresh it behind since it is no longer fresh"
    EXPIRED = "load"


def judge(entry: Entry[Any] | Missing, policy: Policy, now: float, uses: int, draw: float) -> Verdict:
    """Return what to do with an entry.

    Args:
        entry: what the store gave, ``MISSING`` included.
        policy: the rules of the function that is called.
        now: the time on the clock that the entry's times are on.
        uses: how often the entry has been served before.
        draw: a random number from (0, 1].
    """
    if entry is MISSING or (policy.max_hits is not None and uses >= policy.max_hits):
        return Verdict.EXPIRED
    if entry.value is ABSENT and policy.missing_ttl is None:
        return Verdict.EXPIRED  # remembered by another function that shares the key
    if now < entry.fresh_until:
        return Verdict.REFRESH_AHEAD if _is_due(entry, policy, now, uses, draw) else Verdict.FRESH
    if entry.is_error or now >= entry.fresh_until + policy.stale_while_revalidate:
        return Verdict.EXPIRED
    return Verdict.STALE


def is_fresh(entry: Entry[Any] | Missing, now: float) -> bool:
    """Tell whether an entry may be served as it is."""
    return entry is not MISSING and now < entry.fresh_until


def is_over(entry: Entry[Any]) -> bool:
    """Tell whether an entry ended with the load that brought it: there is nothing to store."""
    return entry.expires_at <= entry.loaded_at


def is_spared(entry: Entry[Any], now: float) -> bool:
    """Tell whether the origin failed so recently that it must not be asked again yet."""
    return now < entry.retry_at


def rescues(entry: Entry[Any] | Missing, policy: Policy, now: float) -> bool:
    """Tell whether an entry may stand in for a load that failed or takes too long (``stale_if_error``)."""
    if entry is MISSING or entry.is_error or not policy.stale_if_error:
        return False
    return now < entry.fresh_until + policy.stale_if_error


def remembered_for(error: Exception, policy: Policy) -> float | None:
    """Return for how many seconds an error is to be remembered, if at all; the first type that fits decides."""
    return next((length for kind, length in policy.cache_errors if isinstance(error, kind)), None)


def made(
    value: object, policy: Policy, ttl: float, now: float, cost: float, generations: Generations, draw: float
) -> Entry[Any]:
    """Return the entry for a value that has just been loaded.

    Args:
        value: what the load returned.
        policy: the rules it was loaded under.
        ttl: for how many seconds it is fresh, ``inf`` for ever.
        now: when the load ended.
        cost: how many seconds it took.
        generations: the tokens read before the load began.
        draw: a random number from (0, 1], for the jitter.
    """
    fresh_until = now + ttl * (1.0 - policy.jitter * draw) if policy.jitter else now + ttl
    grace = max(policy.grace, _idle_after(policy, fresh_until - now)) if policy.keep_warm else policy.grace
    return Entry(
        value,
        now,
        fresh_until,
        fresh_until + grace if grace else fresh_until,
        cost,
        generations,
        plain_until=_plain_until(policy, now, fresh_until, cost),
    )


def put_off(entry: Entry[Any], policy: Policy, now: float, rescued: bool) -> Entry[Any]:
    """Return an entry as it is kept after a load failed: the origin is left alone for a while.

    A value that expired by its hits, not by its age, is stale from now on once it has been served in place of a load.
    """
    fresh_until = min(entry.fresh_until, now) if rescued and policy.max_hits is not None else entry.fresh_until
    return replace(entry, retry_at=now + policy.retry_after, fresh_until=fresh_until)


def warm_at(entry: Entry[Any], now: float) -> float:
    """Return when a warm key is to be refreshed: so early that the new value is there when the old one expires."""
    ahead = min(entry.cost, (entry.fresh_until - entry.loaded_at) / 2)
    return max(entry.fresh_until - ahead, entry.retry_at, now)


def is_idle(entry: Entry[Any], policy: Policy, read_at: float, now: float) -> bool:
    """Tell whether a warm key has not been read for so long that it is let go."""
    return now - read_at > _idle_after(policy, entry.fresh_until - entry.loaded_at)


def _idle_after(policy: Policy, ttl: float) -> float:
    return policy.idle_after if policy.idle_after is not None else 2 * ttl


def _is_due(entry: Entry[Any], policy: Policy, now: float, uses: int, draw: float) -> bool:
    if entry.is_error:
        return False
    if policy.refresh_after_hits is not None and uses >= policy.refresh_after_hits:
        return True
    ahead = policy.refresh_ahead
    if ahead is None:
        return False
    if ahead == "xfetch":  # Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015
        return now - entry.cost * math.log(draw) >= entry.fresh_until
    return now >= entry.loaded_at + ahead * (entry.fresh_until - entry.loaded_at)


_XFETCH_REACH: Final = 21.0
"""How many times its cost ahead of expiry XFetch can matter: e**-21 is one hit in a billion."""


def _plain_until(policy: Policy, now: float, fresh_until: float, cost: float) -> float:
    if policy.max_hits is not None or policy.copy:
        return NEVER
    ahead = policy.refresh_ahead
    if ahead is None:
        return fresh_until
    return fresh_until - _XFETCH_REACH * cost if ahead == "xfetch" else now + ahead * (fresh_until - now)
