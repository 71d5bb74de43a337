"""Functions that are defined anew, or in another version, under one key template."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from stillroom import Cache, ConfigurationError


def _defined(cache: Cache, value: object, **settings: Any) -> Any:
    def load(a: int) -> object:
        return value

    load.__qualname__ = "load"  # as at the top of a module
    return cache(ttl=60, key="taken:{a}", **settings)(load)


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.mark.memory_only("a shared store outlives the code; version= is for that")
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_function_that_is_defined_anew_is_not_served_what_the_former_one_loaded(cache: Cache, is_gone: bool) -> None:
    """Rule 9."""
    _takes_over(cache, {}, {}, is_gone)


@pytest.mark.parametrize("is_gone", [False, True])
@pytest.mark.parametrize("former", [{"version": 1}, {}], ids=str)
def test_a_function_of_another_version_is_not_served_what_the_former_one_loaded(
    cache: Cache, former: dict[str, Any], is_gone: bool
) -> None:
    """Rule 9: a function is its module, qualified name and version."""
    _takes_over(cache, former, {"version": 2}, is_gone)


def _takes_over(cache: Cache, first: dict[str, Any], second: dict[str, Any], is_gone: bool) -> None:
    former = _defined(cache, "old", **first)
    assert former(1) == "old"
    if is_gone:
        del former
        gc.collect()
    latter = _defined(cache, "new", **second)
    assert latter(1) == "new"
    assert cache.get("taken:1") == "new"
    if not is_gone:
        assert former(1) == "old"  # it runs, but no longer caches
        assert latter(1) == cache.get("taken:1") == "new"


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_new_version_of_a_named_function_forgets_the_former_ones_values(cache: Cache, is_gone: bool) -> None:
    former = _defined(cache, "old", name="load", version=1)
    assert former(1) == "old"
    if is_gone:
        del former
        gc.collect()
    assert _defined(cache, "new", name="load", version=2)(1) == "new"


def test_functions_of_one_given_name_share_their_values(cache: Cache) -> None:
    assert _defined(cache, "one", name="load")(1) == "one"
    gc.collect()
    assert _defined(cache, "other", name="load")(1) == "one"


def test_two_local_functions_of_one_template_are_refused_unless_they_are_given_a_name(cache: Cache) -> None:
    """Rule 9: they would be served each other's values."""

    def make(value: object) -> Any:
        @cache(ttl=60, key="local:{a}")
        def load(a: int) -> object:
            return value

        return load

    kept = make("one")
    with pytest.raises(ConfigurationError, match="name="):
        make("other")
    assert kept(1) == "one"


def test_what_is_put_or_refreshed_while_disabled_is_not_outlived_by_an_older_value(cache: Cache) -> None:
    """Rule 1, as with `cache.set`."""
    load = _defined(cache, "loaded")
    for act in (lambda: load.put("new", 1), lambda: load.refresh(1)):
        load.put("old", 1)
        with cache.disabled():
            act()
        assert load(1) == "loaded"
