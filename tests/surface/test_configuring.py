"""How a cache comes to its store: the url, its options, ``configure``, and the environment variable."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from typing import Any

import pytest

from stillroom import Cache, ConfigurationError, StillroomError, cache
from stillroom.stores.memory import MemoryStore
from stillroom.testing import ChaosStore, FakeClock

BAD_URLS: list[Any] = [
    *("", "memory", "memory://host", "memory:///path", "memory://?max_entries=0", "memory://?max_entries=x"),
    *(
        "memory://?max_entries=",
        "memory://?max_entries=1e5",
        "memory://?foo=1",
        "memory://?max_bytes=-1",
        "nosuch://",
        "http://[",
    ),
    *("memory://?max_bytes=100&weigher=len", None, 5, b"memory://", object(), MemoryStore),
]

BAD_OPTIONS: list[dict[str, Any]] = [
    {"namespace": ""},
    {"namespace": None},
    {"namespace": 5},
    {"ttl": 0},
    {"ttl": "soon"},
    {"ttl": True},
    {"ttl": []},
    {"copy": 1},
    {"copy": "no"},
    {"enabled": "no"},
    {"enabled": 0},
    {"clock": 5},
    {"clock": FakeClock},
    {"max_entries": 0},
    {"max_entries": "7"},
    {"max_entries": True},
    {"max_bytes": 0},
    {"weigher": len},
    {"max_bytes": 100, "weigher": 5},
    {"serialiser": "json"},
]

BAD_FAR_OPTIONS: list[dict[str, Any]] = [
    {"near": 5},
    {"near": "redis://"},
    {"near": "memory://?max_entries=10", "prefix": ""},
    {"prefix": "a{b}"},
    {"prefix": b"a"},
    {"serializer": "nonsense"},
    {"serializer": None},
    {"serializer": (str,)},
    {"serializer": "msgpack", "compress": "rar"},
    {"compress": True},
    {"secret": 5},
    {"secret": []},
    {"secret": "short"},
    {"secret": "x" * 16, "on_error": "x"},
    {"on_error": None},
    {"timeout": -1},
    {"timeout": None},
    {"timeout": "2h"},
    {"lease": 0},
    {"lease": "1ms"},
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_url_is_refused(url: Any) -> None:
    with pytest.raises(ConfigurationError):
        Cache(url)


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_a_bad_option_is_refused_by_name(options: dict[str, Any]) -> None:
    name = list(options)[-1]
    Cache(ttl=1)  # which makes a ttl of True no better
    with pytest.raises(ConfigurationError, match=name) as caught:
        Cache(**options)
    assert caught.value.setting == name


@pytest.mark.memory_only("elsewhere a test's own server takes the place of some of them")
@pytest.mark.parametrize("options", BAD_FAR_OPTIONS)
def test_a_bad_option_of_a_store_elsewhere_is_refused_at_once(cache: Any, options: dict[str, Any]) -> None:
    """Also while no such store is there to look at it."""
    name = list(options)[-1]
    for take in (
        lambda: Cache(**options),
        lambda: cache.configure("memory://", **options),
        lambda: Cache(MemoryStore(), **options),
    ):
        with pytest.raises(ConfigurationError, match=name) as caught:
            take()
        assert caught.value.setting == name


def test_a_bad_form_is_refused_when_the_function_is_decorated(cache: Any) -> None:
    with pytest.raises(ConfigurationError, match="serializer"):
        cache(serializer="nonsense")
    with pytest.raises(ConfigurationError, match="compress"):
        cache(compress="rar")
    cache(serializer="pickle", compress="zlib")  # the secret may come with the store


def test_options_may_stand_in_the_url_or_beside_it(clock: FakeClock) -> None:
    for made in (Cache("memory://?max_entries=3", clock=clock), Cache(max_entries=3, clock=clock)):
        made.set_many({str(number): number for number in range(10)})
        assert len(list(made.scan())) == 3
        assert made.stats().evictions == 7
    heavy = Cache("memory://?max_bytes=10", weigher=lambda key, value: 6, clock=clock)
    heavy.set("a", 1)
    heavy.set("b", 1)
    assert len(list(heavy.scan())) == 1


def test_an_option_that_contradicts_the_url_is_refused_or_wins(clock: FakeClock) -> None:
    made = Cache("memory://?max_entries=100", max_entries=2, clock=clock)
    made.set_many({str(number): number for number in range(10)})
    assert len(list(made.scan())) == 2


def test_a_store_may_stand_for_the_url(clock: FakeClock) -> None:
    store = MemoryStore(max_entries=2, clock=clock)
    made = Cache(store, clock=clock)
    made.set("a", 1)
    assert store.size == 1
    assert made.get("a") == 1
    with pytest.raises(ConfigurationError, match="max_entries"):
        Cache(store, max_entries=5)


def test_an_error_shows_no_password() -> None:
    """Rule 45."""
    for url in ("nosuch://user:hunter2@host/0", "memory://user:hunter2@host", "redis+nosuch://:hunter2@h1,h2/0"):
        with pytest.raises(ConfigurationError) as caught:
            Cache(url)
        assert "hunter2" not in str(caught.value)
        assert "hunter2" not in repr(caught.value)


# configure


def test_functions_decorated_before_follow(clock: FakeClock) -> None:
    """Design 2.1."""
    made: Any = Cache(clock=clock)
    plain = made(ttl=60)(lambda a: object())
    named = made(ttl=60, key="named:{a}", tags=["t"])(lambda a: object())
    before = plain(1), named(1)
    store = MemoryStore(clock=clock)
    assert made.configure(store) is None
    after = plain(1), named(1)
    assert after[0] is not before[0]
    assert after[1] is not before[1]
    assert (plain(1), named(1)) == after
    assert store.size == 2
    assert made.get("named:1") is after[1]
    made.invalidate(tags=["t"])
    assert named(1) is not after[1]


def test_configure_goes_to_any_store_and_back(clock: FakeClock) -> None:
    made = Cache(clock=clock)
    f = made(ttl=60)(lambda a: object())
    f(1)
    chaos = ChaosStore(MemoryStore(clock=clock))
    made.configure(chaos)
    assert f(1) is f(1)
    assert {"read", "fill"} <= set(chaos.calls)
    made.configure("memory://?max_entries=5")
    calls = len(chaos.calls)
    assert f(1) is f(1)
    assert len(chaos.calls) == calls


@pytest.mark.by_reference
@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_url_changes_nothing(cache: Any, url: Any) -> None:
    f = cache(ttl=60)(lambda a: object())
    value = f(1)
    cache.set("a", 1)
    with pytest.raises(ConfigurationError):
        cache.configure(url)
    assert f(1) is value
    assert cache.get("a") == 1


@pytest.mark.parametrize("option", ["namespace", "ttl", "clock", "copy", "enabled", "serialiser"])
def test_configure_refuses_what_it_cannot_change(cache: Any, option: str) -> None:
    cache.set("a", 1)
    with pytest.raises(ConfigurationError, match=option):
        cache.configure("memory://", **{option: None})
    assert cache.get("a") == 1


@pytest.mark.by_reference
def test_configure_keeps_the_switches(cache: Any) -> None:
    f = cache(ttl=60)(lambda a: object())
    with cache.disabled():
        cache.configure("memory://")
        assert f(1) is not f(1)
    assert f(1) is f(1)
    with cache.detect() as calls:
        cache.configure("memory://")
        f(1), f(1)
    assert [str(call.outcome) for call in calls] == ["miss", "hit"]


@pytest.mark.by_reference
def test_configure_keeps_the_counts(cache: Any) -> None:
    """Rule 52."""
    f = cache(ttl=60)(lambda a: object())
    g = cache(ttl=60, key="g:{a}")(lambda a: object())
    for function in (f, g):
        function(1), function(1), function(1)
    cache.configure("memory://")
    for function in (f, g):
        assert (function.stats.hits, function.stats.misses, function.stats.calls) == (2, 1, 3)
        function(1), function(1)
        assert (function.stats.hits, function.stats.misses, function.stats.calls) == (3, 2, 5)
    assert cache.stats().calls == 10


def test_a_store_that_was_left_is_let_go(clock: FakeClock) -> None:
    """Rule 30."""
    store = MemoryStore(clock=clock)
    made = Cache(store, clock=clock)
    f = made(ttl=60, key="f:{a}")(lambda a: object())
    f(1), f(1)
    weak = weakref.ref(store)
    made.configure("memory://")
    f(1)
    del store
    gc.collect()
    assert weak() is None


# Two caches on one store


def test_a_second_cache_on_a_store_does_not_switch_the_first_one_on(clock: FakeClock) -> None:
    """Rule 50."""
    store = MemoryStore(clock=clock)
    first = Cache(store, clock=clock)
    f = first(ttl=60)(lambda a: object())
    f(1)
    with first.disabled():
        Cache(store, clock=clock)(ttl=60)(lambda a: a)(1)
        assert f(1) is not f(1)


def test_a_second_cache_on_a_store_does_not_hide_the_calls_of_the_first_one(clock: FakeClock) -> None:
    store = MemoryStore(clock=clock)
    first = Cache(store, clock=clock)
    f = first(ttl=60)(lambda a: object())
    f(1)
    with first.detect() as calls:
        Cache(store, clock=clock)
        f(1)
    assert len(calls) == 1


# The environment


def script(code: str, url: str | None) -> subprocess.CompletedProcess[str]:
    environment = {} if url is None else {"STILLROOM_URL": url}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=20, check=False
    )


def test_the_environment_variable_chooses_the_store() -> None:
    """Design 2.1."""
    code = "from stillroom import cache\ncache.set_many({str(n): n for n in range(9)})\nprint(len(list(cache.scan())))"
    assert script(code, "memory://?max_entries=3").stdout.strip() == "3"
    assert script(code, None).stdout.strip() == "9"


def test_a_bad_environment_variable_is_told_by_its_name_and_shows_no_password() -> None:
    """Rule 45: whoever sees this has written no url in any program."""
    result = script("import stillroom", "nosuch://user:hunter2@host")
    assert result.returncode == 1
    assert "ConfigurationError" in result.stderr
    assert "STILLROOM_URL" in result.stderr.splitlines()[-1]
    assert "hunter2" not in result.stderr


def test_an_empty_environment_variable_counts_as_none() -> None:
    """``STILLROOM_URL= program`` is how a shell, a compose file or a CI job unsets a variable."""
    result = script("from stillroom import cache; print(cache)", "")
    assert result.returncode == 0, result.stderr
    assert "memory" in result.stdout


def test_the_cache_that_is_there_works_without_set_up() -> None:
    f = cache(ttl=60)(lambda a: [a])
    assert f(1) is f(1)
    with pytest.raises(StillroomError):
        cache(ttl=-1)
