"""The near store in front of a far one, with a feed that says what the test wants it to."""

from __future__ import annotations

import asyncio
import gc
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

from stillroom._engine.generations import function_generation, tag_generation
from stillroom.entry import MISSING, Entry
from stillroom.errors import StoreError
from stillroom.protocols import Key, Keyspace, Lookup, Reading, Store
from stillroom.stores.memory import Gate, MemoryStore
from stillroom.stores.tiered import Copies, Tiered
from stillroom.testing import ChaosStore, FakeClock, StoreContract

F = function_generation("f")
TAG = tag_generation("team:7")


class Named(NamedTuple):
    name: bytes


class FakeLayout:
    """Names keys as a far store might."""

    everything = Named(b"p:all")

    def entry(self, key: Key) -> Named:
        return Named(f"p:{{{key.text}}}".encode())

    def generation(self, name: str) -> Named:
        return Named(f"p:{name}".encode())

    def namespace(self, namespace: str) -> Named:
        return Named(f"p:n:{namespace}".encode())


class FakeFeed:
    """A feed that tells what it is told to tell."""

    def __init__(self, copies: Copies) -> None:
        self.is_live = True
        self.starts = 0
        self._copies = copies

    def start(self) -> None:
        self.starts += 1

    def close(self) -> None:
        self.is_live = False

    def tell(self, *far_keys: bytes) -> None:
        self._copies.invalidate(list(far_keys))

    def lose(self) -> None:
        self.is_live = False
        self._copies.flush()


class Scene:
    """A near store, a far one that others use too, and what they mean to each other."""

    def __init__(self) -> None:
        self.clock = FakeClock(1000.0)
        self.elsewhere = MemoryStore(clock=self.clock)
        self.far = ChaosStore(self.elsewhere)
        self.near = MemoryStore(clock=self.clock)
        self.layout = FakeLayout()
        self.copies = Copies(self.near, self.layout, self.clock)
        self.feed = FakeFeed(self.copies)
        self.store = Tiered(self.copies, self.far, self.feed)
        self.space = Keyspace("main", "f", repr, F)
        self.key = Key(self.space, (1,))
        self.lookup = Lookup(self.key, (F, TAG))
        self.gate = Gate()
        self.near.attach(self.gate, self.space, checked=True)
        self.far_gate = Gate()  # or the memory store would say of entries with tags that they need a decision
        self.elsewhere.attach(self.far_gate, self.space, checked=True)

    @property
    def far_key(self) -> bytes:
        return self.layout.entry(self.key).name

    def entry(self, value: object, generations: tuple[object, ...] = (), **times: float) -> Entry[Any]:
        now = self.clock.now()
        given = {"fresh_until": now + 60.0, "expires_at": now + 90.0, "plain_until": now + 60.0} | times
        return Entry(value, now, generations=generations, **given)  # type: ignore[arg-type]

    async def stored(self, value: object, lookup: Lookup | None = None, **times: float) -> None:
        """Have another process load a value, of which the feed has told long since."""
        lookup = lookup or self.lookup
        lease = await self.elsewhere.lease(lookup)
        assert await self.elsewhere.fill(lookup.key, self.entry(value, lease.reading.generations, **times), lease)

    async def changed(self, value: object) -> None:
        """Have another process replace the value: the feed tells of it at once."""
        await self.elsewhere.delete((self.key,))
        await self.stored(value)
        self.feed.tell(self.far_key)

    async def read(self, lookup: Lookup | None = None, **how: Any) -> Any:
        (reading,) = await self.store.read((lookup or self.lookup,), **how)
        return reading.entry if reading.entry is MISSING else reading.entry.value

    def nearby(self, key: Key | None = None) -> Any:
        """Return what there is a copy of, as the plain hit path of a function with tags sees it."""
        key = key or self.key
        node = self.near.partition(key.space).entries.get(key.local)
        is_hit = node is not None and self.clock.now() < node.plain_until and node.epoch is self.near.epoch
        return node.value if node is not None and is_hit else MISSING

    def far_reads(self) -> int:
        return self.far.calls.count("read")


