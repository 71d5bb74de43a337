"""Verdicts: what to do with an entry, as tables and as properties."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stillroom._engine.verdict import (
    Verdict,
    is_fresh,
    is_idle,
    is_spared,
    judge,
    made,
    put_off,
    remembered_for,
    rescues,
    warm_at,
)
from stillroom.entry import MISSING, Entry
from stillroom.policy import Policy

FRESH, AHEAD, STALE, EXPIRED = Verdict.FRESH, Verdict.REFRESH_AHEAD, Verdict.STALE, Verdict.EXPIRED
ORDER = {FRESH: 0, AHEAD: 1, STALE: 2, EXPIRED: 3}


def entry(*, cost: float = 0.0, is_error: bool = False, retry_at: float = 0.0, until: float = 200.0) -> Entry[str]:
    """Return an entry that was loaded at 100 and is fresh until 200."""
    return Entry("value", 100.0, until, until, cost, is_error=is_error, retry_at=retry_at)


def policy(**settings: Any) -> Policy:
    return Policy.checked(**{"ttl": 100, **settings})


# judge


@pytest.mark.parametrize(
    ("settings", "now", "verdict"),
    [
        ({}, 100, FRESH),
        ({}, 199.9, FRESH),
        ({}, 200, EXPIRED),
        ({}, 1e9, EXPIRED),
        ({"stale_while_revalidate": 50}, 199.9, FRESH),
        ({"stale_while_revalidate": 50}, 200, STALE),
        ({"stale_while_revalidate": 50}, 249.9, STALE),
        ({"stale_while_revalidate": 50}, 250, EXPIRED),
        ({"stale_if_error": 50}, 200, EXPIRED),
        ({"stale_if_error": 99, "stale_while_revalidate": 50}, 250, EXPIRED),
        ({"refresh_ahead": 0.8}, 179.9, FRESH),
        ({"refresh_ahead": 0.8}, 180, AHEAD),
        ({"refresh_ahead": 0.8}, 199.9, AHEAD),
        ({"refresh_ahead": 0.8}, 200, EXPIRED),
        ({"refresh_ahead": 0.8, "stale_while_revalidate": 50}, 200, STALE),
        ({"keep_warm": True, "idle_after": 50}, 200, EXPIRED),
    ],
)
def test_age_decides(settings: dict[str, Any], now: float, verdict: Verdict) -> None:
    assert judge(entry(), policy(**settings), now, 0, 1.0) is verdict


@pytest.mark.parametrize(
    ("settings", "uses", "verdict"),
    [
        ({"max_hits": 3}, 0, FRESH),
        ({"max_hits": 3}, 2, FRESH),
        ({"max_hits": 3}, 3, EXPIRED),
        ({"max_hits": 3}, 4, EXPIRED),
        ({"max_hits": 3, "stale_while_revalidate": 50}, 3, EXPIRED),
        ({"max_hits": 3, "refresh_after_hits": 1}, 0, FRESH),
        ({"max_hits": 3, "refresh_after_hits": 1}, 1, AHEAD),
        ({"max_hits": 3, "refresh_after_hits": 1}, 2, AHEAD),
        ({"max_hits": 3, "refresh_after_hits": 1}, 3, EXPIRED),
        ({}, 10**9, FRESH),
    ],
)
def test_hits_decide(settings: dict[str, Any], uses: int, verdict: Verdict) -> None:
    assert judge(entry(), policy(**settings), 150, uses, 1.0) is verdict


@pytest.mark.parametrize("now", [0, 150, 1e9])
def test_what_is_not_there_is_loaded(now: float) -> None:
    assert judge(MISSING, policy(stale_while_revalidate=50), now, 0, 1.0) is EXPIRED


@pytest.mark.parametrize(("now", "verdict"), [(100, FRESH), (199, FRESH), (200, EXPIRED), (210, EXPIRED)])
def test_a_remembered_error_is_neither_served_stale_nor_refreshed_ahead(now: float, verdict: Verdict) -> None:
    rules = policy(stale_while_revalidate=50, stale_if_error=50, refresh_ahead=0.1, max_hits=9, refresh_after_hits=1)
    assert judge(entry(is_error=True), rules, now, 5, 1e-300) is verdict


def test_a_value_without_a_ttl_is_fresh_for_ever() -> None:
    assert judge(entry(until=math.inf), Policy(), 1e300, 10**9, 1e-300) is FRESH


@pytest.mark.parametrize(
    ("cost", "draw", "now", "verdict"),
    [
        (10, 1.0, 199.9, FRESH),  # ln 1 = 0: never ahead of time
        (10, math.exp(-1), 189.9, FRESH),
        (10, math.exp(-1), 190.1, AHEAD),
        (10, math.exp(-5), 149.9, FRESH),
        (10, math.exp(-5), 150.1, AHEAD),
        (0, 1e-300, 199.9, FRESH),  # what costs nothing needs no start
        (10, math.exp(-5), 200, EXPIRED),
    ],
)
def test_xfetch_refreshes_the_earlier_the_dearer_the_load_and_the_smaller_the_draw(
    cost: float, draw: float, now: float, verdict: Verdict
) -> None:
    assert judge(entry(cost=cost), policy(refresh_ahead="xfetch"), now, 0, draw) is verdict


# The other decisions


@pytest.mark.parametrize(("now", "fresh"), [(100, True), (199.9, True), (200, False), (201, False)])
def test_an_entry_is_fresh_until_its_end_exclusive(now: float, fresh: bool) -> None:
    assert is_fresh(entry(), now) is fresh
    assert not is_fresh(MISSING, now)


@pytest.mark.parametrize(("now", "spared"), [(0, True), (209.9, True), (210, False), (211, False)])
def test_an_origin_is_spared_until_the_time_to_retry(now: float, spared: bool) -> None:
    assert is_spared(entry(retry_at=210), now) is spared
    assert not is_spared(entry(), now)


@pytest.mark.parametrize(
    ("settings", "now", "rescued"),
    [
        ({"stale_if_error": 50}, 150, True),
        ({"stale_if_error": 50}, 200, True),
        ({"stale_if_error": 50}, 249.9, True),
        ({"stale_if_error": 50}, 250, False),
        ({"stale_if_error": 50, "stale_while_revalidate": 500}, 250, False),
        ({"stale_while_revalidate": 50}, 200, False),
    ],
)
def test_an_entry_rescues_within_its_window(settings: dict[str, Any], now: float, rescued: bool) -> None:
    assert rescues(entry(), policy(**settings), now) is rescued


def test_neither_nothing_nor_an_error_rescues() -> None:
    assert not rescues(MISSING, policy(stale_if_error=50), 150)
    assert not rescues(entry(is_error=True), policy(stale_if_error=50), 150)


@pytest.mark.parametrize(
    ("error", "length"),
    [(KeyError("a"), 5.0), (IndexError("a"), 60.0), (LookupError("a"), 60.0), (OSError("a"), None), (ValueError("a"), None)],
)
def test_the_first_type_that_fits_says_how_long_an_error_is_remembered(error: Exception, length: float | None) -> None:
    assert remembered_for(error, policy(cache_errors={KeyError: 5, LookupError: 60})) == length


def test_no_error_is_remembered_unless_asked() -> None:
    assert remembered_for(KeyError("a"), Policy()) is None


@pytest.mark.parametrize(
    ("settings", "ttl", "draw", "fresh_until", "expires_at", "plain_until"),
    [
        ({}, 100, 1.0, 1100, 1100, 1100),
        ({}, math.inf, 1.0, math.inf, math.inf, math.inf),
        ({"stale_while_revalidate": 30}, 100, 1.0, 1100, 1130, 1100),
        ({"stale_if_error": 50, "stale_while_revalidate": 30}, 100, 1.0, 1100, 1150, 1100),
        ({"jitter": 0.2}, 100, 1.0, 1080, 1080, 1080),
        ({"jitter": 0.2}, 100, 0.5, 1090, 1090, 1090),
        ({"jitter": 0.2, "stale_if_error": 50}, 100, 1.0, 1080, 1130, 1080),
        ({"keep_warm": True}, 100, 1.0, 1100, 1300, 1100),
        ({"keep_warm": True, "idle_after": 20}, 100, 1.0, 1100, 1120, 1100),
        ({"keep_warm": True, "idle_after": 20, "stale_if_error": 50}, 100, 1.0, 1100, 1150, 1100),
        ({"refresh_ahead": 0.8}, 100, 1.0, 1100, 1100, 1080),
        ({"refresh_ahead": "xfetch"}, 100, 1.0, 1100, 1100, 1100 - 21 * 2),
        ({"max_hits": 5}, 100, 1.0, 1100, 1100, -math.inf),
        ({"copy": True}, 100, 1.0, 1100, 1100, -math.inf),
        ({"max_hits": 5, "refresh_ahead": 0.5}, 100, 1.0, 1100, 1100, -math.inf),
    ],
)
def test_a_new_entry_has_its_times_from_the_policy(
    settings: dict[str, Any], ttl: float, draw: float, fresh_until: float, expires_at: float, plain_until: float
) -> None:
    tokens = (object(),)
    new = made("value", policy(**settings), ttl, 1000.0, 2.0, tokens, draw)
    assert (new.value, new.loaded_at, new.cost, new.generations) == ("value", 1000.0, 2.0, tokens)
    assert (new.fresh_until, new.expires_at, new.plain_until) == pytest.approx((fresh_until, expires_at, plain_until))
    assert not new.is_error
    assert new.retry_at == 0


def test_after_a_failure_an_entry_is_what_it_was_but_the_origin_is_left_alone() -> None:
    known = entry(cost=2.0)
    later = put_off(known, policy(stale_if_error=50, retry_after=7), 210, rescued=True)
    assert later.retry_at == 217
    assert replace(later, retry_at=known.retry_at).__repr__() == known.__repr__()


@pytest.mark.parametrize(
    ("rescued", "max_hits", "now", "fresh_until"),
    [(True, 5, 150, 150), (True, 5, 220, 200), (False, 5, 150, 200), (True, None, 150, 200)],
)
def test_a_value_that_expired_by_its_hits_is_stale_once_it_has_rescued(
    rescued: bool, max_hits: int | None, now: float, fresh_until: float
) -> None:
    rules = policy(stale_if_error=50, max_hits=max_hits)
    assert put_off(entry(), rules, now, rescued).fresh_until == fresh_until


@pytest.mark.parametrize(
    ("cost", "retry_at", "now", "when"),
    [
        (0, 0, 100, 200),
        (5, 0, 100, 195),
        (80, 0, 100, 150),  # no earlier than half of its life, or it would be refreshed without a pause
        (5, 230, 210, 230),
        (5, 0, 300, 300),
    ],
)
def test_a_warm_key_is_refreshed_so_early_that_the_new_value_is_there_in_time(
    cost: float, retry_at: float, now: float, when: float
) -> None:
    assert warm_at(entry(cost=cost, retry_at=retry_at), now) == when


@pytest.mark.parametrize(
    ("settings", "read_at", "now", "idle"),
    [
        ({}, 100, 300, False),
        ({}, 100, 300.1, True),
        ({}, 250, 300.1, False),
        ({"idle_after": 30}, 100, 130, False),
        ({"idle_after": 30}, 100, 130.1, True),
    ],
)
def test_a_warm_key_is_idle_when_it_has_not_been_read_for_long(
    settings: dict[str, Any], read_at: float, now: float, idle: bool
) -> None:
    assert is_idle(entry(), policy(keep_warm=True, **settings), read_at, now) is idle


# Properties

lengths = st.floats(0.001, 1e6)
draws = st.floats(0.0, 1.0, exclude_min=True)
fractions = st.floats(0.001, 0.999)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Return any policy with a ttl."""
    settings: dict[str, Any] = {"ttl": draw(lengths)}
    for name in ("stale_while_revalidate", "stale_if_error"):
        settings[name] = draw(st.none() | lengths)
    settings["refresh_ahead"] = draw(st.none() | st.just("xfetch") | fractions)
    settings["jitter"] = draw(st.none() | fractions)
    settings["keep_warm"] = draw(st.booleans())
    settings["copy"] = draw(st.booleans())
    settings["max_hits"] = draw(st.none() | st.integers(2, 20))
    if settings["max_hits"]:
        settings["refresh_after_hits"] = draw(st.none() | st.integers(1, settings["max_hits"] - 1))
    if settings["keep_warm"]:
        settings["idle_after"] = draw(st.none() | lengths)
    return Policy.checked(**settings)


