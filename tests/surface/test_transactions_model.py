"""Whatever is done in a transaction looks inside, and at its end outside, as if it had been done without one."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from tests.backends import let_go, stride

from stillroom import Cache
from stillroom.testing import FakeClock

NAMES, TAGS = "abc", "xy"
RUNS = 80

OPERATIONS: dict[str, Callable[[Cache, random.Random, str], Any]] = {
    "set": lambda cache, chance, name: cache.set(
        name, chance.choice([1, 5, "text", [1]]), chance.choice([None, 10, 100]), tags=chance.sample(TAGS, chance.randint(0, 2))
    ),
    "set_many": lambda cache, chance, name: cache.set_many({name: 7, "b": "text"}, 40, tags=chance.sample(TAGS, 1)),
    "add": lambda cache, chance, name: cache.add(name, chance.choice([1, "text"]), 50, tags=chance.sample(TAGS, 1)),
    "incr": lambda cache, chance, name: cache.incr(name, chance.choice([1, 3]), ttl=chance.choice([None, 20])),
    "touch": lambda cache, chance, name: cache.touch(name, chance.choice([30, 70])),
    "delete": lambda cache, chance, name: cache.delete(name),
    "delete_match": lambda cache, chance, name: cache.delete_match(chance.choice(["a*", "[ab]"])),
    "tags": lambda cache, chance, name: cache.invalidate(tags=chance.sample(TAGS, 1)),
    "namespace": lambda cache, chance, name: cache.invalidate(namespace=chance.choice(["main", "other"])),
    "clear": lambda cache, chance, name: cache.clear(),
}
USUAL = [name for name in OPERATIONS if name != "clear"]


class Model:
    """A cache on which things are done by chance, the same things for the same seed.

    Args:
        clock: its clock.
        seed: the seed.
        without: what is not done.
    """

    def __init__(self, clock: FakeClock, seed: int, without: str) -> None:
        self.cache = Cache(clock=clock)
        self._chance = random.Random(seed)
        self._operations = [*[one for one in USUAL if one != without] * 3, "clear"]

    def step(self) -> tuple[str, str, Any]:
        operation, name = self._chance.choice(self._operations), self._chance.choice(NAMES)
        try:
            return operation, name, OPERATIONS[operation](self.cache, self._chance, name)
        except TypeError:
            return operation, name, TypeError

    def state(self) -> dict[str, Any]:
        """Return all that verbs tell, the time that is left to a second."""
        cache = self.cache
        left = {name: round(cache.ttl(name, -1.0), 0) if cache.ttl(name, -1.0) < 1e9 else None for name in NAMES}
        return {
            "values": cache.get_many(list(NAMES)),
            "there": [name for name in NAMES if cache.exists(name)],
            "names": sorted(cache.scan()),
            "left": left,
        }


@pytest.mark.parametrize("savepoints", [False, True])
@pytest.mark.parametrize("moves", [False, True], ids=["", "with time"])
def test_a_transaction_does_what_would_be_done_without_it(savepoints: bool, moves: bool, clock: FakeClock) -> None:
    """While time goes on, nothing is touched: a touch inside counts from the end on."""
    for seed in range(0, RUNS, stride()):
        chance = random.Random(seed)
        one, other = [Model(clock, seed, without="touch" if moves else "") for _ in range(2)]
        for _ in range(4):
            assert one.step() == other.step()
        done = []
        with other.cache.transaction():
            for _ in range(6):
                clock.advance(chance.choice([5, 15]) if moves else 0.001)
                done.append(one.step())
                with other.cache.transaction() if savepoints and chance.random() < 0.5 else nullcontext():
                    assert done[-1] == other.step(), (seed, done)
                    assert one.state() == other.state(), (seed, done)
                assert one.state() == other.state(), (seed, done)
        assert one.state() == other.state(), (seed, done)
        _dropped(other, seed)
        let_go(one.cache)
        let_go(other.cache)


def _dropped(model: Model, seed: int) -> None:
    """After an error, everything is as it was."""
    before = model.state()
    transaction = model.cache.transaction()
    transaction.__enter__()
    done = [model.step() for _ in range(4)]
    transaction.__exit__(KeyError, None, None)
    assert model.state() == before, (seed, done)
