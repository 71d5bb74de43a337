"""What the package exports, and how its objects show themselves."""

from __future__ import annotations

import importlib
import pickle
import re
import types
from typing import Any

import pytest

import stillroom
import stillroom.testing
from stillroom import (
    Cache,
    ConfigurationError,
    LockTimeout,
    MissingKeyContext,
    StillroomError,
    StoreError,
    UncacheableArgument,
)
from stillroom.entry import MISSING
from stillroom.stores.memory import MemoryStore
from stillroom.testing import ChaosStore, FakeClock, Hold

PACKAGES = ("stillroom", "stillroom.testing", "stillroom.protocols", "stillroom.observe.events", "stillroom.errors")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_list_of_public_names_is_complete(package: str) -> None:
    module = importlib.import_module(package)
    assert all(hasattr(module, name) for name in module.__all__)
    defined = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and isinstance(value, (type, types.FunctionType))
        and (value.__module__ == package or (package in PACKAGES[:2] and value.__module__.startswith("stillroom")))
    }
    assert defined <= set(module.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_list_of_public_names_is_sorted(package: str) -> None:
    """Constants and classes first, then functions, as ruff sorts them."""
    names = importlib.import_module(package).__all__
    assert len(set(names)) == len(names)
    assert names == sorted(names)


def test_every_error_is_exported() -> None:
    from stillroom import errors

    assert set(errors.__all__) <= set(stillroom.__all__)


@pytest.mark.parametrize("name", stillroom.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    assert getattr(stillroom, name).__doc__


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("message", setting="ttl", given=0),
        UncacheableArgument("message", parameter="a", type=int),
        LockTimeout("message", name="lock", waited=1.5),
        MissingKeyContext("message", name="tenant"),
        StoreError("message", store="memory", operation="read"),
    ],
)
def test_errors_survive_pickling_with_their_attributes(error: StillroomError) -> None:
    """They cross processes in pools and task queues, and ``cache_errors`` may store them."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == "message"
    assert vars(again) == vars(error)


def test_an_error_is_also_the_builtin_one_that_fits() -> None:
    for kind, builtin in ((ConfigurationError, ValueError), (UncacheableArgument, TypeError), (LockTimeout, TimeoutError)):
        assert issubclass(kind, builtin)
        assert issubclass(kind, StillroomError)


class Shop:
    def __init__(self, cache: Any) -> None:
        self.price = cache(ttl=60)(lambda item: item)

    cached = Cache()(ttl=60)(lambda self, item: item)


def shown() -> list[Any]:
    clock = FakeClock(5.0)
    cache = Cache(clock=clock, namespace="reports")
    store = MemoryStore(max_entries=7, clock=clock)
    return [cache, store, ChaosStore(store), clock, Hold(), Shop.__dict__["cached"], MISSING, cache.stats()]


@pytest.mark.parametrize(
    "index", range(8), ids=["Cache", "MemoryStore", "ChaosStore", "FakeClock", "Hold", "method", "MISSING", "stats"]
)
def test_objects_that_users_hold_show_what_they_are(index: int) -> None:
    found = repr(shown()[index])
    assert not re.search(r"object at 0x", found)


@pytest.mark.memory_only("it names its store")
def test_a_cache_shows_its_store_and_its_namespace() -> None:
    assert repr(shown()[0]) == "Cache('memory', namespace='reports')"


def test_a_cached_method_shows_its_function_and_its_object() -> None:
    cached = Shop(Cache()).cached
    assert "cached method" in repr(cached)
    assert "Shop" in repr(cached)
