"""What an attack on caches on Redis found: each of these once served an old value, lost one, told a secret, or hung."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec import msgpack
from tests.concurrency.apart import run_apart
from tests.concurrency.meeting import Gate, Worker, eventually, eventually_async
from tests.servers.cluster import Cluster
from tests.servers.processes import HOST
from tests.servers.server import Server

from stillroom import Cache, ConfigurationError
from stillroom.serializers import serializer_for

LONG = 5.0
"""Seconds that an operation may take: a busy machine must not look like an outage."""


class Caches:
    """Makes caches that stand for one process each: on one server, with one prefix."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._prefix = secrets.token_hex(4)
        self.made: list[Cache] = []

    def __call__(self, **options: Any) -> Any:
        self.made.append(Cache(self._url, prefix=self._prefix, **{"timeout": LONG, **options}))
        return self.made[-1]


@pytest.fixture
def caches(redis_server: Server) -> Iterator[Caches]:
    caches = Caches(redis_server.url)
    yield caches
    for made in caches.made:
        made.close()


@pytest.fixture
def cache(caches: Caches) -> Any:
    return caches()


def refused(call: Callable[[], Any]) -> None:
    with pytest.raises(ConfigurationError, match="name="):
        call()


# Keys that another process deletes while they are loaded here


class Source:
    """What functions load from: one of the loads looks, and then waits for a gate."""

    def __init__(self, *, held: int = 1) -> None:
        self.now = 1
        self.loads = 0
        self.gate = Gate()
        self._held = held

    def load(self, n: int = 1) -> int:
        value, is_held = self._look()
        if is_held:
            self.gate.wait_here()
        return value

    async def aload(self, n: int = 1) -> int:
        value, is_held = self._look()
        if is_held:
            await self.gate.wait_here_async()
        return value

    def _look(self) -> tuple[int, bool]:
        self.loads += 1
        return self.now, self.loads == self._held


locks = pytest.mark.parametrize("lock", ["process", "shared"])
keys = pytest.mark.parametrize("key", [None, "k:{n}"])


def deleted_elsewhere(source: Source, load: Callable[[], Any], delete: Callable[[], Any]) -> None:
    """Delete a key while threads load it; nobody who asks afterwards may be told what was there before."""
    first = Worker(load)
    source.gate.reached()
    source.now = 2
    delete()
    assert [Worker(load).join() for _ in range(2)] == [2, 2]
    source.gate.open()
    assert first.join() in (1, 2)
    assert load() == 2


async def adeleted_elsewhere(source: Source, load: Callable[[], Any], delete: Callable[[], Any]) -> None:
    """Do what `deleted_elsewhere` does, with tasks."""
    first = asyncio.ensure_future(load())
    await source.gate.reached_async()
    source.now = 2
    await delete()
    assert [await asyncio.wait_for(load(), LONG) for _ in range(2)] == [2, 2]
    source.gate.open()
    assert await first in (1, 2)
    assert await load() == 2


@locks
@keys
def test_a_call_after_a_deletion_elsewhere_does_not_board_an_older_load(caches: Caches, lock: Any, key: str | None) -> None:
    """Rule 1."""
    here, there, source = caches(), caches(), Source()
    settings = {"ttl": 60, "name": "load", "key": key, "lock": lock}
    load, other = here(**settings)(source.load), there(**settings)(source.load)
    deleted_elsewhere(source, lambda: load(1), lambda: there.delete("k:1") if key else other.invalidate(1))


@locks
@keys
@pytest.mark.asyncio_only
async def test_a_task_after_a_deletion_elsewhere_does_not_board_an_older_load(
    caches: Caches, lock: Any, key: str | None
) -> None:
    """Rule 1."""
    here, there, source = caches(), caches(), Source()
    settings = {"ttl": 60, "name": "load", "key": key, "lock": lock}
    load, other = here(**settings)(source.aload), there(**settings)(source.aload)
    await adeleted_elsewhere(source, lambda: load(1), lambda: there.adelete("k:1") if key else other.invalidate(1))


def test_what_is_loaded_by_name_after_a_deletion_elsewhere_is_loaded_anew(caches: Caches) -> None:
    """Rule 1."""
    here, there, source = caches(), caches(), Source()
    deleted_elsewhere(source, lambda: here.get_or_load("k:1", source.load, 60), lambda: there.delete("k:1"))


