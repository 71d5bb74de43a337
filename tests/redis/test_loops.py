"""Rules 27, 28 and 32: any number of event loops on one cache on Redis, none of them ever blocked."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import blockbuster
import pytest
from tests.concurrency.meeting import Gate, Worker, eventually, passengers
from tests.servers.proxy import Proxy
from tests.servers.server import Server
from tests.servers.waiting import eventually as eventually_at_server

from stillroom import Cache, StoreError

OURS = "under-test"
"""What the connections of the cache under test call themselves: those of a test before may still be about to end."""


@pytest.fixture
def cache(redis_server: Server) -> Iterator[Cache]:
    made = Cache(redis_server.url, timeout=5, client_name=OURS)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _no_complaint() -> Iterator[None]:
    """A socket, transport or loop that is left open says so when it goes; here that is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()


def connections(server: Server) -> int:
    """Return how many connections the cache under test has."""
    listed = server.ask("CLIENT LIST", "TYPE", "normal").decode().splitlines()
    return sum(1 for line in listed if f" name={OURS} " in line)


async def eventually_there(holds: Callable[[], bool]) -> None:
    """Return once something holds, without holding up the loop."""
    until = time.monotonic() + 3
    for _ in range(1000):
        if holds():
            return
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


def functions(cache: Cache, loads: list[Any]) -> tuple[Any, Any, Any]:
    @cache(ttl=600, tags=["all"])
    async def load(k: int) -> int:
        loads.append(k)
        await asyncio.sleep(0)
        return k

    @cache(ttl=0.001, stale_while_revalidate=1000)
    async def stale(k: int) -> int:
        loads.append(("stale", k))
        await asyncio.sleep(0)
        return k

    @cache(ttl=600, lock="shared")
    async def alone(k: int) -> int:
        loads.append(("alone", k))
        await asyncio.sleep(0)
        return k

    return load, stale, alone


def test_loops_one_after_the_other(redis_server: Server, cache: Cache) -> None:
    """Rule 27: repeated `asyncio.run`, with work left behind by each; nothing is left at the server, or remembered here."""
    loads: list[Any] = []
    load, stale, alone = functions(cache, loads)

    async def main(number: int) -> list[int]:
        both = await asyncio.gather(load(1), load(number), stale(1), alone(number))
        return [*both, *await load.many([1, number]), await load.refresh(1)]

    for number in range(2, 27):
        assert asyncio.run(main(number)) == [1, number, 1, number, 1, number, 1]
    eventually_at_server(lambda: connections(redis_server) <= 2)  # of blocking callers: the thread that renews leases
    gc.collect()
    assert len(cache._core.store._loop_wire.links._loops) <= 1  # type: ignore[union-attr]
    assert loads.count(2) == 1


def test_a_loop_that_ends_with_loads_under_way_takes_nothing_with_it(redis_server: Server, cache: Cache) -> None:
    loads: list[Any] = []
    load, _, alone = functions(cache, loads)

    @cache(ttl=600, lock="shared")
    async def endless(k: int) -> int:
        await asyncio.sleep(1000)
        return k

    async def main() -> None:
        for _ in range(3):
            asyncio.ensure_future(endless(1))  # noqa: RUF006
            asyncio.ensure_future(load(1))  # noqa: RUF006
        await asyncio.sleep(0.02)

    for _ in range(5):
        asyncio.run(main())
    assert asyncio.run(alone(1)) == asyncio.run(load(1)) == 1
    eventually_at_server(lambda: connections(redis_server) <= 2)


def test_loops_that_are_closed_without_any_ceremony(redis_server: Server, cache: Cache) -> None:
    """Rule 27: ``loop.close()`` alone, which ends no asynchronous generator and closes no transport."""
    loads: list[Any] = []
    load, _, _ = functions(cache, loads)
    for number in range(20):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(load(number)) == number
        loop.close()
    eventually_at_server(lambda: connections(redis_server) <= 4)


def test_a_loop_in_each_thread(redis_server: Server, cache: Cache) -> None:
    """Rule 27: their callers share loads, also with blocking ones."""
    gate, loads = Gate(), []

    @cache(ttl=600)
    async def load(k: int) -> int:
        loads.append(k)
        await gate.wait_here_async()
        return k

    async def main() -> list[int]:
        return await asyncio.gather(*(load(k) for k in (1, 2, 1, 2)))

    workers = [Worker(lambda: asyncio.run(main())) for _ in range(6)]
    eventually(lambda: passengers(cache) == 24)
    gate.open()
    assert [worker.join() for worker in workers] == [[1, 2, 1, 2]] * 6
    assert sorted(loads) == [1, 2]
    eventually_at_server(lambda: connections(redis_server) <= 2)


def test_closing_from_either_colour_lets_go_of_both(redis_server: Server) -> None:
    for closes_async in (True, False):
        cache = Cache(redis_server.url, timeout=5, client_name=OURS)

        @cache(ttl=600)
        def plain(k: int) -> int:
            return k

        @cache(ttl=600)
        async def aplain(k: int) -> int:
            return k

        async def main(cache: Cache = cache, plain: Any = plain, aplain: Any = aplain, how: bool = closes_async) -> None:
            assert (plain(1), await aplain(1)) == (1, 1)
            assert connections(redis_server) >= 2
            await cache.aclose() if how else cache.close()
            await eventually_there(lambda: connections(redis_server) == 0)
            assert (plain(1), await aplain(1)) == (1, 1), "functions run uncached from now on"

        asyncio.run(main())


