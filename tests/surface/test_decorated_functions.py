"""What a decorated function looks like, what it takes and what it refuses; methods have a file of their own."""

from __future__ import annotations

import asyncio
import functools
import inspect
import operator
import pickle
import types
import typing
from collections.abc import Callable
from typing import Any

import pytest

from stillroom import Cache, ConfigurationError, UncacheableArgument

shared: Any = Cache()


@shared(ttl=60)
def at_module_level(a: int, b: str = "x", *, c: float = 1.5) -> str:
    """Join them."""
    return f"{a}{b}{c}"


@shared(ttl=60)
async def coroutine_at_module_level(a: int) -> int:
    """Double it."""
    return 2 * a


def every_kind(a, /, b, c=3, *args, d, e=5, **kwargs):
    return object()


def undecorated(a: int, b: str = "x", *, c: float = 1.5) -> str:
    """Join them."""
    return f"{a}{b}{c}"


async def undecorated_async(a: int, b: str = "x", *, c: float = 1.5) -> str:
    return f"{a}{b}{c}"


# One call, however it is written


@pytest.mark.by_reference
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda f: f(1, 2, d=4), lambda f: f(1, b=2, d=4)),
        (lambda f: f(1, 2, d=4), lambda f: f(1, 2, 3, d=4)),
        (lambda f: f(1, 2, d=4), lambda f: f(1, 2, c=3, e=5, d=4)),
        (lambda f: f(1, 2, d=4), lambda f: f(1, d=4, b=2)),
        (lambda f: f(1, 2, 3, 9, d=4), lambda f: f(1, 2, 3, *(9,), d=4, e=5)),
        (lambda f: f(1, 2, d=4, x=1, y=2), lambda f: f(1, 2, y=2, x=1, d=4)),
        (lambda f: f(1, 2, d=4, a=1), lambda f: f(1, b=2, a=1, d=4)),
    ],
)
def test_the_way_arguments_are_written_does_not_matter(cache: Any, one: Any, other: Any) -> None:
    """Rule 6."""
    cached = cache(ttl=60)(every_kind)
    assert one(cached) is other(cached)
    assert one(cached.key) == other(cached.key)
    assert cached.stats.misses == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda f: f(1, 2, d=4), lambda f: f(1, 2, d=4.0)),
        (lambda f: f(1, 2, d=4), lambda f: f(True, 2, d=4)),
        (lambda f: f(1, 2, d=None), lambda f: f(1, 2, d="")),
        (lambda f: f(1, 2, d=0), lambda f: f(1, 2, d=False)),
        (lambda f: f(1, 2, d="0"), lambda f: f(1, 2, d=b"0")),
        (lambda f: f(1, 2, d=(1, 2)), lambda f: f(1, 2, d=[1, 2])),
        (lambda f: f(1, 2, 3, 9, d=4), lambda f: f(1, 2, 3, d=4, x=9)),
        (lambda f: f(1, 2, 3, "a", "b", d=4), lambda f: f(1, 2, 3, "a,b", d=4)),
        (lambda f: f(1, 2, d=4, x=1), lambda f: f(1, 2, d=4, y=1)),
        (lambda f: f(1, 2, 3, 1, 2, d=4), lambda f: f(1, 2, 3, (1, 2), d=4)),
    ],
)
def test_different_arguments_never_share_a_key(cache: Any, one: Any, other: Any) -> None:
    """Rule 5."""
    cached = cache(ttl=60)(every_kind)
    assert one(cached) is not other(cached)
    assert one(cached.key) != other(cached.key)


@pytest.mark.by_reference
def test_a_default_and_the_same_value_given_are_one_call(cache: Any) -> None:
    """Rule 6: f() equals f(default)."""

    @cache(ttl=60)
    def f(a=None, *, b=()):
        return object()

    assert f() is f(None) is f(b=()) is f(None, b=())


@pytest.mark.by_reference
def test_a_call_without_parameters_is_cached(cache: Any) -> None:
    @cache(ttl=60)
    def f():
        return object()

    assert f() is f()
    assert f.invalidate() is True
    assert f.invalidate() is False


@pytest.mark.by_reference
@pytest.mark.parametrize("value", [None, 0, 0.0, "", b"", False, [], {}, (), set(), frozenset()])
def test_falsy_results_are_results(cache: Any, value: object) -> None:
    """Rule 12."""

    @cache(ttl=60)
    def f():
        return value

    assert f() is value
    assert f() is value
    assert f.peek(default="absent") is value
    assert f.many([()]) == [value]
    assert f.stats.loads == 1


