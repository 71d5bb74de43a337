"""A cache with a near store on real servers: what changes elsewhere is gone here, and without a feed no copy is believed."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.concurrency.apart import run_apart
from tests.servers.server import Server
from tests.servers.waiting import eventually

from stillroom import Cache

LONG = 5.0
"""Seconds that an operation may take: a busy machine must not look like an outage."""


class Process:
    """What stands for one process: a cache of its own on a shared server, and a function of the same name in each."""

    def __init__(self, url: str, prefix: str, truth: dict[int, int], **settings: Any) -> None:
        self.cache = Cache(url, prefix=prefix, **{"timeout": LONG, "near": "memory://", **settings})
        self.loads = 0

        @self.cache(ttl="1h", name="number", key="number:{n}", tags=["parity:{n}"])
        def number(n: int) -> int:
            self.loads += 1
            return truth.get(n, 0)

        @self.cache(ttl="1h", name="number", key="number:{n}", tags=["parity:{n}"])
        async def awaited(n: int) -> int:
            self.loads += 1
            return truth.get(n, 0)

        self.number, self.awaited = number, awaited

    @property
    def feed(self) -> Any:
        return self.cache._core.store.feed  # type: ignore[union-attr]

    def nearby(self) -> int:
        near = self.cache._core.memory
        assert near is not None
        return sum(len(partition.entries) for partition in near._partitions)

    def settle(self, n: int = 1) -> None:
        """Read until there is a near copy."""
        assert self.feed.wait_live(LONG)
        eventually(lambda: self.number(n) is not None and self.nearby() > 0)


def test_health_tells_whether_the_near_store_is_used(redis_server: Server) -> None:
    client = redis_server.client()
    client.acl_setuser("deaf", enabled=True, nopass=True, keys="*", commands=["+@all", "-client"])
    near = Process(redis_server.url, secrets.token_hex(4), {})
    deaf = Process(redis_server.url.replace("redis://", "redis://deaf:any@"), secrets.token_hex(4), {})
    plain = Cache(redis_server.url)
    try:
        assert (near.cache.health().near, plain.health().near, Cache().health().near) == ("not started", None, None)
        near.settle()
        assert near.cache.health().near == "live"
        assert deaf.number(1) == 0
        eventually(lambda: "NOPERM" in str(deaf.cache.health().near))
        assert deaf.cache.health().state == "ok"
        near.cache.close()
        assert near.cache.health().near == "closed"
    finally:
        for cache in (near.cache, deaf.cache, plain):
            cache.close()
        client.acl_deluser("deaf")


@pytest.fixture
def truth() -> dict[int, int]:
    return {1: 1}


@pytest.fixture
def processes(redis_server: Server, truth: dict[int, int]) -> Iterator[Callable[..., Process]]:
    prefix, made = secrets.token_hex(4), []

    def make(**settings: Any) -> Process:
        made.append(Process(settings.pop("url", redis_server.url), prefix, truth, **settings))
        return made[-1]

    yield make
    for process in made:
        process.cache.close()
    eventually(lambda: not any(thread.name == "stillroom-feed" for thread in threading.enumerate()))


INVALIDATIONS: dict[str, Callable[[Process], Any]] = {
    "key": lambda there: there.number.invalidate(1),
    "name": lambda there: there.cache.delete("number:1"),
    "tag": lambda there: there.cache.invalidate(tags=["parity:1"]),
    "function": lambda there: there.number.invalidate_all(),
    "namespace": lambda there: there.cache.invalidate(namespace="main"),
    "everything": lambda there: there.cache.clear(),
    "put": lambda there: there.number.put(2, 1),
}


@pytest.mark.parametrize("how", INVALIDATIONS)
def test_what_is_invalidated_elsewhere_is_gone_here(processes: Any, truth: dict[int, int], how: str) -> None:
    """Rule 1."""
    here, there = processes(), processes()
    here.settle(), there.settle()
    truth[1] = 2
    INVALIDATIONS[how](there)
    assert there.number(1) == 2  # at once, in the process that did it
    eventually(lambda: here.number(1) == 2, 1.0)


def test_hits_ask_nobody(processes: Any, redis_server: Server) -> None:
    here = processes()
    here.settle()
    time.sleep(0.05)  # for the message of its own that a load leads to
    here.number(1)
    with redis_server.monitor() as seen:
        assert [here.number(1) for _ in range(100)] == [1] * 100
        assert asyncio.run(here.awaited(1)) == 1
    assert {command.name for command in seen} <= {"ROLE", "CLUSTER"}
    assert here.loads == 1


def test_callers_of_both_colours_share_one_near_store_and_one_feed(processes: Any, truth: dict[int, int]) -> None:
    """Rule 27: from any number of loops."""
    here, there = processes(), processes()
    here.settle(), there.settle()
    for value in (2, 3, 4):
        truth[1] = value
        asyncio.run(there.awaited.invalidate(1))
        assert asyncio.run(there.awaited(1)) == value
        assert there.number(1) == value
        eventually(lambda: asyncio.run(here.awaited(1)) == value, 1.0)  # noqa: B023
        assert here.number(1) == value
    assert sum(thread.name == "stillroom-feed" for thread in threading.enumerate()) == 2


def test_a_server_that_forgets_everything_is_believed(processes: Any, truth: dict[int, int], redis_server: Server) -> None:
    here = processes()
    here.settle()
    truth[1] = 2
    redis_server.client().flushall()
    eventually(lambda: here.number(1) == 2, 1.0)


def test_the_near_store_is_empty_while_the_feed_is_lost(processes: Any, truth: dict[int, int], own_server: Server) -> None:
    """Rules 2 and 36."""
    here = processes(url=own_server.url, timeout=0.25, on_error="bypass")
    here.settle()
    own_server.kill()
    eventually(lambda: here.nearby() == 0, 1.0)
    truth[1] = 2
    assert here.number(1) == 2
    assert here.nearby() == 0
    own_server.start()
    eventually(lambda: here.number(1) == 2 and here.nearby() == 1)
    truth[1] = 3
    own_server.client().delete(*own_server.client().keys("*number:1*"))
    eventually(lambda: here.number(1) == 3, 1.0)


def test_a_server_that_hangs_does_not_leave_old_copies_in_use(
    processes: Any, truth: dict[int, int], own_server: Server
) -> None:
    """Rule 33."""
    here = processes(url=own_server.url, timeout=0.25, on_error="bypass")
    here.settle()
    own_server.pause()
    eventually(lambda: here.nearby() == 0, 2.5)
    truth[1] = 2
    assert here.number(1) == 2
    own_server.resume()
    truth[1] = 3
    here.number.invalidate(1)
    assert here.number(1) == 3


def test_a_cache_that_nobody_holds_takes_its_feed_along(redis_server: Server, truth: dict[int, int]) -> None:
    here = Process(redis_server.url, secrets.token_hex(4), truth)
    here.settle()
    gone = weakref.ref(here.cache._core)
    del here
    eventually(lambda: gc.collect() >= 0 and gone() is None)
    eventually(lambda: not any(thread.name == "stillroom-feed" for thread in threading.enumerate()))


def test_copies_of_keys_on_a_cluster_are_told_of_by_their_nodes(redis_cluster: Any, truth: dict[int, int]) -> None:
    prefix = secrets.token_hex(4)
    here, there = (Process(redis_cluster.url, prefix, truth) for _ in range(2))
    for process in (here, there):
        process.settle()
    keys = range(50)
    eventually(lambda: [here.number(n) for n in keys] and here.nearby() == 50)
    for how in ("one by one", "by tag", "all at once"):
        for n in keys:
            truth[n] = truth.get(n, 0) + 1
            if how == "one by one":
                there.number.invalidate(n)
            elif how == "by tag":
                there.cache.invalidate(tags=[f"parity:{n}"])
        if how == "all at once":
            there.number.invalidate_all()
        eventually(lambda: {n: here.number(n) for n in keys} == {n: truth[n] for n in keys}, 1.0)
    for process in (here, there):
        process.cache.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_believes_none_of_the_parents_copies(redis_server: Server) -> None:
    """Rule 29."""
    run_apart(
        f"""
