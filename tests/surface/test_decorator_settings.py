"""The settings of ``@cache(...)`` that say which entries a function has, and what is said when a setting makes no sense."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from stillroom import Cache, ConfigurationError, UncacheableArgument
from stillroom.testing import FakeClock


def function(a, b=2, *, d=3):
    return [a, b, d]


class Opaque:
    def __init__(self, id: object) -> None:
        self.id = id


# Bad settings: told when the function is decorated, by name


BAD: dict[str, list[Any]] = {
    "ttl": [0, -1, "x", "", "0s", "1h x", True, [1], math.nan, math.inf, timedelta(0), b"1m", 10**400, lambda zz: 1, lambda: 1],
    "key": [
        "",
        5,
        b"x",
        [],
        "{z}",
        "{a",
        "a}",
        "{}",
        "{0}",
        "{a:>5}",
        "{a!r}",
        "{a}{b}",
        "{a} {",
        "{a.}",
        lambda zz: "k",
        lambda: "k",
    ],
    "name": ["", 5, b"x", ["x"]],
    "namespace": ["", 5, b"x"],
    "version": [1.5, object(), [1]],
    "ignore": ["a", ("z",), 5, None, (5,), {"a": 1}],
    "tags": ["a", ["{z}"], [5], None, [""], ["a{"], 5],
    "stale_while_revalidate": [0, -1, True, "x"],
    "stale_if_error": [0, -1, True, "x", Exception],
    "refresh_ahead": [0, 1, -0.5, 1.5, True, "x", []],
    "keep_warm": [1, "yes", None],
    "max_hits": [0, -1, True, 1.5, "5"],
    "jitter": [0, 1, -0.5, True, "x"],
    "store_if": ["none", 5, []],
    "cache_errors": [ValueError, [ValueError], {5: 1}, {ValueError: 0}, {ValueError: None}, {(): 1}, {KeyboardInterrupt: 1}],
    "lock": ["x", False, True, [], 1],
    "copy": [1, "yes"],
}


@pytest.mark.parametrize(
    ("setting", "given"),
    [(setting, bad) for setting, given in BAD.items() for bad in given],
)
def test_a_setting_that_makes_no_sense_is_refused_at_decoration_by_name(cache: Any, setting: str, given: Any) -> None:
    settings = {"ttl": 60, setting: given}
    with pytest.raises(ConfigurationError, match=setting) as caught:
        cache(**settings)(function)
    assert caught.value.setting == setting


@pytest.mark.parametrize(
    ("setting", "settings"),
    [
        ("stale_while_revalidate", {"stale_while_revalidate": "1m"}),
        ("stale_if_error", {"stale_if_error": "1m"}),
        ("refresh_ahead", {"refresh_ahead": 0.5}),
        ("keep_warm", {"keep_warm": True}),
        ("jitter", {"jitter": 0.1}),
        ("errors", {"ttl": 1, "errors": ValueError}),
        ("errors", {"ttl": 1, "stale_if_error": 1, "errors": KeyboardInterrupt}),
        ("errors", {"ttl": 1, "stale_if_error": 1, "errors": ()}),
        ("errors", {"ttl": 1, "stale_if_error": 1, "errors": ValueError("x")}),
        ("retry_after", {"ttl": 1, "retry_after": 1}),
        ("idle_after", {"ttl": 1, "idle_after": 1}),
        ("soft_timeout", {"ttl": 1, "soft_timeout": 1}),
        ("refresh_after_hits", {"refresh_after_hits": 5}),
        ("refresh_after_hits", {"refresh_after_hits": 5, "max_hits": 5}),
        ("ignore", {"ignore": ("b",), "key": "{a}"}),
    ],
)
def test_a_setting_without_what_it_needs_is_refused_by_name(cache: Any, setting: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=setting) as caught:
        cache(**settings)(function)
    assert caught.value.setting == setting


def test_an_unknown_setting_is_refused_by_name(cache: Any) -> None:
    with pytest.raises((TypeError, ConfigurationError), match="expires"):
        cache(expires=5)(function)


def test_an_unknown_parameter_in_a_template_brings_the_one_that_was_meant(cache: Any) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'user_id'"):
        cache(key="user:{userid}")(lambda user_id: user_id)


@pytest.mark.by_reference
def test_a_refused_decoration_leaves_nothing_behind(cache: Any) -> None:
    with pytest.raises(ConfigurationError):
        cache(key="user:{a}", tags=["{nope}"])(function)
    with pytest.raises(ConfigurationError):
        cache(key="user:{a}", ttl=lambda nope: 5)(function)
    cached = cache(key="user:{b}")(lambda b: [b])
    assert cached(1) is cached(1)


# key


@pytest.mark.by_reference
def test_an_entry_with_a_template_is_reached_by_its_name(cache: Any) -> None:
    """Design 2.3: ``key`` is the entry's whole name."""

    @cache(ttl=60, key="user:{id}")
    def user(id):
        return [id]

    value = user(5)
    assert cache.get("user:5") is value
    assert cache.get_many(["user:5", "user:6"]) == {"user:5": value}
    assert cache.exists("user:5")
    assert cache.ttl("user:5") == 60
    assert list(cache.scan("user:*")) == ["user:5"] == [user.key(5)]
    assert cache.touch("user:5", 600)
    assert cache.ttl("user:5") == 600
    assert cache.delete("user:5")
    assert user(5) is not value
    user(6)
    assert cache.delete_match("user:*") == 2
    assert user.peek(5, default="absent") == "absent"