@pytest.fixture
def scene() -> Scene:
    return Scene()


class FakeFar(ChaosStore):
    """Says, as a far store must, that an entry needs a decision which carries more than its caller goes by."""

    async def read(self, lookups: Sequence[Lookup], *, count: bool = True) -> list[Reading]:
        readings = await super().read(lookups, count=count)
        for one in readings:
            if one.entry is not MISSING and len(one.entry.generations) > len(one.generations):
                one.entry.plain_until = -math.inf
        return readings


class TestTheContract(StoreContract):
    def make_store(self, clock: FakeClock) -> Store:
        near, far = MemoryStore(clock=clock), FakeFar(MemoryStore(clock=clock))
        copies = Copies(near, FakeLayout(), clock)
        return Tiered(copies, far, FakeFeed(copies))


class TestTheContractWithoutAFeed(TestTheContract):
    def make_store(self, clock: FakeClock) -> Store:
        store = super().make_store(clock)
        store._feed.is_live = False  # type: ignore[attr-defined]
        return store


# What is copied


async def test_the_second_read_is_answered_nearby(scene: Scene) -> None:
    await scene.stored("Ada")
    assert [await scene.read() for _ in range(3)] == ["Ada"] * 3
    assert scene.far_reads() == 1
    assert scene.nearby() == "Ada"


async def test_a_copy_is_read_as_what_it_is_a_copy_of(scene: Scene) -> None:
    """Callers compare tokens and stamps, whoever answered them."""
    await scene.stored("Ada")
    readings = [(await scene.store.read((scene.lookup,)))[0] for _ in range(3)]
    (known,) = await scene.elsewhere.read((scene.lookup,))
    assert scene.far_reads() == 1
    for reading in readings:
        assert reading.generations == known.generations
        assert reading.stamp == known.stamp
        assert reading.entry is not MISSING
        assert reading.entry.generations == known.generations


async def test_a_plain_hit_path_finds_the_copy(scene: Scene) -> None:
    await scene.stored("Ada")
    await scene.read()
    node = scene.gate.entries[(1,)]
    assert (node.value, node.plain_until) == ("Ada", scene.clock.now() + 60.0)
    assert node.epoch is scene.near.epoch


async def test_a_copy_lives_no_longer_than_what_it_is_a_copy_of(scene: Scene) -> None:
    """Rule 2."""
    await scene.stored("Ada", fresh_until=1010.0, plain_until=1010.0, expires_at=1020.0)
    scene.clock.advance(9)
    await scene.read()
    (reading,) = await scene.store.read((scene.lookup,))
    entry = reading.entry
    assert entry is not MISSING
    assert (entry.fresh_until, entry.plain_until, entry.expires_at) == (1010.0, 1010.0, 1020.0)
    scene.clock.advance(1)
    assert scene.nearby() is MISSING


async def test_what_needs_a_decision_is_read_from_afar_with_its_tokens(scene: Scene) -> None:
    await scene.stored("Ada", plain_until=1010.0)
    await scene.read()
    scene.clock.advance(10)  # fresh still, but due for a refresh
    (reading,) = await scene.store.read((scene.lookup,))
    (known,) = await scene.elsewhere.read((scene.lookup,))
    assert scene.far_reads() == 2
    assert reading.generations == known.generations


async def test_what_needs_a_decision_is_not_copied(scene: Scene) -> None:
    await scene.stored("Ada", plain_until=-math.inf)
    assert [await scene.read(), await scene.read()] == ["Ada", "Ada"]
    assert scene.far_reads() == 2
    assert scene.near.size == 0


async def test_lookups_that_count_are_for_the_far_store(scene: Scene) -> None:
    await scene.stored("Ada")
    counted = scene.lookup._replace(is_counted=True)
    other = Lookup(Key(scene.space, (2,)), (F,))
    await scene.stored("Bob", other)
    for uses in range(3):
        reading, _ = await scene.store.read((counted, other))
        assert reading.uses == uses
    assert (scene.nearby(), scene.nearby(other.key)) == (MISSING, "Bob")