import redis
truth = redis.Redis(unix_socket_path={str(redis_server.directory / "sock")!r})
truth.set("truth", 1)
cache = Cache({redis_server.url!r}, prefix={secrets.token_hex(4)!r}, near="memory://", timeout=5.0)

@cache(ttl=1000, name="f")
def f():
    return int(redis.Redis(unix_socket_path={str(redis_server.directory / "sock")!r}).get("truth"))

def settle(value):
    assert cache._core.store.feed.wait_live(5)
    deadline = time.monotonic() + 5
    while not (f() == value and any(one.entries for one in cache._core.memory._partitions)):
        assert time.monotonic() < deadline
        time.sleep(0.001)

settle(1)
ready, go = os.pipe(), os.pipe()

def work():
    assert not any(one.entries for one in cache._core.memory._partitions)
    assert f() == 1
    settle(1)
    os.write(ready[1], b"!"), os.read(go[0], 1)
    deadline = time.monotonic() + 2
    while f() != 2:
        assert time.monotonic() < deadline, "the child is not told"
        time.sleep(0.001)
    truth.set("truth", 3), f.invalidate()

import threading
def meanwhile():
    os.read(ready[0], 1), truth.set("truth", 2), f.invalidate(), os.write(go[1], b"!")
threading.Thread(target=meanwhile, daemon=True).start()
assert in_child(work) == 0
deadline = time.monotonic() + 2
while f() != 3:
    assert time.monotonic() < deadline, "the parent is not told"
    time.sleep(0.001)
assert cache._core.store.feed.is_live
"""
    )
