"""The facade beside the original: the same names, signatures, and results of the same calls."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import pickle
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from tests.compat.cache_house.places import Settings

MODULES = (
    "",
    ".backends",
    ".backends.redis_backend",
    ".backends.redis_cluster_backend",
    ".cache",
    ".exceptions",
    ".helpers",
)
ORIGINAL, FACADE = "cache_house", "stillroom.compat.cache_house"


def parts(package: str) -> Any:
    backends = importlib.import_module(f"{package}.backends")
    return SimpleNamespace(
        cache=importlib.import_module(f"{package}.cache").cache,
        RedisFactory=backends.RedisFactory,
        RedisCache=backends.RedisCache,
        RedisClusterCache=backends.RedisClusterCache,
        errors=importlib.import_module(f"{package}.exceptions"),
    )


@pytest.fixture(params=[ORIGINAL, FACADE])
def house(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The original and the facade, with nothing initialized."""
    found = parts(request.param)
    yield found
    if found.RedisFactory.instance is not None:
        found.RedisFactory.close_connections()
    found.RedisFactory.instance = found.RedisCache.instance = found.RedisClusterCache.instance = None


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_there(module: str) -> None:
    original, facade = (vars(importlib.import_module(package + module)) for package in (ORIGINAL, FACADE))
    own = {name for name, value in original.items() if getattr(value, "__module__", ORIGINAL).startswith(ORIGINAL)}
    constants = {name for name in original if name.isupper()}
    things = {name for name in own if callable(original[name]) and not name.startswith("_")}
    assert not (constants | things | ({"log"} & original.keys())) - facade.keys()


@pytest.mark.parametrize("name", ["cache", "RedisCache", "RedisClusterCache", "RedisFactory"])
def test_parameters_and_defaults_are_the_same(name: str) -> None:
    original, facade = (dict(inspect.signature(getattr(parts(package), name)).parameters) for package in (ORIGINAL, FACADE))
    for parameter in original.values():
        default, mine = parameter.default, facade[parameter.name].default
        assert (mine.__name__ if callable(mine) else mine) == (default.__name__ if callable(default) else default)
    order = [one for one in facade if one in original]
    assert order == list(original)


def test_decorated_functions_look_as_before(house: Any) -> None:
    def f(a: int, b: str = "x") -> int:
        """Add."""
        return a

    async def g() -> None: ...

    decorated = house.cache(expire=60)(f)
    assert (decorated.__name__, decorated.__doc__, decorated.__wrapped__) == ("f", "Add.", f)
    assert inspect.signature(decorated) == inspect.signature(f)
    assert not inspect.iscoroutinefunction(decorated)
    assert inspect.iscoroutinefunction(house.cache()(g))


def test_errors_are_the_same(house: Any) -> None:
    with pytest.raises(house.errors.RedisNotInitialized) as raised:
        house.RedisCache.get_instance()
    assert raised.value.args == ("RedisCache", "You must initialize Redis before using the cache backend")
    assert house.errors.RedisNotInitialize is house.errors.RedisNotInitialized
    assert issubclass(house.errors.RedisNotInitialized, house.errors.CacheHouseError)
    assert house.errors.CacheHouseError.__bases__ == (Exception,)


def test_without_a_backend(house: Any) -> None:
    assert house.RedisFactory.get_instance() is None
    assert house.RedisCache.clear_keys("x") is False
    assert house.RedisClusterCache.clear_keys("x") is False
    assert house.RedisFactory.close_connections() is None
    assert house.cache()(lambda: 5)() == 5


def test_instances(house: Any, redis_at: Settings) -> None:
    assert house.RedisFactory.init(**redis_at, namespace="n", key_prefix="p") is None
    instance = house.RedisFactory.get_instance()
    assert type(instance) is house.RedisCache
    assert instance is house.RedisCache.get_instance() is house.RedisFactory.instance
    assert (instance.namespace, instance.key_prefix, instance.fallback_to_memory) == ("n", "p", True)
    assert instance.redis.ping() is True


@pytest.mark.parametrize("exp", [60, 60.0])
def test_keys_can_be_set_and_read(house: Any, redis_at: Settings, exp: Any) -> None:
    house.RedisCache.init(**redis_at)
    instance = house.RedisCache.get_instance()
    assert instance.set_key("k", {"a": (1, 2)}, int(exp)) is None
    assert instance.get_key("k") == {"a": (1, 2)}
    assert instance.get_key("missing") is None
    assert house.RedisCache.clear_keys("k") is True
    assert instance.get_key("k") is None
    instance.redis.close()


def test_keys_may_be_as_a_client_gives_them(house: Any, redis_at: Settings) -> None:
    house.RedisCache.init(**redis_at)
    instance = house.RedisCache.get_instance()
    instance.set_key(b"k", "tea", 60)
    instance.set_key(5, "five", 60)
    (found,) = instance.redis.scan_iter("k*")
    assert (found, instance.get_key(found), instance.get_key("k"), instance.get_key("5")) == (b"k", "tea", "tea", "five")
    assert instance.get_key(("no", "key")) is None