@pytest.mark.asyncio_only
async def test_what_tasks_load_by_name_after_a_deletion_elsewhere_is_loaded_anew(caches: Caches) -> None:
    """Rule 1."""
    here, there, source = caches(), caches(), Source()
    await adeleted_elsewhere(source, lambda: here.aget_or_load("k:1", source.aload, 60), lambda: there.adelete("k:1"))


@locks
@keys
def test_a_call_after_a_deletion_elsewhere_does_not_board_an_older_refresh(caches: Caches, lock: Any, key: str | None) -> None:
    """Rule 1: the value that was stale is gone, and the refresh behind it is of no use."""
    here, there, source = caches(), caches(), Source(held=2)
    settings = {"ttl": 0.001, "stale_while_revalidate": 600, "name": "load", "key": key, "lock": lock}
    load, other = here(**settings)(source.load), there(**settings)(source.load)
    eventually(lambda: load(1) == 1 and source.loads == 2)
    source.gate.reached()
    source.now = 2
    there.delete("k:1") if key else other.invalidate(1)
    assert Worker(lambda: load(1)).join() == 2
    source.gate.open()
    eventually(lambda: len(here._core.flights) == 0)
    assert {load(1) for _ in range(20)} == {2}


@locks
@keys
@pytest.mark.asyncio_only
async def test_a_task_after_a_deletion_elsewhere_does_not_board_an_older_refresh(
    caches: Caches, lock: Any, key: str | None
) -> None:
    """Rule 1."""
    here, there, source = caches(), caches(), Source(held=2)
    settings = {"ttl": 0.001, "stale_while_revalidate": 600, "name": "load", "key": key, "lock": lock}
    load, other = here(**settings)(source.aload), there(**settings)(source.aload)
    while source.loads < 2:
        assert await load(1) == 1
    await source.gate.reached_async()
    source.now = 2
    await (there.adelete("k:1") if key else other.invalidate(1))
    assert await asyncio.wait_for(load(1), LONG) == 2
    source.gate.open()
    assert {await load(1) for _ in range(20)} == {2}
    await eventually_async(lambda: asyncio.all_tasks() == {asyncio.current_task()})
    assert await load(1) == 2
    await eventually_async(lambda: asyncio.all_tasks() == {asyncio.current_task()})


# Functions of one name


class Shop:
    """What has methods, and no value that a key could tell."""

    def __init__(self, currency: str) -> None:
        self.currency = currency

    def price(self, n: int) -> str:
        return f"{n} {self.currency}"


def test_methods_of_objects_are_refused_from_the_first_one_on(cache: Any) -> None:
    """Rule 9: to another process, which has another object first, that one would be the first."""
    euros, pounds = cache(ttl=60)(Shop("EUR").price), cache(ttl=60)(Shop("GBP").price)
    for price in (euros, pounds):
        refused(lambda: price(1))  # noqa: B023
        refused(lambda: price.put("2", 1))  # noqa: B023
        refused(lambda: price.invalidate(1))  # noqa: B023


def test_methods_of_objects_that_are_given_names_keep_apart(caches: Caches) -> None:
    """Rule 9."""
    for cache in (caches(), caches()):
        euros, pounds = (cache(ttl=60, name=f"price in {word}")(Shop(word).price) for word in ("EUR", "GBP"))
        assert (euros(1), pounds(1), euros(1)) == ("1 EUR", "1 GBP", "1 EUR")
    assert (euros.stats.loads, pounds.stats.loads) == (0, 0)


def make(cache: Any, around: Any) -> Any:
    @cache(ttl=60)
    def local(a: int) -> Any:
        return [around, a]

    return local


@pytest.mark.parametrize(
    ("one", "other"), [(1, 2), ("one", "other"), ("?", "??"), ("a?b", "a?c"), ("a?", "a"), ("\0#2", "\0#3"), (1, "1")]
)
def test_local_functions_with_different_values_around_them_keep_apart_across_processes(
    caches: Caches, one: Any, other: Any
) -> None:
    """Rule 9: also where each is the first of its name in its process."""
    here, there = caches(), caches()
    first, second = make(here, one), make(there, other)
    assert (first(1), second(1), first(1), second(1)) == ([one, 1], [other, 1], [one, 1], [other, 1])
    assert (first.stats.loads, second.stats.loads) == (1, 1)
    same = make(there, one)
    assert same(1) == [one, 1]
    assert same.stats.loads == 0
    assert first.invalidate(1) is True
    assert (same.peek(1), second.peek(1)) == (None, [other, 1])


