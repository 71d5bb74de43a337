"""Whatever cashews has for its users is there, under the same names and with the same parameters."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from typing import Any

import cashews
import pytest

import stillroom.compat.cashews as facade

MODULES = {
    "commands": ["Command", "ALL", "PATTERN_CMDS", "RETRIEVE_CMDS"],
    "exceptions": [name for name in dir(importlib.import_module("cashews.exceptions")) if name.endswith(("Error", "Open"))],
    "ttl": ["ttl_to_seconds"],
    "key": ["get_cache_key", "get_cache_key_template", "noself"],
    "formatter": ["default_formatter"],
    "helpers": ["add_prefix", "all_keys_lower", "memory_limit"],
    "validation": ["invalidate", "invalidate_further"],
    "picklers": ["PicklerType", "Pickler", "JsonPickler", "DEFAULT_PICKLER", "get_pickler"],
    "serialize": ["register_type", "Serializer", "DecodeError", "get_serializer"],
    "compresors": ["CompressType"],
    "cache_condition": ["NOT_NONE", "with_exceptions", "only_exceptions"],
    "backends.interface": ["Backend", "NOT_EXIST", "UNLIMITED"],
    "backends.memory": ["Memory"],
    "backends.redis": ["Redis"],
    "backends.redis.client_side": ["BcastClientSide"],
    "wrapper": ["Cache", "TransactionMode", "register_backend"],
    "wrapper.transaction": ["Transaction", "TransactionContextDecorator", "TransactionMode"],
    "wrapper.backend_settings": ["register_backend"],
    "utils": ["get_obj_size"],
    "_typing": ["TTL", "Key", "KeyTemplate", "Value", "Tags", "Middleware", "Callback", "CacheCondition", "DecoratedFunc"],
    "decorators": ["CacheDetect", "context_cache_detect"],
    "contrib.fastapi": [
        "cache_control_ttl",
        "CacheRequestControlMiddleware",
        "CacheEtagMiddleware",
        "CacheDeleteMiddleware",
    ],
}
DIFFERENT = {"__init__", "transaction"}
"""Methods whose parameters are said elsewhere to differ, or that take the same in another spelling."""


@pytest.mark.parametrize("name", cashews.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert hasattr(facade, name)
    assert name in facade.__all__


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in MODULES.items() for name in names])
def test_modules_are_where_they_were(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(f"cashews.{module}"), name)
    assert hasattr(importlib.import_module(f"stillroom.compat.cashews.{module}"), name)


def test_the_prometheus_module_is_where_it_was() -> None:
    assert hasattr(importlib.import_module("stillroom.compat.cashews.contrib.prometheus"), "create_metrics_middleware")


METHODS = sorted(name for name in dir(cashews.Cache) if not name.startswith("_") or name == "__call__")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_takes_what_it_took(name: str) -> None:
    theirs, ours = inspect.getattr_static(cashews.Cache, name), inspect.getattr_static(facade.Cache, name)
    if not inspect.isfunction(theirs):
        return
    expected, found = inspect.signature(theirs).parameters, inspect.signature(ours).parameters
    for one in expected.values():
        assert one.name in found
        assert found[one.name].kind is one.kind
        if one.default is not one.empty:
            assert found[one.name].default == one.default
    positional = [one.name for one in expected.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert [one.name for one in found.values() if one.kind is one.POSITIONAL_OR_KEYWORD][: len(positional)] == positional


@pytest.mark.parametrize("name", [one for one in METHODS if inspect.isroutine(getattr(cashews.Cache, one))])
def test_what_is_awaited_is_awaited(name: str) -> None:
    theirs: Any = getattr(cashews.Cache, name)
    ours: Any = getattr(facade.Cache, name)
    assert inspect.iscoroutinefunction(ours) is inspect.iscoroutinefunction(theirs)
    assert inspect.isasyncgenfunction(ours) is inspect.isasyncgenfunction(theirs)


def test_errors_have_their_bases() -> None:
    for name in MODULES["exceptions"]:
        theirs, ours = getattr(cashews.exceptions, name), getattr(facade.exceptions, name)
        names = {base.__name__ for base in theirs.__mro__} - {theirs.__name__}
        assert names <= {base.__name__ for base in ours.__mro__}


def test_importing_the_facade_imports_no_web_framework() -> None:
    code = "import sys, stillroom.compat.cashews; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"starlette", "fastapi", "prometheus_client", "redis", "dill", "sqlalchemy"} & set(done.stdout.split())