def test_a_key_builder_may_return_bytes(house: Any, redis_at: Settings) -> None:
    house.RedisFactory.init(**redis_at, key_builder=lambda module, name, args, kwargs, **names: f"k:{args[0]}".encode())
    runs = []

    @house.cache()
    def f(x: int) -> int:
        runs.append(x)
        return x

    assert [f(1), f(1), runs] == [1, 1, [1]]
    assert house.RedisFactory.instance.redis.exists("k:1")


def test_get_key_gives_what_the_encoder_made_of_a_result(house: Any, redis_at: Settings) -> None:
    house.RedisFactory.init(**redis_at)
    instance = house.RedisFactory.instance
    house.cache(namespace="j", encoder=json.dumps, decoder=json.loads)(lambda: {"a": 1})()
    house.cache(namespace="p")(lambda: {"a": 1})()
    keys = [next(instance.redis.scan_iter(f"cachehouse:{namespace}:*")) for namespace in "jp"]
    assert instance.get_key(keys[0]) == '{"a": 1}'
    assert pickle.loads(instance.get_key(keys[1])) == {"a": 1}


class Cup:
    """Something that pickle can write and nothing else."""


def test_an_encoder_may_return_any_object(house: Any, redis_at: Settings) -> None:
    house.RedisFactory.init(**redis_at)
    runs = []

    @house.cache(encoder=lambda cup: {"cup": cup}, decoder=lambda data: data["cup"])
    def f() -> Cup:
        runs.append(1)
        return Cup()

    assert {type(f()), type(f())} == {Cup}
    assert runs == [1]


@pytest.mark.parametrize("made", [None, "", b""])
def test_an_encoder_may_make_nothing_of_a_result(house: Any, redis_at: Settings, made: Any) -> None:
    house.RedisFactory.init(**redis_at)
    runs = []

    @house.cache(encoder=lambda value: made, decoder=lambda data: data)
    def f() -> int:
        runs.append(1)
        return len(runs)

    assert [f(), f(), f()] == [1, 2, 3]


class StandIn:
    """What a user's tests may put in the place of a backend."""

    namespace, key_prefix = "n", "p"

    def __init__(self, house: Any) -> None:
        self.kept: dict[str, Any] = {}
        self.encoder, self.decoder = json.dumps, json.loads
        self.key_builder = lambda module, name, args, kwargs, prefix, namespace: f"{prefix}:{namespace}:{name}:{args}"

    def get_key(self, key: str) -> Any:
        return self.kept.get(key)

    def set_key(self, key: str, val: Any, exp: Any) -> None:
        self.kept[key] = val


def test_a_stand_in_may_be_the_backend(house: Any) -> None:
    stand_in = house.RedisFactory.instance = StandIn(house)
    runs = []

    @house.cache()
    def f(x: int) -> int:
        runs.append(x)
        return x

    @house.cache()
    async def g(x: int) -> int:
        runs.append(x)
        return x

    assert [f(1), f(1), asyncio.run(g(2)), asyncio.run(g(2)), runs] == [1, 1, 2, 2, [1, 2]]
    assert stand_in.kept == {"p:n:f:(1,)": "1", "p:n:g:(2,)": "2"}
    stand_in.get_key = stand_in.set_key = None  # type: ignore[assignment]
    assert [f(1), asyncio.run(g(2)), runs] == [1, 2, [1, 2, 1, 2]]
    house.RedisFactory.instance = None


def test_a_backend_may_keep_things_in_its_own_way(house: Any, redis_at: Settings) -> None:
    class Noting(house.RedisCache):  # type: ignore[misc]
        noted: list[str] = []  # noqa: RUF012

        def get_key(self, key: str) -> Any:
            self.noted.append(key)
            return super().get_key(key)

    house.RedisFactory.instance = Noting(**redis_at, namespace="noting")
    runs = []

    @house.cache(encoder=lambda value: [value], decoder=lambda data: data[0])
    def f(x: int) -> int:
        runs.append(x)
        return x

    assert [f(1), f(1), runs, len(Noting.noted)] == [1, 1, [1], 2]


def test_results_are_the_same(house: Any, redis_at: Settings) -> None:
    house.RedisFactory.init(**redis_at)
    runs = []

    @house.cache(expire=60, namespace="n")
    def f(*args: Any, **kwargs: Any) -> Any:
        runs.append(args)
        return {"args": args, "kwargs": kwargs, "at": len(runs)}

    for args, kwargs in [((1, "a"), {}), ((1,), {"b": 2}), (("x",), {})]:
        first = f(*args, **kwargs)
        assert f(*args, **kwargs) == first
    assert len(runs) == 3
    house.RedisCache.clear_keys("cachehouse:n")
    assert f(1, "a")["at"] == 4
