"""Rules 21 to 24: one load per key across processes, whatever becomes of the process that runs it."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.redis.crew import Crew, Failed, crew
from tests.servers.server import Server
from tests.servers.waiting import eventually

_numbers = itertools.count()
COLOURS = pytest.mark.parametrize("first", [0, 1], ids=["sync", "async"])


@pytest.fixture(scope="module")
def everybody(_redis_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Workers that the tests of this module share; each test has a key of its own."""
    source = tmp_path_factory.mktemp("crew") / "source"
    with crew(_redis_server.url, source, "sync", "async", "sync", "async", timeout=5, lease="1s") as workers:
        yield workers


@pytest.fixture
def key(everybody: Crew) -> str:
    for worker in everybody:
        worker.ask("[job.hold(), setattr(job, 'failing', False), setattr(job, 'pace', 0)] and None")
    name = f"k{next(_numbers)}"
    everybody.set(name, 1)
    return name


def names_of(server: Server, sign: str, key: str) -> list[bytes]:
    """Return the keys of one sort that there are for a key: ``!`` for leases."""
    found: list[bytes] = server.ask("KEYS", f"stillroom{sign}*{key}*")
    return found


def test_a_load_that_is_longer_than_the_lease_is_the_only_one(everybody: Crew, key: str) -> None:
    """Rules 22, 23 and 24: many callers in four processes, a lease of one second, a load of three."""
    for worker in everybody:
        worker.ask("setattr(job, 'pace', 3.0)")
    calls = [worker.begin(f"alone('{key}')") for worker in everybody for _ in range(5)]
    assert [call.result(8) for call in calls] == [1] * 20
    assert everybody.loads(key) == [1]


def test_waiting_is_cheap_and_ends_soon_after_the_fill(redis_server: Server, everybody: Crew, key: str) -> None:
    """Rule 22."""
    first, *others = everybody.workers
    first.hold(1)
    loading = first.begin(f"alone('{key}')")
    first.loading(key, 1)
    waiting = [worker.begin(f"job.timed(alone, '{key}')") for worker in others for _ in range(5)]
    time.sleep(0.1)
    with redis_server.monitor() as seen:
        time.sleep(1.5)
    sent = [command for command in seen if command.client not in ("lua", "unix")]
    of_waiters = [one for one in sent if any(key.encode() in word for word in one.words)]
    renewals = 1.5 / (1 / 3) + 2
    assert len(of_waiters) <= 3 * 20 * 1.5 + renewals
    assert len(sent) <= 3 * 20 * 1.5 + renewals
    first.ask("job.hold()")
    assert loading.result(5) == 1
    filled = time.monotonic()
    for call in waiting:
        value, at = call.result(5)
        assert value == 1
        assert at - filled < 0.1 + 0.05, "monotonic clocks are the same in all processes of a machine"
    assert everybody.loads(key) == [1]


@COLOURS
def test_an_error_gives_the_lease_back_at_once(redis_server: Server, everybody: Crew, key: str, first: int) -> None:
    """Rules 20 and 21: the callers of the same process get the error, those of others load."""
    loader, other = everybody.workers[first], everybody.workers[first + 2]
    loader.ask("setattr(job, 'failing', True)")
    loader.hold(1)
    failing = loader.begin(f"alone('{key}')")
    loader.loading(key, 1)
    waiting = other.begin(f"alone('{key}')")
    loader.hold()
    with pytest.raises(Failed, match="ValueError"):
        failing.result(5)
    began = time.monotonic()
    assert waiting.result(5) == 1
    assert time.monotonic() - began < 0.5, "not the length of the lease"
    assert everybody.loads(key) == [1, 1]
    assert not names_of(redis_server, "!", key)


def test_a_cancelled_load_gives_the_lease_back_at_once(redis_server: Server, everybody: Crew, key: str) -> None:
    """Rule 21: nobody waits for it any more in its process, so it is called off; another process loads."""
    loader, other = everybody.workers[1], everybody.workers[2]
    loader.hold(1)
    cancelled = loader.begin(f"asyncio.wait_for(alone('{key}'), 0.2)")
    loader.loading(key, 1)
    waiting = other.begin(f"alone('{key}')")
    with pytest.raises(Failed, match="TimeoutError"):
        cancelled.result(5)
    began = time.monotonic()
    assert waiting.result(5) == 1
    assert time.monotonic() - began < 0.5
    eventually(lambda: not names_of(redis_server, "!", key))


def test_one_who_is_cancelled_while_it_waits_disturbs_nobody(redis_server: Server, everybody: Crew, key: str) -> None:
    """Rule 18, across processes."""
    loader, other = everybody.workers[0], everybody.workers[1]
    loader.hold(1)
    loading = loader.begin(f"alone('{key}')")
    loader.loading(key, 1)
    with pytest.raises(Failed, match="TimeoutError"):
        other.ask(f"asyncio.wait_for(alone('{key}'), 0.2)")
    assert len(names_of(redis_server, "!", key)) == 1
    loader.hold()
    assert loading.result(5) == 1
    assert everybody.loads(key) == [1]
    assert other.ask("len(job.cache._core.flights)") == 0


