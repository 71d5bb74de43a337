"""Whoever uses cachify 0.3.6 finds the same in the facade: each test runs with both."""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import pickle
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import cachify as original  # type: ignore[import-untyped]
import pytest
import redis
import redis.asyncio as aredis
from tests.servers.server import Server

from stillroom.compat import cachify as facade
from stillroom.compat.cachify.utils.errors import CacheKeyError

LIBRARIES = (original, facade)


@pytest.fixture(params=LIBRARIES, ids=["original", "facade"])
def lib(request: pytest.FixtureRequest) -> Iterator[Any]:
    request.param.reset_redis_config()
    yield request.param
    request.param.reset_redis_config()
    request.param.clear_never_die_registry()


@pytest.fixture(params=["memory", "redis"])
def decorate(request: pytest.FixtureRequest, lib: Any) -> Any:
    """The decorator, in memory and on Redis."""
    if request.param == "memory":
        return lib.cache
    server: Server = request.getfixturevalue("redis_server")
    lib.setup_redis_config(sync_client=redis.from_url(server.url), async_client=aredis.from_url(server.url))
    return lib.rcache


@pytest.mark.parametrize("name", ["", ".redis", ".types", ".utils.errors"])
def test_modules_have_the_same_names(name: str) -> None:
    one, other = (importlib.import_module(f"{lib.__name__}{name}") for lib in LIBRARIES)
    names = set(getattr(one, "__all__", ())) or {"CacheKeyError" if name == ".utils.errors" else "CacheKwargs"}
    assert names <= set(other.__all__)
    assert all(hasattr(other, one) for one in other.__all__)


@pytest.mark.parametrize("name", ["cache", "rcache", "redis_cache", "setup_redis_config"])
def test_parameters_are_the_same(name: str) -> None:
    def told(lib: ModuleType) -> list[tuple[str, Any]]:
        parameters = inspect.signature(getattr(lib, name)).parameters.values()
        return [(one.name, one.default) for one in parameters if one.name != "secret"]

    assert told(original) == told(facade)


def test_the_version_is_that_of_the_release() -> None:
    assert facade.__version__ == original.__version__
    assert facade.DEFAULT_KEY_PREFIX == original.DEFAULT_KEY_PREFIX