async def test_reads_without_a_trace_leave_none_nearby(scene: Scene) -> None:
    await scene.stored("Ada")
    assert await scene.read(count=False) == "Ada"
    assert scene.near.size == 0
    await scene.read()
    assert await scene.read(count=False) == "Ada"
    assert scene.far_reads() == 2


async def test_a_batch_asks_the_far_store_once_for_all_that_is_not_nearby(scene: Scene) -> None:
    lookups = [Lookup(Key(scene.space, (n,)), (F,)) for n in range(6)]
    for lookup in lookups[:5]:
        await scene.stored(lookup.key.local, lookup)
    await scene.read(lookups[1]), await scene.read(lookups[3])
    before = scene.far_reads()
    readings = await scene.store.read([*lookups, lookups[0]])
    values = [one.entry if one.entry is MISSING else one.entry.value for one in readings]
    assert values == [(0,), (1,), (2,), (3,), (4,), MISSING, (0,)]
    assert scene.far_reads() == before + 1
    assert [scene.nearby(lookup.key) for lookup in lookups] == [(0,), (1,), (2,), (3,), (4,), MISSING]


async def test_a_name_that_another_function_has_loaded_is_not_served(scene: Scene) -> None:
    names = Keyspace("main", "", str)
    mine, others = (Lookup(Key(names, "user:5"), (one,), one) for one in (F, function_generation("g")))
    await scene.stored("f's", mine)
    assert [await scene.read(mine), await scene.read(others), await scene.read(mine)] == ["f's", MISSING, "f's"]
    assert scene.far_reads() == 2
    assert scene.near.partition(names).entries["user:5"].owner == F


async def test_when_a_key_was_last_read_is_known_from_hits_nearby(scene: Scene) -> None:
    """Keys that are kept warm ask."""
    await scene.stored("Ada")
    await scene.read()
    scene.gate.entries[(1,)].read_at = 1030.0  # by the plain hit path
    scene.clock.advance(70)
    (reading,) = await scene.store.read((scene.lookup,), count=False)
    assert reading.read_at == 1030.0
    assert reading.entry is not MISSING


# What the feed tells


@pytest.mark.parametrize("told", [b"p:{f(1,)}", b"p:f:f", b"p:t:team:7", b"p:n:main", b"p:all"])
async def test_a_change_elsewhere_ends_the_copy(scene: Scene, told: bytes) -> None:
    await scene.stored("old")
    await scene.read()
    await scene.elsewhere.delete((scene.key,))
    await scene.stored("new")
    scene.feed.tell(b"p:unknown", told)
    assert scene.nearby() is MISSING
    assert await scene.read() == "new"


@pytest.mark.parametrize("told", [b"p:{f(1,)}", b"p:f:f", b"p:t:team:7", b"p:n:main", b"p:all"])
async def test_a_message_that_overtakes_the_reply_is_not_lost(scene: Scene, told: bytes) -> None:
    """Rules 1 and 2: the placeholder."""
    await scene.stored("old")
    scene.far.after("read", lambda: scene.feed.tell(told), times=1)
    assert await scene.read() == "old"  # it had begun before
    assert scene.nearby() is MISSING
    await scene.elsewhere.delete((scene.key,))
    await scene.stored("new")
    assert await scene.read() == "new"


async def test_a_message_of_something_else_changes_nothing(scene: Scene) -> None:
    await scene.stored("Ada")
    await scene.read()
    epoch = scene.near.epoch
    scene.feed.tell(b"p:{f(2,)}", b"p:t:team:8", b"p:n:other", b"else")
    assert scene.nearby() == "Ada"
    assert scene.near.epoch is epoch  # entries with tags need no second look


async def test_a_flushed_server_ends_all_copies(scene: Scene) -> None:
    await scene.stored("Ada")
    await scene.read()
    scene.copies.invalidate(None)
    assert scene.near.size == 0


