"""Key templates: the texts that cashews makes, and that no two calls are mistaken for each other all the same."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import functools
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from unittest.mock import AsyncMock

import cashews.formatter
import cashews.key
import pytest

import stillroom.compat.cashews as facade
from stillroom.compat.cashews.exceptions import WrongKeyError
from stillroom.compat.cashews.formatter import default_format, template_to_re_pattern
from stillroom.compat.cashews.key import get_cache_key, get_cache_key_template, get_call_values

pytestmark = pytest.mark.asyncio_only


class User:
    def __init__(self, uid: object, name: str = "ada") -> None:
        self.uid = uid
        self.name = name


class Shown:
    def __str__(self) -> str:
        return "shown"


async def simple(name): ...
async def several(user, page=1, *, fresh=False): ...
async def further(a, *args, b=None, **kwargs): ...


class Shop:
    async def price(self, name): ...


@pytest.mark.parametrize(
    ("function", "key", "args", "kwargs"),
    [
        (simple, None, ("bob",), {}),
        (simple, None, (5,), {}),
        (simple, None, (None,), {}),
        (simple, None, (True,), {}),
        (simple, None, (b"bytes",), {}),
        (simple, None, (b"\xff",), {}),
        (simple, None, (1.5,), {}),
        (simple, None, ([1, "a", None],), {}),
        (simple, None, ((1, 2),), {}),
        (simple, None, ({"b": 1, "a": None},), {}),
        (simple, None, (ValueError("wrong"),), {}),
        (simple, None, (Shown(),), {}),
        (simple, None, (), {"name": "bob"}),
        (several, None, ("ada",), {}),
        (several, None, ("ada", 2), {"fresh": True}),
        (several, None, (), {"user": "ada", "page": 2, "fresh": True}),
        (further, None, (1, 2, 3), {"b": 4, "c": 5}),
        (further, None, (1,), {}),
        (several, "u:{user.uid}:{page}", (User(7), 3), {}),
        (several, "u:{user.name:upper}:{user.uid:len}", (User(77), 3), {}),
        (simple, "{name:hash}", ("bob",), {}),
        (simple, "{name:hash(sha1)}", ("bob",), {}),
        (simple, "{name:lower}-{name:upper}-{name:len}", ("Bob",), {}),
        (simple, "{name:get(first)}", ({"first": "ada"},), {}),
        (simple, "{name:unknown}", ("bob",), {}),
        (simple, "{name[0]}", (["bob"],), {}),
        (further, "{a}:{__args__}:{__kwargs__}", (1, 2), {"c": 3}),
        (simple, "fixed", ("bob",), {}),
    ],
)
def test_keys_are_the_texts_of_cashews(function: Any, key: str | None, args: Any, kwargs: Any) -> None:
    template = get_cache_key_template(function, key)
    assert template == cashews.key.get_cache_key_template(function, key)
    assert get_cache_key(function, template, args, kwargs) == cashews.key.get_cache_key(function, template, args, kwargs)


async def test_the_key_of_the_document(open_cache: Callable[..., Any]) -> None:
    """The document's note on ``@cache.fail``: the key will be "__module__.get_status:name:{name}"."""
    cache = open_cache()

    @cache.fail(ttl=60, exceptions=(ValueError,))
    async def get_status(name: str) -> dict[str, str]:
        return {"status": name}

    await get_status("bob")
    expected = f"{__name__}.{get_status.__qualname__}:name:bob"
    assert [key async for key in cache.scan("*")] == [expected]
    assert await cache.get(expected) == {"status": "bob"}


def test_a_claim_of_a_token() -> None:
    """cashews 7.6 has this function, and cannot check a template that uses it."""
    payload = base64.urlsafe_b64encode(json.dumps({"user": "ada>"}).encode()).decode().rstrip("=")
    assert get_cache_key(simple, get_cache_key_template(simple, "{name:jwt(user)}"), (f"head.{payload}.end",)) == "ada>"


@pytest.mark.parametrize("prefix", ["", "v2"])
@pytest.mark.parametrize("exclude", [(), ("user",), ("page", "fresh")])
def test_templates_have_prefixes_and_leave_parameters_out(prefix: str, exclude: tuple[str, ...]) -> None:
    ours = get_cache_key_template(several, prefix=prefix, exclude_parameters=exclude)
    assert ours == cashews.key.get_cache_key_template(several, prefix=prefix, exclude_parameters=exclude)


@pytest.mark.parametrize("key", ["{nobody}", "{user.uid}:{nobody.at.all}", "{args}"])
def test_a_template_that_names_no_parameter_is_refused(key: str) -> None:
    with pytest.raises(cashews.exceptions.WrongKeyError):
        cashews.key.get_cache_key_template(several, key)
    with pytest.raises(WrongKeyError):
        get_cache_key_template(several, key)