# Wrong arguments

WRONG = [
    lambda f: f(),
    lambda f: f(1, "x", 2),
    lambda f: f(1, a=1),
    lambda f: f(1, d=4),
    lambda f: f(b="x"),
    lambda f: f(1, **{"not a name": 1}),
]


@pytest.mark.parametrize("call", WRONG)
def test_wrong_arguments_raise_what_python_itself_raises(cache: Any, call: Any) -> None:
    cached = cache(ttl=60)(undecorated)
    with pytest.raises(TypeError) as expected:
        call(undecorated)
    with pytest.raises(TypeError) as found:
        call(cached)
    assert str(found.value) == str(expected.value)
    assert cached.stats.calls == 0


@pytest.mark.parametrize("call", WRONG)
def test_wrong_arguments_of_a_coroutine_function_are_refused_likewise(cache: Any, call: Any, run: Callable[[Any], Any]) -> None:
    cached = cache(ttl=60)(undecorated_async)
    with pytest.raises(TypeError) as expected:
        call(undecorated_async)
    with pytest.raises(TypeError) as found:
        run(call(cached))
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("call", WRONG)
def test_helpers_refuse_wrong_arguments_in_the_same_words(cache: Any, call: Any) -> None:
    cached = cache(ttl=60)(undecorated)
    with pytest.raises(TypeError) as expected:
        call(undecorated)
    for helper in (cached.key, cached.peek, cached.invalidate, cached.refresh, cached.bypass, functools.partial(cached.put, 0)):
        with pytest.raises(TypeError) as found:
            call(helper)
        assert str(found.value) == str(expected.value)


# Looks


def test_a_decorated_function_looks_like_its_function(cache: Any) -> None:
    undecorated.note = "kept"  # type: ignore[attr-defined]
    try:
        cached = cache(ttl=60)(undecorated)
    finally:
        del undecorated.note  # type: ignore[attr-defined]
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__kwdefaults__"):
        assert getattr(cached, name) == getattr(undecorated, name)
    assert inspect.signature(cached) == inspect.signature(undecorated)
    assert cached.__wrapped__ is undecorated
    assert cached.note == "kept"
    assert isinstance(cached, types.FunctionType)
    assert "undecorated" in repr(cached)


def test_annotations_that_are_texts_can_be_evaluated(cache: Any) -> None:
    """This module's annotations are texts; frameworks ask for what they mean."""
    cached = cache(ttl=60)(undecorated)
    assert typing.get_type_hints(cached) == typing.get_type_hints(undecorated)
    assert inspect.signature(cached, eval_str=True) == inspect.signature(undecorated, eval_str=True)


def test_coroutine_functions_are_told_apart_from_others(cache: Any) -> None:
    assert inspect.iscoroutinefunction(cache()(undecorated_async))
    assert asyncio.iscoroutinefunction(cache()(undecorated_async))
    assert not inspect.iscoroutinefunction(cache()(undecorated))


def test_a_decorated_function_is_pickled_by_reference() -> None:
    for function in (at_module_level, coroutine_at_module_level):
        assert pickle.loads(pickle.dumps(function)) is function


def test_further_decorators_go_above_and_below(cache: Any) -> None:
    def shouting(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs).upper()

        return wrapper

    above = shouting(cache(ttl=60)(undecorated))
    below = cache(ttl=60, name="below")(shouting(undecorated))
    for cached in (above, below):
        assert cached(1) == cached(a=1) == "1X1.5"
        assert cached.invalidate(1) is True
        assert inspect.signature(cached) == inspect.signature(undecorated)


@pytest.mark.by_reference
def test_a_cached_function_can_be_cached_once_more(cache: Any) -> None:
    inner = cache(ttl=10, name="inner")(lambda a: object())
    outer = cache(ttl=60, name="outer")(inner)
    assert outer(1) is inner(1) is outer(1)


# What can be decorated


class Adder:
    """An object that can be called."""

    def __init__(self, base: int) -> None:
        self.base = base

    def __call__(self, a: int, b: int = 1) -> int:
        return self.base + a + b


class AsyncAdder:
    async def __call__(self, a: int) -> int:
        return a + 1


@pytest.mark.by_reference
def test_lambdas_are_cached(cache: Any) -> None:
    cached = cache(ttl=60)(lambda a: [a])
    assert cached(1) is cached(a=1)