def test_what_a_verb_stores_the_function_returns(cache: Any) -> None:
    @cache(ttl=60, key="user:{id}")
    def user(id):
        return "loaded"

    cache.set("user:5", "set")
    assert user(5) == "set"
    assert cache.add("user:5", "added") is False
    assert cache.get_or_load("user:5", lambda: "loaded by name") == "set"
    assert cache.get_or_load("user:6", lambda: "loaded by name") == "loaded by name"
    assert user(6) == "loaded by name"
    cache.clear()
    assert user(5) == "loaded"


def test_a_template_tells_a_text_from_a_number(cache: Any) -> None:
    """Rule 5."""

    @cache(ttl=60, key="user:{id}")
    def user(id):
        return [id]

    for value in (5, "5", 5.0, None, "None", True, "True", "", b"5", (5,), "a:b", "a", "user:5"):
        assert user(value) == [value]
        assert type(user(value)[0]) is type(value)
    assert user.stats.loads == 13


def test_no_value_can_imitate_a_separator(cache: Any) -> None:
    """Rule 5."""

    @cache(ttl=60, key="g:{a}:{b}")
    def g(a, b):
        return [a, b]

    assert g("x:b:y", "z") == ["x:b:y", "z"]
    assert g("x", "b:y:z") == ["x", "b:y:z"]
    assert g("x%3Ab", "z") == ["x%3Ab", "z"]
    assert g("x:b", "z") == ["x:b", "z"]


@pytest.mark.by_reference
def test_a_template_may_lead_into_its_parameters(cache: Any) -> None:
    @cache(ttl=60, key="{user.id}/{doc[slug]}/{items[0]}", tags=["user:{user.id}"])
    def page(user, doc, items):
        return object()

    value = page(Opaque(1), {"slug": "a"}, [9])
    assert page(user=Opaque(1), doc={"slug": "a", "more": 1}, items=(9, 8)) is value
    assert cache.get("1/a/9") is value
    cache.invalidate(tags=["user:1"])
    assert page(Opaque(1), {"slug": "a"}, [9]) is not value


