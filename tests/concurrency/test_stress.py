"""Everything at once, for a while: threads, tasks, updates, invalidations, cancellations and errors.

``STILLROOM_STRESS_SECONDS`` makes the run longer, ``STILLROOM_STRESS_SEED`` another one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from tests.backends import new_chaos, new_store
from tests.concurrency.model import Stress

from stillroom.entry import Entry
from stillroom.protocols import Key, Lease, Lookup, Reading
from stillroom.stores.memory import MemoryStore
from stillroom.testing import ChaosStore

SECONDS = float(os.environ.get("STILLROOM_STRESS_SECONDS", "4"))
SEED = int(os.environ.get("STILLROOM_STRESS_SEED", "1"))


@pytest.fixture(autouse=True)
def _threads_change_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    yield
    sys.setswitchinterval(interval)


class Heedless(ChaosStore):
    """A store that fills whatever became of the lease."""

    async def fill(self, key: Key, entry: Entry[Any], lease: Lease) -> bool:
        return await super().fill(key, entry, lease) or all(await self.inner.write([(Lookup(key), entry)]))


class Forgetful(ChaosStore):
    """A store that does not say which generations are in force, so that old flights are boarded."""

    async def read(self, lookups: Sequence[Lookup], *, count: bool = True) -> list[Reading]:
        return [reading._replace(generations=()) for reading in await super().read(lookups, count=count)]


class Deaf(ChaosStore):
    """A store that overhears one deletion in ten."""

    overheard = 0

    async def delete(self, keys: Iterable[Key]) -> int:
        self.overheard += 1
        return 0 if self.overheard % 10 == 0 else await super().delete(keys)


@pytest.mark.timeout(SECONDS + 30)
@pytest.mark.parametrize("plain", [True, False], ids=["plain hits", "engine only"])
def test_no_answer_is_ever_older_than_an_invalidation_that_has_returned(plain: bool) -> None:
    """Rules 1, 17, 18 and 20, with everything at once."""
    store = new_store() if plain else new_chaos()
    stress = Stress(store, seed=SEED, seconds=SECONDS * (0.6 if plain else 0.4))
    seen = stress.run()
    assert seen.unexpected == []
    assert seen.wrong == []
    assert min(seen.calls, seen.errors, seen.cancelled, seen.updates) > 0
    assert stress.leftovers() == []
    assert all(answered for answered in (stress.cache.stats().hits, stress.cache.stats().misses))


@pytest.mark.memory_only("the broken stores are of that kind")
@pytest.mark.parametrize("broken", [Heedless, Forgetful, Deaf])
def test_the_check_catches_a_broken_store(broken: type[ChaosStore]) -> None:
    """The test above can fail."""
    for seed in range(5):
        if Stress(broken(MemoryStore()), seed=seed, seconds=3, until_wrong=True).run().wrong:
            return
    pytest.fail("no wrong answer was noticed")
