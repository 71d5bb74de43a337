"""What the store asks of its servers: how many commands, and in how many round trips."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.servers.cluster import Cluster
from tests.servers.proxy import READ, Proxy
from tests.servers.server import Server

from stillroom import Cache
from stillroom._runtime.runtime import Runtime
from stillroom.stores.redis.loops import LoopLinks
from stillroom.stores.redis.threads import ThreadLinks


class CountingProxy(Proxy):
    """Counts round trips: how often somebody asked something after the last answer."""

    def __init__(self, server: Server) -> None:
        self.trips = 0
        self._asking: set[object] = set()
        super().__init__(server)

    def _pass_on(self, link: Any, reads: Any, writes: Any, events: int) -> None:
        if events & READ and reads is link.pipes[0]:
            self.trips += link not in self._asking
            self._asking.add(link)
        elif events & READ:
            self._asking.discard(link)
        super()._pass_on(link, reads, writes, events)


class Measured:
    """A cache behind a proxy that counts, warmed up: connected, its scripts known, its generations there.

    Attributes:
        commands: the names of the commands of the last measurement, as clients sent them.
        trips: how many round trips it took.
    """

    def __init__(self, server: Server, proxy: CountingProxy, is_async: bool) -> None:
        self.server = server
        self.commands: list[str] = []
        self.trips = 0
        self.cache = Cache(proxy.url, prefix=secrets.token_hex(4), timeout=5)
        self._proxy = proxy
        self._is_async = is_async
        self.f = self.cached(name="f", tags=["all", "tag:{a}"])

    def cached(self, **settings: Any) -> Any:
        def load(a: int) -> int:
            return a

        async def load_async(a: int) -> int:
            return a

        return self.cache(ttl=600, **settings)(load_async if self._is_async else load)

    async def warm_up(self) -> None:
        for _ in range(2):
            await self.do(lambda: self.f(0))
        await self.do(lambda: self.f.invalidate(0))
        await self.do(lambda: self.f(0))
        await self.verb("set", "warm", 1, 600)

    async def do(self, act: Callable[[], Any]) -> Any:
        result = act()
        return await result if self._is_async else result

    async def verb(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return await self.do(lambda: getattr(self.cache, "a" + name if self._is_async else name)(*args, **kwargs))

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure what happens below a ``with``."""
        before = self._proxy.trips
        with self.server.monitor() as seen:
            yield
        self.trips = self._proxy.trips - before
        self.commands = [one.name for one in seen if one.client != "lua"]


@pytest.fixture
def here(redis_server: Server, runtime: Runtime) -> Iterator[Measured]:
    proxy = CountingProxy(redis_server)
    with proxy:
        made = Measured(redis_server, proxy, is_async=not runtime.blocking)
        yield made
        made.cache._core.store.retire()  # type: ignore[union-attr]


async def test_a_hit_is_one_command_and_one_round_trip(here: Measured) -> None:
    """Design 4.4, its tags included."""
    await here.warm_up()
    with here.measured():
        assert await here.do(lambda: here.f(0)) == 0
    assert (here.commands, here.trips) == (["MGET"], 1)


async def test_a_value_is_got_by_its_name_in_one_round_trip(here: Measured) -> None:
    await here.warm_up()
    with here.measured():
        assert await here.verb("get", "warm") == 1
    assert (here.commands, here.trips) == (["MGET"], 1)


async def test_a_miss_takes_three_round_trips(here: Measured) -> None:
    """Design 4.4: look, take the lease, fill."""
    await here.warm_up()
    with here.measured():
        assert await here.do(lambda: here.f(1)) == 1
    assert here.trips <= 3
    assert here.commands[0] == "MGET"
    assert here.commands.count("EVALSHA") <= 2 + 5  # at most one more for each generation, so that its token lives as long
    with here.measured():
        assert await here.do(lambda: here.f(2)) == 2
    assert here.trips <= 3


async def test_a_miss_whose_generations_are_known_takes_no_command_more_than_it_must(here: Measured) -> None:
    await here.warm_up()
    f = here.cached(name="g")
    for a in range(2):
        await here.do(lambda a=a: f(a))  # type: ignore[misc]
    with here.measured():
        await here.do(lambda: f(2))
    assert (here.commands, here.trips) == (["MGET", "EVALSHA", "EVALSHA"], 3)


