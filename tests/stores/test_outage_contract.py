"""The contract of stores, run against a guarded one in fair weather and in an outage."""

from __future__ import annotations

from tests.stores.outage_scene import AtOnce, Far

from stillroom._runtime.runtime import drive
from stillroom.protocols import Store
from stillroom.stores.outage import Guarded, Outage
from stillroom.testing import FakeClock, StoreContract


class TestWithinReach(StoreContract):
    def make_store(self, clock: FakeClock) -> Store:
        far = Far(clock)
        return Guarded(far, Outage(far, clock=clock, on_error="fallback", pool=AtOnce()))


class TestOutOfReach(StoreContract):
    def make_store(self, clock: FakeClock) -> Store:
        far = Far(clock)
        far.is_up = False
        store = Guarded(far, Outage(far, clock=clock, on_error="fallback", pool=AtOnce()))
        drive(store.delete(()))
        return store


class TestBackAgain(StoreContract):
    def make_store(self, clock: FakeClock) -> Store:
        far = Far(clock)
        far.is_up = False
        outage = Outage(far, clock=clock, on_error="fallback", pool=AtOnce())
        store = Guarded(far, outage)
        drive(store.delete(()))
        far.is_up = True
        clock.advance(1)
        assert outage.health().state == "ok"
        return store