@pytest.mark.by_reference
def test_functions_made_in_comprehensions_are_functions(cache: Any) -> None:
    made = [*(cache(ttl=60)(lambda a: [a]) for _ in range(2)), *[cache(ttl=60)(lambda a: [a]) for _ in range(2)]]
    assert [type(one) for one in made] == [types.FunctionType] * 4
    assert all(one(1) is one(a=1) for one in made)


@pytest.mark.memory_only("a shared store refuses two functions of one name; tests/redis/test_names.py")
def test_two_lambdas_never_meet(cache: Any) -> None:
    """Rule 9."""
    one, other = (cache(ttl=60)(lambda a, word=word: word) for word in ("one", "other"))
    first, second = cache(ttl=60)(lambda a: "first"), cache(ttl=60)(lambda a: "second")
    assert (one(1), other(1), first(1), second(1)) == ("one", "other", "first", "second")


def test_two_local_functions_of_one_name_never_meet(cache: Any) -> None:
    """Rule 9."""

    def made(word):
        @cache(ttl=60)
        def local(a):
            return word

        return local

    one, other = made("one"), made("other")
    assert (one(1), other(1)) == ("one", "other")
    assert one.invalidate(1) is True
    assert other.peek(1) == "other"


def test_one_decorator_serves_many_functions(cache: Any) -> None:
    minute = cache(ttl=60, tags=["minute"])

    @minute
    def one(a):
        return ["one", a]

    @minute
    def other(b):
        return ["other", b]

    assert (one(1), other(b=1)) == (["one", 1], ["other", 1])
    one.invalidate_all()
    assert other.peek(1) == ["other", 1]
    cache.invalidate(tags=["minute"])
    assert other.peek(1) is None


@pytest.mark.memory_only("a shared store refuses two functions of one name; tests/redis/test_names.py")
def test_two_local_functions_of_one_name_are_invalidated_apart(cache: Any) -> None:
    """Rule 9: told apart, or refused."""
    one, other = (cache(ttl=60)(lambda a: [a]) for _ in range(2))
    one(1), other(1)
    one.invalidate_all()
    assert one.peek(1) is None
    assert other.peek(1) == [1]


def test_one_function_in_two_caches_has_entries_in_both(cache: Any) -> None:
    one, other = cache(ttl=60)(every_kind), Cache()(ttl=60)(every_kind)
    assert one(1, 2, d=3) is not other(1, 2, d=3)


def test_a_function_may_call_itself_through_the_cache(cache: Any) -> None:
    @cache(ttl=60)
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert fibonacci(80) == 23416728348467685
    assert fibonacci.stats.loads == 81


@pytest.mark.memory_only("a shared store refuses two functions of one name; tests/redis/test_names.py")
def test_decorating_again_as_a_reload_does_starts_afresh(cache: Any) -> None:
    """Rule 9."""
    for generation in range(3):
        namespace: dict[str, Any] = {"cache": cache, "__name__": "reloaded"}
        exec(f"@cache(ttl=60, key='reloaded:{{a}}', tags=['t'])\ndef load(a): return {generation}", namespace)
        namespace["load"].invalidate(1)
        assert namespace["load"](1) == generation
        exec(f"@cache(ttl=60)\ndef plain(a): return {generation}", namespace)
        assert namespace["plain"](1) == generation


def test_a_partial_with_a_name_is_cached(cache: Any) -> None:
    cached = cache(ttl=60, name="partial")(functools.partial(undecorated, 1, c=2.5))
    assert cached() == cached(b="x") == "1x2.5"
    assert cached.stats.loads == 1
    assert cached.key() == "partial('x',2.5)"


def test_an_object_that_can_be_called_is_cached_under_a_name(cache: Any) -> None:
    cached = cache(ttl=60, name="adder")(Adder(10))
    assert cached(1) == cached(1, 1) == cached(b=1, a=1) == 12
    assert cached.stats.loads == 1


def test_an_object_with_an_asynchronous_call_is_a_coroutine_function(cache: Any, run: Callable[[Any], Any]) -> None:
    cached = cache(ttl=60, name="async adder")(AsyncAdder())
    assert inspect.iscoroutinefunction(cached)
    assert run(cached(1)) == run(cached(a=1)) == 2


