"""The servers that tests share: started when first asked for, clean for each test, ended with the session.

A test may do to them what it likes, and heals nothing. `own_server` is for tests that need one to themselves. Tests of the
cache do nothing but use them, so what they find clean need not be cleaned for each of very many; see `tests.backends`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:  # what tests without servers need not wait for
    from tests.servers.cluster import Cluster
    from tests.servers.sentinel import Sentinel
    from tests.servers.server import Server

    Shared = TypeVar("Shared", Server, Cluster, Sentinel)

TINY = "4mb"


def _kept(shared: Shared) -> Iterator[Shared]:
    """Start something for the session, and end it with that, also if it did not start."""
    for process in shared.processes:
        process.session = True
    try:
        shared.start()
        yield shared
    finally:
        shared.stop()


_clean: set[int] = set()
"""The shared servers to which nothing has been done since they were made clean, but to read and write keys."""


def is_clean(shared: Server | Cluster | Sentinel) -> bool:
    """Tell whether there is nothing to be undone, apart from keys."""
    return id(shared) in _clean


def make_clean(shared: Server | Cluster | Sentinel) -> None:
    """Undo whatever was done to something shared."""
    shared.clean()
    _clean.add(id(shared))


def _lent(shared: Shared) -> Shared:
    """Return something shared, clean, for a test that may do to it what it likes."""
    make_clean(shared)
    _clean.discard(id(shared))
    return shared


@pytest.fixture(scope="session")
def _redis_server() -> Iterator[Server]:
    from tests.servers.server import Server

    yield from _kept(Server())


@pytest.fixture(scope="session")
def _tls_server() -> Iterator[Server]:
    from tests.servers.server import Server

    yield from _kept(Server(tls=True))


@pytest.fixture(scope="session")
def _valkey_server() -> Iterator[Server]:
    from tests.servers.server import Valkey, may_lack_valkey

    if may_lack_valkey():
        pytest.skip("there is no valkey-server on this machine, and no package has one for this Python or this processor")
    yield from _kept(Valkey())


@pytest.fixture(scope="session")
def _tiny_server() -> Iterator[Server]:
    from tests.servers.server import Server

    yield from _kept(Server(maxmemory=TINY))


@pytest.fixture(scope="session")
def _redis_cluster() -> Iterator[Cluster]:
    from tests.servers.cluster import Cluster

    yield from _kept(Cluster())


@pytest.fixture(scope="session")
def _sentinel() -> Iterator[Sentinel]:
    from tests.servers.sentinel import Sentinel

    yield from _kept(Sentinel())


@pytest.fixture
def redis_server(_redis_server: Server) -> Server:
    """An empty Redis server."""
    return _lent(_redis_server)


@pytest.fixture
def tls_server(_tls_server: Server) -> Server:
    """An empty Redis server that speaks TLS only; clients need its ``options``."""
    return _lent(_tls_server)


@pytest.fixture
def valkey_server(_valkey_server: Server) -> Server:
    """An empty Valkey server."""
    _valkey_server.clean()
    return _valkey_server


@pytest.fixture
def tiny_server(_tiny_server: Server) -> Server:
    """An empty Redis server with little memory, which evicts what was not used for longest."""
    return _lent(_tiny_server)


@pytest.fixture
def redis_cluster(_redis_cluster: Cluster) -> Cluster:
    """An empty Redis Cluster of three primaries and three replicas."""
    return _lent(_redis_cluster)


@pytest.fixture
def sentinel(_sentinel: Sentinel) -> Sentinel:
    """An empty master with a replica, and three Sentinels."""
    return _lent(_sentinel)


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A Redis server that nobody else uses."""
    from tests.servers.server import Server

    with Server() as server:
        yield server