@st.composite
def entries(draw: st.DrawFn) -> tuple[Policy, Entry[Any]]:
    """Return a policy and an entry that was made under it, or one that remembers an error."""
    rules = draw(policies())
    now, cost = draw(st.floats(0, 1e6)), draw(st.floats(0, 1e3))
    assert isinstance(rules.ttl, float)
    new = made("value", rules, rules.ttl, now, cost, (), draw(draws))
    if draw(st.booleans()):
        return rules, new
    return rules, replace(new, value=KeyError("a"), is_error=True, expires_at=new.fresh_until)


moments = st.floats(0, 3e6)
uses = st.integers(0, 25)


@given(entries(), moments, uses, draws)
def test_nothing_is_served_beyond_its_window(made_under: tuple[Policy, Entry[Any]], now: float, used: int, draw: float) -> None:
    """Rule 38."""
    rules, known = made_under
    verdict = judge(known, rules, now, used, draw)
    if verdict in (FRESH, AHEAD):
        assert now < known.fresh_until
    if verdict is STALE:
        assert known.fresh_until <= now < known.fresh_until + rules.stale_while_revalidate
    if verdict is not EXPIRED:
        assert rules.max_hits is None or used < rules.max_hits
    if now >= known.expires_at:
        assert verdict is EXPIRED
        assert not rescues(known, rules, now)