def test_the_second_local_function_with_a_list_around_it_is_refused(cache: Any) -> None:
    """Rule 9."""
    first, second = make(cache, ["one"]), make(cache, ["other"])
    assert first(1) == [["one"], 1]
    refused(lambda: second(1))
    assert first(1) == [["one"], 1]


# Near copies of functions of one name

answers: dict[str, int] = {}
"""What the functions of `unclosed` answer with: they close over nothing."""


def unclosed(cache: Any) -> Any:
    @cache(ttl=600)
    def local(k: str) -> int:
        return answers[k]

    return local


@pytest.mark.parametrize("who", ["first", "second", "distant"])
def test_what_forgets_all_of_a_function_reaches_the_near_copies_of_its_namesakes(caches: Caches, who: str) -> None:
    """Rule 1: others take the two for one function, so they are forgotten as one."""
    here, there = caches(near="memory://"), caches()
    first, second, distant = unclosed(here), unclosed(here), unclosed(there)
    assert here._core.store.feed.wait_live(LONG)
    k = secrets.token_hex(4)
    answers[k] = 1
    eventually(lambda: first(k) == second(k) == 1 and nearby(here) == 2)
    answers[k] = 2
    {"first": first, "second": second, "distant": distant}[who].invalidate_all()
    for function in (first, second) if who == "second" else (second, first):  # what one loads would tell of the other's copy
        eventually(lambda: function(k) == 2)  # noqa: B023


def nearby(cache: Any) -> int:
    """Return how many near copies a cache holds."""
    return sum(len(partition.entries) for partition in cache._core.memory._partitions)


# Event loops that are busy elsewhere

BUSY = 0.4
"""Seconds for which a loop is held up: longer than an operation may take unless somebody says otherwise."""


async def block() -> None:
    time.sleep(BUSY)  # noqa: ASYNC251 - what careless callbacks do


@pytest.mark.parametrize("is_connected", [True, False])
@pytest.mark.parametrize("doing", ["invalidates", "reads", "calls"])
@pytest.mark.asyncio_only
async def test_a_loop_that_is_held_up_does_not_take_the_server_for_failed(
    caches: Caches, doing: str, is_connected: bool
) -> None:
    """Rule 33: the reply was there all the time."""
    cache = caches(timeout=0.25)

    @cache(ttl=60, tags=["x"])
    async def load(n: int) -> int:
        return n

    works = {"invalidates": lambda: cache.ainvalidate(tags=["x"]), "reads": lambda: cache.aget("k"), "calls": lambda: load(1)}
    if is_connected:
        await works[doing]()
    await asyncio.gather(works[doing](), block())
    health = cache.health()
    assert (health.state, health.failures, health.pending, health.error) == ("ok", 0, 0, None)


# What verbs do to the entries of functions


@dataclass
class Point:
    x: int


def test_a_count_goes_on_being_readable_for_the_function_that_made_it(cache: Any) -> None:
    @cache(ttl=60, key="count:{n}", serializer="json")
    def count(n: int) -> int:
        return 5

    assert count(1) == 5
    assert cache.incr("count:1") == count(1) == cache.get("count:1") == 6
    assert cache.touch("count:1", 120)
    assert cache.incr("count:1", 2) == count(1) == cache.get("count:1") == 8
    assert cache.ttl("count:1") > 60
    assert count.stats.loads == 1


def test_what_is_touched_goes_on_being_readable_for_the_function_that_made_it(cache: Any) -> None:
    @cache(ttl=60, key="point:{x}")
    def point(x: int) -> Point:
        return Point(x)

    @cache(ttl=60, key="row:{x}", serializer="json")
    def row(x: int) -> dict[str, int]:
        return {"x": x}

    for function, name, value in ((point, "point:1", Point(1)), (row, "row:1", {"x": 1})):
        assert function(1) == value
        for _ in range(2):
            assert cache.touch(name, 120)
            assert function(1) == function.peek(1) == cache.get(name) == value
        assert cache.ttl(name) > 60
        assert function.stats.loads == 1


