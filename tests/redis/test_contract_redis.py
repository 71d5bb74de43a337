"""The contract of stores, run against Redis in all its forms, as blocking callers and as tasks reach it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from stillroom._runtime.runtime import drive
from stillroom.protocols import Store, TwoSided
from stillroom.stores.redis.opening import RedisStores
from stillroom.testing import FakeClock, StoreContract


class EitherSide:
    """A two-sided store, asked from the side on which the caller is."""

    def __init__(self, sides: TwoSided) -> None:
        self.name = sides.name
        self._sides = sides

    def __getattr__(self, operation: str) -> Any:
        is_on_a_loop = asyncio._get_running_loop() is not None
        return getattr(self._sides.tasks if is_on_a_loop else self._sides.blocking, operation)


class OnRedis(StoreContract):
    """The contract, with what a store on Redis takes.

    Attributes:
        server: the fixture that says where.
        options: further options.
    """

    server: str
    options: dict[str, Any] = {}
    found: Any
    opened: list[RedisStores]

    def make_store(self, clock: FakeClock) -> Store:
        options = {**getattr(self.found, "options", {}), **self.options}
        sides = RedisStores(self.url, clock, prefix=secrets.token_hex(4), timeout=5.0, **options)
        self.opened.append(sides)
        return EitherSide(sides)  # type: ignore[return-value]

    @property
    def url(self) -> str:
        return str(self.found.url)


@pytest.fixture(autouse=True)
def _on_its_server(request: pytest.FixtureRequest) -> Iterator[None]:
    contract: OnRedis = request.instance
    contract.found = request.getfixturevalue(contract.server)
    contract.opened = []
    yield
    for sides in contract.opened:
        assert sides.health().state == "ok" or "closed" in request.node.name, "the contract was kept by what stands in"
        drive(sides.blocking.close())


class TestSingleServer(OnRedis):
    server = "redis_server"


class TestUnixSocket(OnRedis):
    server = "redis_server"

    @property
    def url(self) -> str:
        return str(self.found.unix_url)


class TestCluster(OnRedis):
    server = "redis_cluster"


class TestSentinel(OnRedis):
    server = "sentinel"


class TestTls(OnRedis):
    server = "tls_server"


@pytest.fixture(scope="module")
def _secretive() -> Iterator[Any]:
    from tests.servers.server import Server

    server = Server(tls=True, user="stillroom", password="p@ss word/%:")
    for process in server.processes:
        process.session = True
    with server:
        yield server


@pytest.fixture
def secretive_server(_secretive: Any) -> Any:
    """A server that wants to know who is there, in secret."""
    _secretive.clean()
    return _secretive


class TestPasswordAndTls(OnRedis):
    server = "secretive_server"


class TestSigned(OnRedis):
    server = "redis_server"
    options = {"secret": "a secret that is long enough", "compress": "zlib"}
