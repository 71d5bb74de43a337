"""The verbs of a cache, each in both colours: what they do, and what they refuse."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from stillroom import Cache, ConfigurationError, StillroomError
from stillroom.testing import FakeClock

FALSY: tuple[Any, ...] = (None, 0, 0.0, "", b"", False, [], {}, ())


def test_every_verb_has_an_asynchronous_twin_with_the_same_parameters() -> None:
    """Design 2.2."""
    verbs = [
        *("get", "set", "add", "get_or_load", "delete", "exists", "ttl", "touch", "incr", "get_many", "set_many"),
        *("delete_many", "delete_match", "scan", "clear", "ping", "close", "invalidate"),
    ]
    for verb in verbs:
        plain, twin = getattr(Cache, verb), getattr(Cache, "a" + verb)
        assert list(inspect.signature(plain).parameters) == list(inspect.signature(twin).parameters)
        assert inspect.iscoroutinefunction(twin) or inspect.isasyncgenfunction(twin)
        assert plain.__doc__
        assert twin.__doc__


# get and set


def test_what_was_set_is_got(verbs: Any) -> None:
    assert verbs.get("a") is None
    assert verbs.get("a", "default") == verbs.get("a", default="default") == "default"
    assert verbs.set("a", 1) is None
    assert verbs.get("a", "default") == 1
    verbs.set("a", 2)
    assert verbs.get("a") == 2


@pytest.mark.by_reference
@pytest.mark.parametrize("value", FALSY)
def test_falsy_values_are_values_for_every_verb(verbs: Any, value: object) -> None:
    """Rule 12."""
    verbs.set("a", value)
    assert verbs.get("a", "default") is value
    assert verbs.get_many(["a", "b"]) == {"a": value}
    assert verbs.exists("a") is True
    assert verbs.add("a", "other") is False
    assert verbs.get_or_load("a", lambda: "loaded") is value
    assert verbs.touch("a", 5) is True
    assert verbs.scan() == ["a"]
    assert verbs.delete("a") is True
    assert verbs.get_or_load("b", lambda: value) is value
    assert verbs.get("b", "default") is value
    verbs.set_many({"c": value})
    assert verbs.delete_match("c") == 1


def test_what_was_set_is_got_by_the_other_colour(cache: Any) -> None:
    cache.set("a", 1)
    assert asyncio.run(cache.aget("a")) == 1
    asyncio.run(cache.aset("a", 2))
    assert cache.get("a") == 2


def test_an_unusual_name_is_a_name(verbs: Any) -> None:
    names = ["*", "a b", "a\nb", "[x]", "{id}", "%3A", "é", "\ud800", "a" * 5000, "b" * 5000, "0", "None", "'", "\x00"]
    for number, name in enumerate(names):
        verbs.set(name, number)
    assert [verbs.get(name) for name in names] == list(range(len(names)))
    assert len(verbs.scan()) == len(names)
    assert all(verbs.delete(name) for name in names)


def test_patterns_reach_names_that_are_kept_shortened(verbs: Any, cache: Any) -> None:
    """Rules 4 and 11."""
    f = cache(ttl=60, key="f:{text}")(lambda text: text)
    f("x" * 5000)
    verbs.set("f:" + "y" * 5000, 1)
    assert len(verbs.scan("f:*")) == 2
    assert verbs.delete_match("f:*") == 2
    assert f.peek("x" * 5000, default="absent") == "absent"
    assert verbs.scan() == []


@pytest.mark.parametrize(
    ("pattern", "is_gone"),
    [
        ("user:*:page:2", True),
        ("*:page:1", True),  # it may be: what is kept of the name does not tell
        ("*", True),
        ("user:?????*", True),
        ("item:*", False),
        ("user:9*", False),
        ("user:1", False),
        ("user:?", False),
    ],
)
def test_deleting_by_pattern_forgets_shortened_names_rather_too_often(verbs: Any, pattern: str, is_gone: bool) -> None:
    name = "user:1:" + "x" * 300 + ":page:2"
    verbs.set(name, 1)
    assert verbs.delete_match(pattern) == is_gone
    assert verbs.exists(name) is not is_gone


def test_what_scan_gives_can_be_given_to_get(verbs: Any) -> None:
    for name in ("a", "x" * 5000, "x" * 5001):
        verbs.set(name, len(name))
    found = verbs.scan()
    assert sorted(verbs.get(name) for name in found) == [1, 5000, 5001]
    assert verbs.delete_many(found) == 3


# Times


@pytest.mark.parametrize(
    ("ttl", "seconds"), [(90, 90.0), (0.5, 0.5), ("1h30m", 5400.0), (timedelta(minutes=1), 60.0), (None, math.inf)]
)
def test_every_spelling_of_a_ttl_counts(verbs: Any, ttl: Any, seconds: float) -> None:
    verbs.set("set", 1, ttl)
    verbs.add("add", 1, ttl=ttl)
    verbs.set_many({"many": 1}, ttl)
    verbs.get_or_load("load", lambda: 1, ttl)
    verbs.incr("incr", ttl=ttl)
    verbs.set("touch", 1, ttl=1)
    verbs.touch("touch", ttl)
    for name in ("set", "add", "many", "load", "incr", "touch"):
        assert verbs.ttl(name) == seconds
    assert verbs.ttl("absent") is None
    assert verbs.ttl("absent", "default") == "default"


def test_an_expired_value_is_absent_for_every_verb(verbs: Any, clock: FakeClock) -> None:
    """Rule 31."""

    def expire() -> None:
        verbs.set("a", 1, ttl=5)
        clock.advance(5)

    checks: list[Callable[[], bool]] = [
        lambda: verbs.get("a", "absent") == "absent",
        lambda: verbs.get_many(["a"]) == {},
        lambda: verbs.exists("a") is False,
        lambda: verbs.ttl("a") is None,
        lambda: verbs.touch("a", 5) is False,
        lambda: verbs.scan() == [],
        lambda: verbs.delete("a") is False,
        lambda: verbs.delete_many(["a"]) == 0,
        lambda: verbs.delete_match("*") == 0,
        lambda: verbs.incr("a", 5) == 5,
        lambda: verbs.get_or_load("a", lambda: "loaded") == "loaded",
        lambda: verbs.add("a", 2) is True,
    ]
    for check in checks:
        expire()
        assert check()


def test_touch_begins_anew(verbs: Any, clock: FakeClock) -> None:
    verbs.set("a", 1, ttl=5)
    clock.advance(4)
    assert verbs.touch("a", 5) is True
    assert verbs.ttl("a") == 5
    clock.advance(4)
    assert verbs.get("a") == 1
    assert verbs.touch("absent", 5) is False


# add, incr


def test_add_stores_only_where_there_is_nothing(verbs: Any) -> None:
    assert verbs.add("a", None) is True
    assert verbs.add("a", 2) is False
    assert verbs.get("a", "absent") is None
    verbs.delete("a")
    assert verbs.add("a", 3) is True


def test_incr_counts_from_zero_and_keeps_the_time(verbs: Any, clock: FakeClock) -> None:
    assert verbs.incr("a", ttl=10) == 1
    clock.advance(4)
    assert verbs.incr("a", 5, ttl=100) == 6
    assert verbs.incr("a", -7) == -1
    assert verbs.incr("a", 0) == -1
    assert verbs.ttl("a") == 6
    verbs.set("b", 10)
    assert verbs.incr("b") == 11
    assert verbs.get("b") == 11


@pytest.mark.by_reference
@pytest.mark.parametrize("value", ["1", 1.0, True, None, [1]])
def test_incr_refuses_what_is_no_whole_number_and_leaves_it(verbs: Any, value: object) -> None:
    verbs.set("a", value)
    with pytest.raises(TypeError, match="int"):
        verbs.incr("a")
    assert verbs.get("a") is value


@pytest.mark.parametrize("amount", ["1", 1.5, True, None])
def test_incr_refuses_an_amount_that_is_no_whole_number(verbs: Any, amount: object) -> None:
    with pytest.raises(ConfigurationError, match="amount"):
        verbs.incr("a", amount)
    assert verbs.exists("a") is False


# get_or_load


@pytest.mark.by_reference
def test_get_or_load_loads_once(verbs: Any) -> None:
    value = verbs.get_or_load("a", lambda: ["loaded"], ttl=5, tags=["t"])
    assert value == ["loaded"]
    assert verbs.get_or_load("a", lambda: ["again"]) is value
    verbs.invalidate(tags=["t"])
    assert verbs.get_or_load("a", lambda: "again") == "again"


def test_what_a_load_raises_arrives_as_it_was_raised_and_is_not_kept(verbs: Any) -> None:
    """Rule 20."""
    error = LookupError("no")

    def load() -> None:
        raise error

    for _ in range(2):
        with pytest.raises(LookupError) as caught:
            verbs.get_or_load("a", load)
        assert caught.value is error
    assert verbs.exists("a") is False


def test_the_asynchronous_twin_takes_loads_of_either_colour(cache: Any, run: Callable[[Any], Any]) -> None:
    async def load() -> str:
        return "loaded"

    assert run(cache.aget_or_load("a", load)) == "loaded"
    assert run(cache.aget_or_load("b", lambda: "loaded")) == "loaded"
    assert cache.get_many(["a", "b"]) == {"a": "loaded", "b": "loaded"}


def test_get_or_load_refuses_a_coroutine_function_and_names_its_twin(cache: Any) -> None:
    """Otherwise the caller is handed a coroutine that nobody awaits, and nothing is kept."""
    called = []

    async def load() -> str:
        called.append(1)
        return "loaded"

    with pytest.raises(ConfigurationError, match="aget_or_load"):
        cache.get_or_load("a", load).close()
    assert called == []


def test_an_invalidation_while_loading_wins(verbs: Any, cache: Any) -> None:
    """Rule 1."""

    def load() -> str:
        cache.delete("a")
        return "old"

    assert verbs.get_or_load("a", load) == "old"
    assert verbs.get_or_load("a", lambda: "new") == "new"


# Several at once


def test_several_are_set_got_and_deleted(verbs: Any) -> None:
    assert verbs.set_many({"a": 1, "b": None}, ttl=5, tags=["t"]) is None
    assert verbs.get_many(["b", "c", "a", "b"]) == {"b": None, "a": 1}
    assert verbs.get_many(name for name in ("a", "c")) == {"a": 1}
    assert verbs.get_many([]) == {}
    assert verbs.ttl("b") == 5
    assert verbs.delete_many(["a", "a", "c"]) == 1
    assert verbs.delete_many([]) == 0
    verbs.invalidate(tags=["t"])
    assert verbs.exists("b") is False


def test_a_default_is_given_by_identity(verbs: Any) -> None:
    marker = object()
    assert verbs.get("absent", marker) is marker
    assert verbs.ttl("absent", marker) is marker


# Patterns

NAMES = ["a*b", "axb", "a[b", "a\nb", "A", "a", "users:1", "users:12", "usersAbc", "é"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", NAMES),
        ("a*b", ["a\nb", "a*b", "a[b", "axb"]),
        ("a[*]b", ["a*b"]),
        ("a[[]b", ["a[b"]),
        ("a?b", ["a\nb", "a*b", "a[b", "axb"]),
        ("[aA]", ["A", "a"]),
        ("[!a]", ["A", "é"]),
        ("users:*", ["users:1", "users:12"]),
        ("users:?", ["users:1"]),
        ("users", []),
        ("", []),
        ("[", []),
        ("a", ["a"]),
    ],
)
def test_patterns_match_whole_names_and_exactly(verbs: Any, pattern: str, found: list[str]) -> None:
    """Rule 41."""
    verbs.set_many(dict.fromkeys(NAMES, 1))
    assert verbs.scan(pattern) == sorted(found)
    assert verbs.delete_match(pattern) == len(found)
    assert verbs.scan() == sorted({*NAMES} - {*found})


@pytest.mark.by_reference
def test_functions_without_a_template_are_out_of_reach_of_patterns(verbs: Any, cache: Any) -> None:
    plain = cache(ttl=60)(lambda a: object())
    named = cache(ttl=60, key="named:{a}")(lambda a: object())
    value, _ = plain(1), named(1)
    assert verbs.scan() == ["named:1"]
    assert verbs.delete_match("*") == 1
    assert plain(1) is value


# Invalidation


def test_tags_reach_whatever_carries_one_of_them(verbs: Any) -> None:
    verbs.set("a", 1, tags=["x", "y"])
    verbs.set("b", 1, tags=("y",))
    verbs.set("c", 1)
    verbs.add("d", 1, tags=["x"])
    verbs.invalidate(tags=["x", "unknown"])
    assert verbs.get_many(list("abcd")) == {"b": 1, "c": 1}
    verbs.invalidate(tags=("y",))
    assert verbs.scan() == ["c"]


def test_setting_anew_replaces_the_tags(verbs: Any) -> None:
    verbs.set("a", 1, tags=["x"])
    verbs.set("a", 2, tags=["y"])
    verbs.invalidate(tags=["x"])
    assert verbs.get("a") == 2
    verbs.invalidate(tags=["y"])
    assert verbs.get("a") is None


def test_touch_and_incr_keep_the_tags(verbs: Any) -> None:
    verbs.set("a", 1, tags=["x"])
    verbs.touch("a", 100)
    verbs.incr("a")
    verbs.invalidate(tags=["x"])
    assert verbs.exists("a") is False


def test_incr_begins_with_tags_and_keeps_those_that_there_are(verbs: Any) -> None:
    assert verbs.incr("a", 5, tags=["x"]) == 5
    assert verbs.incr("a") == 6
    verbs.set("b", 1, tags=["y"])
    assert verbs.incr("b", tags=["x"]) == 2
    verbs.invalidate(tags=["x"])
    assert verbs.get_many(["a", "b"]) == {"b": 2}
    assert verbs.incr("a", tags=["x"]) == 1
    verbs.invalidate(tags=["y"])
    assert verbs.get_many(["a", "b"]) == {"a": 1}


def test_incr_with_tags_in_a_transaction(verbs: Any, cache: Any) -> None:
    verbs.set("b", 1, tags=["y"])
    with cache.transaction():
        assert verbs.incr("a", tags=["x"]) == 1
        assert verbs.incr("b", tags=["x"]) == 2
        verbs.invalidate(tags=["x"])
        assert verbs.get("b") == 2
        assert verbs.incr("a", 3, tags=["x"]) == 3
    assert verbs.get_many(["a", "b"]) == {"a": 3, "b": 2}
    verbs.invalidate(tags=["x"])
    assert verbs.get_many(["a", "b"]) == {"b": 2}


@pytest.mark.by_reference
def test_a_namespace_is_invalidated_as_one(verbs: Any, cache: Any) -> None:
    elsewhere = cache(ttl=60, namespace="reports")(lambda a: object())
    value = elsewhere(1)
    verbs.set("a", 1)
    verbs.invalidate(namespace="main")
    assert verbs.exists("a") is False
    assert elsewhere(1) is value
    verbs.invalidate(namespace="reports")
    assert elsewhere(1) is not value


@pytest.mark.by_reference
def test_the_name_of_a_function_is_no_tag(verbs: Any, cache: Any) -> None:
    f = cache(ttl=60, name="f")(lambda a: object())
    value = f(1)
    verbs.invalidate(tags=["f", "f:f"])
    assert f(1) is value


def test_clear_forgets_everything_in_all_namespaces(verbs: Any, cache: Any) -> None:
    here, there = (cache(ttl=60, namespace=name)(lambda a: object()) for name in ("main", "other"))
    before = here(1), there(1)
    verbs.set("a", 1)
    verbs.clear()
    assert verbs.scan() == []
    assert here(1) is not before[0]
    assert there(1) is not before[1]


# Apart


def test_two_caches_do_not_meet(speak: Callable[[Cache], Any], clock: FakeClock) -> None:
    one, other = speak(Cache(clock=clock)), speak(Cache(clock=clock))
    one.set("a", 1, tags=["t"])
    assert other.get("a") is None
    other.set("a", 2)
    other.invalidate(tags=["t"], namespace="main")
    other.clear()
    assert one.get("a") == 1
    one.cache.close()
    other.set("a", 3)
    assert other.get("a") == 3


def test_the_store_answers(verbs: Any) -> None:
    assert verbs.ping() is True


# Bad input

BAD_NAMES = ["", None, 5, b"x", ("a",), [1], object]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused_by_every_verb(verbs: Any, name: Any) -> None:
    uses: list[Callable[[], Any]] = [
        lambda: verbs.get(name),
        lambda: verbs.set(name, 1),
        lambda: verbs.add(name, 1),
        lambda: verbs.get_or_load(name, lambda: 1),
        lambda: verbs.delete(name),
        lambda: verbs.exists(name),
        lambda: verbs.ttl(name),
        lambda: verbs.touch(name, 1),
        lambda: verbs.incr(name),
        lambda: verbs.get_many([name]),
        lambda: verbs.delete_many([name]),
    ]
    for use in uses:
        with pytest.raises(ConfigurationError, match="key must be a text that is not empty") as caught:
            use()
        assert caught.value.setting == "key"
    assert verbs.scan() == []


@pytest.mark.parametrize("pattern", [None, 5, b"*", ["*"]])
def test_a_bad_pattern_is_refused(verbs: Any, pattern: Any) -> None:
    for use in (verbs.scan, verbs.delete_match):
        with pytest.raises(ConfigurationError, match="pattern"):
            use(pattern)


@pytest.mark.parametrize("keys", ["ab", 5])
def test_keys_have_to_be_several(verbs: Any, keys: Any) -> None:
    """A text is a sequence of texts, but nobody means its letters: ``delete_many("ab")`` must not delete ``a`` and ``b``."""
    verbs.set_many({"a": 1, "b": 2})
    for use in (verbs.get_many, verbs.delete_many):
        with pytest.raises(ConfigurationError, match="keys"):
            use(keys)
    assert verbs.scan() == ["a", "b"]


@pytest.mark.parametrize("values", [None, [("a", 1)]])
def test_values_have_to_be_a_mapping(verbs: Any, values: Any) -> None:
    with pytest.raises(ConfigurationError, match="values"):
        verbs.set_many(values)
    assert verbs.scan() == []


@pytest.mark.parametrize("values", [{"a": 1, "": 2}, {"a": 1, 5: 2}])
def test_a_bad_name_among_good_ones_stores_none_of_them(verbs: Any, values: Any) -> None:
    with pytest.raises(ConfigurationError, match="key"):
        verbs.set_many(values)
    assert verbs.scan() == []


BAD_TTLS = [0, -1, "x", "", "0s", [1], {}, math.nan, math.inf, timedelta(0), b"1m", 10**400, lambda: 5]


@pytest.mark.parametrize("ttl", BAD_TTLS)
def test_a_bad_ttl_is_refused_by_every_verb(verbs: Any, ttl: Any) -> None:
    verbs.set("a", 1, ttl=60)
    uses: list[Callable[[], Any]] = [
        lambda: verbs.set("a", 2, ttl),
        lambda: verbs.add("b", 2, ttl),
        lambda: verbs.set_many({"a": 2}, ttl),
        lambda: verbs.get_or_load("b", lambda: 2, ttl),
        lambda: verbs.touch("a", ttl),
        lambda: verbs.incr("a", ttl=ttl),
    ]
    for use in uses:
        with pytest.raises(ConfigurationError, match="ttl") as caught:
            use()
        assert caught.value.setting == "ttl"
    assert (verbs.get("a"), verbs.ttl("a"), verbs.exists("b")) == (1, 60, False)


def test_a_ttl_of_true_is_refused_even_after_one_of_1(verbs: Any) -> None:
    verbs.set("a", 1, ttl=1)
    with pytest.raises(ConfigurationError, match="ttl"):
        verbs.set("a", 1, ttl=True)


@pytest.mark.parametrize("tags", ["abc", {"a": 1}, [5], [None], [""], None, 5])
def test_bad_tags_are_refused_by_every_verb(verbs: Any, tags: Any) -> None:
    uses: list[Callable[[], Any]] = [
        lambda: verbs.set("a", 1, tags=tags),
        lambda: verbs.add("a", 1, tags=tags),
        lambda: verbs.set_many({"a": 1}, tags=tags),
        lambda: verbs.get_or_load("a", lambda: 1, tags=tags),
        lambda: verbs.invalidate(tags=tags),
    ]
    for use in uses:
        with pytest.raises(ConfigurationError, match="tags") as caught:
            use()
        assert caught.value.setting == "tags"
    assert verbs.scan() == []


def test_invalidate_has_to_be_told_what(verbs: Any) -> None:
    verbs.set("a", 1)
    wholes: list[dict[str, Any]] = [{}, {"tags": []}, {"namespace": None}]
    for nothing in wholes:
        with pytest.raises(ConfigurationError, match=r"tags= or namespace="):
            verbs.invalidate(**nothing)
    assert verbs.exists("a")


@pytest.mark.parametrize("namespace", [5, b"main", ["main"], ""])
def test_a_bad_namespace_is_refused(verbs: Any, namespace: Any) -> None:
    with pytest.raises(ConfigurationError, match="namespace"):
        verbs.invalidate(namespace=namespace)


@pytest.mark.parametrize("load", [5, None, "load"])
def test_a_load_has_to_be_callable(verbs: Any, load: Any) -> None:
    with pytest.raises(ConfigurationError, match="load"):
        verbs.get_or_load("a", load)


def test_all_of_these_errors_are_stillrooms_and_value_errors(verbs: Any) -> None:
    with pytest.raises(StillroomError) as caught:
        verbs.get("")
    assert isinstance(caught.value, ValueError)


# Copies


def test_copies_isolate_what_is_set_and_got(clock: FakeClock, speak: Callable[[Cache], Any]) -> None:
    """Rule 15."""
    verbs = speak(Cache(copy=True, clock=clock))
    value = [1]
    verbs.set("a", value)
    value.append(2)
    verbs.get("a").append(3)
    verbs.get_many(["a"])["a"].append(4)
    verbs.get_or_load("a", list).append(5)
    assert verbs.get("a") == [1]
    verbs.get_or_load("b", lambda: value).append(6)
    assert verbs.get("b") == [1, 2]
