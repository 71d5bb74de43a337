"""Rules 21 to 24: one load per key across processes, whatever becomes of the process that runs it."""

from __future__ import annotations

import asyncio
import itertools
import queue
import signal
import statistics
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.redis.crew import Crew, Failed, Worker, crew
from tests.servers.monitor import Command
from tests.servers.server import Server
from tests.servers.waiting import PATIENCE, eventually

from stillroom import Cache
from stillroom.stores.redis.scripts import FILL

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
    return new_key(everybody)


def new_key(workers: Crew) -> str:
    """Return a key that nobody has loaded yet, and let nothing be left of what workers were told before."""
    for worker in workers:
        worker.ask("[job.hold(), setattr(job, 'failing', False), setattr(job, 'pace', 0)] and None")
    name = f"k{next(_numbers)}"
    workers.set(name, 1)
    return name


@pytest.fixture(scope="module")
def patient(_redis_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Workers whose leases are so long that nobody can take their end for their being given back."""
    source = tmp_path_factory.mktemp("crew") / "source"
    with crew(_redis_server.url, source, "sync", "async", "sync", "async", timeout=5, lease="1m") as workers:
        yield workers


def names_of(server: Server, sign: str, key: str) -> list[bytes]:
    """Return the keys of one sort that there are for a key: ``!`` for leases."""
    found: list[bytes] = server.ask("KEYS", f"stillroom{sign}*{key}*")
    return found


def sent(server: Server, seen: list[Command], worker: Worker) -> list[Command]:
    """Return which of the commands that were seen a worker has sent."""
    addresses = {client["addr"] for client in server.client().client_list() if client["name"] == f"worker-{worker.pid}"}
    return [command for command in list(seen) if command.client in addresses]


def leases_end(server: Server, key: str) -> float:
    """Return when all leases of a key are over, unless somebody prolongs them."""
    (name,) = names_of(server, "!", key)
    held = server.ask("GET", name)
    ends: list[float] = [struct.unpack_from("<d", held, at + 16)[0] for at in range(0, len(held), 24)]
    return max(ends) / 1000


def looks(commands: list[Command]) -> list[float]:
    """Return when whoever waits for a lease has asked for it."""
    return [command.at for command in commands if command.words[-1] == b"alone"]


def test_a_load_that_is_longer_than_the_lease_is_the_only_one(everybody: Crew, key: str) -> None:
    """Rules 22, 23 and 24: many callers in four processes, a lease of one second, a load of three."""
    for worker in everybody:
        worker.ask("setattr(job, 'pace', 3.0)")
    calls = [worker.begin(f"alone('{key}')") for worker in everybody for _ in range(5)]
    assert [call.result(8) for call in calls] == [1] * 20
    assert everybody.loads(key) == [1]


def test_waiting_is_cheap_and_ends_soon_after_the_fill(redis_server: Server, everybody: Crew, key: str) -> None:
    """Rule 22, as the server sees it: a process looks less than 20 times a second, and once after the fill.

    That looks are no further apart than 100 ms holds for most of them: between some the machine had other things to do.
    """
    first, *others = everybody.workers
    first.hold(1)
    loading = first.begin(f"alone('{key}')")
    first.loading(key, 1)
    waiting = [worker.begin(f"alone('{key}')") for worker in others for _ in range(5)]
    aboard = "[flight.passengers for flight in job.cache._core.flights._table.values()]"
    eventually(lambda: all(worker.ask(aboard) == [5] for worker in others))
    with redis_server.monitor() as seen:
        eventually(lambda: all(len(looks(sent(redis_server, seen, worker))) > 25 for worker in others))
        first.ask("job.hold()")
        assert [call.result(5) for call in (loading, *waiting)] == [1] * 16
    filled = max(command.at for command in sent(redis_server, seen, first) if FILL.digest in command.words)
    for worker in others:
        commands = sent(redis_server, seen, worker)
        turns = looks(commands)
        assert sum(turns[0] < command.at <= turns[-1] for command in commands) < 20 * (turns[-1] - turns[0])
        assert statistics.median(later - sooner for sooner, later in itertools.pairwise(turns)) < 0.1
        assert sum(at > filled for at in turns) == 1
        after = [
            command for command in commands if command.at > turns[-1] and any(key.encode() in word for word in command.words)
        ]
        assert len(after) <= 1 + 5, "the lease is given back, and each caller reads"
    assert everybody.loads(key) == [1]


def test_whoever_waits_takes_the_value_also_beside_the_lease_of_another(
    redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 22: somebody who has waited as well, was faster, and has not given the lease back yet costs the others no turn."""
    loaded, *looked, left = (threading.Event() for _ in range(4))
    caches = [Cache(redis_server.url, timeout=5) for _ in range(3)]
    began: queue.Queue[str] = queue.Queue()
    turns = [0, 0]

    def load(k: int) -> int:
        began.put("load")
        assert loaded.wait(PATIENCE)
        return k

    def waits(number: int) -> None:
        async def pause(length: float) -> None:
            turns[number] += 1
            began.put("turn")
            assert looked[number].wait(PATIENCE)

        monkeypatch.setattr(caches[number]._core.blocking.runtime, "pause", pause)

    async def release(*_: object) -> None:
        began.put("release")
        assert left.wait(PATIENCE)

    waits(0)
    waits(1)
    monkeypatch.setattr(caches[0]._core.blocking.store, "release", release)
    faster, slower, loader = (cache(ttl=100, lock="shared", name="f")(load) for cache in caches)
    with ThreadPoolExecutor(3) as pool:
        calls = []
        for function, begins in ((loader, "load"), (faster, "turn"), (slower, "turn")):
            calls.append(pool.submit(function, 1))
            assert began.get(timeout=PATIENCE) == begins
        loaded.set()
        assert calls[0].result(PATIENCE) == 1
        looked[0].set()
        assert began.get(timeout=PATIENCE) == "release"
        looked[1].set()
        try:
            assert calls[2].result(PATIENCE) == 1
        finally:
            left.set()
        assert calls[1].result(PATIENCE) == 1
        assert turns == [1, 1]
    for cache in caches:
        cache.close()


@COLOURS
def test_an_error_gives_the_lease_back_at_once(redis_server: Server, patient: Crew, first: int) -> None:
    """Rules 20 and 21: the callers of the same process get the error, those of others load."""
    key = new_key(patient)
    loader, other = patient.workers[first], patient.workers[first + 2]
    loader.ask("setattr(job, 'failing', True)")
    loader.hold(1)
    failing = loader.begin(f"alone('{key}')")
    loader.loading(key, 1)
    waiting = other.begin(f"alone('{key}')")
    loader.hold()
    with pytest.raises(Failed, match="ValueError"):
        failing.result(5)
    assert waiting.result(5) == 1
    assert patient.loads(key) == [1, 1]
    assert not names_of(redis_server, "!", key)


def test_a_cancelled_load_gives_the_lease_back_at_once(redis_server: Server, patient: Crew) -> None:
    """Rule 21: nobody waits for it any more in its process, so it is called off; another process loads."""
    key = new_key(patient)
    loader, other = patient.workers[1], patient.workers[2]
    loader.hold(1)
    loader.ask(f"setattr(job, 'task', asyncio.ensure_future(alone('{key}')))")
    loader.loading(key, 1)
    waiting = other.begin(f"alone('{key}')")
    loader.ask("job.task.cancel()")
    with pytest.raises(Failed, match="CancelledError"):
        loader.ask("job.task")
    assert waiting.result(5) == 1
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
        ends = leases_end(redis_server, "k")
        with redis_server.monitor() as seen:
            assert waiting.result(5) == 1
        assert sum(at > ends for at in looks(list(seen))) <= 1, "its first look after the end of the lease is the last"
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
    cache = Cache(redis_server.url, timeout=5, lease="1m")
    depth = 0

    @cache(ttl=100, lock="shared")
    def again(k: int) -> int:
        nonlocal depth
        depth += 1
        return depth if depth > 2 else again(k)

    assert again(1) == 3
    cache.close()


def test_nor_does_one_that_asks_for_it_by_way_of_another_function(redis_server: Server) -> None:
    """Rule 25, with tasks."""
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
            assert other.ask(f"alone('{name}')") == 1, "a lease that lives on would be waited for without end"
            assert loader.ask("len(job.cache._core.store._shared.renewal._held)") == 0