def test_what_is_set_under_the_name_of_a_function_with_a_serializer_of_its_own_is_served_by_it(cache: Any) -> None:
    @cache(ttl=60, key="count:{n}", serializer="json")
    def count(n: int) -> int:
        return 5

    cache.set("count:1", 7)
    assert count(1) == count.peek(1) == cache.get("count:1") == 7
    assert count(2) == 5
    cache.set("count:2", 8)
    assert count(2) == cache.get("count:2") == 8
    assert cache.incr("count:2") == count(2) == 9
    assert count.stats.loads == 1


# Clusters of which one node is known

FRESH = 20
"""How many caches begin anew: each has to find the nodes of its key by itself."""


def test_the_first_value_on_a_cluster_of_which_one_node_is_known_is_kept(redis_cluster: Cluster) -> None:
    for number in range(FRESH):
        cache = Cache(one_node(redis_cluster, number), prefix=secrets.token_hex(4), timeout=LONG)
        cache.set(f"k{number}", number)
        found = cache.get(f"k{number}")
        cache.close()
        assert found == number


@pytest.mark.asyncio_only
async def test_the_first_value_of_a_task_on_a_cluster_of_which_one_node_is_known_is_kept(redis_cluster: Cluster) -> None:
    for number in range(FRESH):
        cache = Cache(one_node(redis_cluster, number), prefix=secrets.token_hex(4), timeout=LONG)
        await cache.aset(f"k{number}", number)
        found = await cache.aget(f"k{number}")
        await cache.aclose()
        assert found == number


def one_node(cluster: Cluster, number: int) -> str:
    return f"redis+cluster://{HOST}:{cluster.nodes[number % 3].port}"


# What strangers may not see, and not do


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("redis://:s3cr#et@host:6379/0", ("s3cr", "#et", "et@")),
        ("redis://:pa/ss@host/0", ("pa/", "'pa'", "/ss", "ss@")),
        ("redis://:12?x@h/0", ("12", "?x", "x@")),
        *((f"redis://user:xq7j{mark}zk9w@host/0", ("xq7j", "zk9w")) for mark in ("#", "/", "?", "[", "/1?", "#a@b/")),
    ],
)
def test_no_part_of_a_password_is_in_the_error_that_refuses_a_url(url: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Cache(url, prefix=secrets.token_hex(4))
    waiting: list[BaseException | None] = [caught.value]
    while waiting:
        if (error := waiting.pop()) is not None:
            told = f"{error} {error!r} {vars(error)}"
            assert not [part for part in parts if part in told], told
            waiting += [error.__cause__, error.__context__]


def extension(code: int, members: list[Any]) -> msgpack.Ext:
    return msgpack.Ext(code, msgpack.encode(members))


HOSTILE = {
    "a fraction of a text": extension(18, ["1e300000000", None]),
    "a deque of a range": extension(14, [extension(26, [0, 10**9, 1]), None]),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_bytes_that_would_keep_the_processor_busy_are_refused_at_once(what: str) -> None:
    serializer = serializer_for("auto")
    began = time.monotonic()
    with pytest.raises(ValueError, match="no value that may be built"):
        serializer.load(msgpack.encode(HOSTILE[what]))
    assert time.monotonic() - began < 1


# Signals


def test_a_signal_handler_may_call_what_is_cached_while_something_is_loaded(redis_server: Server) -> None:
    """In a process of its own, where the alarm is the test's: pytest's time limit needs it here."""
    run_apart(
        f"""
signal.alarm(0)
faulthandler.unregister(signal.SIGALRM)
faulthandler.dump_traceback_later(8, exit=True)
cache = Cache({redis_server.url!r}, prefix={secrets.token_hex(4)!r}, timeout=5.0)
ticks = 0

@cache(ttl=600, name="load")
def load(n):
    return n

@cache(ttl=600, name="tick")
def tick(n):
    return -n

def handle(*_):
    global ticks
    ticks += 1
    assert tick(ticks) == tick(ticks) == -ticks
    signal.setitimer(signal.ITIMER_REAL, 0.0005)

signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.0005)
assert [load(n) for n in range(300)] == list(range(300))
signal.signal(signal.SIGALRM, signal.SIG_IGN)  # a handler that runs at this moment sets the timer once more
assert ticks > 10, ticks
assert cache.health().state == "ok", cache.health()
cache.close()
faulthandler.cancel_dump_traceback_later()
"""
    )