@COLOURS
def test_a_killed_lease_holder_delays_others_by_the_lease_at_most(redis_server: Server, tmp_path: Path, first: int) -> None:
    """Rule 21."""
    colours = ["sync", "async", "sync"][first : first + 2]
    with crew(redis_server.url, tmp_path / "source", *colours, timeout=5, lease="1s") as workers:  # type: ignore[arg-type]
        victim, other = workers
        workers.set("k", 1)
        victim.hold(1)
        victim.begin("alone('k')")
        victim.loading("k", 1)
        waiting = other.begin("alone('k')")
        time.sleep(1.2)  # it has been renewed by then
        assert not waiting.done()
        victim.kill()
        began = time.monotonic()
        assert waiting.result(5) == 1
        assert time.monotonic() - began < 1.0 + 0.2
        assert workers.loads("k") == [1, 1]


def test_a_stopped_lease_holder_loses_the_lease_and_its_load_does_not_count(redis_server: Server, tmp_path: Path) -> None:
    """Rule 21: who was stopped for longer than the lease neither raises nor overwrites what another has loaded meanwhile."""
    with crew(redis_server.url, tmp_path / "source", "sync", "async", timeout=5, lease="500ms") as workers:
        victim, other = workers
        workers.set("k", 1)
        victim.hold(1)
        stopped = victim.begin("alone('k')")
        victim.loading("k", 1)
        victim.signal(signal.SIGSTOP)
        workers.set("k", 2)
        assert other.ask("alone('k')") == 2
        victim.signal(signal.SIGCONT)
        victim.hold()
        assert stopped.result(5) == 1, "its own caller has its result all the same"
        assert workers.all_say("alone('k')") == [2, 2]


@COLOURS
def test_an_invalidation_ends_the_wait_for_a_load_that_no_longer_counts(everybody: Crew, key: str, first: int) -> None:
    """Rule 1: those who wait already, and with them those who come after the invalidation, need not wait for its end."""
    loader, invalidator, waiter = (everybody.workers[at] for at in (first, first + 1, (first + 2) % 4))
    loader.hold(1)
    loading = loader.begin(f"alone('{key}')")
    loader.loading(key, 1)
    waiting = waiter.begin(f"alone('{key}')")
    time.sleep(0.1)
    assert not waiting.done()
    everybody.set(key, 2)
    invalidator.ask(f"verb('invalidate', tags=['k:{key}'])")
    assert waiter.ask(f"alone('{key}')", within=3) == 2
    assert waiting.result(3) in (1, 2)
    assert not loading.done()
    loader.hold()
    loading.result(5)
    assert everybody.all_say(f"alone('{key}')") == [2] * 4


def test_a_function_that_asks_for_its_own_key_does_not_wait_for_its_own_lease(redis_server: Server) -> None:
    """Rule 25."""
    from stillroom import Cache

    cache = Cache(redis_server.url, timeout=5)
    depth = 0

    @cache(ttl=100, lock="shared")
    def again(k: int) -> int:
        nonlocal depth
        depth += 1
        return depth if depth > 2 else again(k)

    began = time.monotonic()
    assert again(1) == 3
    assert time.monotonic() - began < 1
    cache.close()


def test_nor_does_one_that_asks_for_it_by_way_of_another_function(redis_server: Server) -> None:
    """Rule 25, with tasks."""
    import asyncio

    from stillroom import Cache

    cache = Cache(redis_server.url, timeout=5)
    depth = 0

    @cache(ttl=100, lock="shared")
    async def one(k: int) -> int:
        return await other(k)

    @cache(ttl=100, lock="shared")
    async def other(k: int) -> int:
        nonlocal depth
        depth += 1
        return 7 if depth > 1 else await one(k)

    async def main() -> int:
        try:
            return await asyncio.wait_for(one(1), 3)
        finally:
            await cache.aclose()

    assert asyncio.run(main()) == 7


def test_leases_that_are_lost_in_an_outage_do_not_live_on(own_server: Server, tmp_path: Path) -> None:
    """Rule 21: a load that ends while the server hangs gives nothing back, and holds up nobody for longer than the lease."""
    with crew(own_server.url, tmp_path / "source", "sync", "async", lease="600ms") as workers:
        for loader, other in (workers.workers, workers.workers[::-1]):
            name = f"of-{loader.colour}"
            workers.set(name, 1)
            loader.hold(1)
            loading = loader.begin(f"alone('{name}')")
            loader.loading(name, 1)
            own_server.pause()
            loader.ask("verb('delete', 'anything')")  # the outage begins
            assert loader.ask("cache.health().state") == "down"
            loader.hold()
            assert loading.result(5) == 1
            own_server.resume()
            eventually(lambda: workers.all_say("cache.health().state") == ["ok", "ok"])
            began = time.monotonic()
            assert other.ask(f"alone('{name}')") == 1
            assert time.monotonic() - began < 0.6 + 0.3
            assert loader.ask("len(job.cache._core.store._shared.renewal._held)") == 0
