"""The feed, on real servers: what it hears, and when it says that it may not have heard everything."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
import redis
from tests.redis.subject import timed
from tests.servers.cluster import Cluster, slot_of
from tests.servers.processes import HOST
from tests.servers.sentinel import SERVICE, Sentinel
from tests.servers.server import Server
from tests.servers.waiting import eventually

from stillroom.errors import StoreError
from stillroom.stores.feed import Feed

PREFIX = b"test:"
SOON = 5.0


class Node(NamedTuple):
    host: str
    port: int


class Ear:
    """A feed, and all that it has said."""

    def __init__(
        self,
        primaries: Callable[[], Sequence[Node]],
        *,
        is_cluster: bool = False,
        connection: type[Any] = redis.Connection,
        **options: Any,
    ) -> None:
        self.news: list[Any] = []
        self.losses = 0
        self.live_when_lost: list[bool] = []
        self.primaries = primaries
        self._options = options
        self._connection = connection
        self.dialled: list[Any] = []
        self.feed = Feed(self.dial, self.seen, PREFIX, self.hear, self.lose, lambda: is_cluster)

    def seen(self) -> Sequence[Node]:
        return self.primaries()

    def dial(self, node: Node) -> Any:
        place = {"path": node.host} if not node.port else {"host": node.host, "port": node.port}
        connection = self._connection(**place, protocol=3, socket_timeout=1.0, socket_connect_timeout=1.0, **self._options)
        connection.connect()
        self.dialled.append(connection)
        return connection

    def hear(self, news: Any) -> None:
        self.news.extend([None] if news is None else news)

    def lose(self) -> None:
        self.losses += 1
        self.live_when_lost.append(self.feed.is_live)

    def heard(self, *keys: bytes | None) -> None:
        """Wait until these have been heard of."""
        eventually(lambda: set(keys) <= set(self.news), SOON, lambda: f"{self.feed} {self.news}")


@pytest.fixture
def ears() -> Iterator[Callable[..., Ear]]:
    """Makes feeds that end with the test, and their threads with them."""
    made: list[Ear] = []

    def make(primaries: Callable[[], Sequence[Node]], **options: Any) -> Ear:
        made.append(Ear(primaries, **options))
        return made[-1]

    yield make
    for ear in made:
        ear.feed.close()
    eventually(lambda: not threads(), SOON)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "stillroom-feed"]


def at(server: Server) -> Callable[[], Sequence[Node]]:
    return lambda: [Node(HOST, server.port)]


def trackers(server: Server) -> int:
    """Return how many clients of a server listen for changes."""
    return sum("t" in client["flags"] for client in server.client().client_list())


def at_once(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, which is to be long before the next heartbeat."""
    assert timed(lambda: eventually(condition)) < 0.5


# Hearing


def test_changes_of_keys_with_the_prefix_are_heard_of(redis_server: Server, ears: Any) -> None:
    ear = ears(at(redis_server))
    assert ear.feed.wait_live(SOON)
    client = redis_server.client()
    client.set("test:a", 1), client.set("other", 1), client.set("test", 1), client.delete("test:a")
    client.set("test:b", 1), client.pexpire("test:b", 1), client.eval("redis.call('SET', KEYS[1], 1)", 1, "test:c")
    ear.heard(b"test:a", b"test:b", b"test:c")
    assert not {b"other", b"test"} & set(ear.news)
    assert ear.losses == 0


def test_keys_that_expire_are_heard_of(redis_server: Server, ears: Any) -> None:
    ear = ears(at(redis_server))
    assert ear.feed.wait_live(SOON)
    redis_server.client().set("test:a", 1, px=20)
    ear.heard(b"test:a")
    ear.news.clear()
    ear.heard(b"test:a")


def test_keys_that_are_evicted_are_heard_of(tiny_server: Server, ears: Any) -> None:
    """An evicted generation is over, and so are the copies under it."""
    tiny_server.client().set("test:generation", 1)
    ear = ears(at(tiny_server))
    assert ear.feed.wait_live(SOON)
    time.sleep(1.1)  # the server's idea of "least recently used" is that coarse
    for n in range(3_000):
        tiny_server.client().set(f"else:{n}", bytes(2_000))
    assert not tiny_server.client().exists("test:generation")
    ear.heard(b"test:generation")


def test_a_flush_is_heard_of(redis_server: Server, ears: Any) -> None:
    ear = ears(at(redis_server))
    assert ear.feed.wait_live(SOON)
    redis_server.client().flushall()
    ear.heard(None)


