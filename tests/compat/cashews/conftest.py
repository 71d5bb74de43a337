"""Runs one program on cashews itself and on the facade: what both answer must be the same."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import cashews
import cashews.exceptions
import pytest

import stillroom.compat.cashews as facade

if TYPE_CHECKING:
    from tests.servers.server import Server

Program: TypeAlias = "Callable[[Any, Any], Awaitable[Any]]"
"""Takes the library and a cache of it, and returns what it has seen."""


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    """Where values are: the url of a setup."""
    if request.param == "memory":
        return "mem://"
    server: Server = request.getfixturevalue("redis_server")
    return server.url


@pytest.fixture
def open_cache(url: str) -> Callable[..., Any]:
    """Return a new cache of the facade that is set up."""

    def opened(**settings: Any) -> Any:
        cache = facade.Cache()
        cache.setup(url, **settings)
        return cache

    return opened


@pytest.fixture
def seen_by_both(url: str) -> Callable[..., Awaitable[SimpleNamespace]]:
    """Return what runs a program on both libraries, and returns what the ``original`` and what the ``facade`` did."""

    async def run(program: Program, **settings: Any) -> SimpleNamespace:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls what redis-py has deprecated
            original = await _seen(cashews, program, url, settings)
        return SimpleNamespace(original=original, facade=await _seen(facade, program, url, settings))

    return run


@pytest.fixture
def same(seen_by_both: Callable[..., Awaitable[SimpleNamespace]]) -> Callable[..., Awaitable[Any]]:
    """Return what runs a program on both libraries, and returns what both did, which is the same."""

    async def run(program: Program, **settings: Any) -> Any:
        seen = await seen_by_both(program, **settings)
        assert seen.facade == seen.original
        return seen.facade

    return run


async def _seen(library: ModuleType, program: Program, url: str, settings: dict[str, Any]) -> Any:
    cache = library.Cache()
    cache.setup(url, **settings)
    await cache.clear()
    try:
        return await program(library, cache)
    finally:
        await cache.clear()
        await cache.close()
