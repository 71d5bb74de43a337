"""The contract of stores, run against Redis in all its forms, as blocking callers and as tasks reach it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from tests.backends import FAR, noting
from tests.servers.waiting import eventually

from stillroom.capabilities import TwoSided
from stillroom.errors import StoreError
from stillroom.protocols import Store
from stillroom.stores.memory import MemoryStore
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
        has_near: there is a near store in front.
    """

    server: str
    options: ClassVar[dict[str, Any]] = {}
    has_near = False
    found: Any
    opened: list[RedisStores]
    failures: list[StoreError]

    def make_store(self, clock: FakeClock) -> Store:
        options = {**getattr(self.found, "options", {}), **self.options}
        near = MemoryStore(clock=clock) if self.has_near else None
        chosen = {**FAR, "prefix": secrets.token_hex(4), "timeout": 5.0, "near": near, **options}
        sides = RedisStores(self.url, clock, **chosen)
        sides.outage.failed = noting(sides.outage.failed, self.failures)  # type: ignore[method-assign]
        self.opened.append(sides)
        if sides.feed is not None:
            feed = sides.feed
            feed.start()
            eventually(lambda: feed.is_live)
        return EitherSide(sides)

    @property
    def url(self) -> str:
        return str(self.found.url)


@pytest.fixture(autouse=True)
def _on_its_server(request: pytest.FixtureRequest) -> Iterator[None]:
    contract: OnRedis = request.instance
    contract.found = request.getfixturevalue(contract.server)
    contract.opened, contract.failures = [], []
    yield
    for sides in contract.opened:
        sides.retire()
    assert contract.failures == [], "what stands in during an outage has kept the contract"


class TestSingleServer(OnRedis):
    server = "redis_server"


class TestSingleServerWithNear(OnRedis):
    server = "redis_server"
    has_near = True


class TestClusterWithNear(OnRedis):
    server = "redis_cluster"
    has_near = True


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

    server = Server(tls=True, user="stillroom", password="p@ss word/%:")  # noqa: S106 - such signs must not get lost on the way
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


class TestValkey(OnRedis):
    server = "valkey_server"


class TestValkeyWithNear(OnRedis):
    server = "valkey_server"
    has_near = True


class TestSigned(OnRedis):
    server = "redis_server"
    options: ClassVar[dict[str, Any]] = {"secret": "a secret that is long enough", "compress": "zlib"}