WAYS: dict[str, Callable[[Measured], Any]] = {
    "tag": lambda here: here.verb("invalidate", tags=["all"]),
    "function": lambda here: here.do(here.f.invalidate_all),
    "namespace": lambda here: here.verb("invalidate", namespace="main"),
    "everything": lambda here: here.verb("clear"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_an_invalidation_costs_the_same_however_much_it_concerns(here: Measured, way: str) -> None:
    """Design 4.4: O(1)."""
    await here.warm_up()
    sizes: list[tuple[list[str], int]] = []
    for count in (1, 1000):
        await here.do(lambda count=count: here.f.many(range(count)))  # type: ignore[misc]
        with here.measured():
            await WAYS[way](here)
        sizes.append((here.commands, here.trips))
        assert await here.do(lambda: here.f.peek(0)) is None
    assert sizes[0] == sizes[1]
    assert sizes[0][1] == 1
    assert len(sizes[0][0]) == 1


async def test_a_key_is_invalidated_in_one_round_trip(here: Measured) -> None:
    await here.warm_up()
    with here.measured():
        assert await here.do(lambda: here.f.invalidate(1)) is False
    assert here.trips == 1
    await here.do(lambda: here.f(1))
    with here.measured():
        assert await here.do(lambda: here.f.invalidate(1)) is True
    assert here.trips <= 2  # whether the entry was fresh is told by its tags, which only the entry knows


async def test_a_hundred_hits_take_one_round_trip(here: Measured) -> None:
    """Rule 53."""
    await here.warm_up()
    await here.do(lambda: here.f.many(range(100)))
    with here.measured():
        assert await here.do(lambda: here.f.many(range(100))) == list(range(100))
    assert (here.commands, here.trips) == (["MGET"], 1)


async def test_what_fifty_misses_take(here: Measured, runtime: Runtime) -> None:
    """On an event loop as many round trips as one of them; blocking callers load one after the other, under a lease each."""
    await here.warm_up()
    f = here.cached(name="g")
    await here.do(lambda: f.many([0]))
    with here.measured():
        assert await here.do(lambda: f.many(range(1, 51))) == list(range(1, 51))
    assert here.trips == (1 + 2 * 50 if runtime.blocking else 3)
    assert here.commands.count("EVALSHA") == 100


async def test_a_hundred_names_take_one_round_trip(here: Measured) -> None:
    await here.warm_up()
    names = [f"name:{number}" for number in range(100)]
    await here.verb("set_many", dict.fromkeys(names, 1), 600)
    with here.measured():
        assert len(await here.verb("get_many", names)) == 100
    assert (here.commands, here.trips) == (["MGET"], 1)


async def test_a_hundred_names_are_set_in_as_many_round_trips_as_one(here: Measured) -> None:
    await here.warm_up()
    await here.verb("set", "tagged", 1, 600, tags=["all"])
    taken: list[int] = []
    for count in (1, 100):
        names = {f"{count}:{number}": number for number in range(count)}
        with here.measured():
            await here.verb("set_many", names, 600, tags=["all"])
        taken.append(here.trips)
        assert here.commands == ["MGET", *["EVALSHA"] * count]
        assert await here.verb("get_many", names) == names
    assert taken == [2, 2]


async def test_many_large_values_leave_in_several_batches(here: Measured) -> None:
    """Each batch must end within the time that one operation may take."""
    await here.warm_up()
    large = dict.fromkeys(["a", "b", "c"], b"x" * 700_000)
    with here.measured():
        await here.verb("set_many", large, 600)
    assert here.commands == ["MGET", *["EVALSHA"] * 3]
    assert here.trips >= 4
    assert await here.verb("get_many", large) == large


@pytest.mark.asyncio_only
async def test_what_is_read_in_one_turn_of_a_loop_leaves_in_one_command(here: Measured) -> None:
    """Design 4.6."""
    await here.warm_up()
    await here.f.many(range(50))
    with here.measured():
        assert await asyncio.gather(*(here.f(a) for a in range(50))) == list(range(50))
    assert (here.commands, here.trips) == (["MGET"], 1)


async def test_nothing_goes_through_all_keys_but_what_must(here: Measured) -> None:
    """Rule 41."""
    await here.warm_up()
    here.server.reset_stats()
    f = here.cached(name="h", key="h:{a}", tags=["t"], max_hits=5, stale_while_revalidate=60)
    for act in (f, f, f.peek, f.refresh, f.invalidate, f, f.bypass):
        await here.do(lambda act=act: act(1))  # type: ignore[misc]
    await here.do(lambda: f.put(2, 1))
    await here.do(lambda: f.many([1, 2, 3]))
    await here.do(f.invalidate_all)
    words: list[tuple[Any, ...]] = [
        ("set", "a", 1), ("add", "b", 1), ("get", "a"), ("incr", "a"), ("touch", "a", 60), ("exists", "a"), ("ttl", "a"),
        ("set_many", {"c": 1, "d": 2}), ("get_many", ["a", "c"]), ("delete_many", ["c", "d"]), ("delete", "a"), ("clear",),
        ("ping",), ("get_or_load", "loaded", lambda: 1),
    ]  # fmt: skip
    for verb, *args in words:
        await here.verb(verb, *args)
    await here.verb("invalidate", tags=["t"], namespace="other")
    ran = here.server.commandstats()
    assert ran["mget"] > 0
    assert not [name for name in ran if name in ("keys", "scan", "randomkey", "flushdb", "flushall")]
    await here.verb("delete_match", "none:*")
    ran = here.server.commandstats()
    assert ran["scan"] > 0 == ran["keys"]


# Cluster


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """For each exchange with servers, the batches that it consists of."""
    seen: list[list[Any]] = []
    for links in (ThreadLinks, LoopLinks):
        original = links.exchange

        async def exchange(self: Any, given: Any, until: float, original: Any = original) -> Any:
            seen.append(list(given))
            return await original(self, given, until)

        monkeypatch.setattr(links, "exchange", exchange)
    return seen


async def test_a_cluster_is_sent_one_batch_for_each_node(
    redis_cluster: Cluster, runtime: Runtime, batches: list[list[Any]]
) -> None:
    """Design 4.4 and rule 39."""
    cache = Cache(redis_cluster.url, prefix=secrets.token_hex(4), timeout=5)

    def load(a: int) -> int:
        return a

    async def load_async(a: int) -> int:
        return a

    f: Any = cache(ttl=600, name="f", tags=["all", "tag:{a}"])(load if runtime.blocking else load_async)

    async def ask(calls: Any) -> Any:
        found = f.many(calls)
        return found if runtime.blocking else await found

    try:
        await ask(range(100))
        for calls in (range(100), [7]):
            batches.clear()
            assert await ask(calls) == list(calls)
            assert len(batches) == 1
            nodes = Counter(batch.node for batch in batches[0])
            assert set(nodes.values()) == {1}
            assert len(nodes) <= 3
        batches.clear()
        ended = f.invalidate_all()
        await _none() if runtime.blocking else await ended
        assert [len(one) for one in batches] == [1]
    finally:
        cache._core.store.retire()  # type: ignore[union-attr]


async def test_many_names_are_set_with_one_batch_for_each_node(
    redis_cluster: Cluster, runtime: Runtime, batches: list[list[Any]]
) -> None:
    cache = Cache(redis_cluster.url, prefix=secrets.token_hex(4), timeout=5)

    async def set_many(count: int) -> None:
        values = {f"{count}:{number}": number for number in range(count)}
        cache.set_many(values, 600) if runtime.blocking else await cache.aset_many(values, 600)
        assert cache.get_many(values) == values

    try:
        await set_many(50)
        batches.clear()
        await set_many(100)
        reads, writes, _ = batches
        for exchange in (reads, writes):
            assert set(Counter(batch.node for batch in exchange).values()) == {1}
        assert len(writes) == 3
    finally:
        cache._core.store.retire()  # type: ignore[union-attr]


async def _none() -> None:
    """Nothing to wait for."""


async def test_the_keys_of_one_function_spread_over_all_nodes(redis_cluster: Cluster, runtime: Runtime) -> None:
    """Rule 39."""
    cache = Cache(redis_cluster.url, prefix=secrets.token_hex(4), timeout=5)
    try:
        f: Any = cache(ttl=600, name="f")(lambda a: a)
        f.many(range(300))
        sizes = [node.ask("DBSIZE") for node in redis_cluster.primaries()]
        assert all(size > 50 for size in sizes), sizes
    finally:
        cache._core.store.retire()  # type: ignore[union-attr]