async def test_a_message_reaches_the_copies_of_all_functions_of_one_name(scene: Scene) -> None:
    """In memory they have keyspaces of their own, on the far store they are one."""
    twin = Lookup(Key(Keyspace("main", "f", repr, F), (1,)), (F,))
    await scene.stored("Ada")
    await scene.stored("Ada", twin)
    await scene.read(), await scene.read(twin)
    assert (scene.nearby(), scene.nearby(twin.key)) == ("Ada", "Ada")
    scene.feed.tell(scene.far_key)
    assert (scene.nearby(), scene.nearby(twin.key)) == (MISSING, MISSING)


# What this process changes


CHANGES: dict[str, Callable[[Scene], Any]] = {
    "write": lambda scene: scene.store.write([(scene.lookup, scene.entry("new"))]),
    "delete": lambda scene: scene.store.delete(iter([scene.key])),
    "touch": lambda scene: scene.store.touch(scene.key, 2000.0, 2000.0),
    "increment": lambda scene: scene.store.increment(scene.lookup, 1, scene.entry(1)),
    "invalidate a function": lambda scene: scene.store.invalidate(names=iter([F])),
    "invalidate a tag": lambda scene: scene.store.invalidate(names=[TAG]),
    "invalidate a namespace": lambda scene: scene.store.invalidate(namespaces=iter(["main"])),
    "invalidate everything": lambda scene: scene.store.invalidate(everything=True),
}
changes = pytest.mark.parametrize("change", CHANGES)


@changes
async def test_what_this_process_changes_is_gone_nearby_when_that_returns(scene: Scene, change: str) -> None:
    """Rule 1; no message is needed."""
    await scene.stored(5)
    await scene.read()
    await CHANGES[change](scene)
    assert scene.nearby() is MISSING
    (reading,) = await scene.elsewhere.read((scene.lookup,))
    assert await scene.read() == (MISSING if reading.entry is MISSING else reading.entry.value)


@changes
async def test_a_reading_from_before_a_change_is_not_copied_after_it(scene: Scene, change: str) -> None:
    """Rule 1: the far store has answered, and the answer is on its way."""
    await scene.stored(5)
    other = Tiered(scene.copies, scene.elsewhere, scene.feed)  # of the other colour, say
    made = Scene.__new__(Scene)
    made.__dict__ = {**scene.__dict__, "store": other}

    def act() -> None:
        with pytest.raises(StopIteration):
            CHANGES[change](made).send(None)

    scene.far.after("read", act, times=1)
    assert await scene.read() == 5
    assert scene.nearby() is MISSING


@changes
async def test_a_change_that_fails_may_have_happened(scene: Scene, change: str) -> None:
    await scene.stored(5)
    await scene.read()
    scene.far.fail(change.split()[0])
    with pytest.raises(StoreError):
        await CHANGES[change](scene)
    assert scene.nearby() is MISSING


@pytest.mark.asyncio_only
@changes
async def test_a_change_that_is_cancelled_may_have_happened(scene: Scene, change: str) -> None:
    await scene.stored(5)
    await scene.read()
    hold = scene.far.hold(change.split()[0])
    task = asyncio.ensure_future(CHANGES[change](scene))
    await hold.wait_async()
    task.cancel()
    hold.release()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert scene.nearby() is MISSING


async def test_what_was_loaded_here_is_copied_by_the_next_read(scene: Scene) -> None:
    lease = await scene.store.lease(scene.lookup)
    assert await scene.store.fill(scene.key, scene.entry("Ada", lease.reading.generations), lease)
    assert scene.nearby() is MISSING
    assert await scene.read() == "Ada"
    assert scene.nearby() == "Ada"


async def test_an_own_write_does_not_hide_that_of_another(scene: Scene) -> None:
    """Rule 3: ours, then theirs, and only then both messages; or the other way round."""
    await scene.stored("old")
    await scene.read()
    await scene.store.write([(scene.lookup, scene.entry("ours"))])
    assert await scene.read() == "ours"
    await scene.elsewhere.write([(scene.lookup, scene.entry("theirs"))])
    scene.feed.tell(scene.far_key, scene.far_key)
    assert await scene.read() == "theirs"