def test_nothing_is_missed_of_many_changes_at_once(redis_server: Server, ears: Any) -> None:
    ear = ears(at(redis_server))
    assert ear.feed.wait_live(SOON)
    keys = [f"test:{n}".encode() for n in range(50_000)]
    redis_server.client().mset(dict.fromkeys(keys, 1))
    ear.heard(*keys)


def test_a_socket_file_will_do(redis_server: Server, ears: Any) -> None:
    path = str(redis_server.directory / "sock")
    ear = ears(lambda: [Node(path, 0)], connection=redis.UnixDomainSocketConnection)
    assert ear.feed.wait_live(SOON)
    redis_server.client().set("test:a", 1)
    ear.heard(b"test:a")


def test_tls_keeps_nothing_back(tls_server: Server, ears: Any) -> None:
    """What TLS has decrypted already, the socket does not announce."""
    ear = ears(at(tls_server), connection=redis.SSLConnection, **tls_server.options)
    assert ear.feed.wait_live(SOON)
    for size in (1, 1_000, 50_000):
        ear.news.clear()
        keys = [f"test:{n:0100}".encode() for n in range(size)]
        tls_server.client().mset(dict.fromkeys(keys, 1))
        ear.heard(*keys)
    time.sleep(1.5)  # some heartbeats
    assert ear.losses == 0


def test_messages_come_within_milliseconds(redis_server: Server, ears: Any) -> None:
    """The promise is 50 ms for 99 of 100 near copies elsewhere, on a machine that is busy with tests too."""
    ear = ears(at(redis_server))
    assert ear.feed.wait_live(SOON)
    delays = []
    for n in range(300):
        began = time.perf_counter()
        redis_server.client().set(f"test:{n}", 1)
        while f"test:{n}".encode() not in ear.news[-2:]:
            time.sleep(0)
            assert time.perf_counter() - began < SOON
        delays.append(time.perf_counter() - began)
    assert sorted(delays)[297] < 0.05, sorted(delays)[-5:]


# Coming and going


def test_nothing_is_connected_before_it_is_needed(redis_server: Server, ears: Any) -> None:
    ear = ears(at(redis_server))
    assert (ear.feed.state, ear.feed.is_live, threads()) == ("not started", False, [])
    assert ear.feed.wait_live(SOON)
    ear.feed.start()
    assert (ear.feed.state, len(threads()), trackers(redis_server)) == ("live", 1, 1)


def test_a_closed_feed_is_not_live_and_lets_go(redis_server: Server, ears: Any) -> None:
    ear = ears(at(redis_server))
    assert ear.feed.wait_live(SOON)
    ear.feed.close()
    assert (ear.feed.is_live, ear.feed.state, ear.losses) == (False, "closed", 1)
    at_once(lambda: not threads() and trackers(redis_server) == 0)
    ear.feed.start()
    assert not ear.feed.wait_live(0.05)


def test_a_feed_that_nobody_holds_ends(redis_server: Server) -> None:
    ear = Ear(at(redis_server))
    assert ear.feed.wait_live(SOON)
    gone = weakref.ref(ear.feed)
    del ear
    gc.collect()
    at_once(lambda: gc.collect() >= 0 and gone() is None and not threads())
    assert trackers(redis_server) == 0


def test_a_server_that_dies_is_noticed_at_once_and_one_that_comes_back_is_heard(own_server: Server, ears: Any) -> None:
    """Rule 36: a restarted server knows nothing of whom to tell."""
    ear = ears(at(own_server))
    assert ear.feed.wait_live(SOON)
    own_server.kill()
    at_once(lambda: ear.losses == 1)
    assert ear.live_when_lost == [False]  # who is told of the loss finds the feed lost already
    assert ear.feed.state.startswith("lost: ")
    own_server.start()
    assert ear.feed.wait_live(SOON)
    own_server.client().set("test:a", 1)
    ear.heard(b"test:a")
    assert ear.losses == 1


def test_a_server_that_hangs_is_noticed(own_server: Server, ears: Any) -> None:
    """Rule 33: its connections stay open."""
    ear = ears(at(own_server))
    assert ear.feed.wait_live(SOON)
    time.sleep(0.7)  # well between two questions
    own_server.pause()
    assert timed(lambda: eventually(lambda: ear.losses == 1)) < 1.9
    assert "did not answer" in ear.feed.state
    own_server.resume()
    assert ear.feed.wait_live(SOON)