@pytest.mark.parametrize("nameless", [functools.partial(undecorated, 1), Adder(1), functools.partial(functools.partial(len))])
def test_what_has_no_name_of_its_own_has_to_be_given_one(cache: Any, nameless: Any) -> None:
    with pytest.raises(ConfigurationError, match="name=") as caught:
        cache(ttl=60)(nameless)
    assert caught.value.setting == "name"


def test_builtins_with_a_signature_are_cached(cache: Any) -> None:
    cached = cache(ttl=60)(operator.add)
    assert cached(1, 2) == cached(1, 2) == 3
    assert cached.stats.hits == 1


@pytest.mark.parametrize("builtin", [max, int, dict.get, functools.partial(int, "5")])
def test_builtins_without_a_signature_are_refused_by_an_error_of_ours(cache: Any, builtin: Any) -> None:
    try:
        inspect.signature(builtin)
    except ValueError:
        with pytest.raises(ConfigurationError, match="signature"):
            cache(ttl=60, name="builtin")(builtin)
    else:  # this Python knows its signature, so it is a function like any other
        assert callable(cache(ttl=60, name="builtin")(builtin))


def test_a_bound_method_is_decorated_like_a_function(cache: Any) -> None:
    adder = Adder(1)
    cached = cache(name="adder", ttl=60)(adder.__call__)
    assert (cached(1), cached(b=1, a=1), cached.stats.loads) == (3, 3, 1)
    assert isinstance(cached, types.FunctionType)
    assert inspect.signature(cached) == inspect.signature(adder.__call__)


@pytest.mark.parametrize("thing", [5, None, "10m", object(), property(lambda self: 1)])
def test_what_cannot_be_called_is_refused(cache: Any, thing: object) -> None:
    with pytest.raises(ConfigurationError, match="callable"):
        cache(ttl=60)(thing)


def test_a_decorator_without_brackets_is_refused_with_the_way_out(cache: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"brackets: @cache\(\) or @cache\(ttl="):

        @cache
        def f(a):
            return a


@pytest.mark.parametrize("ttl", ["10m", 60])
def test_a_ttl_without_its_name_is_refused_with_the_way_out(cache: Any, ttl: object) -> None:
    with pytest.raises(ConfigurationError, match=r"ttl=") as caught:
        cache(ttl)(undecorated)
    assert "brackets" not in str(caught.value), "there are brackets; what is missing is the name of the setting"


@pytest.mark.by_reference
@pytest.mark.parametrize("name", ["class", "None", "lambda", "not a name", "", "naïve"])
def test_any_name_will_do_for_a_function(cache: Any, name: str) -> None:
    def f(a):
        return object()

    f.__name__ = name
    cached = cache(ttl=60)(f)
    assert cached(1) is cached(a=1)
    assert cached.__name__ == name


# Parameters with awkward names


@pytest.mark.by_reference
def test_parameters_may_be_called_as_builtins_and_internals_are(cache: Any) -> None:
    @cache(ttl=60)
    def f(type, id, gate, node, clock, now, len, str, int, object, slow, default=0, *, key="", value=None, function=()):
        return [type, id, gate, node, clock, now, len, str, int, object, slow, default, key, value, function]

    values = list(range(11))
    assert f(*values) == [*values, 0, "", None, ()]
    assert f(*values) is f(*values, 0, key="", value=None, function=())
    assert f.peek(*values) is f(*values)


@pytest.mark.by_reference
def test_parameters_called_as_builtins_do_not_disturb_templates(cache: Any) -> None:
    @cache(ttl=60, key="t:{type}:{len}:{str}:{int}", tags=["tag:{id}"])
    def f(type, len, str, int, id):
        return object()

    assert f(1, "a", "1", None, 5) is f(1, "a", "1", None, 5)
    assert cache.get(f.key(1, "a", "1", None, 5)) is f(1, "a", "1", None, 5)
    assert f("a:b", "c", 1, 1, 1) is not f("a", "b:c", 1, 1, 1)


@pytest.mark.by_reference
def test_a_parameter_may_bear_the_name_of_its_function(cache: Any) -> None:
    @cache(ttl=60)
    def f(f):
        return [f]

    assert f(1) is f(f=1)


