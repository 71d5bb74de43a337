"""What every store and every serializer must do, as test classes to inherit.

The tests are coroutines: run them under whatever runs coroutine tests in your suite, or drive them with
``coroutine.send(None)`` where nothing suspends.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from .._engine.generations import function_generation, tag_generation
from ..entry import MISSING, Entry
from ..protocols import Key, Keyspace, Lookup, Serializer, Store
from .clock import FakeClock

__all__ = ["SerializerContract", "StoreContract"]

FALSY: tuple[Any, ...] = (None, 0, 0.0, "", b"", False, list[Any](), dict[Any, Any](), (), set[Any]())


class StoreContract:
    """The contract of `stillroom.protocols.Store`.

    Example:
        >>> class TestMyStore(StoreContract):
        ...     def make_store(self, clock):
        ...         return MyStore(clock=clock)
    """

    def make_store(self, clock: FakeClock) -> Store:
        """Return a new, empty store on a clock."""
        raise NotImplementedError

    def setup_method(self) -> None:
        self.clock = FakeClock(1000.0)
        self.store = self.make_store(self.clock)
        self.space = Keyspace("main", "", str)
        self.key = Key(self.space, "user:1")
        self.lookup = Lookup(self.key, (function_generation("get_user"), tag_generation("team:7")))

    def entry(self, value: object, ttl: float = 60.0, grace: float = 0.0, generations: tuple[object, ...] = ()) -> Entry[Any]:
        now = self.clock.now()
        return Entry(value, now, now + ttl, now + ttl + grace, generations=generations, plain_until=now + ttl)

    async def value(self, lookup: Lookup | None = None) -> Any:
        (reading,) = await self.store.read((lookup or self.lookup,))
        return reading.entry if reading.entry is MISSING else reading.entry.value

    async def load(self, value: object, lookup: Lookup | None = None, *, tags: tuple[str, ...] = (), **times: float) -> bool:
        lookup = lookup or self.lookup
        lease = await self.store.lease(lookup)
        entry = self.entry(value, generations=lease.reading.generations, **times)
        entry.tags = tuple([(tag, None) for tag in tags])
        return await self.store.fill(lookup.key, entry, lease)

    async def test_what_is_not_there_is_missing(self) -> None:
        assert await self.value() is MISSING

    async def test_what_was_filled_is_read(self) -> None:
        assert await self.load("Ada")
        assert await self.value() == "Ada"

    async def test_falsy_values_are_values(self) -> None:
        """Rule 12."""
        for value in FALSY:
            await self.load(value)
            found = await self.value()
            assert found == value
            assert type(found) is type(value)

    async def test_several_keys_are_read_in_the_order_asked(self) -> None:
        other = Lookup(Key(self.space, "user:2"))
        await self.load("two", other)
        readings = await self.store.read((self.lookup, other, self.lookup))
        assert [one.entry is MISSING for one in readings] == [True, False, True]

    async def test_a_deleted_key_is_missing_and_counted(self) -> None:
        await self.load("Ada")
        assert await self.store.delete((self.key, Key(self.space, "user:2"))) == 1
        assert await self.value() is MISSING

    async def test_deleting_voids_the_lease(self) -> None:
        """Rule 1."""
        lease = await self.store.lease(self.lookup)
        await self.store.delete((self.key,))
        assert not await self.store.fill(self.key, self.entry("old", generations=lease.reading.generations), lease)
        assert await self.value() is MISSING

    async def test_a_lease_stands_until_it_is_voided(self) -> None:
        deleted = await self.store.lease(self.lookup)
        assert await self.store.stands(deleted)
        await self.store.delete((self.key,))
        assert not await self.store.stands(deleted)
        replaced = await self.store.lease(self.lookup)
        assert await self.store.stands(replaced)
        await self.store.write([(self.lookup, self.entry("new"))])
        assert not await self.store.stands(replaced)
        for lease in (deleted, replaced):
            await self.store.release(self.key, lease)

    async def test_writing_voids_the_lease(self) -> None:
        """Rule 1."""
        lease = await self.store.lease(self.lookup)
        await self.store.write([(self.lookup, self.entry("new"))])
        assert not await self.store.fill(self.key, self.entry("old", generations=lease.reading.generations), lease)
        assert await self.value() == "new"

    async def test_invalidating_voids_the_lease_and_ends_the_entry(self) -> None:
        """Rule 1."""
        whats: list[dict[str, Any]] = [
            {"names": [tag_generation("team:7")]},
            {"names": [function_generation("get_user")]},
            {"namespaces": ["main"]},
            {"everything": True},
        ]
        for what in whats:
            await self.load("Ada")
            lease = await self.store.lease(self.lookup)
            await self.store.invalidate(**what)
            assert await self.value() is MISSING
            # A store that is spread over several servers cannot compare all tokens in one step, and may take the entry in.
            # What matters is that it never counts.
            await self.store.fill(self.key, self.entry("old", generations=lease.reading.generations), lease)
            assert await self.value() is MISSING

    async def test_invalidating_something_else_changes_nothing(self) -> None:
        await self.load("Ada")
        await self.store.invalidate(names=[tag_generation("team:8"), function_generation("get")], namespaces=["mai", "main2"])
        assert await self.value() == "Ada"

    async def test_an_invalidation_changes_the_tokens(self) -> None:
        await self.load("Ada")  # tokens that nobody has needed so far need not be there
        (before,) = await self.store.read((self.lookup,))
        (same,) = await self.store.read((self.lookup,))
        await self.store.invalidate(names=[tag_generation("team:7")])
        (after,) = await self.store.read((self.lookup,))
        assert before.generations == same.generations != after.generations

    async def test_a_renewed_lease_voids_the_others(self) -> None:
        old = await self.store.lease(self.lookup)
        new = await self.store.lease(self.lookup, renew=True)
        assert await self.store.fill(self.key, self.entry("new", generations=new.reading.generations), new)
        assert not await self.store.fill(self.key, self.entry("old", generations=old.reading.generations), old)
        assert await self.value() == "new"

    async def test_a_lease_can_be_given_back(self) -> None:
        lease = await self.store.lease(self.lookup)
        await self.store.release(self.key, lease)
        assert not await self.store.fill(self.key, self.entry("late", generations=lease.reading.generations), lease)

    async def test_a_lease_tells_what_is_there(self) -> None:
        await self.load("Ada")
        lease = await self.store.lease(self.lookup)
        assert lease.reading.entry is not MISSING
        assert lease.reading.entry.value == "Ada"
        await self.store.release(self.key, lease)

    async def test_tags_that_a_load_has_added_end_its_entry(self) -> None:
        """Rule 1. A store may have to meet a tag before it can vouch for it."""
        names = (tag_generation("late"), tag_generation("later"))
        await self.load("Ada", tags=names)
        assert await self.load("Ada", tags=names)
        assert await self.value() == "Ada"
        await self.store.invalidate(names=(tag_generation("other"),))
        assert await self.value() == "Ada"
        await self.store.invalidate(names=names[1:])
        assert await self.value() is MISSING

    async def test_a_tag_that_was_invalidated_during_the_load_keeps_its_entry_out(self) -> None:
        """Rule 1. By the time the tag is added, its token may be a new one that says nothing of the value."""
        name = tag_generation("late")
        for _ in range(2):
            lease = await self.store.lease(self.lookup)
            await self.store.invalidate(names=(name,))
            assert not await self.store.untouched(lease, (name,))
            entry = self.entry("old", generations=lease.reading.generations)
            entry.tags = ((name, None),)
            await self.store.fill(self.key, entry, lease)
            assert await self.value() is MISSING
            assert await self.load("new")
            assert await self.value() == "new"
            await self.store.delete((self.key,))

    async def test_tags_that_were_not_invalidated_are_vouched_for_once_they_are_known(self) -> None:
        name = tag_generation("late")
        await self.load("Ada", tags=(name,))
        lease = await self.store.lease(self.lookup)
        await self.store.invalidate(names=(tag_generation("other"),))
        assert await self.store.untouched(lease, (name,))
        await self.store.release(self.key, lease)

    async def test_an_expired_entry_is_absent_for_every_operation(self) -> None:
        """Rule 31."""
        await self.load(1, ttl=10.0)
        self.clock.advance(10)
        assert await self.value() is MISSING
        assert await self.store.names(self.space) == []
        assert not await self.store.touch(self.key, math.inf, math.inf)
        assert await self.store.delete((self.key,)) == 0
        assert await self.store.increment(self.lookup, 5, self.entry(5)) == 5

    async def test_a_stale_entry_is_read_but_absent_otherwise(self) -> None:
        """Rules 4 and 31."""
        await self.load("old", ttl=10.0, grace=10.0)
        self.clock.advance(15)
        assert await self.value() == "old"
        assert await self.store.names(self.space) == []
        assert await self.store.add(self.lookup, self.entry("new"))
        assert await self.value() == "new"

    async def test_several_values_are_written_together(self) -> None:
        tagged, untagged = self.lookup, Lookup(Key(self.space, "user:2"))
        lease = await self.store.lease(untagged)
        stored = await self.store.write([(tagged, self.entry("one")), (untagged, self.entry("two"))])
        assert stored == [True, True]
        assert not await self.store.fill(untagged.key, self.entry("old", generations=lease.reading.generations), lease)
        assert (await self.value(tagged), await self.value(untagged)) == ("one", "two")
        await self.store.invalidate(names=tagged.generations[1:])
        assert (await self.value(tagged), await self.value(untagged)) == (MISSING, "two")
        assert await self.store.write([]) == []

    async def test_adding_respects_what_is_fresh(self) -> None:
        assert await self.store.add(self.lookup, self.entry(None))
        assert not await self.store.add(self.lookup, self.entry("second"))
        assert await self.value() is None

    async def test_incrementing_adds_and_keeps_the_times(self) -> None:
        assert await self.store.increment(self.lookup, 2, self.entry(2, ttl=10.0)) == 2
        self.clock.advance(6)
        assert await self.store.increment(self.lookup, 3, self.entry(3, ttl=10.0)) == 5
        self.clock.advance(6)
        assert await self.value() is MISSING

    async def test_only_whole_numbers_are_incremented(self) -> None:
        await self.store.write([(self.lookup, self.entry("many"))])
        try:
            await self.store.increment(self.lookup, 1, self.entry(1))
        except TypeError:
            assert await self.value() == "many"
        else:
            raise AssertionError("a text was incremented")

    async def test_touching_gives_new_times(self) -> None:
        await self.load("Ada", ttl=10.0)
        assert await self.store.touch(self.key, self.clock.now() + 100, self.clock.now() + 100)
        self.clock.advance(50)
        assert await self.value() == "Ada"

    async def test_names_lists_the_fresh_keys_of_one_keyspace(self) -> None:
        await self.load("Ada")
        await self.load("elsewhere", Lookup(Key(Keyspace("other", "", str), "user:9")))
        assert await self.store.names(self.space) == ["user:1"]

    async def test_reads_that_are_to_be_counted_are_counted_unless_told_otherwise(self) -> None:
        await self.load("Ada")
        counted = self.lookup._replace(is_counted=True)
        await self.store.read((counted,))
        await self.store.read((counted,), count=False)
        (reading,) = await self.store.read((counted,))
        assert reading.uses == 1

    async def test_a_value_goes_on_being_counted_for_as_long_as_it_is_the_same(self) -> None:
        """Rule 38: neither new times nor a refresh that failed give it further hits; another value begins from zero."""
        counted = self.lookup._replace(is_counted=True)
        await self.load(1)
        assert await self._uses(counted) == 0
        assert await self.store.touch(self.key, self.clock.now() + 100, self.clock.now() + 100)
        assert await self._uses(counted) == 1
        assert await self.store.increment(self.lookup, 1, self.entry(1)) == 2
        assert await self._uses(counted) == 2
        lease = await self.store.lease(self.lookup)
        assert lease.reading.entry is not MISSING
        put_off = replace(lease.reading.entry, retry_at=self.clock.now() + 5)
        assert await self.store.fill(self.key, put_off, lease)
        assert await self._uses(counted) == 3
        await self.load(2)
        assert await self._uses(counted) == 0

    async def _uses(self, lookup: Lookup) -> int:
        (reading,) = await self.store.read((lookup,))
        return reading.uses

    async def test_an_entry_that_is_put_off_does_not_take_the_place_of_a_newer_one(self) -> None:
        """Rule 1: a refresh that failed says nothing about what another load has brought meanwhile."""
        await self.load("old", ttl=10.0, grace=100.0)
        self.clock.advance(20)
        renewed = await self.store.lease(self.lookup, renew=True)
        later = await self.store.lease(self.lookup)
        assert later.reading.entry is not MISSING
        assert await self.store.fill(self.key, self.entry("new", generations=renewed.reading.generations), renewed)
        await self.store.fill(self.key, replace(later.reading.entry, retry_at=self.clock.now() + 5), later)
        assert await self.value() == "new"

    async def test_a_closed_store_is_empty_and_stays_so(self) -> None:
        await self.load("Ada")
        lease = await self.store.lease(self.lookup)
        await self.store.close()
        assert await self.value() is MISSING
        assert not await self.store.fill(self.key, self.entry("late", generations=lease.reading.generations), lease)
        assert await self.store.write([(self.lookup, self.entry("later"))]) == [False]
        assert await self.value() is MISSING


class SerializerContract:
    """The contract of `stillroom.protocols.Serializer`.

    Example:
        >>> class TestMySerializer(SerializerContract):
        ...     def make_serializer(self):
        ...         return MySerializer()
    """

    values: tuple[Any, ...] = (
        *FALSY,
        1,
        -(2**70),
        1.5,
        math.inf,
        "ünïcode",
        b"\x00\xff",
        [1, "a", None],
        {"a": {"b": [1]}},
        (1, 2),
    )
    """What must come back as it went in; a serializer that does not know a type refuses it instead."""

    def make_serializer(self) -> Serializer:
        """Return the serializer to test."""
        raise NotImplementedError

    async def test_what_comes_out_is_what_went_in(self) -> None:
        """Rules 13 and 14."""
        serializer = self.make_serializer()
        for value in self.values:
            try:
                data = serializer.dump(value)
            except TypeError:
                continue  # refused when stored, which is allowed
            assert type(data) is bytes
            found = serializer.load(data)
            assert found == value
            assert type(found) is type(value)

    async def test_no_type_changes_however_deep(self) -> None:
        """Rules 13 and 14."""
        serializer = self.make_serializer()
        for value in (*self.values, -0.0, math.nan, True, 1, "1", "\ud800", {1: "a"}, {None: "a"}, {(1,): "a"}):
            nested = {"list": [value], "dict": {"key": value}}
            try:
                data = serializer.dump(nested)
            except TypeError:
                continue  # refused when stored, which is allowed
            assert repr(serializer.load(data)) == repr(nested)

    async def test_garbage_is_refused_with_a_value_error(self) -> None:
        """Rule 44."""
        serializer = self.make_serializer()
        for data in (b"", b"\xff\xfe\xfd", b"garbage"):
            try:
                serializer.load(data)
            except ValueError:
                continue
            raise AssertionError(f"{data!r} was decoded")

    async def test_damaged_bytes_raise_nothing_but_a_value_error(self) -> None:
        """Rule 44."""
        serializer = self.make_serializer()
        data = serializer.dump({"a": ["text", 1, 2.5, None, True]})
        cut = [data[:length] for length in range(len(data))]
        flipped = [data[:at] + bytes((data[at] ^ bit,)) + data[at + 1 :] for at in range(len(data)) for bit in (1, 16, 128)]
        for damaged in (*cut, *flipped):
            try:
                found = serializer.load(damaged)
            except ValueError:
                continue
            assert damaged in flipped or found != {"a": ["text", 1, 2.5, None, True]}
