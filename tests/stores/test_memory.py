"""The memory store."""

from __future__ import annotations

import math
import os
import threading
from typing import Any

import pytest
from tests.stores.keeping import Shop, calls, check, entry, linked, names, run

from stillroom.entry import MISSING
from stillroom.errors import ConfigurationError
from stillroom.protocols import Key, Lookup, Store
from stillroom.stores.memory import MemoryStore

ENDS = {
    "key": lambda shop: shop.store.delete([shop.key(1)]),
    "tag": lambda shop: shop.store.invalidate(names=["t:red"]),
    "function": lambda shop: shop.store.invalidate(names=["f"]),
    "namespace": lambda shop: shop.store.invalidate(namespaces=["main"]),
    "everything": lambda shop: shop.store.invalidate(everything=True),
}
every_end = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
every_space = pytest.mark.parametrize("space", [names(), calls("f")], ids=["names", "calls"])


def test_it_is_a_store() -> None:
    store: Store = MemoryStore()
    assert isinstance(store, Store)
    assert store.name == "memory"


@pytest.mark.parametrize(
    ("settings", "culprit"),
    [
        ({"max_entries": 0}, "max_entries"),
        ({"max_entries": 1.5}, "max_entries"),
        ({"max_entries": True}, "max_entries"),
        ({"max_entries": None}, "max_entries"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"max_bytes": "1M"}, "max_bytes"),
        ({"weigher": lambda key, value: 1}, "weigher"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], culprit: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        MemoryStore(**settings)
    assert caught.value.setting == culprit


# Reading


@pytest.mark.parametrize("value", [None, 0, "", False, [], 0.0], ids=repr)
async def test_falsy_values_are_values(value: object) -> None:
    """Rule 12."""
    shop = Shop()
    assert await shop.load(1, value)
    assert await shop.read(1) is value


async def test_a_key_nobody_filled_is_missing() -> None:
    shop = Shop()
    assert await shop.read(1) is MISSING


async def test_keyspaces_do_not_meet_even_if_they_look_alike() -> None:
    """Rule 9."""
    shop, twin = Shop(calls("f")), Shop(calls("f"))
    twin.store = shop.store
    await shop.load(1, "one")
    assert await twin.read(1) is MISSING


async def test_several_keys_are_read_in_the_order_asked() -> None:
    shop = Shop()
    await shop.load(1, "one")
    await shop.load(2, "two")
    readings = await shop.store.read([shop.lookup(key) for key in (2, 3, 1)])
    assert [reading.entry and reading.entry.value for reading in readings] == ["two", MISSING, "one"]


async def test_a_reading_has_the_tokens_of_everything_namespace_and_names() -> None:
    shop = Shop()
    (plain,) = await shop.store.read([shop.lookup(1)])
    (tagged,) = await shop.store.read([shop.lookup(1, "t:red")])
    assert len(plain.generations) == 3
    assert tagged.generations[:3] == plain.generations
    (other,) = await shop.store.read([Lookup(Key(names("other"), "x"), ("f",))])
    assert [a is b for a, b in zip(plain.generations, other.generations, strict=True)] == [True, False, True]


async def test_reads_are_counted_unless_they_are_to_leave_no_trace() -> None:
    shop = Shop()
    await shop.load(1)
    shop.hit(1)
    shop.clock.time = 5.0
    await shop.read(1)
    (reading,) = await shop.store.read([shop.lookup(1)], count=False)
    assert (reading.uses, reading.read_at) == (2, 5.0)
    (reading,) = await shop.store.read([shop.lookup(1)])
    assert reading.uses == 2
    assert (await shop.store.lease(shop.lookup(1))).reading.uses == 3


async def test_a_refill_starts_counting_anew_but_keeps_its_place() -> None:
    shop = Shop(max_entries=10)
    for key in range(10):
        await shop.load(key)
    await shop.read(0)
    await shop.read(0)
    await shop.load(0, "again")
    (reading,) = await shop.store.read([shop.lookup(0)], count=False)
    assert reading.uses == 0
    await shop.load(10)
    assert await shop.read(0) == "again"


@pytest.mark.parametrize("verb", ["read", "lease", "exists", "add", "increment", "touch", "delete"])
async def test_an_expired_entry_is_absent_and_leaves_when_met(verb: str) -> None:
    """Rule 31."""
    shop = Shop(names())
    await shop.load("k", 1, fresh=5.0)
    shop.clock.time = 5.0
    if verb == "read":
        assert await shop.read("k") is MISSING
    elif verb == "lease":
        assert (await shop.store.lease(shop.lookup("k"))).reading.entry is MISSING
    elif verb == "exists":
        assert await shop.store.names(shop.space) == []
        return
    elif verb == "add":
        assert await shop.store.add(shop.lookup("k"), entry("new"))
        assert await shop.read("k") == "new"
    elif verb == "increment":
        assert await shop.store.increment(shop.lookup("k"), 1, entry(100)) == 100
    elif verb == "touch":
        assert not await shop.store.touch(shop.key("k"), 10.0, 10.0)
    else:
        assert await shop.store.delete([shop.key("k")]) == 0
    assert all(node.expires_at == math.inf for node in linked(shop.store))


async def test_a_stale_entry_is_there_for_the_engine_and_for_nobody_else() -> None:
    """Rules 4 and 31."""
    shop = Shop(names())
    await shop.load("k", 1, fresh=5.0, stale=5.0)
    shop.clock.time = 5.0
    assert await shop.read("k") == 1
    assert (await shop.store.lease(shop.lookup("k"))).reading.entry is not MISSING
    assert await shop.store.names(shop.space) == []
    assert not await shop.store.touch(shop.key("k"), 10.0, 10.0)
    assert await shop.store.add(shop.lookup("k"), entry("new", fresh=5.5, stale=1.0))
    shop.clock.time = 6.0
    assert await shop.store.increment(shop.lookup("k"), 1, entry(7, fresh=6.5, stale=1.0)) == 7
    shop.clock.time = 7.0
    assert await shop.store.delete([shop.key("k")]) == 0
    assert await shop.read("k") is MISSING


async def test_what_nobody_asks_for_is_swept_when_it_has_expired() -> None:
    """Rule 30."""
    shop = Shop(max_entries=1_000)
    for key in range(500):
        await shop.load(key, fresh=5.0)
    shop.clock.time = 5.0
    for key in range(1_000, 1_300):
        await shop.load(key)
    assert shop.store.size == 300
    check(shop.store)


async def test_what_has_lost_a_tag_is_swept() -> None:
    """Rule 30."""
    shop = Shop(max_entries=1_000)
    for key in range(500):
        await shop.load(key, "value", "t:red")
    await shop.store.invalidate(names=["t:red"])
    for key in range(1_000, 1_300):
        await shop.load(key)
    assert shop.store.size == 300


# Leases


@every_end
async def test_what_was_loaded_before_an_invalidation_never_counts_after_it(end: Any) -> None:
    """Rule 1."""
    shop = Shop()
    lease = await shop.store.lease(shop.lookup(1, "t:red"))
    await end(shop)
    assert not await shop.store.fill(shop.key(1), entry("old", lease.reading.generations), lease)
    assert await shop.read(1, "t:red") is MISSING
    assert await shop.load(1, "new", "t:red")
    assert await shop.read(1, "t:red") == "new"
    check(shop.store)


@every_end
@every_space
async def test_what_is_invalidated_is_gone_everywhere(end: Any, space: Any) -> None:
    """Rules 1 and 4."""
    shop = Shop(space)
    await shop.load(1, 5, "t:red", "f")
    await end(shop)
    assert shop.hit(1) is MISSING or shop.gate.entries[1].epoch is not shop.store.epoch
    assert await shop.store.names(space) == []
    assert not await shop.store.touch(shop.key(1), 9.0, 9.0)
    assert await shop.read(1, "t:red") is MISSING
    assert await shop.store.delete([shop.key(1)]) == 0


async def test_an_invalidation_leaves_others_alone() -> None:
    shop, other = Shop(calls("f")), Shop(calls("g", "other"))
    other.store = shop.store
    await shop.load(1, "one", "t:red")
    await other.load(1, "two", "t:blue")
    await shop.store.invalidate(names=["t:green", "h"], namespaces=["third"])
    assert (await shop.read(1), await other.read(1)) == ("one", "two")
    await shop.store.invalidate(names=["t:red"])
    await other.load(2, "three")
    await shop.store.invalidate(names=["f"], namespaces=["main"])
    assert await other.read(1) == "two"
    assert await other.read(2) == "three"
    check(shop.store)


@pytest.mark.parametrize("verb", ["delete", "write", "increment", "touch", "renew"])
async def test_a_lease_is_void_once_somebody_else_has_changed_the_key(verb: str) -> None:
    """Rule 1."""
    shop = Shop(names())
    await shop.load("k", 1)
    lease = await shop.store.lease(shop.lookup("k"))
    if verb == "delete":
        await shop.store.delete([shop.key("k")])
    elif verb == "write":
        await shop.store.write([(shop.lookup("k"), entry(2))])
    elif verb == "increment":
        await shop.store.increment(shop.lookup("k"), 1, entry(0))
    elif verb == "touch":
        await shop.store.touch(shop.key("k"), 9.0, 9.0)
    else:
        await shop.store.lease(shop.lookup("k"), renew=True)
    assert not await shop.store.fill(shop.key("k"), entry("old", lease.reading.generations), lease)
    assert await shop.read("k") != "old"


async def test_a_change_that_does_not_happen_leaves_leases_alone() -> None:
    shop = Shop(names())
    lease = await shop.store.lease(shop.lookup("k"))
    assert not await shop.store.touch(shop.key("k"), 9.0, 9.0)
    await shop.store.delete([shop.key("other")])
    assert await shop.store.fill(shop.key("k"), entry("new", lease.reading.generations), lease)
    lease = await shop.store.lease(shop.lookup("k"))
    assert not await shop.store.add(shop.lookup("k"), entry())
    assert await shop.store.fill(shop.key("k"), entry("newer", lease.reading.generations), lease)


async def test_those_who_load_a_key_together_may_all_fill_it_and_leave_nothing() -> None:
    """Rule 30."""
    shop = Shop()
    leases = [await shop.store.lease(shop.lookup(1)) for _ in range(3)]
    assert await shop.store.fill(shop.key(1), entry("a", leases[0].reading.generations), leases[0])
    await shop.store.release(shop.key(1), leases[1])
    await shop.store.release(shop.key(1), leases[1])
    assert len(shop.partition.leases) == 1
    assert await shop.store.fill(shop.key(1), entry("b", leases[2].reading.generations), leases[2])
    assert shop.partition.leases == {}
    assert not await shop.store.fill(shop.key(1), entry("c", leases[2].reading.generations), leases[2]), "it was given back"
    assert await shop.read(1) == "b"


async def test_a_lease_from_before_a_tag_was_invalidated_is_void_though_others_joined_it_later() -> None:
    """Rule 1."""
    shop = Shop()
    early = await shop.store.lease(shop.lookup(1, "t:red"))
    await shop.store.invalidate(names=["t:red"])
    late = await shop.store.lease(shop.lookup(1, "t:red"))
    assert not await shop.store.fill(shop.key(1), entry("old", early.reading.generations), early)
    assert await shop.store.fill(shop.key(1), entry("new", late.reading.generations), late)
    assert shop.partition.leases == {}


async def test_a_lease_may_take_over_what_was_read_a_moment_ago() -> None:
    shop = Shop()
    (reading,) = await shop.store.read([shop.lookup(1)])
    lease = await shop.store.lease(shop.lookup(1), reading)
    assert lease.reading is reading
    await shop.store.invalidate(names=["f"])
    assert not await shop.store.fill(shop.key(1), entry("old", reading.generations), lease)


async def test_an_entry_of_older_generations_than_its_lease_is_refused() -> None:
    shop = Shop()
    (before,) = await shop.store.read([shop.lookup(1, "t:red")])
    await shop.store.invalidate(names=["t:red"])
    lease = await shop.store.lease(shop.lookup(1))
    assert not await shop.store.fill(shop.key(1), entry("old", before.generations), lease)


async def test_what_has_expired_before_it_is_filled_is_not_stored_and_replaces_nothing_with_nothing() -> None:
    """Rule 38."""
    shop = Shop()
    shop.clock.time = 5.0
    assert not await shop.load(1, fresh=5.0)
    assert await shop.load(1, "one")
    assert not await shop.load(1, "outdated", fresh=5.0)
    assert await shop.read(1) is MISSING
    assert shop.partition.leases == {}


# Writing


async def test_a_write_is_under_the_generations_now_in_force() -> None:
    shop = Shop(names())
    assert await shop.store.write([(shop.lookup("k", "t:red"), entry("value"))]) == [True]
    assert await shop.read("k") == "value"
    await shop.store.invalidate(names=["t:red"])
    assert await shop.read("k") is MISSING


async def test_adding_keeps_what_is_there() -> None:
    shop = Shop(names())
    assert await shop.store.add(shop.lookup("k"), entry(None))
    assert not await shop.store.add(shop.lookup("k"), entry("new"))
    assert await shop.read("k") is None


async def test_delete_counts_what_was_fresh() -> None:
    shop = Shop(names())
    for key in "abc":
        await shop.load(key)
    assert await shop.store.delete(shop.key(key) for key in "abxa") == 2
    assert await shop.store.names(shop.space) == ["c"]
    check(shop.store)


async def test_increment_keeps_times_tags_and_count_of_reads() -> None:
    shop = Shop(names())
    await shop.store.write([(shop.lookup("n", "t:red"), entry(5, fresh=10.0))])
    await shop.read("n")
    assert await shop.store.increment(shop.lookup("n"), 3, entry(0)) == 8
    (reading,) = await shop.store.read([shop.lookup("n")])
    assert reading.entry is not MISSING
    assert (reading.entry.value, reading.entry.fresh_until, reading.uses) == (8, 10.0, 1)
    await shop.store.invalidate(names=["t:red"])
    assert await shop.store.increment(shop.lookup("n"), 1, entry(100)) == 100


@pytest.mark.parametrize("value", ["5", 5.0, True, None, ValueError()], ids=repr)
async def test_only_an_int_can_be_incremented(value: object) -> None:
    shop = Shop(names())
    await shop.load("k", value)
    with pytest.raises(TypeError, match=type(value).__name__):
        await shop.store.increment(shop.lookup("k"), 1, entry(0))
    assert await shop.read("k") is value


async def test_touch_gives_new_times() -> None:
    shop = Shop(names())
    await shop.load("k", fresh=10.0)
    assert await shop.store.touch(shop.key("k"), 20.0, 30.0)
    node = shop.partition.entries["k"]
    assert (node.fresh_until, node.expires_at, node.plain_until) == (20.0, 30.0, 20.0)


async def test_touch_closes_the_plain_path_if_it_ended_before_freshness() -> None:
    shop = Shop(names())
    ahead = entry(fresh=10.0)
    ahead.plain_until = 8.0
    await shop.store.write([(shop.lookup("k"), ahead)])
    await shop.store.touch(shop.key("k"), 20.0, 20.0)
    assert shop.partition.entries["k"].plain_until == -math.inf


# Bounds


async def test_there_are_never_more_entries_than_allowed() -> None:
    """Rule 30."""
    shop = Shop(max_entries=10)
    evicted: list[Key] = []
    shop.store.on_evict = (evicted.append,)
    for key in range(100):
        await shop.load(key)
        assert shop.store.size <= 10
    assert shop.store.evictions == shop.partition.evictions == len(evicted) == 90
    assert {key.local for key in evicted} | set(shop.partition.entries) == set(range(100))
    check(shop.store)


async def test_a_cache_of_one_entry_works() -> None:
    shop = Shop(max_entries=1)
    for key in (1, 2, 2, 1):
        await shop.load(key, key)
        assert await shop.read(key) == key
        assert shop.hit(key) == key
    check(shop.store)


async def test_what_is_used_stays_when_others_pass_through() -> None:
    shop = Shop(max_entries=100)
    for key in range(50):
        await shop.load(key)
        shop.hit(key)
        shop.hit(key)
    for key in range(1_000, 2_000):
        await shop.load(key)
    assert all([await shop.read(key) for key in range(50)])


async def test_the_expired_and_the_invalidated_make_room_first_and_are_no_evictions() -> None:
    shop, other = Shop(calls("f"), max_entries=10), Shop(calls("g"))
    other.store = shop.store
    for key in range(5):
        await shop.load(key)
        await other.load(key)
    await shop.store.invalidate(names=["f"])
    for key in range(5):
        await other.load(10 + key)
    assert shop.store.evictions == 0
    assert len(shop.store.partition(other.space).entries) == 10


async def test_entries_weigh_no_more_than_allowed() -> None:
    shop = Shop(max_bytes=100, weigher=lambda key, value: len(value))
    for key in range(50):
        await shop.load(key, "x" * (1 + key % 20))
        assert shop.store.weight <= 100
    assert shop.store.size > 3
    check(shop.store)


async def test_a_value_heavier_than_the_whole_budget_is_not_stored_and_its_predecessor_goes() -> None:
    shop = Shop(names(), max_bytes=100, weigher=lambda key, value: len(value))
    await shop.load("other", "x" * 10)
    assert await shop.load("k", "x" * 50)
    assert not await shop.load("k", "x" * 101)
    assert await shop.read("k") is MISSING
    assert await shop.read("other") == "x" * 10
    assert await shop.store.write([(shop.lookup("k"), entry("x" * 90))]) == [True]
    assert await shop.store.write([(shop.lookup("k"), entry("x" * 101))]) == [False]
    assert await shop.read("k") is MISSING
    check(shop.store)


async def test_a_refill_that_is_heavier_makes_others_leave() -> None:
    shop = Shop(max_bytes=100, weigher=lambda key, value: len(value))
    for key in range(5):
        await shop.load(key, "x" * 20)
    shop.hit(4)
    shop.hit(4)
    await shop.load(4, "x" * 60)
    assert await shop.read(4) == "x" * 60
    assert shop.store.weight <= 100
    check(shop.store)


async def test_values_are_weighed_in_bytes_unless_told_otherwise() -> None:
    shop = Shop(max_bytes=100_000)
    for key in range(50):
        await shop.load(key, [b"x" * 10_000])
    assert 5 <= shop.store.size < 10


async def test_a_weigher_that_fails_leaves_no_lease() -> None:
    """Rule 34."""

    def fail(key: object, value: object) -> int:
        raise ZeroDivisionError

    shop = Shop(max_bytes=100, weigher=fail)
    with pytest.raises(ZeroDivisionError):
        await shop.load(1)
    assert shop.partition.leases == {}


async def test_many_tags_leave_nothing_once_their_entries_are_gone() -> None:
    """Rule 30."""
    shop = Shop(max_entries=100)
    for number in range(10_000):
        await shop.load(number, "value", f"t:{number}")
    assert len(shop.store._partitions.generations._names) <= 110
    await shop.store.invalidate(everything=True)
    assert len(shop.store._partitions.generations._names) == 1
    assert shop.partition.leases == {}


# No code of the user under the lock


async def test_the_store_can_be_used_from_everything_it_calls() -> None:
    """Rule 26."""
    found: list[bool] = []

    def look() -> None:
        is_free = shop.store._lock.acquire(timeout=1.0)
        found.append(is_free)
        if is_free:
            shop.store._lock.release()

    def asked(*_: object) -> int:
        thread = threading.Thread(target=look)  # the lock is reentrant: only another thread can tell
        thread.start()
        thread.join()
        return 1

    shop = Shop(names(), max_entries=5, max_bytes=1_000, weigher=asked)

    class Value:
        def __del__(self) -> None:
            asked()

    shop.store.on_evict = (lambda key: found.extend([asked(key) == 1]),)
    for key in range(8):
        await shop.load(key, Value())
    await shop.load(7, Value())
    await shop.store.write([(shop.lookup(7), entry(Value()))])
    await shop.store.delete([shop.key(7)])
    await shop.load(8, Value(), fresh=1.0)
    shop.clock.time = 1.0
    await shop.read(8)
    await shop.load(9, Value())
    await shop.store.invalidate(namespaces=["main"])
    await shop.load(10, Value())
    await shop.load(11, Value())
    await shop.store.invalidate(namespaces=["main"])
    await shop.store.invalidate(everything=True)
    assert len(found) > 20
    assert all(found)


async def test_what_is_freed_with_a_lease_is_freed_outside_the_lock() -> None:
    """Rule 26."""
    shop = Shop()
    states: list[bool] = []

    class Part:
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Part)

        def __hash__(self) -> int:
            return 1

        def __del__(self) -> None:
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()

    def look() -> None:
        states.append(shop.store._lock.acquire(blocking=False))
        if states[-1]:
            shop.store._lock.release()

    first = await shop.store.lease(shop.lookup((Part(),)))
    second = await shop.store.lease(shop.lookup((Part(),)))
    await shop.store.release(shop.key((Part(),)), first)
    del first
    await shop.store.fill(shop.key((Part(),)), entry("value", second.reading.generations), second)
    del second
    await shop.load((Part(),), "again")
    await shop.store.delete([shop.key((Part(),))])
    assert states == [True] * 6