@pytest.mark.by_reference
def test_self_and_cls_elsewhere_are_parameters_like_any_other(cache: Any) -> None:
    @cache(ttl=60)
    def f(a, self, cls, calls, args, kwargs):
        return [a, self, cls, calls, args, kwargs]

    given = {"a": 1, "self": 2, "cls": 3, "calls": 4, "args": 5, "kwargs": 6}
    assert f(**given) is f(1, 2, 3, 4, 5, 6)
    assert f.peek(**given) is f(**given)
    assert f.refresh(**given) is f(**given)
    assert f.many([given]) == [[1, 2, 3, 4, 5, 6]]
    assert f.bypass(**given) == [1, 2, 3, 4, 5, 6]
    assert f.put("new", **given) is None
    assert f(**given) == "new"


@pytest.mark.by_reference
@pytest.mark.parametrize(
    "name", ["_stillroom_node", "_stillroom_slow", "_stillroom_gate", "_stillroom_type", "_stillroom_Exception", "_stillroom_x"]
)
def test_names_that_compiled_code_uses_either_work_or_are_refused(cache: Any, name: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def f({name}, b=1): return [{name}, b]", namespace)
    try:
        cached = cache(ttl=60)(namespace["f"])
    except ConfigurationError as refusal:
        told = str(refusal)
        assert name in told
        return
    assert cached(1) == [1, 1]
    assert cached(1) is cached(**{name: 1})
    assert cached("x") == ["x", 1]


# Unusual defaults


@pytest.mark.by_reference
def test_a_default_that_cannot_be_keyed_is_refused_by_name_only_when_it_is_used(cache: Any) -> None:
    nothing = object()

    @cache(ttl=60)
    def f(a, b=nothing):
        return [a, b]

    with pytest.raises(UncacheableArgument, match="b cannot be part of a key") as caught:
        f(1)
    assert caught.value.parameter == "b"
    assert 'ignore=("b",)' in str(caught.value)
    assert f(1, 2) is f(1, 2)


@pytest.mark.by_reference
def test_a_default_that_cannot_be_keyed_can_be_ignored(cache: Any) -> None:
    nothing = object()

    @cache(ttl=60, ignore=("session",))
    def f(a, session=nothing):
        return [a, session]

    assert f(1) is f(1, "other")
    assert f(1) == [1, nothing]


@pytest.mark.by_reference
def test_defaults_reach_the_function_as_they_are(cache: Any) -> None:
    default, nothing = [1, {"a": 2}], object()

    @cache(ttl=60, ignore=("b", "c"))
    def f(a=default, /, b=nothing, *, c=lambda: 5):
        return a, b, c()

    assert f() is f()
    assert f()[0] is default
    assert f()[1:] == (nothing, 5)


# Arguments that cannot be keyed


class Opaque:
    pass


@pytest.mark.parametrize(
    ("argument", "parameter"), [(Opaque(), "thing"), ([1, Opaque()], "thing[1]"), ({"a": (Opaque(),)}, "thing['a'][0]")]
)
def test_arguments_that_cannot_be_keyed_are_refused_with_the_ways_out(cache: Any, argument: object, parameter: str) -> None:
    """Rule 8 and promise 2."""

    @cache(ttl=60)
    def f(thing):
        return thing

    for use in (f, f.key, f.peek, f.invalidate, f.refresh, functools.partial(f.put, 1), lambda a: f.many([(a,)])):
        with pytest.raises(UncacheableArgument) as caught:
            use(argument)
        assert caught.value.parameter == parameter
        assert caught.value.type is Opaque
        for way in ('ignore=("thing",)', 'key="', "register_key_type(Opaque"):
            assert way in str(caught.value)
    assert f.bypass(argument) is argument


# Errors and one-shot results


def test_what_a_function_raises_arrives_as_it_was_raised(cache: Any) -> None:
    """Rule 20."""
    error = StopIteration("odd")

    @cache(ttl=60)
    def f():
        raise error

    for _ in range(2):
        with pytest.raises(StopIteration) as caught:
            f()
        assert caught.value is error
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None
    assert f.stats.snapshot().errors == 2
    assert f.peek(default="absent") == "absent"


def test_an_iterator_is_handed_on_but_not_kept(cache: Any, caplog: pytest.LogCaptureFixture) -> None:
    @cache(ttl=60)
    def f():
        return iter([1, 2])

    assert list(f()) == list(f()) == [1, 2]
    assert "iterator" in caplog.text


def test_a_plain_function_that_returns_an_awaitable_is_not_cached(cache: Any, run: Callable[[Any], Any]) -> None:
    f = cache(ttl=60)(lambda a: undecorated_async(a, "x"))
    assert run(f(1)) == run(f(1)) == "1x1.5"
    assert f.stats.loads == 2