def test_defaults_count_however_a_call_is_written() -> None:
    template = get_cache_key_template(several)
    assert get_cache_key(several, template, (), {"user": "ada"}) == get_cache_key(several, template, ("ada",), {})
    # cashews leaves them out of calls without positional arguments, so that these have another key.
    assert cashews.key.get_cache_key(several, template, (), {"user": "ada"}).endswith("page::fresh:")


def test_call_values_are_the_arguments_by_name() -> None:
    assert get_call_values(further, (1, 2), {"c": 3}) == {"a": 1, "b": None, "c": 3}


def test_values_of_the_context_stand_in_templates() -> None:
    for library in (cashews, facade):
        with library.key_context(tenant="acme"):
            assert library.default_formatter.format("{@:get(tenant)}", **{"@": {"tenant": "acme"}}) == "acme"
            assert _format(library, "{@:get(tenant)}:{name}", name="bob") == "acme:bob"
            assert _format(library, "{tenant}:{name}", name="bob") == "acme:bob"
            assert _format(library, "{tenant}", tenant="own") == "own"
            with library.key_context(tenant="other", more=1):
                assert _format(library, "{tenant}:{more}") == "other:1"
            assert _format(library, "{tenant}:{more}") == "acme:"


def _format(library: Any, template: str, **values: object) -> str:
    format_ = default_format if library is facade else cashews.formatter.default_format
    return format_(template, **values)


def test_the_context_may_rewrite_arguments_which_is_deprecated() -> None:
    for library in (cashews, facade):
        with pytest.warns(DeprecationWarning, match="deprecated"), library.key_context(rewrite=True, name="other"):
            assert _format(library, "{name}", name="bob") == "other"


def test_names_may_be_registered_which_is_deprecated() -> None:
    async def run() -> str:
        with pytest.warns(DeprecationWarning, match="deprecated"):
            facade.register_key_context("locale")
        return get_cache_key(simple, get_cache_key_template(simple, "{locale}:{name}"), ("bob",))

    assert asyncio.run(run()) == ":bob"


def test_formatters_can_be_taught() -> None:
    @facade.default_formatter.register("first")
    def first(text: str, count: str = "1") -> str:
        return text[: int(count)]

    @facade.default_formatter.register("raw", preformat=False)
    def raw(value: object) -> str:
        return repr(value)

    @facade.default_formatter.type_format(User)
    def user(value: User) -> str:
        return f"user-{value.uid}"

    try:
        assert default_format("{a:first}-{a:first(2)}-{b:raw}-{c}", a="abc", b=None, c=User(3)) == "a-ab-None-user-3"
    finally:
        types, functions = facade.default_formatter.registered
        del functions["first"], functions["raw"], types[User]


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("user:{user.id}:page:{page}", "user:5:page:3"),
        ("user:{id}", "user:"),
        ("a(b)*[{x}]", "a(b)*[y]"),
        ("user:{id}", "nobody:5"),
    ],
)
def test_patterns_of_templates(template: str, key: str) -> None:
    ours, theirs = (
        template_to_re_pattern(template).fullmatch(key),
        cashews.formatter.template_to_re_pattern(template).fullmatch(key),
    )
    assert (ours and ours.groupdict()) == (theirs and theirs.groupdict())


# What keys cannot tell apart


ALIKE = [
    (1, "1"),
    (None, ""),
    (True, "true"),
    (1, True),
    ([1, 2], (1, 2)),
    ("1:2", [1, 2]),
    (b"a", "a"),
    ({"a": 1}, ["a", 1]),
    (0.0, "0.0"),
    (Shown(), "shown"),
    (User(1), User(1)),
    ([User(1)], [User(1)]),
]


@pytest.mark.parametrize("pair", ALIKE, ids=range(len(ALIKE)))
async def test_a_call_is_never_served_with_what_another_has_loaded(pair: tuple[object, object], url: str) -> None:
    cache = facade.Cache()
    cache.setup(url)

    @cache(ttl=60, key="v:{value}")
    async def shown(value: object) -> str:
        return repr(value)

    @cache(ttl=60)
    async def by_default(value: object) -> str:
        return repr(value)

    for function in (shown, by_default):
        for value in (*pair, *pair):
            assert await function(value) == await function(value) == repr(value)


