"""Policies: what each setting may be, and which make sense only beside others."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from stillroom import Cache, ConfigurationError
from stillroom.policy import DEFAULT_RETRY_AFTER, Policy

# What a setting needs beside it to make sense.
COMPANY: dict[str, dict[str, Any]] = {
    "ttl": {},
    "stale_while_revalidate": {"ttl": 60},
    "stale_if_error": {"ttl": 60},
    "errors": {"ttl": 60, "stale_if_error": 60},
    "retry_after": {"ttl": 60, "stale_if_error": 60},
    "refresh_ahead": {"ttl": 60},
    "keep_warm": {"ttl": 60},
    "idle_after": {"ttl": 60, "keep_warm": True},
    "max_hits": {},
    "refresh_after_hits": {"max_hits": 1_000},
    "soft_timeout": {"ttl": 60, "stale_if_error": 60},
    "jitter": {"ttl": 60},
    "store_if": {},
    "cache_errors": {},
    "lock": {},
    "copy": {},
}
DURATION_SETTINGS = ("ttl", "stale_while_revalidate", "stale_if_error", "retry_after", "idle_after", "soft_timeout")
DURATIONS = [(5, 5.0), (0.25, 0.25), ("1h30m", 5400.0), ("500ms", 0.5), (timedelta(minutes=2), 120.0)]
NO_DURATIONS = [True, False, math.nan, math.inf, -math.inf, "", "soon", "5", "-5s", "1h soon", b"5s", [5], 10**400]
NOT_ABOVE_ZERO = [0, 0.0, -1, "0s", timedelta(0), timedelta(seconds=-1)]


def truthy(*values: object) -> Any:
    return bool(values[-1])


def policy_with(setting: str, given: object) -> Policy:
    return Policy.checked(**{**COMPANY[setting], setting: given})


def refused(settings: dict[str, Any]) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        Policy.checked(**settings)
    return caught.value


def test_every_setting_is_tested_here() -> None:
    parameters = {*Policy.checked.__annotations__} - {"return"}
    assert parameters == {*COMPANY}


def test_with_no_settings_values_last_and_everything_else_is_off() -> None:
    assert Policy.checked() == Policy()
    assert Policy() == Policy(ttl=math.inf, errors=(Exception,), retry_after=DEFAULT_RETRY_AFTER, shares_loads=True)
    assert Policy().grace == 0
    off = ("refresh_ahead", "keep_warm", "idle_after", "max_hits", "refresh_after_hits", "soft_timeout", "jitter", "store_if")
    assert not any(getattr(Policy(), setting) for setting in off)


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Policy().ttl = 5.0  # type: ignore[misc]


@pytest.mark.parametrize("setting", DURATION_SETTINGS)
@pytest.mark.parametrize(("given", "seconds"), DURATIONS)
def test_a_length_of_time_is_kept_in_seconds(setting: str, given: object, seconds: float) -> None:
    assert getattr(policy_with(setting, given), setting) == seconds


@pytest.mark.parametrize("setting", DURATION_SETTINGS)
@pytest.mark.parametrize("given", NO_DURATIONS, ids=lambda given: repr(given)[:20])
def test_what_is_no_length_of_time_is_refused(setting: str, given: object) -> None:
    error = refused({**COMPANY[setting], setting: given})
    assert error.setting == setting
    assert error.given is given
    assert str(error).startswith(f"{setting} must be seconds, a timedelta or text like")
    assert repr(given) in str(error)


@pytest.mark.parametrize("setting", DURATION_SETTINGS)
@pytest.mark.parametrize("given", NOT_ABOVE_ZERO, ids=repr)
def test_a_length_of_time_is_above_zero(setting: str, given: object) -> None:
    error = refused({**COMPANY[setting], setting: given})
    assert error.setting == setting
    assert error.given is given
    assert str(error) == f"{setting} must be above zero, not {given!r}"


VALID: list[tuple[str, object, str, object]] = [
    ("ttl", None, "ttl", math.inf),
    ("ttl", truthy, "ttl", truthy),
    ("stale_while_revalidate", None, "stale_while_revalidate", 0.0),
    ("stale_if_error", None, "stale_if_error", 0.0),
    ("errors", None, "errors", (Exception,)),
    ("errors", KeyError, "errors", (KeyError,)),
    ("errors", (KeyError, OSError), "errors", (KeyError, OSError)),
    ("retry_after", None, "retry_after", DEFAULT_RETRY_AFTER),
    ("refresh_ahead", None, "refresh_ahead", None),
    ("refresh_ahead", 0.8, "refresh_ahead", 0.8),
    ("refresh_ahead", "xfetch", "refresh_ahead", "xfetch"),
    ("keep_warm", False, "keep_warm", False),
    ("keep_warm", True, "keep_warm", True),
    ("idle_after", None, "idle_after", None),
    ("max_hits", None, "max_hits", None),
    ("max_hits", 1, "max_hits", 1),
    ("refresh_after_hits", None, "refresh_after_hits", None),
    ("refresh_after_hits", 999, "refresh_after_hits", 999),
    ("soft_timeout", None, "soft_timeout", None),
    ("jitter", None, "jitter", 0.0),
    ("jitter", 0.1, "jitter", 0.1),
    ("store_if", None, "store_if", None),
    ("store_if", truthy, "store_if", truthy),
    ("cache_errors", None, "cache_errors", ()),
    ("cache_errors", {}, "cache_errors", ()),
    ("cache_errors", {KeyError: "1m", OSError: 5}, "cache_errors", ((KeyError, 60.0), (OSError, 5.0))),
    ("lock", "process", "shares_loads", True),
    ("lock", "shared", "shares_loads", True),
    ("lock", None, "shares_loads", False),
    ("copy", False, "copy", False),
    ("copy", True, "copy", True),
]


@pytest.mark.parametrize(("setting", "given", "attribute", "kept"), VALID)
def test_a_setting_is_kept_as_the_engine_wants_it(setting: str, given: object, attribute: str, kept: object) -> None:
    found = getattr(policy_with(setting, given), attribute)
    assert found == kept
    assert type(found) is type(kept)


def test_not_none_stands_for_a_predicate_that_lets_other_falsy_values_pass() -> None:
    store_if = Policy.checked(store_if="not_none").store_if
    assert store_if is not None
    assert not store_if(None)
    assert all(store_if(value) for value in (0, "", (), False))


def test_error_types_to_remember_may_share_a_length_of_time() -> None:
    policy = Policy.checked(cache_errors={(KeyError, OSError): "1m"})  # type: ignore[dict-item]
    assert policy.cache_errors == ((KeyError, 60.0), (OSError, 60.0))


class NotAnError: ...


FLAGS = [(setting, given, "must be True or False") for setting in ("keep_warm", "copy") for given in (None, 0, 1, "yes")]
COUNTS = [
    (setting, given, "must be a whole number from 1")
    for setting in ("max_hits", "refresh_after_hits")
    for given in (0, -1, 1.0, True, False, "5", [5])
]
FRACTIONS = [
    (setting, given, "between 0 and 1")
    for setting in ("refresh_ahead", "jitter")
    for given in (0, 1, 1.0, -0.5, 1.5, math.nan, math.inf, True, "0.5", "fetch", "", [0.5])
]
ERRORS = [
    ("errors", given, "must be exception types below Exception")
    for given in ((), [KeyError], KeyError("a"), "KeyError", BaseException, (KeyError, KeyboardInterrupt), NotAnError, 0)
]
INVALID: list[tuple[str, object, str]] = [
    *FLAGS,
    *COUNTS,
    *FRACTIONS,
    *ERRORS,
    ("store_if", "none", 'must be a predicate on the value, or "not_none"'),
    ("store_if", True, 'must be a predicate on the value, or "not_none"'),
    ("cache_errors", KeyError, "must map exception types to durations"),
    ("cache_errors", [(KeyError, 5)], "must map exception types to durations"),
    ("lock", "thread", 'must be "process", "shared" or None'),
    ("lock", True, 'must be "process", "shared" or None'),
    ("lock", False, 'must be "process", "shared" or None'),
    ("lock", ["process"], 'must be "process", "shared" or None'),
]


@pytest.mark.parametrize(("setting", "given", "right"), INVALID)
def test_a_refusal_names_the_setting_what_was_given_and_what_would_be_right(setting: str, given: object, right: str) -> None:
    error = refused({**COMPANY[setting], setting: given})
    assert error.setting == setting
    assert error.given is given
    message = str(error)
    assert message.startswith(setting)
    assert right in message
    assert repr(given) in message


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"KeyError": 5}, "must be exception types below Exception, not 'KeyError'"),
        ({BaseException: 5}, "must be exception types below Exception, not <class 'BaseException'>"),
        ({KeyError: 0}, "must be above zero, not 0"),
        ({KeyError: None}, "must be seconds, a timedelta or text"),
        ({KeyError: "soon"}, "must be seconds, a timedelta or text"),
    ],
)
def test_errors_to_remember_are_checked_one_by_one(given: object, right: str) -> None:
    error = refused({"cache_errors": given})
    assert error.setting == "cache_errors"
    assert str(error).startswith("cache_errors ")
    assert right in str(error)


SENSELESS: list[tuple[dict[str, Any], str, str]] = [
    ({"stale_while_revalidate": 5}, "stale_while_revalidate", "a ttl"),
    ({"stale_if_error": 5}, "stale_if_error", "a ttl"),
    ({"refresh_ahead": 0.5}, "refresh_ahead", "a ttl"),
    ({"refresh_ahead": "xfetch"}, "refresh_ahead", "a ttl"),
    ({"keep_warm": True}, "keep_warm", "a ttl"),
    ({"jitter": 0.5}, "jitter", "a ttl"),
    ({"ttl": 5, "errors": KeyError}, "errors", "stale_if_error"),
    ({"ttl": 5, "stale_while_revalidate": 5, "errors": KeyError}, "errors", "stale_if_error"),
    ({"ttl": 5, "retry_after": 5}, "retry_after", "stale_if_error, stale_while_revalidate or keep_warm"),
    ({"ttl": 5, "idle_after": 5}, "idle_after", "keep_warm=True"),
    ({"ttl": 5, "soft_timeout": 5}, "soft_timeout", "stale_if_error"),
    ({"ttl": 5, "stale_while_revalidate": 5, "soft_timeout": 5}, "soft_timeout", "stale_if_error"),
    ({"refresh_after_hits": 5}, "refresh_after_hits", "a larger max_hits"),
    ({"refresh_after_hits": 5, "max_hits": 5}, "refresh_after_hits", "a larger max_hits"),
    ({"refresh_after_hits": 6, "max_hits": 5}, "refresh_after_hits", "a larger max_hits"),
]


@pytest.mark.parametrize(("settings", "setting", "needed"), SENSELESS)
def test_a_setting_that_can_have_no_effect_is_refused(settings: dict[str, Any], setting: str, needed: str) -> None:
    error = refused(settings)
    assert error.setting == setting
    assert str(error).startswith(f"{setting} needs {needed}")


SENSIBLE: list[dict[str, Any]] = [
    {"ttl": 5, "stale_while_revalidate": 5, "retry_after": 1},
    {"ttl": 5, "keep_warm": True, "retry_after": 1},
    {"ttl": truthy, "stale_while_revalidate": 5, "stale_if_error": 5, "refresh_ahead": 0.5, "keep_warm": True, "jitter": 0.5},
    {"max_hits": 2, "refresh_after_hits": 1},
    {"ttl": 5, "stale_if_error": 5, "soft_timeout": 50},
    {"cache_errors": {KeyError: 5}, "lock": None, "copy": True, "store_if": "not_none"},
]


@pytest.mark.parametrize("settings", SENSIBLE)
def test_settings_that_go_together_are_accepted(settings: dict[str, Any]) -> None:
    policy = Policy.checked(**settings)
    assert policy.ttl == settings.get("ttl", math.inf)


@pytest.mark.parametrize(
    ("revalidate", "error", "grace"), [(None, None, 0.0), (5, None, 5.0), (None, 7, 7.0), (5, 7, 7.0), (9, 7, 9.0)]
)
def test_the_longer_window_says_how_long_an_old_value_is_of_use(revalidate: Any, error: Any, grace: float) -> None:
    assert Policy.checked(ttl=5, stale_while_revalidate=revalidate, stale_if_error=error).grace == grace


def test_a_rule_takes_the_place_of_the_ttl_and_of_nothing_else() -> None:
    policy = Policy.checked(ttl=5, stale_if_error=7)
    assert policy.with_rule(truthy) == dataclasses.replace(policy, ttl=truthy)


@pytest.mark.parametrize(
    "settings",
    [
        {"ttl": -1},
        {"ttl": "soon"},
        {"ttl": 5, "jitter": 2},
        {"keep_warm": True},
        {"max_hits": 0},
        {"lock": "thread"},
        {"copy": 1},
    ],
    ids=str,
)
def test_the_decorator_refuses_what_the_policy_refuses_before_it_has_seen_the_function(settings: dict[str, Any]) -> None:
    decorate: Callable[..., Any] = Cache()
    with pytest.raises(ConfigurationError) as caught:
        decorate(**settings)
    assert caught.value.setting == [*settings][-1]


def test_the_default_ttl_of_a_cache_is_checked_when_the_cache_is_made() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Cache(ttl="soon")
    assert caught.value.setting == "ttl"


def test_a_default_ttl_gives_sense_to_what_needs_one() -> None:
    decorate: Callable[..., Any] = Cache(ttl=60)
    assert callable(decorate(stale_if_error=60))
    with pytest.raises(ConfigurationError, match="needs a ttl"):
        decorate(ttl=None, stale_if_error=60)