def test_the_event_loop_is_never_blocked(own_server: Server) -> None:
    """Rule 28: with everything that a cache does on a loop, while the server is there, hangs, is gone and comes back."""
    with Proxy(own_server) as proxy:
        cache = Cache(proxy.url, timeout=0.1, secret="s3cret" * 3, compress="zlib")
        loads: list[Any] = []
        load, stale, alone = functions(cache, loads)

        async def everything() -> None:
            await asyncio.gather(*(load(k) for k in range(5)), stale(1), alone(1), alone(2))
            await load.many([1, 2, 7])
            await load.refresh(1)
            await load.peek(1)
            await load.invalidate(1)
            await load.invalidate_all()
            await cache.aset("n", 1)
            await cache.aincr("n")
            await cache.aget_many(["n", "m"])
            await cache.aadd("m", 1)
            await cache.atouch("n", 5)
            assert len([name async for name in cache.ascan("*")]) <= 2
            await cache.adelete_match("n*")
            await cache.ainvalidate(tags=["all"])
            async with cache.lock("lock", ttl=5):
                await load("x" * 100)
            await cache.aclear()

        async def main() -> None:
            await everything()
            proxy_does(proxy.black_hole)
            await everything()
            assert cache.health().state != "ok"
            proxy_does(proxy.calm)
            await eventually_there(lambda: cache.health().state == "ok")
            await everything()
            proxy_does(proxy.refuse)
            proxy_does(proxy.cut)
            await everything()
            proxy_does(proxy.calm)
            await eventually_there(lambda: cache.health().state == "ok")
            await everything()
            await cache.aclose()

        def proxy_does(what: Any) -> None:
            thread = threading.Thread(target=what)  # the switches of the proxy block, and are none of the cache's business
            thread.start()
            while thread.is_alive():
                pass

        with blockbuster.blockbuster_ctx("stillroom"):
            asyncio.run(main())


def test_no_connection_is_held_while_user_code_runs(redis_server: Server, cache: Cache) -> None:
    """Rule 32: a hundred loads at one time, of threads and of tasks, need no more connections than their reads do."""
    gate = Gate()
    inside: list[int] = []

    @cache(ttl=600)
    def load(k: int) -> int:
        inside.append(k)
        gate.wait_here()
        return k

    @cache(ttl=600)
    async def aload(k: int) -> int:
        inside.append(k)
        await gate.wait_here_async()
        return k

    async def main() -> list[int]:
        return await asyncio.gather(*(aload(k) for k in range(50)))

    threads = []
    for k in range(50):
        threads.append(Worker(lambda k=k: load(k)))  # type: ignore[misc]
        eventually(lambda k=k: len(inside) == k + 1)  # type: ignore[misc]
    assert connections(redis_server) == 1, "one after the other has put it back before its load began"
    loop = Worker(lambda: asyncio.run(main()))
    eventually(lambda: len(inside) == 100)
    assert connections(redis_server) == 2, "all tasks of a loop share one"
    gate.open()
    assert [thread.join() for thread in threads] == list(range(50)) == loop.join()


def test_what_is_sent_over_a_connection_that_was_closed_meanwhile_fails_at_once(redis_server: Server) -> None:
    """Between the moment in which a caller gets hold of it and the one in which it sends, the server may have closed it."""

    async def main() -> list[Any]:
        cache = Cache(redis_server.url, timeout=5)
        f = cache(ttl=60)(identity)
        await f(1)
        store: Any = cache._core.store
        links = store._loop_wire.links._here()
        (stream,) = links._streams.values()
        (known,) = [one for operations in cache._core._living() for one in operations.glances._known[1].values()]
        stream.fail("the server has closed it")
        sent = asyncio.get_running_loop().create_future()
        stream.send(sent, b"PING", 1)
        outcomes = [await asyncio.wait_for(one, 2) for one in (sent, stream.gather([known.asked.entry]), stream.look(known))]
        assert await f(1) == 1, "over another one"
        await cache.aclose()
        return outcomes

    assert [type(outcome) for outcome in asyncio.run(main())] == [StoreError] * 3


async def identity(a: int) -> int:
    return a


@pytest.mark.parametrize("connects_anew", [False, True])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("steps", range(6))
def test_a_lease_is_given_back_though_its_holder_is_cancelled_right_then(
    redis_server: Server, steps: int, fails: bool, connects_anew: bool
) -> None:
    """Rule 21: what others wait for under `lock="shared"` is not left behind for as long as a lease lasts."""

    async def main() -> None:
        cache = Cache(redis_server.url, timeout=5)
        is_loaded = asyncio.Event()

        @cache(ttl=60, key="f", lock="shared")
        async def load() -> int:
            if connects_anew:
                redis_server.ask("CLIENT", "KILL", "TYPE", "normal")
            is_loaded.set()
            if fails:
                raise ValueError
            return 1

        caller = asyncio.create_task(load())
        await is_loaded.wait()
        for _ in range(steps):
            await asyncio.sleep(0)
        caller.cancel()
        with suppress(asyncio.CancelledError, ValueError):
            await caller
        await eventually_there(lambda: redis_server.ask("EXISTS", "stillroom!{main:f}") == 0)
        await cache.aclose()

    asyncio.run(main())