@given(entries(), moments, uses, draws)
def test_an_entry_is_kept_for_as_long_as_it_is_of_use(
    made_under: tuple[Policy, Entry[Any]], now: float, used: int, draw: float
) -> None:
    rules, known = made_under
    if judge(known, rules, now, used, draw) is not EXPIRED or rescues(known, rules, now):
        assert now < known.expires_at


@given(entries(), moments, moments, uses, draws)
def test_with_time_and_use_a_value_only_gets_older(
    made_under: tuple[Policy, Entry[Any]], now: float, later: float, used: int, draw: float
) -> None:
    rules, known = made_under
    earlier, later = sorted((now, later))
    before = judge(known, rules, earlier, used, draw)
    after = judge(known, rules, later, used + 1, draw)
    assert ORDER[before] <= ORDER[after]
    assert rescues(known, rules, earlier) >= rescues(known, rules, later)
    assert is_fresh(known, earlier) >= is_fresh(known, later)


@given(policies(), st.floats(0, 1e6), draws, draws)
def test_jitter_only_shortens_and_by_no_more_than_its_fraction(rules: Policy, now: float, draw: float, other: float) -> None:
    assert isinstance(rules.ttl, float)
    new = made("value", rules, rules.ttl, now, 0.0, (), draw)
    assert new.fresh_until <= now + rules.ttl
    assert new.fresh_until >= (now + rules.ttl * (1 - rules.jitter)) * (1 - 1e-12)
    smaller, larger = sorted((draw, other))
    assert (
        made("value", rules, rules.ttl, now, 0.0, (), smaller).fresh_until
        >= made("value", rules, rules.ttl, now, 0.0, (), larger).fresh_until
    )