def test_a_connection_that_is_cut_is_noticed(redis_server: Server, ears: Any) -> None:
    ear = ears(at(redis_server))
    assert ear.feed.wait_live(SOON)
    redis_server.client().client_kill_filter(_type="normal", skipme=True)
    at_once(lambda: ear.losses == 1)
    assert ear.feed.wait_live(SOON)


def test_a_quiet_feed_stays_live(redis_server: Server, ears: Any) -> None:
    ear = ears(at(redis_server))
    assert ear.feed.wait_live(SOON)
    time.sleep(2.7)
    assert (ear.feed.state, ear.losses, len(ear.dialled)) == ("live", 0, 1)


def test_a_server_that_becomes_a_replica_is_left(own_server: Server, redis_server: Server, ears: Any) -> None:
    ear = ears(at(own_server))
    assert ear.feed.wait_live(SOON)
    own_server.client().replicaof(HOST, redis_server.port)
    eventually(lambda: ear.losses > 0, 2.0)
    eventually(lambda: "replica" in ear.feed.state, 2.0)
    assert not ear.feed.wait_live(0.3)
    own_server.client().replicaof("NO", "ONE")
    assert ear.feed.wait_live(SOON)


def test_a_server_that_refuses_is_named(redis_server: Server, ears: Any) -> None:
    who = {"username": "deaf", "password": "none is needed"}
    redis_server.client().acl_setuser("deaf", enabled=True, nopass=True, keys="*", commands=["+@all", "-client"])
    try:
        ear = ears(at(redis_server), **who, driver_info=None)
        assert not ear.feed.wait_live(0.3)
        assert "NOPERM" in ear.feed.state
    finally:
        redis_server.client().acl_deluser("deaf")


def test_a_refusal_is_logged_once_with_the_way_out(redis_server: Server, ears: Any, caplog: pytest.LogCaptureFixture) -> None:
    who = {"username": "deaf", "password": "none is needed"}
    rules = {"enabled": True, "nopass": True, "keys": "*"}
    redis_server.client().acl_setuser("deaf", commands=["+@all", "-client"], **rules)
    try:
        ear = ears(at(redis_server), **who, driver_info=None)
        ear.feed.start()
        eventually(lambda: len(ear.dialled) >= 3, SOON)
        (warning,) = caplog.records
        assert warning.levelname == "WARNING"
        assert "NOPERM" in warning.getMessage()
        assert "+client|tracking +role" in warning.getMessage()
        redis_server.client().acl_setuser("deaf", reset=True, commands=["-@all", "+client|tracking", "+role"], **rules)
        assert ear.feed.wait_live(SOON)
    finally:
        redis_server.client().acl_deluser("deaf")


def test_primaries_that_nobody_can_name_are_asked_for_again(redis_server: Server, ears: Any) -> None:
    asked: list[float] = []

    def primaries() -> Sequence[Node]:
        asked.append(time.monotonic())
        if len(asked) < 4:
            raise StoreError("nobody knows", store="redis", operation="primaries")
        return [Node(HOST, redis_server.port)]

    ear = ears(primaries)
    assert ear.feed.wait_live(SOON)
    pauses = [after - before for before, after in pairwise(asked)]
    assert 0.04 < pauses[0] < pauses[1] < 0.5


def test_other_primaries_are_noticed(redis_server: Server, own_server: Server, ears: Any) -> None:
    ear = ears(at(redis_server))
    assert ear.feed.wait_live(SOON)
    ear.primaries = at(own_server)
    eventually(lambda: ear.losses == 1, 3.0)
    assert ear.feed.wait_live(SOON)
    own_server.client().set("test:a", 1)
    ear.heard(b"test:a")


def test_one_that_cannot_be_told_is_not_left_with_half_the_news(redis_server: Server, ears: Any) -> None:
    ear = ears(at(redis_server))

    def hear(news: Any) -> None:
        raise RuntimeError("out of order")

    ear.feed.on_invalidate = hear
    assert ear.feed.wait_live(SOON)
    redis_server.client().set("test:a", 1)
    at_once(lambda: ear.losses == 1)


