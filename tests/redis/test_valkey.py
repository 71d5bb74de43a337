"""A cache on Valkey, by a url of its own: what is told to the server, and what the server tells, works there as on Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.redis.subject import Subject, subjects
from tests.servers.server import Server
from tests.servers.waiting import eventually

from stillroom import LockTimeout


@pytest.fixture(params=["blocking", "asyncio"])
def made(request: pytest.FixtureRequest) -> Iterator[Callable[..., Subject]]:
    with subjects(request.param) as make:
        yield make


def test_it_is_valkey(valkey_server: Server) -> None:
    assert valkey_server.url.startswith("valkey://")
    assert valkey_server.client().info("server")["server_name"] == "valkey"


def test_functions_and_tags(valkey_server: Server, made: Callable[..., Subject]) -> None:
    here, there = made(valkey_server.url), made(valkey_server.url)
    here.answers = there.answers = {"a": 1, "b": 1}
    assert all(one.is_right(k) for one in (here, there) for k in "ab")
    assert (here.loads, there.loads) == (["a", "b"], [])
    for invalidate in (
        lambda: here.invalidate("a"),
        lambda: here.verb("invalidate", tags=["k:a"]),
        lambda: here.verb("invalidate", namespace="main"),
        lambda: here.verb("clear"),
    ):
        here.answers["a"] += 1
        invalidate()
        assert there.is_right("a")
        assert here.is_right("a")


def test_scripts_that_the_server_has_forgotten(valkey_server: Server, made: Callable[..., Subject]) -> None:
    subject = made(valkey_server.url)
    subject.answers = {"a": 1, "b": 2}
    assert subject.is_right("a")
    valkey_server.ask("SCRIPT FLUSH")
    assert subject.is_right("b")
    assert subject.verb("incr", "n") == 1
    assert subject.verb("incr", "n") == 2


def test_locks(valkey_server: Server, made: Callable[..., Subject]) -> None:
    here, there = made(valkey_server.url), made(valkey_server.url)
    with here.cache.lock("job", ttl=10) as lock:
        fence = lock.fence
        with pytest.raises(LockTimeout), there.cache.lock("job", ttl=10, wait=0.05):
            pass
    with there.cache.lock("job", ttl=10) as lock:
        assert fence is not None
        assert lock.fence is not None
        assert lock.fence > fence


def test_a_near_store_hears_of_changes(valkey_server: Server, made: Callable[..., Subject]) -> None:
    near, other = made(valkey_server.url, near="memory://"), made(valkey_server.url)
    near.answers = other.answers = {"a": 0}
    feed = near.cache._core.store.feed  # type: ignore[union-attr]
    near.get("a")
    eventually(lambda: feed.is_live)
    for number in range(1, 20):
        near.get("a")
        other.answers["a"] = number
        other.invalidate("a")
        eventually(lambda: near.is_right("a"))

    def is_kept_nearby() -> bool:
        before = valkey_server.commandstats()
        assert near.is_right("a")
        return valkey_server.commandstats() == before

    eventually(is_kept_nearby)  # the server tells of what this process has stored itself, too: that copy goes once more


def test_an_outage(valkey_server: Server, made: Callable[..., Subject]) -> None:
    subject = made(valkey_server.url)
    subject.answers = {f"k{number}": 0 for number in range(10)}
    assert all(subject.is_right(k) for k in subject.answers)
    valkey_server.pause()
    for k in subject.answers:
        subject.answers[k] = 1
        subject.invalidate(k)
        assert subject.is_right(k)
    valkey_server.resume()
    subject.recovers()
    assert all(subject.is_right(k) for k in subject.answers)