async def test_a_collection_of_garbage_under_the_lock_may_come_back() -> None:
    shop = Shop()
    lease = await shop.store.lease(shop.lookup(1))

    class Key:
        def __hash__(self) -> int:
            run(shop.store.release(shop.key(1), lease))  # as a finaliser would
            return 1

    assert await shop.load(Key())
    assert shop.partition.leases == {}


# Close and fork


async def test_a_closed_store_has_nothing_and_takes_nothing() -> None:
    shop = Shop(names())
    await shop.load("k", 1)
    before = await shop.store.lease(shop.lookup("k"))
    await shop.store.close()
    assert await shop.read("k") is MISSING
    assert not await shop.load("k")
    assert not await shop.store.fill(shop.key("k"), entry("old", before.reading.generations), before)
    assert await shop.store.write([(shop.lookup("k"), entry())]) == [False]
    assert await shop.store.increment(shop.lookup("k"), 1, entry(5)) == 5
    assert not await shop.store.touch(shop.key("k"), 1.0, 1.0)
    assert await shop.store.delete([shop.key("k")]) == 0
    assert await shop.store.names(shop.space) == []
    await shop.store.invalidate(everything=True)
    shop.store.plain(True, [shop.gate])
    assert shop.store.size == 0
    assert shop.hit("k") is MISSING
    assert shop.partition.leases == {}
    await shop.store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_inherits_whole_entries_a_free_lock_and_no_leases() -> None:
    """Rule 29."""
    shop = Shop(max_entries=50)
    stop = threading.Event()

    def work() -> None:
        key = 0
        while not stop.is_set():
            key += 1
            run(shop.load(key % 200))

    run(shop.load("kept"))
    run(shop.store.lease(shop.lookup("leased")))
    thread = threading.Thread(target=work)
    thread.start()
    try:
        statuses = [_in_a_child(shop) for _ in range(20)]
    finally:
        stop.set()
        thread.join()
    assert statuses == [0] * 20
    check(shop.store)


def _in_a_child(shop: Shop) -> int:
    """Use the store in a child process; return its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        assert shop.partition.leases == {}
        check_whole = shop.store._lock.acquire(timeout=2.0)
        shop.store._lock.release()
        linked(shop.store)
        run(shop.load("new"))
        status = 0 if check_whole and run(shop.read("new")) == "value" else 2
    finally:
        os._exit(status)