async def test_separators_within_values_mislead_nobody(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    @cache(ttl=60, key="{a}:{b}")
    async def pair(a: str, b: str) -> tuple[str, str]:
        return a, b

    assert await pair("x:y", "z") == ("x:y", "z")
    assert await pair("x", "y:z") == ("x", "y:z")
    assert await cache.get("x:y:z") == ("x", "y:z")


async def test_what_a_function_makes_of_a_value_is_all_that_counts(open_cache: Callable[..., Any]) -> None:
    cache, loads = open_cache(), []

    @cache(ttl=60, key="{name:lower}")
    async def greet(name: str) -> str:
        loads.append(name)
        return name

    assert await greet("Bob") == await greet("BOB") == "Bob"
    assert loads == ["Bob"]


async def test_two_functions_with_one_template_have_results_of_their_own(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    @cache(ttl=60, key="user:{id}")
    async def name_of(id: int) -> str:
        return "name"

    @cache(ttl=60, key="user:{id}")
    async def age_of(id: int) -> int:
        return 36

    assert [await name_of(1), await age_of(1), await name_of(1)] == ["name", 36, "name"]


async def test_functions_made_in_different_surroundings_have_results_of_their_own(open_cache: Callable[..., Any]) -> None:
    cache, loads = open_cache(), []

    def made(factor: object) -> Any:
        @cache(ttl=60, key="times:{number}")
        async def times(number: int) -> object:
            loads.append(number)
            return number * (factor if isinstance(factor, int) else factor["factor"])  # type: ignore[index]

        return times

    twice, thrice = made(2), made(3)
    assert [await twice(1), await thrice(1), await twice(1)] == [2, 3, 2]
    assert [await made({"factor": 4})(1), await made({"factor": 5})(1)] == [4, 5]


LOADS: list[int] = []


async def load(number: int) -> int:
    LOADS.append(number)
    return number


async def test_plain_values_around_a_function_tell_it_when_it_is_made_again() -> None:
    cache = facade.Cache()
    cache.setup("mem://")
    LOADS.clear()

    async def request(factor: int) -> int:
        @cache(ttl=60, key="again:{number}")
        async def times(number: int) -> int:
            return factor * await load(number)

        return await times(2)

    assert [await request(2), await request(2), await request(3)] == [4, 4, 6]
    assert LOADS == [2, 2]


async def test_a_function_that_is_made_again_from_the_same_objects_finds_its_results(open_cache: Callable[..., Any]) -> None:
    cache, source = open_cache(), AsyncMock(return_value=5)

    async def request() -> int:
        @cache(ttl=60, key="again:{number}")
        async def load(number: int) -> Any:
            return await source(number)

        return int(await load(2))

    assert [await request(), await request()] == [5, 5]
    assert source.call_count == 1


async def test_functions_of_one_name_share_nothing_whatever_they_hold(open_cache: Callable[..., Any]) -> None:
    cache, source = open_cache(), AsyncMock(return_value=2)

    def plain() -> Any:
        async def load() -> int:
            return 1

        return load

    def holding() -> Any:
        async def load() -> int:
            return int(await source())

        return load

    functions = [plain(), holding()]
    for function in functions:
        function.__qualname__ = "load"
    assert [await cache(ttl=60, key="load")(function)() for function in functions] == [1, 2]


class Multiplier:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    async def __call__(self, number: int) -> int:
        return self.factor * number

    async def times(self, number: int) -> int:
        return self.factor * number


async def multiply(factor: int, number: int) -> int:
    return factor * number


def multiply_by(factor: int) -> Any:
    async def times(number: int, factor: int = factor) -> int:
        return factor * number

    return times


@pytest.mark.parametrize(
    "made",
    [
        lambda factor: Multiplier(factor).times,
        Multiplier,
        lambda factor: functools.partial(multiply, factor),
        multiply_by,
        lambda factor: AsyncMock(return_value=factor),
    ],
    ids=["bound method", "callable object", "partial", "default", "mock"],
)
async def test_what_holds_something_else_is_another_function(
    made: Callable[[int], Any], open_cache: Callable[..., Any]
) -> None:
    cache = open_cache()
    functions = [cache(ttl=60, key="times")(made(factor)) for factor in (2, 3)]
    assert [await function(1) for function in functions] == [2, 3]


async def test_methods_without_self_share_results(open_cache: Callable[..., Any]) -> None:
    cache, loads = open_cache(), []

    class Shelf:
        @facade.noself(cache)(ttl=60)
        async def price(self, name: str) -> str:
            loads.append(name)
            return name

        @cache(ttl=60)
        async def label(self) -> int:
            return id(self)

    one, other = Shelf(), Shelf()
    assert await one.price("tea") == await other.price("tea") == await one.price(name="tea")
    assert loads == ["tea"]
    assert (await one.label(), await other.label()) == (id(one), id(other))


async def test_an_address_that_is_used_again_is_no_key() -> None:
    cache = facade.Cache()
    cache.setup("mem://")

    @cache(ttl=60)
    async def name_of(user: User) -> str:
        return user.name

    for number in range(200):
        assert await name_of(User(1, str(number))) == str(number)


@dataclasses.dataclass(frozen=True)
class Point:
    x: int


async def test_values_are_told_apart_by_value(open_cache: Callable[..., Any]) -> None:
    cache, loads = open_cache(), []

    @cache(ttl=60)
    async def look(point: Point) -> int:
        loads.append(point)
        return point.x

    assert [await look(Point(1)), await look(Point(1)), await look(Point(2))] == [1, 1, 2]
    assert loads == [Point(1), Point(2)]


class Request:
    def __init__(self, user: object) -> None:
        self.user = user


async def test_attributes_count_as_they_are_at_the_call(open_cache: Callable[..., Any]) -> None:
    """The document: ``key="user:{request.user.uid}"``."""
    cache, loads = open_cache(), list[object]()

    @cache(ttl=60, key="user:{request.user.uid}", tags=["users", "user:{request.user.uid}"])
    async def long_running_function(request: Any, page: int = 1) -> object:
        loads.append(request.user.uid)
        return request.user.uid

    user = User(1)
    for request in (Request(user), Request(user), Request(User(1))):
        assert await long_running_function(request) == await long_running_function(request=request) == 1
    user.uid = "1"
    assert await long_running_function(Request(user), page=2) == "1"
    user.uid = [1]
    assert await long_running_function(Request(user)) == [1]
    assert loads == [1, "1", [1]]
    await cache.delete_tags("user:1")
    assert await long_running_function(Request(user)) == [1]
    assert len(loads) == 4
    assert await cache.get("user:1") == [1]


async def test_items_and_what_leads_to_nothing_count_too(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    @cache(ttl=60, key="{doc[slug]}:{doc.title}")
    async def size(doc: Any) -> object:
        return doc["slug"]

    for slug in ("a", 1, "1", "a", 1):
        assert await size({"slug": slug}) == await size({"slug": slug}) == slug
    assert sorted([key async for key in cache.scan("*")]) == ["1:", "a:"]


@pytest.mark.parametrize("call", [((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1,), {"c": 1}), ((), {"b": 1})], ids=str)
async def test_wrong_calls_are_refused_though_their_name_is_known(
    open_cache: Callable[..., Any], call: tuple[tuple[int, ...], dict[str, int]]
) -> None:
    cache = open_cache()

    @cache(ttl=60, key="k:{a.real}")
    async def deep(a: Any, b: int = 2) -> int:
        return 1

    @cache(ttl=60, key="l:{a}")
    async def flat(a: int, b: int = 2) -> int:
        return 1

    args, kwargs = call
    for function in (deep, flat):
        assert await function(1) == await function(1, b=2) == 1
        with pytest.raises(TypeError):
            await function(*args, **kwargs)


async def test_sessions_and_the_like_do_not_count_where_no_template_names_them(open_cache: Callable[..., Any]) -> None:
    cache, loads = open_cache(), list[int]()

    @cache(ttl=60, key="row:{id}")
    async def row(id: int, session: object = None) -> int:
        loads.append(id)
        return id

    for _ in range(3):
        assert await row(1, User(1)) == await row(1, session=User(2)) == await row(id=1) == 1
    assert loads == [1]


LISTS_AND_THE_LIKE: list[Any] = [
    [1],
    [True],
    [1.0],
    ["1"],
    (1,),
    [[1]],
    {"a": 1},
    {"a": True},
    {"a": [1]},
    {"a": (1,)},
    ["a", 1],
    0.0,
    -0.0,
    Decimal(1),
    Decimal("1.0"),
]


@pytest.mark.parametrize("key", [None, "key:{value}", "key:{value!r}"])
async def test_lists_and_the_like_are_told_apart_each_time(key: str | None) -> None:
    cache = facade.Cache()
    cache.setup("mem://")

    @cache(ttl=60, key=key)
    async def show(value: object, other: object = None) -> str:
        return repr(value)

    for _ in range(3):
        assert [await show(value) for value in LISTS_AND_THE_LIKE] == [repr(value) for value in LISTS_AND_THE_LIKE]


async def test_a_list_counts_as_it_is_at_the_call(open_cache: Callable[..., Any]) -> None:
    cache, loads = open_cache(), list[int]()

    class Basket:
        def __init__(self) -> None:
            self.items: list[object] = []

    @cache(ttl=60, key="size:{basket.items}")
    async def size(basket: Basket) -> int:
        loads.append(len(basket.items))
        return len(basket.items)

    basket, sizes = Basket(), list[int]()
    for item in ("tea", [1]):
        basket.items.append(item)
        sizes += [await size(basket), await size(basket)]
    assert sizes == [1, 1, 2, 2]
    assert loads == [1, 2]