@pytest.mark.parametrize(("user", "culprit"), [(None, "user.id"), (Opaque(Opaque(1)), "user.id")])
def test_what_a_template_does_not_find_or_cannot_key_is_refused_by_its_path(cache: Any, user: object, culprit: str) -> None:
    page = cache(ttl=60, key="page:{user.id}")(lambda user: object())
    with pytest.raises(UncacheableArgument) as caught:
        page(user)
    assert caught.value.parameter == culprit


@pytest.mark.by_reference
def test_templates_of_one_skeleton_are_refused_with_both_functions_named(cache: Any) -> None:
    """Design 2.3."""
    kept = cache(key="user:{id}")(lambda id: [id])

    def other(user_id): ...

    with pytest.raises(ConfigurationError, match="same key template") as caught:
        cache(key="user:{user_id}")(other)
    assert caught.value.setting == "key"
    assert "other" in str(caught.value)
    assert "name=" in str(caught.value)
    assert kept(1) is kept(1)


def test_templates_of_one_skeleton_are_shared_by_functions_of_one_name(cache: Any) -> None:
    """Design 2.3."""
    one = cache(key="user:{id}", name="user")(lambda id: "one")
    other = cache(key="user:{user_id}", name="user")(lambda user_id: "other")
    assert one(1) == other(1) == "one"
    other.invalidate_all()
    assert other(1) == one(1) == "other"


def test_templates_of_one_skeleton_are_fine_in_two_namespaces_or_two_caches(cache: Any, clock: FakeClock) -> None:
    one = cache(key="user:{id}")(lambda id: "one")
    other = cache(key="user:{id}", namespace="other")(lambda id: "other")
    third = Cache(clock=clock)(key="user:{id}")(lambda id: "third")
    assert (one(1), other(1), third(1)) == ("one", "other", "third")
    assert cache.get("user:1") == "one"


@pytest.mark.memory_only("the way to a shared store begins with one look into memory, so the rule is asked twice")
def test_a_hit_asks_the_rule_for_the_key_once(cache: Any) -> None:
    asked: list[int] = []

    def rule(number: int) -> str:
        asked.append(number)
        return f"n:{number}" + "x" * 300

    cached = cache(key=rule)(lambda number: object())
    first = cached(1)
    asked.clear()
    assert cached(1) is first
    assert asked == [1]
    assert cached.stats.hits == 1
    assert cached.invalidate(1)
    assert cached(1) is not first


@pytest.mark.parametrize("error", [KeyError("k"), TypeError("t"), ValueError("v")])
def test_what_the_rule_for_the_key_raises_reaches_the_caller(cache: Any, error: Exception) -> None:
    def rule(number: int) -> str:
        raise error

    with pytest.raises(type(error), match=str(error.args[0])):
        cache(key=rule)(lambda number: number)(1)


@pytest.mark.by_reference
def test_a_callable_makes_the_key(cache: Any) -> None:
    by_name = cache(key=lambda b, a: f"by-name:{a}:{b}")(lambda a, b=2, *, c=3: object())
    as_called = cache(key=lambda *args, **kwargs: f"as-called:{args}:{sorted(kwargs.items())}")(lambda a, b=2, *, c=3: object())
    assert by_name.key(1) == "by-name:1:2"
    assert by_name(1) is by_name(a=1, b=2, c=9) is cache.get("by-name:1:2")
    assert as_called.key(1, c=4) == "as-called:(1, 2):[('c', 4)]"
    assert as_called(1) is as_called(a=1, b=2, c=3)


@pytest.mark.parametrize("returned", [5, None, "", b"x"])
def test_a_callable_that_makes_no_text_is_refused(cache: Any, returned: object) -> None:
    cached = cache(key=lambda a: returned)(lambda a: a)
    with pytest.raises(ConfigurationError, match="key must return a text"):
        cached(1)
    assert cached.bypass(1) == 1


# name, namespace, version, ignore


