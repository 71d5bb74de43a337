"""The memory store against a dict: whatever happens in whatever order, it never has what it should not have."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from tests.stores.keeping import Now, calls, check, names, run

from stillroom.entry import MISSING, Entry
from stillroom.protocols import Key, Lookup
from stillroom.stores.memory import Gate, MemoryStore

KEYS = st.integers(0, 5)
SPACES = st.integers(0, 2)
TAGS = st.sampled_from([(), ("t:red",), ("t:blue",), ("t:red", "t:blue")])
TIMES = st.integers(1, 6)

steps = st.one_of(
    st.tuples(st.just("lease"), SPACES, KEYS, TAGS),
    st.tuples(st.just("fill"), st.integers(0, 3), TIMES, TIMES),
    st.tuples(st.just("release"), st.integers(0, 3)),
    st.tuples(st.just("write"), SPACES, KEYS, TAGS, TIMES, TIMES, st.booleans()),
    st.tuples(st.just("increment"), SPACES, KEYS, TIMES),
    st.tuples(st.just("touch"), SPACES, KEYS, TIMES, TIMES),
    st.tuples(st.just("delete"), SPACES, KEYS),
    st.tuples(st.just("hit"), SPACES, KEYS),
    st.tuples(st.just("read"), SPACES, KEYS),
    st.tuples(st.just("invalidate"), st.sampled_from(["t:red", "t:blue", "f", "g", "ns:main", "ns:other", "everything"])),
    st.tuples(st.just("wait"), TIMES),
)


class Known:
    """What the model knows of an entry, or of a load."""

    def __init__(self, value: int, names: set[str], fresh: float = 0.0, expires: float = 0.0) -> None:
        self.value = value
        self.names = names
        self.fresh = fresh
        self.expires = expires


class Twins:
    """A store, and a model that keeps everything in a dict and forgets nothing that it should know."""

    def __init__(self, max_entries: int) -> None:
        self.clock = Now()
        self.store = MemoryStore(max_entries=max_entries, clock=self.clock)
        self.spaces = [calls("f"), calls("g", "other"), names()]
        self.gates = [Gate() for _ in self.spaces]
        for gate, space, checked in zip(self.gates, self.spaces, (False, True, True), strict=True):
            self.store.attach(gate, space, checked=checked)
        self.forgets = max_entries < 18
        self.model: dict[tuple[int, int], Known] = {}
        self.loads: list[tuple[Any, tuple[int, int], Known]] = []
        self.next_value = 0
        self.hits = 0

    def __call__(self, verb: str, *arguments: Any) -> None:
        getattr(self, verb)(*arguments)
        check(self.store)

    def names(self, space: int, tags: tuple[str, ...]) -> set[str]:
        function = self.spaces[space].function
        return {*tags, "ns:" + self.spaces[space].namespace, "everything", *([function] if function else [])}

    def key(self, space: int, key: int) -> Key:
        return Key(self.spaces[space], key)

    def lookup(self, space: int, key: int, tags: tuple[str, ...]) -> Lookup:
        function = self.spaces[space].function
        return Lookup(self.key(space, key), (*([function] if function else []), *tags))

    def known(self, place: tuple[int, int]) -> Known | None:
        known = self.model.get(place)
        return known if known is not None and self.clock.time < known.expires else None

    def fresh(self, place: tuple[int, int]) -> Known | None:
        known = self.known(place)
        return known if known is not None and self.clock.time < known.fresh else None

    def agree(self, found: Any, expected: Known | None) -> None:
        if not (self.forgets and found is MISSING):
            assert found == (MISSING if expected is None else expected.value)

    def void(self, place: tuple[int, int]) -> None:
        self.loads = [(lease, other, known if other != place else None) for lease, other, known in self.loads]  # type: ignore[misc]

    def entry(self, value: int, fresh: int, stale: int, generations: Any = ()) -> Entry[Any]:
        until = self.clock.time + fresh
        return Entry(value, self.clock.time, until, until + stale, 0.0, generations, plain_until=until)

    def lease(self, space: int, key: int, tags: tuple[str, ...]) -> None:
        lease = run(self.store.lease(self.lookup(space, key, tags)))
        reading = lease.reading.entry
        self.agree(MISSING if reading is MISSING else reading.value, self.known((space, key)))
        self.next_value += 1
        self.loads.append((lease, (space, key), Known(self.next_value, self.names(space, tags))))

    def fill(self, index: int, fresh: int, stale: int) -> None:
        if index < len(self.loads):
            lease, place, known = self.loads.pop(index)
            generations = lease.reading.generations
            value = -1 if known is None else known.value
            stored = run(self.store.fill(self.key(*place), self.entry(value, fresh, stale, generations), lease))
            assert stored == (known is not None)
            if known is not None:
                known.fresh = self.clock.time + fresh
                known.expires = known.fresh + stale
                self.model[place] = known

    def release(self, index: int) -> None:
        if index < len(self.loads):
            lease, place, _ = self.loads.pop(index)
            run(self.store.release(self.key(*place), lease))

    def write(self, space: int, key: int, tags: tuple[str, ...], fresh: int, stale: int, if_absent: bool) -> None:
        place = (space, key)
        self.next_value += 1
        written = self.entry(self.next_value, fresh, stale)
        lookup = self.lookup(space, key, tags)
        stored = run(self.store.add(lookup, written)) if if_absent else all(run(self.store.write([(lookup, written)])))
        if not self.forgets:
            assert stored == (not if_absent or self.fresh(place) is None)
        if stored:
            self.void(place)
            until = self.clock.time + fresh
            self.model[place] = Known(self.next_value, self.names(space, tags), until, until + stale)

    def increment(self, space: int, key: int, fresh: int) -> None:
        place, known = (space, key), self.fresh((space, key))
        self.next_value += 1
        result = run(self.store.increment(self.lookup(space, key, ()), 1_000, self.entry(self.next_value, fresh, 0)))
        self.void(place)
        if result == self.next_value:
            assert known is None or self.forgets
            until = self.clock.time + fresh
            self.model[place] = Known(result, self.names(space, ()), until, until)
        else:
            assert known is not None
            assert result == known.value + 1_000
            self.model[place] = Known(result, known.names, known.fresh, known.expires)

    def touch(self, space: int, key: int, fresh: int, stale: int) -> None:
        place, known = (space, key), self.fresh((space, key))
        until = self.clock.time + fresh
        touched = run(self.store.touch(self.key(space, key), until, until + stale))
        if touched or not self.forgets:
            assert touched == (known is not None)
        if touched and known is not None:
            self.void(place)
            self.model[place] = Known(known.value, known.names, until, until + stale)

    def delete(self, space: int, key: int) -> None:
        place = (space, key)
        deleted = run(self.store.delete([self.key(space, key)]))
        assert deleted == (self.fresh(place) is not None) or (self.forgets and not deleted)
        self.void(place)
        self.model.pop(place, None)

    def hit(self, space: int, key: int) -> None:
        gate = self.gates[space]
        node = gate.entries.get(key)
        checked = space > 0
        if node is not None and self.clock.time < node.plain_until and not (checked and node.epoch is not self.store.epoch):
            node.hits += 1
            self.hits += 1
            known = self.fresh((space, key))
            assert known is not None
            assert node.value == known.value

    def read(self, space: int, key: int) -> None:
        (reading,) = run(self.store.read([self.lookup(space, key, ())]))
        self.agree(MISSING if reading.entry is MISSING else reading.entry.value, self.known((space, key)))

    def invalidate(self, name: str) -> None:
        if name == "everything":
            run(self.store.invalidate(everything=True))
        elif name.startswith("ns:"):
            run(self.store.invalidate(namespaces=[name[3:]]))
        else:
            run(self.store.invalidate(names=[name]))
        self.model = {place: known for place, known in self.model.items() if name not in known.names}
        self.loads = [
            (lease, place, None if known is not None and name in known.names else known)  # type: ignore[misc]
            for lease, place, known in self.loads
        ]

    def wait(self, seconds: int) -> None:
        self.clock.time += seconds

    def end(self) -> None:
        for place in [(space, key) for space in range(3) for key in range(6)]:
            self.read(*place)
        listed: list[Any] = run(self.store.names(self.spaces[2]))
        expected = [key for space, key in self.model if space == 2 and self.fresh((space, key)) is not None]
        assert set(listed) <= set(expected) if self.forgets else sorted(listed) == sorted(expected)
        while self.loads:
            self.release(0)
        partitions = [self.store.partition(space) for space in self.spaces]
        assert [partition.leases for partition in partitions] == [{}, {}, {}]
        assert sum(partition.count_hits() for partition in partitions) == self.hits


@pytest.mark.parametrize("max_entries", [4, 100], ids=["small", "large"])
@given(happening=st.lists(steps, max_size=60))
@settings(max_examples=150)
def test_it_agrees_with_a_dict(max_entries: int, happening: list[Any]) -> None:
    """Rules 1, 4, 30, 31, 38 and 52; a small store may forget, but not remember wrongly."""
    twins = Twins(max_entries)
    for step in happening:
        twins(*step)
    twins.end()