async def test_a_write_from_elsewhere_between_an_own_write_and_its_return_is_not_hidden(scene: Scene) -> None:
    """Rule 3."""

    def theirs() -> None:
        with pytest.raises(StopIteration):
            scene.elsewhere.write([(scene.lookup, scene.entry("theirs"))]).send(None)
        scene.feed.tell(scene.far_key)

    scene.far.after("write", theirs, times=1)
    await scene.store.write([(scene.lookup, scene.entry("ours"))])
    assert await scene.read() == "theirs"


async def test_a_change_ends_the_copies_of_all_functions_of_one_name(scene: Scene) -> None:
    twin = Lookup(Key(Keyspace("main", "f", repr, F), (1,)), (F,))
    await scene.stored("Ada", twin)
    await scene.read(twin)
    await scene.store.delete((scene.key,))
    assert scene.nearby(twin.key) is MISSING


async def test_a_key_that_the_far_store_cannot_name_does_not_keep_others(scene: Scene, monkeypatch: Any) -> None:
    await scene.stored("Ada")
    await scene.read()

    def entry(key: Key) -> Named:
        if key.local == (2,):
            raise TypeError("means nothing elsewhere")
        return FakeLayout.entry(scene.layout, key)

    monkeypatch.setattr(scene.layout, "entry", entry)
    scene.far.fail("delete")
    with pytest.raises(StoreError):
        await scene.store.delete((Key(scene.space, (2,)), scene.key))
    assert scene.nearby() is MISSING


# A feed that is lost


async def test_without_a_feed_the_near_store_is_bypassed(scene: Scene) -> None:
    await scene.stored("old")
    await scene.read()
    scene.feed.lose()
    assert (scene.near.size, dict(scene.gate.entries)) == (0, {})
    await scene.elsewhere.delete((scene.key,))
    await scene.stored("new")
    assert [await scene.read(), await scene.read()] == ["new", "new"]
    assert scene.far_reads() == 3
    assert (scene.near.size, scene.feed.starts) == (0, 2)


async def test_with_the_feed_back_the_near_store_is_filled_again(scene: Scene) -> None:
    await scene.stored("Ada")
    scene.feed.lose()
    await scene.read()
    scene.feed.is_live = True
    assert [await scene.read(), await scene.read()] == ["Ada", "Ada"]
    assert scene.far_reads() == 2
    assert scene.nearby() == "Ada"


@pytest.mark.parametrize("is_back", [False, True])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_feed_lost_during_a_read_keeps_that_from_being_copied(scene: Scene, moment: str, is_back: bool) -> None:
    """Rules 1 and 2, also if the feed is back in time."""

    def lose() -> None:
        scene.feed.lose()
        scene.feed.is_live = is_back

    await scene.stored("Ada")
    getattr(scene.far, moment)("read", lose, times=1)
    assert await scene.read() == "Ada"
    assert scene.near.size == 0


async def test_a_feed_lost_before_the_lease_keeps_the_read_from_being_copied(scene: Scene, monkeypatch: Any) -> None:
    """The reader has seen that the feed is live, and is overtaken before it takes its lease."""
    await scene.stored("Ada")
    begin = scene.copies.begin

    async def late(lookups: Any) -> Any:
        scene.feed.lose()
        return await begin(lookups)

    monkeypatch.setattr(scene.copies, "begin", late)
    assert await scene.read() == "Ada"
    assert scene.near.size == 0


async def test_a_closed_store_holds_nothing_nearby(scene: Scene) -> None:
    await scene.stored("Ada")
    await scene.read()
    scene.far.fail("close")
    with pytest.raises(StoreError):
        await scene.store.close()
    assert scene.near.size == 0
    assert not scene.feed.is_live