@given(entries(), moments, uses, draws)
def test_the_plain_path_serves_only_what_needs_no_decision(
    made_under: tuple[Policy, Entry[Any]], now: float, used: int, draw: float
) -> None:
    rules, known = made_under
    assume(not known.is_error)
    assume(draw >= math.exp(-21))  # the share of draws that XFetch would act on all the same is one in a billion
    if now < known.plain_until:
        assert judge(known, rules, now, used, draw) is FRESH


@given(st.floats(0.01, 100), st.floats(0.0, 100), st.integers(0, 2**32))
def test_xfetch_is_as_probable_as_its_formula_says(cost: float, left: float, seed: int) -> None:
    """Of evenly spread draws, a share of exp(-left / cost) refreshes ahead of time."""
    rules = policy(refresh_ahead="xfetch")
    known = entry(cost=cost)
    count = 1000
    offset = (seed % 997 + 1) / 998  # where in its cell each draw lies
    spread = [(number + offset) / count for number in range(count)]
    now = 200.0 - left
    assume(now < 200.0)
    ahead = sum(judge(known, rules, now, 0, draw) is AHEAD for draw in spread)
    assert ahead / count == pytest.approx(math.exp(-left / cost), abs=2 / count)


@given(entries(), moments, st.booleans())
def test_a_failure_never_prolongs_a_life(made_under: tuple[Policy, Entry[Any]], now: float, rescued: bool) -> None:
    """Rule 38."""
    rules, known = made_under
    later = put_off(known, rules, now, rescued)
    assert later.fresh_until <= known.fresh_until
    assert later.expires_at <= known.expires_at
    assert later.loaded_at == known.loaded_at
    assert later.retry_at == now + rules.retry_after


@given(entries(), moments)
def test_a_warm_key_is_refreshed_neither_in_the_past_nor_after_its_end(
    made_under: tuple[Policy, Entry[Any]], now: float
) -> None:
    _, known = made_under
    when = warm_at(known, now)
    assert when >= now
    assert when <= max(known.fresh_until, now)
    if now == known.loaded_at:
        assert when >= known.loaded_at + (known.fresh_until - known.loaded_at) / 2 * (1 - 1e-9)
