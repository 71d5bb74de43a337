"""The public contracts, run against the memory store, the same with a chaos store around it, and a serializer."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from stillroom.protocols import Serializer, Store
from stillroom.stores.memory import MemoryStore
from stillroom.testing import ChaosStore, FakeClock, SerializerContract, StoreContract


class TestMemoryStore(StoreContract):
    def make_store(self, clock: FakeClock) -> Store:
        return MemoryStore(clock=clock)


class TestMemoryStoreBoundedInBytes(StoreContract):
    def make_store(self, clock: FakeClock) -> Store:
        return MemoryStore(clock=clock, max_entries=100, max_bytes=1_000_000)


class TestChaosStore(StoreContract):
    def make_store(self, clock: FakeClock) -> Store:
        return ChaosStore(MemoryStore(clock=clock))


class PickleSerializer:
    """As small as a serializer can be; for trusted bytes only."""

    def dump(self, value: Any) -> bytes:
        return pickle.dumps(value)

    def load(self, data: bytes) -> Any:
        try:
            return pickle.loads(data)
        except Exception as error:
            raise ValueError("not a pickle") from error


class TestPickleSerializer(SerializerContract):
    def make_serializer(self) -> Serializer:
        return PickleSerializer()


class ForgetfulStore(MemoryStore):
    """Breaks the first rule: what was loaded under a lease that is void is stored all the same."""

    async def fill(self, key: Any, entry: Any, lease: Any) -> bool:
        del lease
        from stillroom.protocols import Lookup

        return all(await self.write([(Lookup(key), entry)]))


def test_the_contract_finds_a_store_that_forgets_leases() -> None:
    """A contract that everything passes would be worth nothing."""

    class Broken(StoreContract):
        def make_store(self, clock: FakeClock) -> Store:
            return ForgetfulStore(clock=clock)

    contract = Broken()
    contract.setup_method()
    with pytest.raises(AssertionError):
        contract.test_deleting_voids_the_lease().send(None)


def test_the_contract_finds_a_serializer_that_changes_types() -> None:
    class Textual:
        def dump(self, value: Any) -> bytes:
            return str(value).encode()

        def load(self, data: bytes) -> Any:
            return data.decode()

    class Broken(SerializerContract):
        def make_serializer(self) -> Serializer:
            return Textual()

    for test in (Broken().test_what_comes_out_is_what_went_in, Broken().test_garbage_is_refused_with_a_value_error):
        with pytest.raises((AssertionError, UnicodeDecodeError)):
            test().send(None)