def test_decorated_functions_look_like_themselves(decorate: Any) -> None:
    def f(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    decorated = decorate(60)(f)
    assert (decorated.__name__, decorated.__doc__, decorated.__wrapped__) == ("f", "Add.", f)
    assert inspect.signature(decorated) == inspect.signature(f)
    assert inspect.isfunction(decorated)


@pytest.mark.parametrize(
    "argument",
    [1, "a", None, 2.5, (1, 2), [1, [2]], {"a": {"b": 1}}, {1, 2}, b"a", len, int, range(3), slice(1, 2), complex(1, 2)],
    ids=repr,
)
def test_arguments_of_many_types(decorate: Any, argument: Any) -> None:
    calls: list[Any] = []

    @decorate(ttl=60)
    def f(a: Any, *, b: Any = None) -> str:
        calls.append(a)
        return repr(a)

    assert f(argument) == f(a=argument) == f(argument, b=None) == repr(argument)
    assert len(calls) == 1


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


def test_objects_count_by_their_state(decorate: Any) -> None:
    calls: list[int] = []

    @decorate(ttl=60)
    def f(point: Point) -> int:
        calls.append(point.x)
        return point.x

    assert [f(Point(1)), f(Point(1)), f(Point(2))] == [1, 1, 2]
    assert calls == [1, 2]


loads: list[Any] = []


def test_methods_count_by_the_state_of_their_object(lib: Any) -> None:
    loads.clear()
    counter = _counters[lib]()
    assert [counter.total(1), counter.total(1)] == [1, 1]
    counter.base = 10
    assert [counter.total(1), counter.total(a=1)] == [11, 11]
    assert _counters[lib]().total(1) == 1  # another one in the first one's state
    assert loads == [(0, 1), (10, 1)]


class _Counter:
    def __init__(self) -> None:
        self.base = 0


class _Original(_Counter):
    @original.cache(ttl=60)
    def total(self, a: int) -> int:
        loads.append((self.base, a))
        return self.base + a


class _Facade(_Counter):
    @facade.cache(ttl=60)
    def total(self, a: int) -> int:
        loads.append((self.base, a))
        return self.base + a


_counters: dict[Any, Any] = {original: _Original, facade: _Facade}


def test_any_number_of_arguments(decorate: Any) -> None:
    calls: list[Any] = []

    @decorate(ttl=60)
    def f(*args: Any, **kwargs: Any) -> Any:
        calls.append((args, kwargs))
        return len(calls)

    assert [f(1, 2), f(1, 2), f(1, a=2), f(1, a=2), f(2, 1), f(a=1, skip_cache=False)] == [1, 1, 2, 2, 3, 4]
    assert all("skip_cache" not in kwargs for _, kwargs in calls)


@pytest.mark.parametrize("value", [None, 0, "", [], False, (1, 2), {1: {2}}, Point], ids=repr)
def test_every_result_is_a_result(decorate: Any, value: Any) -> None:
    calls: list[int] = []

    @decorate(ttl=60)
    def f(name: str) -> Any:
        calls.append(1)
        return value

    assert f(repr(value)) == f(repr(value)) == value
    assert type(f(repr(value))) is type(value)
    assert calls == [1]


def test_errors_are_raised_and_not_remembered(decorate: Any) -> None:
    calls: list[int] = []

    @decorate(ttl=60)
    def f(a: int) -> int:
        calls.append(a)
        raise LookupError(a)

    for _ in range(2):
        with pytest.raises(LookupError):
            f(1)
    assert calls == [1, 1]


def test_wrong_arguments_are_type_errors(decorate: Any) -> None:
    @decorate(ttl=60)
    def f(a: int) -> int:
        return a

    for wrong in (f, lambda: f(1, 2), lambda: f(b=1)):
        with pytest.raises(TypeError):
            wrong()


def test_what_cannot_be_pickled_cannot_be_an_argument(decorate: Any, lib: Any) -> None:
    error = importlib.import_module(f"{lib.__name__}.utils.errors").CacheKeyError

    @decorate(ttl=60)
    def f(a: Any) -> int:
        return 1

    @decorate(ttl=60, cache_key_func=lambda args, kwargs: lambda: 1)
    async def g(a: Any) -> int:
        return 1

    assert issubclass(error, ValueError)
    with pytest.raises(error):
        f(lambda: 1)
    with pytest.raises(error):
        asyncio.run(g(1))


@pytest.mark.parametrize("key", ["a", ("a", 1), ["a"], 5, None, Point(1)], ids=lambda key: type(key).__name__)
def test_custom_keys_of_many_types(decorate: Any, key: Any) -> None:
    calls: list[int] = []

    @decorate(ttl=60, cache_key_func=lambda args, kwargs: key)
    def f(a: int, b: int = 0) -> int:
        calls.append(a)
        return a

    assert f(1) == f(2, b=3) == 1
    assert calls == [1]


def test_a_custom_key_sees_how_the_call_was_written(decorate: Any) -> None:
    seen: list[Any] = []

    @decorate(ttl=60, cache_key_func=lambda args, kwargs: seen.append((args, kwargs)))
    def f(a: int, b: int = 0) -> int:
        return a

    f(1)
    f(1, b=2)
    f(b=2, a=1, skip_cache=True)
    assert seen[0] == ((1,), {})
    assert ((1,), {"b": 2}) in seen
    assert seen[-1] == ((), {"b": 2, "a": 1})


def test_fields_that_are_not_there_may_be_ignored(decorate: Any) -> None:
    @decorate(ttl=60, ignore_fields=("b", "nobody"))
    def f(a: int, b: int = 0) -> int:
        return a + b

    assert f(1, 1) == f(1, 2) == 2


@pytest.mark.parametrize("more", [{"ignore_fields": ("a",)}, {"no_self": True}])
def test_a_custom_key_and_ignored_fields_are_refused(decorate: Any, more: Any) -> None:
    with pytest.raises(ValueError, match="cache_key_func"):
        decorate(cache_key_func=lambda args, kwargs: "key", **more)


def test_static_and_class_methods(decorate: Any) -> None:
    calls: list[int] = []

    class Shop:
        @staticmethod
        @decorate(ttl=60)
        def price(item: str) -> int:
            calls.append(1)
            return len(item)

    assert Shop.price("tea") == Shop().price("tea") == 3
    assert calls == [1]


@pytest.mark.parametrize("ttl", [0, -1])
def test_no_ttl_means_no_cache(lib: Any, ttl: int) -> None:
    calls: list[int] = []

    @lib.cache(ttl=ttl)
    def f() -> int:
        calls.append(1)
        return 1

    assert [f(), f()] == [1, 1]
    assert len(calls) == 2


def test_a_ttl_of_none_is_for_ever(lib: Any) -> None:
    @lib.cache(ttl=None)
    def f() -> object:
        return object()

    assert f() is f()


def test_results_in_memory_are_the_same_object(lib: Any) -> None:
    @lib.cache()
    def f() -> list[int]:
        return []

    assert f() is f()


def test_locks_by_name(lib: Any, redis_server: Server) -> None:
    lib.setup_redis_config(sync_client=redis.from_url(redis_server.url), async_client=aredis.from_url(redis_server.url))
    manager = importlib.import_module(f"{lib.__name__}.redis").RedisLockManager
    taken: list[str] = []

    def take() -> None:
        with manager.sync_lock("key"):
            taken.append("other")

    async def main() -> None:
        async with manager.async_lock("key"):
            other = asyncio.create_task(asyncio.to_thread(take))
            await asyncio.sleep(0)
            taken.append("first")
        await other

    asyncio.run(main())
    assert taken == ["first", "other"]


# The configuration


def test_redis_has_to_be_set_up(lib: Any) -> None:
    @lib.rcache()
    def f() -> int:
        return 1

    with pytest.raises(RuntimeError, match="setup_redis_config"):
        f()
    with pytest.raises(RuntimeError):
        lib.get_redis_config()


def test_each_sort_of_function_needs_its_client(lib: Any) -> None:
    @lib.rcache()
    def f() -> int:
        return 1

    @lib.rcache()
    async def g() -> int:
        return 1

    lib.setup_redis_config(async_client=aredis.Redis())
    with pytest.raises(RuntimeError, match="sync_client"):
        f()
    lib.reset_redis_config()
    lib.setup_redis_config(sync_client=redis.Redis())
    with pytest.raises(RuntimeError, match="async_client"):
        asyncio.run(g())


def test_a_configuration_without_a_client_is_refused(lib: Any) -> None:
    with pytest.raises(ValueError, match="client"):
        lib.setup_redis_config()
    with pytest.raises(ValueError, match="on_error"):
        lib.setup_redis_config(sync_client=redis.Redis(), on_error="whatever")


def test_another_configuration_is_refused_until_it_is_reset(lib: Any) -> None:
    client = redis.Redis()
    lib.setup_redis_config(client)
    with pytest.raises(RuntimeError, match="reset_redis_config"):
        lib.setup_redis_config(sync_client=redis.Redis())
    assert lib.get_redis_config().sync_client is client
    assert lib.get_redis_config().get_client(is_async=False) is client
    lib.reset_redis_config()
    lib.setup_redis_config(None, aredis.Redis(), "shop", 20, "raise")
    config = lib.get_redis_config()
    assert (config.key_prefix, config.lock_timeout, config.on_error) == ("shop", 20, "raise")
    assert type(config).__name__ == "RedisConfig"


def test_what_is_stored_with_a_limited_life_ends(lib: Any, redis_server: Server) -> None:
    lib.setup_redis_config(sync_client=redis.from_url(redis_server.url))

    @lib.rcache(ttl=1000)
    def f() -> int:
        return 1

    f()
    left = [redis_server.client().ttl(key) for key in redis_server.client().keys("cachify*f*")]
    assert any(900 < one <= 1000 for one in left)


def test_a_registry_can_be_cleared_at_any_time(lib: Any) -> None:
    lib.clear_never_die_registry()
    lib.clear_never_die_registry()


def test_custom_errors_travel() -> None:
    error = CacheKeyError("key")
    assert str(pickle.loads(pickle.dumps(error))) == "key"


def test_a_class_that_pickle_cannot_name_is_refused(lib: Any, redis_server: Server) -> None:
    lib.setup_redis_config(redis.Redis.from_url(redis_server.url))

    class Shop:
        @classmethod
        @lib.rcache(ttl=60)
        def price(cls, item: str) -> int:
            return len(item)

    errors = importlib.import_module(f"{lib.__name__}.utils.errors")
    with pytest.raises(errors.CacheKeyError):
        Shop.price("tea")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("memory_cache", "cache"),
        ("redis_cache", "redis_cache"),
        ("redis.config", "setup_redis_config"),
        ("redis.lock", "RedisLockManager"),
        ("features.never_die", "clear_never_die_registry"),
        ("storage", "MemoryStorage"),
        ("storage.memory_storage", "MemoryStorage"),
    ],
)
def test_modules_stand_where_they_stood(lib: Any, module: str, name: str) -> None:
    found = getattr(importlib.import_module(f"{lib.__name__}.{module}"), name)
    assert callable(found)
    assert found.__name__ == name
    assert lib.rcache is lib.redis_cache
    assert callable(lib.cache)


@pytest.mark.parametrize("never_die", [False, True])
def test_memory_can_be_cleared_between_tests(lib: Any, never_die: bool) -> None:
    calls: list[int] = []

    @lib.cache(ttl=60, never_die=never_die)
    def f(a: int) -> int:
        calls.append(a)
        return a

    storage = importlib.import_module(f"{lib.__name__}.storage")
    for _ in range(2):
        storage.MemoryStorage.clear()
        assert f(1) == f(1) == 1
    assert calls == [1, 1]


def test_a_decorator_below_may_give_arguments_of_its_own(decorate: Any) -> None:
    calls: list[Any] = []

    def with_database(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function("database", *args, **kwargs)

        return wrapper

    @decorate(ttl=60)
    @with_database
    def f(database: str, a: int, b: int = 2) -> int:
        calls.append((database, a, b))
        return a + b

    for _ in range(2):
        assert [f(1), f(1, 5), f(1, b=6), f(2)] == [3, 6, 7, 4]
    assert calls == [("database", 1, 2), ("database", 1, 5), ("database", 1, 6), ("database", 2, 2)]
    assert f(1, skip_cache=True) == 3
    with pytest.raises(TypeError):
        f()