# Fork


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_a_feed_of_its_own(redis_server: Server, ears: Any) -> None:
    """Rule 29."""
    ear = ears(at(redis_server))
    assert ear.feed.wait_live(SOON)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(5)
            assert (ear.losses, ear.feed.is_live, ear.feed.state) == (1, False, "not started")
            assert ear.feed.wait_live(SOON)
            with redis.Redis(port=redis_server.port) as client:
                client.set("test:child", 1)
            ear.heard(b"test:child")
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    ear.heard(b"test:child")
    assert (ear.losses, ear.feed.is_live) == (0, True)
    redis_server.client().set("test:parent", 1)
    ear.heard(b"test:parent")


# Sentinel and Cluster


def seen_by_sentinel(sentinel: Sentinel) -> Callable[[], Sequence[Node]]:
    def primaries() -> Sequence[Node]:
        for watcher in sentinel.watchers:
            if watcher.is_up:
                with redis.Redis(host=HOST, port=watcher.port, decode_responses=True, socket_timeout=1.0) as client:
                    host, port = client.sentinel_get_master_addr_by_name(SERVICE)
                return [Node(str(host), int(port))]
        raise StoreError("no sentinel is up", store="redis", operation="primaries")

    return primaries


@pytest.mark.timeout(90)
def test_a_failover_by_sentinel_is_followed(sentinel: Sentinel, ears: Any) -> None:
    ear = ears(seen_by_sentinel(sentinel))
    assert ear.feed.wait_live(SOON)
    new = sentinel.fail_over("kill")
    assert ear.losses >= 1
    assert ear.feed.wait_live(SOON)
    new.client().set("test:a", 1)
    ear.heard(b"test:a")


def seen_by_cluster(cluster: Cluster) -> Callable[[], Sequence[Node]]:
    def primaries() -> Sequence[Node]:
        for server in cluster.living():
            try:
                with redis.Redis(host=HOST, port=server.port, socket_timeout=1.0) as client:
                    ranges: Any = client.execute_command("CLUSTER SLOTS")
                return sorted({Node(primary[0].decode(), primary[1]) for _, _, primary, *_ in ranges})
            except redis.RedisError:
                continue
        raise StoreError("no node tells", store="redis", operation="primaries")

    return primaries


def test_all_nodes_of_a_cluster_are_listened_to(redis_cluster: Cluster, ears: Any) -> None:
    ear = ears(seen_by_cluster(redis_cluster), is_cluster=True)
    assert ear.feed.wait_live(SOON)
    assert len(ear.dialled) == 3
    keys = [f"test:{n}".encode() for n in range(30)]
    for key in keys:
        redis_cluster.primary_of(key).client().set(key, 1)
    ear.heard(*keys)
    time.sleep(1.2)
    assert ear.losses == 0


def test_a_key_whose_slot_moves_is_heard_of_where_it_goes(redis_cluster: Cluster, ears: Any) -> None:
    ear = ears(seen_by_cluster(redis_cluster), is_cluster=True)
    assert ear.feed.wait_live(SOON)
    old = redis_cluster.primary_of(b"test:a")
    new = next(node for node in redis_cluster.primaries() if node is not old)
    old.client().set("test:a", 1)
    ear.heard(b"test:a")
    redis_cluster.move_slot(slot_of(b"test:a"), new)
    assert ear.feed.wait_live(SOON)
    time.sleep(1.0)  # were it lost, it would be back
    assert ear.feed.wait_live(SOON)
    ear.news.clear()
    new.client().set("test:a", 2)
    ear.heard(b"test:a")


@pytest.mark.timeout(90)
def test_a_failover_in_a_cluster_is_followed(redis_cluster: Cluster, ears: Any) -> None:
    ear = ears(seen_by_cluster(redis_cluster), is_cluster=True)
    assert ear.feed.wait_live(SOON)
    new = redis_cluster.fail_over(b"test:a", "kill")
    assert ear.losses >= 1
    assert ear.feed.wait_live(SOON)
    new.client().set("test:a", 1)
    ear.heard(b"test:a")


@pytest.mark.timeout(90)
def test_a_handover_in_a_cluster_is_noticed(redis_cluster: Cluster, ears: Any) -> None:
    """No connection breaks when a primary steps down on request."""
    ear = ears(seen_by_cluster(redis_cluster), is_cluster=True)
    assert ear.feed.wait_live(SOON)
    new = redis_cluster.fail_over(b"test:a", "ask")
    eventually(lambda: ear.losses >= 1, 2.0)
    assert ear.feed.wait_live(SOON)
    new.client().set("test:a", 1)
    ear.heard(b"test:a")