def test_name_and_version_make_different_keys(cache: Any) -> None:
    """Rules 5 and 9: no name can imitate a version."""
    one = cache(name="load", version=1)(function)
    other = cache(name="load", version=2)(function)
    assert one.key(1) != other.key(1)
    with pytest.raises(ConfigurationError, match="@"):
        cache(name="load@1")


def test_a_new_version_forgets_the_old_ones_values(cache: Any) -> None:
    old = cache(version=1)(lambda a: "old")
    new = cache(version=2)(lambda a: "new")
    assert (old(1), new(1)) == ("old", "new")
    new.invalidate_all()
    assert old.peek(1) == "old"


@pytest.mark.by_reference
def test_a_namespace_is_invalidated_as_one(cache: Any) -> None:
    inside = cache(name="inside", namespace="reports")(lambda a: object())
    outside = cache(name="outside")(lambda a: object())
    kept, gone = outside(1), inside(1)
    cache.invalidate(namespace="reports")
    assert outside(1) is kept
    assert inside(1) is not gone
    cache.invalidate(namespace="report")
    cache.invalidate(namespace="main")
    assert outside(1) is not kept


@pytest.mark.by_reference
def test_ignored_parameters_reach_the_function_but_not_the_key(cache: Any) -> None:
    seen = []

    @cache(ttl=60, ignore=["session", "options"])
    def load(session, a, *, options=None):
        seen.append((session, a, options))
        return [a]

    session = Opaque(1)
    assert load(session, 1, options={session: 1}) is load(None, a=1)
    assert seen == [(session, 1, {session: 1})]
    assert load.invalidate(Opaque(3), 1) is True


@pytest.mark.by_reference
def test_extra_arguments_can_be_ignored(cache: Any) -> None:
    @cache(ttl=60, ignore=("args", "kwargs"))
    def load(a, *args, **kwargs):
        return [a, args, kwargs]

    assert load(1, Opaque(1), x=Opaque(2)) is load(1)
    assert load(2, 3, y=4) == [2, (3,), {"y": 4}]


# ttl


@pytest.mark.by_reference
@pytest.mark.parametrize(
    ("ttl", "seconds"),
    [(90, 90.0), (0.5, 0.5), ("1h30m", 5400.0), (timedelta(minutes=1), 60.0), ("500ms", 0.5), (None, math.inf)],
)
def test_every_spelling_of_a_ttl_counts(cache: Any, clock: FakeClock, ttl: Any, seconds: float) -> None:
    cached = cache(ttl=ttl, key="k:{a}")(lambda a: object())
    value = cached(1)
    assert cache.ttl("k:1") == seconds
    if seconds < math.inf:
        clock.advance(seconds)
        assert cached(1) is not value


def test_the_ttl_of_the_cache_counts_where_none_is_given(clock: FakeClock) -> None:
    cache: Any = Cache(ttl="1m", clock=clock)
    cache()(lambda a: a)
    own = cache(ttl=None, key="own:{a}")(lambda a: a)
    default = cache(key="default:{a}")(lambda a: a)
    own(1), default(1), cache.set("name", 1)
    assert [cache.ttl(name) for name in ("own:1", "default:1", "name")] == [math.inf, 60.0, 60.0]


@pytest.mark.parametrize(
    ("rule", "seconds"),
    [
        (lambda a: a * 10, 50.0),
        (lambda value: value[0] * 10, 50.0),
        (lambda value, b: (value[0], b)[1] * 10, 20.0),
        (lambda *args, **kwargs: args[0] + kwargs["d"], 8.0),
        (lambda a, b, *, d, value: sum(value), 10.0),
        (lambda x, y, d, value: x + y + d + value[2], 13.0),
        (lambda a: "2m", 120.0),
        (lambda a: timedelta(seconds=7), 7.0),
        (lambda a: None, math.inf),
    ],
)
def test_a_rule_for_the_ttl_names_what_it_wants(cache: Any, rule: Any, seconds: float) -> None:
    cached = cache(ttl=rule, key="k:{a}")(function)
    cached(5)
    assert cache.ttl("k:5") == seconds
    cached.put([5, 2, 3], 5)
    assert cache.ttl("k:5") == seconds


