"""TLS beyond a single server that shows its certificate: one that wants to see the client's, and a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.redis.subject import Subject, subjects
from tests.servers.cluster import Cluster
from tests.servers.server import Server
from tests.servers.waiting import eventually


@pytest.fixture(params=["blocking", "asyncio"])
def made(request: pytest.FixtureRequest) -> Iterator[Callable[..., Subject]]:
    with subjects(request.param) as make:
        yield make


def kept(started: Any) -> Iterator[Any]:
    for process in started.processes:
        process.session = True
    with started:
        yield started


@pytest.fixture(scope="module")
def wary_server() -> Iterator[Server]:
    """A server that wants to see the certificates of its clients."""
    yield from kept(Server(tls=True, config={"tls-auth-clients": "yes"}))


@pytest.fixture(scope="module")
def tls_cluster() -> Iterator[Cluster]:
    """A cluster whose nodes speak TLS only, also with each other."""
    yield from kept(Cluster(tls=True))


def works(here: Subject, there: Subject) -> None:
    """See that two processes share what they load and hear of invalidations, and that one of them has a near store."""
    here.answers = there.answers = {f"k{number}": 0 for number in range(30)}
    assert all(one.is_right(k) for one in (here, there) for k in here.answers)
    assert (len(here.loads), len(there.loads)) == (30, 0)
    feed: Any = here.cache._core.store.feed  # type: ignore[union-attr]
    eventually(lambda: feed.is_live)
    for k in here.answers:
        here.get(k)
        here.answers[k] = 1
        there.invalidate(k)
    eventually(lambda: all(here.is_right(k) for k in here.answers))
    assert all(there.is_right(k) for k in here.answers)
    assert here.cache.health().state == there.cache.health().state == "ok"


def test_a_client_shows_its_certificate(wary_server: Server, made: Callable[..., Subject]) -> None:
    assert wary_server.certificates is not None
    shown = {"ssl_certfile": wary_server.certificates.certificate, "ssl_keyfile": wary_server.certificates.key}
    options = {"timeout": 5, **wary_server.options, **{name: str(path) for name, path in shown.items()}}
    wary_server.flush()
    works(made(wary_server.url, near="memory://", **options), made(wary_server.url, **options))


def test_a_client_without_a_certificate_is_refused(wary_server: Server, made: Callable[..., Subject]) -> None:
    subject = made(wary_server.url, timeout=5, **wary_server.options)
    assert subject.verb("ping") is False
    subject.answers = {"a": 1}
    assert subject.is_right("a")
    assert subject.cache.health().failures > 0


def test_a_cluster_over_tls(tls_cluster: Cluster, made: Callable[..., Subject]) -> None:
    options = {"timeout": 5, **tls_cluster.options}
    tls_cluster.clean()
    works(made(tls_cluster.url, near="memory://", **options), made(tls_cluster.url, **options))
    assert all(node.ask("DBSIZE") > 0 for node in tls_cluster.primaries())
