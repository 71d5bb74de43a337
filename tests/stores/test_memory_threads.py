"""The memory store under many threads at once."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.stores.keeping import Shop, check, entry, names, run

from stillroom.entry import MISSING, Entry
from stillroom.protocols import Key, Lookup

THREADS = 8
SECONDS = 1.0


@pytest.fixture(autouse=True)
def _threads_change_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(work: Callable[[random.Random], None], seconds: float = SECONDS) -> None:
    """Let all threads work for a while; raise what went wrong in any."""
    until = time.monotonic() + seconds
    errors: list[BaseException] = []

    def repeat(seed: int) -> None:
        chance = random.Random(seed)
        try:
            while time.monotonic() < until and not errors:
                work(chance)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=repeat, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_everything_at_once_leaves_a_whole_store() -> None:
    """Rules 17 and 30."""
    shop = Shop(names(), max_entries=50, max_bytes=4_000, weigher=lambda key, value: 1 + value % 100)
    evicted: list[Key] = []
    shop.store.on_evict = (evicted.append,)

    def work(chance: random.Random) -> None:
        key, store = chance.randrange(100), shop.store
        lookup = shop.lookup(key, f"t:{key % 7}")
        verb = chance.randrange(100)
        if verb < 40:
            lease = run(store.lease(lookup, renew=verb == 0))
            if verb < 35:
                run(store.fill(lookup.key, entry(key, lease.reading.generations, fresh=chance.choice([1.0, 9e9])), lease))
            else:
                run(store.release(lookup.key, lease))
        elif verb < 60:
            shop.hit(key)
        elif verb < 75:
            run(store.read([lookup, shop.lookup(chance.randrange(100))]))
        elif verb < 80:
            run(store.add(lookup, entry(key)) if verb < 78 else store.write([(lookup, entry(key))]))
        elif verb < 85:
            run(store.increment(lookup, 1, entry(key)))
        elif verb < 90:
            run(store.touch(lookup.key, 9.0, 9.0))
        elif verb < 95:
            run(store.delete([lookup.key]))
        elif verb < 98:
            run(store.invalidate(names=[f"t:{key % 7}"]))
        else:
            run(store.invalidate(namespaces=["main"] if verb == 98 else (), everything=verb == 99))
            shop.clock.time = chance.choice([0.0, 5.0])

    together(work)
    check(shop.store)
    assert shop.partition.leases == {}
    assert shop.store.evictions == shop.partition.evictions == len(evicted)


def test_hits_are_counted_truly_while_nodes_come_and_go() -> None:
    """Rule 52."""
    shop = Shop(max_entries=20)
    made: list[int] = []

    def work(chance: random.Random) -> None:
        hits = 0
        for _ in range(200):
            key = chance.randrange(30)
            if shop.hit(key) is MISSING:
                run(shop.load(key))
            else:
                hits += 1
            if chance.random() < 0.01:
                run(shop.store.invalidate(names=["f"]) if chance.random() < 0.9 else shop.store.invalidate(everything=True))
        made.append(hits)

    together(work)
    assert shop.partition.count_hits() == sum(made) > 1_000
    check(shop.store)


@pytest.mark.parametrize("means", ["key", "tag", "function", "everything"])
def test_nobody_sees_an_old_value_after_an_invalidation_has_returned(means: str) -> None:
    """Rule 1."""
    shop = Shop(checked=True, max_entries=10)
    source = [0]
    writing = threading.Lock()

    def change() -> None:
        with writing:
            source[0] += 1
            if means == "key":
                run(shop.store.delete([shop.key(1)]))
            else:
                tags = {"tag": ["t:red"], "function": ["f"], "everything": []}[means]
                run(shop.store.invalidate(names=tags, everything=means == "everything"))
            shop.gate.hits = source[0]  # what whoever begins from now on must see at least

    def work(chance: random.Random) -> None:
        if chance.random() < 0.02:
            change()
            return
        least = shop.gate.hits
        found = shop.checked_hit(1)
        if found is MISSING:
            lookup = Lookup(shop.key(1), ("f", "t:red"))
            lease = run(shop.store.lease(lookup))
            known: Entry[int] | object = lease.reading.entry
            found = known.value if isinstance(known, Entry) else source[0]
            run(shop.store.fill(lookup.key, entry(found, lease.reading.generations), lease))
        assert found >= least

    together(work, 0.5)
    assert source[0] > 10
    check(shop.store)
    assert shop.partition.leases == {}
