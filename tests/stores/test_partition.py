"""Partitions and gates."""

from __future__ import annotations

import gc
import math

from tests.stores.keeping import Shop, calls, check, names

from stillroom.stores.memory import Gate, MemoryStore
from stillroom.stores.partition import NEVER


async def test_a_gate_leads_to_the_entries() -> None:
    shop = Shop()
    await shop.load(1, "one")
    assert shop.hit(1) == "one"
    assert shop.gate.entries is shop.partition.entries


async def test_a_gate_follows_when_the_entries_start_anew() -> None:
    shop = Shop()
    await shop.load(1)
    await shop.store.invalidate(names=["f"])
    assert shop.gate.entries == {}
    await shop.load(1, "new")
    assert shop.hit(1) == "new"


async def test_a_closed_gate_has_no_entries_and_stays_closed() -> None:
    shop = Shop()
    await shop.load(1)
    shop.store.attach(second := Gate(), shop.space)
    shop.store.plain(False, [shop.gate])
    assert shop.gate.entries == {}
    await shop.store.invalidate(names=["f"])
    await shop.load(1, "new")
    assert shop.gate.entries == {}
    assert list(second.entries) == [1]
    shop.store.plain(True, [shop.gate])
    assert shop.hit(1) == "new"
    assert second.entries is shop.gate.entries


async def test_a_gate_may_be_closed_before_it_leads_anywhere() -> None:
    shop = Shop()
    await shop.load(1)
    shop.store.plain(False, [late := Gate()])
    shop.store.attach(late, shop.space)
    assert late.entries == {}


async def test_a_detached_gate_leads_nowhere() -> None:
    shop = Shop()
    await shop.load(1)
    shop.store.detach(shop.gate)
    shop.store.detach(shop.gate)
    assert shop.gate.entries == {}
    await shop.store.invalidate(names=["f"])
    await shop.load(1)
    assert shop.gate.entries == {}


async def test_a_gate_that_moves_leaves_its_former_partition() -> None:
    shop, other = Shop(), calls("g")
    shop.store.attach(shop.gate, other)
    await shop.store.invalidate(names=["f"])
    assert shop.gate.entries is shop.store.partition(other).entries


async def test_gates_are_held_weakly() -> None:
    shop = Shop()
    shop.gate = Gate()
    shop.store.attach(shop.gate, shop.space)
    assert len(shop.partition._gates) == 1


async def test_an_unchecked_gate_bars_the_plain_path_for_entries_with_tags() -> None:
    """Rule 1: nobody on that path would notice that a tag was invalidated."""
    shop = Shop(checked=False)
    await shop.load(1, "value", "t:red")
    await shop.load(2)
    assert shop.partition.entries[1].plain_until == NEVER
    assert shop.partition.entries[2].plain_until == math.inf


async def test_an_unchecked_gate_that_comes_later_bars_the_entries_that_are_there() -> None:
    shop = Shop(checked=True)
    await shop.load(1, "value", "t:red")
    await shop.load(2)
    assert shop.checked_hit(1) == "value"
    shop.store.attach(Gate(), shop.space, checked=False)
    assert not shop.partition.checked
    assert shop.partition.entries[1].plain_until == NEVER
    assert shop.partition.entries[2].plain_until == math.inf


async def test_a_checked_gate_notices_that_a_tag_was_invalidated() -> None:
    """Rule 1."""
    shop = Shop(checked=True)
    await shop.load(1, "one", "t:red")
    await shop.load(2, "two", "t:blue")
    await shop.store.invalidate(names=["t:red"])
    assert not shop.checked_hit(1)
    assert not shop.checked_hit(2), "its tags have to be looked at first"
    assert await shop.read(2, "t:blue") == "two"
    assert shop.checked_hit(2) == "two"
    assert not await shop.read(1, "t:red")


async def test_names_are_checked_unless_somebody_does_not() -> None:
    store, space = MemoryStore(), names()
    assert store.partition(space).checked
    store.attach(Gate(), space, checked=True)
    assert store.partition(space).checked
    store.attach(gate := Gate(), space, checked=False)
    assert not store.partition(space).checked
    assert gate.home is store.partition(space)


async def test_hits_are_counted_wherever_the_nodes_have_gone() -> None:
    """Rule 52."""
    shop = Shop(max_entries=4)
    for key in range(4):
        await shop.load(key)
        shop.hit(key)
    assert shop.partition.count_hits() == 4
    await shop.load(0, "refilled")
    await shop.store.delete([shop.key(1)])
    assert shop.partition.count_hits() == 4
    await shop.store.invalidate(names=["f"])
    assert shop.partition.count_hits() == 4, "the nodes lie in graves"
    for key in range(10, 20):
        await shop.load(key)
    assert shop.partition.graves == []
    assert shop.partition.count_hits() == 4
    await shop.store.invalidate(everything=True)
    assert shop.partition.count_hits() == shop.partition.plain_hits == 4


async def test_a_hit_on_a_node_that_has_just_been_removed_is_counted() -> None:
    """Rule 52."""
    shop = Shop()
    await shop.load(1)
    held = shop.gate.entries[1]
    await shop.store.delete([shop.key(1)])
    held.hits += 1
    del held
    assert shop.partition.count_hits() == 1


async def test_nodes_are_freed_without_the_garbage_collector() -> None:
    shop = Shop(max_entries=10)
    gc.disable()
    try:
        for round_ in range(3):
            for key in range(30):
                await shop.load(key)
                shop.hit(key)
            await (shop.store.invalidate(everything=True) if round_ else shop.store.invalidate(names=["f"]))
        assert shop.partition.plain_hits == 90
    finally:
        gc.enable()
    check(shop.store)


async def test_a_keyspace_that_is_gone_takes_its_entries_along() -> None:
    """Rule 30."""
    shop = Shop(names())
    values = []

    class Value:
        def __del__(self) -> None:
            values.append("freed")

    space = calls("g")
    local = Shop(space)
    local.store = shop.store
    for key in range(3):
        await local.load(key, Value())
    partition = shop.store.partition(space)
    assert len(list(shop.store._partitions)) == 2
    del space, local
    gc.collect()
    assert shop.store.size == 3
    await shop.load("a")
    await shop.load("b")
    assert values == ["freed"] * 3
    assert shop.store.size == 2
    assert [*shop.store._partitions] == [shop.partition]
    assert partition.entries == {}
    assert shop.store._partitions._of_function == {}
    check(shop.store)