async def test_what_stands_in_for_the_far_store_is_not_copied(scene: Scene) -> None:
    """Outages end, and nobody tells of what becomes of a stand-in's entries."""
    from stillroom.stores.outage import Guarded, Outage

    class Far(ChaosStore):
        async def ping(self) -> None:
            raise StoreError("down", store="memory", operation="ping")

    far = Far(MemoryStore(clock=scene.clock))
    outage = Outage(far, clock=scene.clock, on_error="fallback")
    store = scene.store = Tiered(scene.copies, Guarded(far, outage), scene.feed)
    far.fail("write")
    untagged = Lookup(scene.key, (F,))
    await store.write([(untagged, scene.entry("lent"))])
    assert [await scene.read(untagged), await scene.read(untagged)] == ["lent", "lent"]
    assert scene.near.size == 0
    outage.close()


# Nothing left behind


def left(scene: Scene) -> tuple[int, int]:
    leases = sum(len(partition.leases) for partition in scene.near._partitions)
    return leases, sum(place.readers for place in scene.copies._index._places.values())


async def test_a_far_store_that_fails_leaves_no_lease(scene: Scene) -> None:
    scene.far.fail("read")
    with pytest.raises(StoreError):
        await scene.read()
    assert left(scene) == (0, 0)


async def test_a_weigher_that_fails_leaves_no_lease() -> None:
    scene = Scene()
    scene.copies.near = scene.store._near = MemoryStore(clock=scene.clock, max_bytes=100, weigher=lambda key, value: 1 // 0)
    other = Lookup(Key(scene.space, (2,)), (F,))
    await scene.stored("Ada")
    await scene.stored("Bob", other)
    with pytest.raises(ZeroDivisionError):
        await scene.store.read((scene.lookup, other))
    assert left(scene) == (0, 0)


@pytest.mark.asyncio_only
async def test_a_cancelled_read_leaves_no_lease(scene: Scene) -> None:
    await scene.stored("Ada")
    hold = scene.far.hold("read")
    task = asyncio.ensure_future(scene.read())
    await hold.wait_async()
    assert left(scene) == (1, 1)
    task.cancel()
    hold.release()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left(scene) == (0, 0)


async def test_keys_of_copies_that_are_gone_are_forgotten() -> None:
    """Rule 30."""
    scene = Scene()
    scene.near = scene.copies.near = scene.store._near = MemoryStore(clock=scene.clock, max_entries=50)
    scene.copies._index._size = lambda: scene.near.size
    for n in range(2_000):
        lookup = Lookup(Key(scene.space, (n,)), (F, tag_generation(str(n))))
        await scene.stored(n, lookup)
        assert await scene.read(lookup) == n
    index = scene.copies._index
    assert len(index) <= 2 * (50 + 64)
    assert index.generations <= len(index) + 2
    for local, node in list(scene.near.partition(scene.space).entries.items()):
        scene.feed.tell(scene.layout.entry(Key(scene.space, local)).name)
        assert scene.near.partition(scene.space).entries.get(local) is not node, "a copy that no message reaches"


async def test_a_hot_key_is_not_forgotten(scene: Scene) -> None:
    await scene.stored("hot")
    for n in range(1_000):
        assert await scene.read() == "hot"
        await scene.read(Lookup(Key(scene.space, (n + 2,)), (F,)))  # not there, so there is no copy either
    assert len(scene.copies._index) <= 3 * 64
    scene.feed.tell(scene.far_key)
    assert scene.nearby() is MISSING


async def test_copies_vanish_with_their_keyspace(scene: Scene) -> None:
    space = Keyspace("main", "gone", repr, None)
    await scene.stored("Ada", Lookup(Key(space, (1,))))
    await scene.read(Lookup(Key(space, (1,))))
    far_key = scene.layout.entry(Key(space, (1,))).name
    del space
    gc.collect()
    scene.feed.tell(far_key)
    for n in range(500):
        await scene.read(Lookup(Key(scene.space, (n,)), (F,)))
    assert far_key not in scene.copies._index._places


def test_a_reading_of_the_far_store_is_plain() -> None:
    """`Copies.keep` tells it by its very type from what is lent."""
    assert type(Reading(MISSING, ())) is Reading