@pytest.mark.parametrize("nothing", [0, -1, timedelta(0), timedelta(-1)])
def test_a_rule_that_gives_no_time_keeps_nothing(cache: Any, nothing: Any) -> None:
    cached = cache(ttl=lambda a: nothing)(lambda a: object())
    assert cached(1) is not cached(1)
    cached.put("put", 1)
    assert cached.peek(1, default="absent") == "absent"


@pytest.mark.parametrize("nonsense", ["soon", True, [], "0s x"])
def test_a_rule_that_gives_nonsense_is_told_by_name(cache: Any, nonsense: Any) -> None:
    cached = cache(ttl=lambda a: nonsense)(lambda a: object())
    with pytest.raises(ConfigurationError, match="ttl"):
        cached(1)


# tags


@pytest.mark.by_reference
def test_tags_are_rendered_from_the_arguments(cache: Any) -> None:
    load = cache(ttl=60, tags=["all", "team:{team}"])(lambda id, team: object())
    first, second = load(1, 7), load(2, 8)
    cache.invalidate(tags=["team:7"])
    assert load(2, 8) is second
    assert load(1, 7) is not first
    cache.invalidate(tags=["nothing", "all"])
    assert load(2, 8) is not second


# cache_errors


def test_errors_of_every_type_named_together_are_remembered(cache: Any, clock: FakeClock) -> None:
    """A tuple of types is a way of naming several that Python's own ``except`` has."""
    loads = []

    @cache(ttl=60, cache_errors={(KeyError, ZeroDivisionError): "10s"})
    def load(error):
        loads.append(error)
        raise {"key": KeyError, "zero": ZeroDivisionError}[error]("no")

    for _ in range(2):
        for name, kind in (("key", KeyError), ("zero", ZeroDivisionError)):
            with pytest.raises(kind):
                load(name)
    assert loads == ["key", "zero"]


def test_a_remembered_error_is_no_value_for_verbs_and_helpers(cache: Any) -> None:
    """Rule 4."""

    @cache(ttl=60, key="e:{a}", cache_errors={LookupError: "10s"})
    def load(a):
        raise LookupError(a)

    for _ in range(2):
        with pytest.raises(LookupError):
            load(1)
    assert load.stats.loads == 1
    assert load.peek(1, default="absent") == "absent"
    assert cache.get("e:1", "absent") == "absent"
    assert not cache.exists("e:1")
    assert list(cache.scan()) == []
    assert cache.add("e:1", "added") is True
    assert load(1) == "added"


# max_hits


@pytest.mark.by_reference
def test_a_value_expires_after_so_many_hits(cache: Any, run: Any) -> None:
    plain = cache(ttl=60, max_hits=2)(lambda: (object(),))

    @cache(ttl=60, max_hits=2)
    async def asynchronous():
        return object()

    for results in ([plain() for _ in range(7)], [run(asynchronous()) for _ in range(7)]):
        distinct = list(dict.fromkeys(results))
        assert [distinct.index(result) for result in results] == [0, 0, 0, 1, 1, 1, 2]


# copy


@pytest.mark.by_reference
def test_copies_keep_callers_from_spoiling_the_cache(cache: Any) -> None:
    """Rule 15."""
    shared = cache(ttl=60)(lambda: [1])
    isolated = cache(ttl=60, copy=True, key="isolated")(lambda: [1])
    shared().append(2)
    assert shared() == [1, 2]
    isolated().append(2)
    isolated.peek().append(3)
    isolated.many([()])[0].append(4)
    isolated.refresh().append(5)
    assert isolated() == [1]
    given = [7]
    isolated.put(given)
    given.append(8)
    assert isolated() == [7]
