"""Rule 39 under faults: MOVED, ASK, failover, and nodes that hang cost callers no error, no wrong answer, and little time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.concurrency.meeting import Worker
from tests.redis.subject import Subject, subjects, timed
from tests.servers.cluster import Cluster, slot_of
from tests.servers.waiting import eventually

TIMEOUT = 0.25
SLACK = 0.15


@pytest.fixture(params=["blocking", "asyncio"])
def made(request: pytest.FixtureRequest) -> Iterator[Callable[..., Subject]]:
    with subjects(request.param) as make:
        yield make


def keys_of(cluster: Cluster, sign: str = ":{") -> dict[str, list[bytes]]:
    """Return the keys of entries on each primary, by port."""
    return {str(node.port): node.ask("KEYS", f"stillroom{sign}*") for node in cluster.primaries()}


def under_load(subject: Subject, trouble: Callable[[], Any], at_least: float = 0.3) -> Counter[str]:
    """Read and invalidate while something happens; count how the store did, and fail on anything wrong."""
    keys = list(subject.answers)
    at_work = Worker(trouble)
    seen: Counter[str] = Counter()
    version, until = 0, time.monotonic() + at_least
    while time.monotonic() < until or at_work.thread.is_alive():
        version += 1
        k = keys[version % len(keys)]
        subject.answers[k] = version
        subject.invalidate(k)
        for one in (k, keys[version * 7 % len(keys)], keys[version * 11 % len(keys)]):
            assert subject.is_right(one)
        seen[subject.cache.health().state] += 1
    problem = at_work.error
    assert problem is None, problem
    return seen


def test_the_keys_of_one_function_are_spread_over_all_primaries(redis_cluster: Cluster, made: Callable[..., Subject]) -> None:
    subject = made(redis_cluster.url, timeout=3)
    subject.answers = {f"k{k}": k for k in range(60)}
    assert subject.run(lambda: subject.function.many(list(subject.answers))) == list(range(60))
    assert all(len(keys) > 5 for keys in keys_of(redis_cluster).values())
    assert all(subject.is_right(k) for k in subject.answers)
    assert len(subject.loads) == 60


def test_scans_and_clears_reach_every_primary(redis_cluster: Cluster, made: Callable[..., Subject]) -> None:
    subject = made(redis_cluster.url, timeout=3)
    names = {f"name {number}": number for number in range(60)}
    subject.verb("set_many", names, 100)
    assert subject.verb("get_many", names) == names
    assert subject.verb("delete_match", "name 1*") == 11
    left = {name: number for name, number in names.items() if not name.startswith("name 1")}
    assert subject.verb("get_many", names) == left
    subject.verb("clear")
    assert subject.verb("get_many", names) == {}


def test_slots_that_move_under_load_cost_nobody_an_error(redis_cluster: Cluster, made: Callable[..., Subject]) -> None:
    """MOVED and ASK: the slots that are in use, to another primary; no outage is declared."""
    subject = made(redis_cluster.url, timeout=3)
    subject.answers = {f"k{k}": 0 for k in range(40)}
    assert all(subject.is_right(k) for k in subject.answers)
    entries = [key for keys in keys_of(redis_cluster).values() for key in keys][:10]
    generations = [key for keys in keys_of(redis_cluster, ":[a-z]:").values() for key in keys][:6]
    slots = {slot_of(key) for key in (*entries, *generations, b"stillroom:all")}

    def reshard() -> None:
        for slot in slots:
            home = redis_cluster.owner(slot)
            other = next(node for node in redis_cluster.primaries() if node is not home)
            redis_cluster.move_slot(slot, other)

    seen = under_load(subject, reshard)
    assert set(seen) == {"ok"}
    subject.recovers()
    assert all(subject.is_right(k) for k in subject.answers)


def test_a_slot_half_way_between_two_primaries(redis_cluster: Cluster, made: Callable[..., Subject]) -> None:
    """ASK and TRYAGAIN: the entry is here, its lease is there, or neither is anywhere yet."""
    subject = made(redis_cluster.url, timeout=3)
    subject.answers = {"k": 1}
    assert subject.is_right("k")
    (entry,) = [key for keys in keys_of(redis_cluster).values() for key in keys]
    slot = slot_of(entry)
    home = redis_cluster.owner(slot)
    target = next(node for node in redis_cluster.primaries() if node is not home)
    move = redis_cluster.begin_move(slot, target)
    assert subject.is_right("k")
    assert subject.loads == ["k"], "still there, and found"
    move.carry(entry)
    assert subject.is_right("k")
    assert subject.loads == ["k"], "on its way, and found"
    for version in range(2, 6):
        subject.answers["k"] = version
        subject.invalidate("k")
        assert subject.is_right("k")
        assert subject.is_right("k")
    move.finish()
    assert subject.is_right("k")
    subject.answers["k"] = 9
    subject.invalidate("k")
    assert subject.is_right("k")
    subject.recovers()


@pytest.mark.parametrize("how", ["ask", "kill"])
def test_a_failover_under_load_costs_nobody_an_error(redis_cluster: Cluster, made: Callable[..., Subject], how: Any) -> None:
    subject = made(redis_cluster.url)
    subject.answers = {f"k{k}": 0 for k in range(30)}
    assert all(subject.is_right(k) for k in subject.answers)
    under_load(subject, lambda: redis_cluster.fail_over("stillroom:all", how))
    subject.recovers(5)
    assert all(subject.is_right(k) for k in subject.answers)


def test_a_primary_that_hangs_costs_each_call_the_timeout_and_soon_nothing(
    redis_cluster: Cluster, made: Callable[..., Subject]
) -> None:
    subject = made(redis_cluster.url)
    subject.answers = {f"k{k}": 0 for k in range(30)}
    assert all(subject.is_right(k) for k in subject.answers)
    victim = redis_cluster.primary_of("stillroom:all")
    victim.pause()
    lengths = [timed(lambda k=k: subject.is_right(k)) for k in subject.answers]  # type: ignore[misc]
    victim.resume()
    assert max(lengths) < TIMEOUT + SLACK, [round(one, 2) for one in lengths]
    assert sum(one > 0.05 for one in lengths) <= 3
    subject.recovers(5)
    assert all(subject.is_right(k) for k in subject.answers)


def test_a_cluster_that_is_not_there_yet(made: Callable[..., Subject]) -> None:
    """An application starts while its cluster does not; `test_faults` shows that it finds a server that comes later."""
    subject = made("redis+cluster://127.0.0.1:1,127.0.0.1:2")
    subject.answers = {f"k{k}": k for k in range(10)}
    assert timed(lambda: [subject.is_right(k) for k in subject.answers]) < 3 * TIMEOUT + SLACK
    assert all(subject.is_right(k) for k in subject.answers)
    assert subject.cache.health().state == "down"
    assert eventually(lambda: "ends" if subject.cache.health().failures > 4 else "", 3)
