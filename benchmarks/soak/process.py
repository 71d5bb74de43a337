"""One process of a soak: threads and tasks that call, invalidate, set and delete at random, and check every answer.

What is checked: an answer is never below what the process itself has invalidated. A process that runs uncached while the
server is out of reach checks the same for what any process has invalidated, always. One that falls back to memory is on its
own during an outage, as the documentation says, so it checks that for calls that no outage touched.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from stillroom import Cache
from stillroom.observe.events import StoreLost

from .truth import Truth

__all__ = ["KEYS", "SIZE", "Orders", "run"]

KEYS = 40
POLICIES: dict[str, dict[str, Any]] = {
    "plain": {"ttl": 30},
    "templated": {"ttl": 30, "key": "{name}:{{k}}"},
    "stale": {"ttl": 0.2, "stale_while_revalidate": 30},
    "alone": {"ttl": 30, "lock": "shared"},
    "rescued": {"ttl": 0.2, "stale_if_error": 30, "soft_timeout": 0.005},
}
NAMES = 2 * len(POLICIES)
"""Where the row of names begins that are set and deleted; before it there is a row for each function of each colour."""
SIZE = (NAMES + 1) * KEYS
THREADS, TASKS = 2, 3
PAUSE = 0.002
RECOVERY = 5.0


class Orders(NamedTuple):
    """What a process is told when it starts."""

    number: int
    url: str
    on_error: Literal["fallback", "bypass"]
    truth: Truth
    stop: Any
    results: Any
    name_locks: Any


class Checker:
    """Knows which answers this process may be given."""

    def __init__(self, orders: Orders, cache: Cache) -> None:
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self.slowest = 0.0
        self._truth = orders.truth
        self._cache = cache
        self._is_strict = orders.on_error == "bypass"
        self._own = [0] * SIZE
        self._untold: list[dict[int, int]] = []
        self._outages = 0
        self._lock = threading.Lock()
        cache.subscribe(self._lost, StoreLost)

    def _lost(self, _: object) -> None:
        self._outages += 1

    def invalidated(self, versions: dict[int, int]) -> None:
        """Take note that this process has invalidated some keys up to some versions."""
        with self._lock:
            for key, version in versions.items():
                self._own[key] = max(self._own[key], version)
            self._untold.append(versions)
        self.counts["invalidations"] += 1
        self.settle()

    def settle(self) -> None:
        """Make known to all what has reached the server by now."""
        with self._lock:
            ready, self._untold = self._untold, []
        health = self._cache.health()
        if health.state == "ok" and not health.pending:
            for versions in ready:
                self._truth.raise_floor(versions)
        elif ready:
            with self._lock:
                self._untold += ready

    def before(self, key: int) -> tuple[int, int, int, bool, float]:
        """Return what is known when a call begins."""
        began_well = self._cache.health().state == "ok"
        outages = self._outages  # after the state, or an outage in between would be overlooked
        return self._truth.floor(key), self._own[key], outages, began_well, time.monotonic()

    def after(self, key: int, known: tuple[int, int, int, bool, float], value: int | None) -> None:
        """Check an answer."""
        floor, own, outages, began_well, began = known
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.counts["calls"] += 1
        if value is None:
            return
        counts_for_all = self._is_strict or (began_well and outages == self._outages and self._cache.health().state == "ok")
        least = max(own, floor if counts_for_all else 0)
        if value < least:
            self.problems.append(f"key {key}: {value} where {least} was due (own {own}, all {floor})")


class Process:
    """What one process does."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._truth = orders.truth
        self._cache = Cache(orders.url, on_error=orders.on_error, lease="1s")
        self._check = Checker(orders, self._cache)
        self._functions: list[tuple[int, Any]] = []
        self._afunctions: list[tuple[int, Any]] = []
        for number, (name, policy) in enumerate(POLICIES.items()):
            self._functions.append((number, self._decorated(name, policy)(self._loader(number))))
            other = number + len(POLICIES)
            self._afunctions.append((other, self._decorated("a" + name, policy)(self._aloader(other))))

    def _decorated(self, name: str, policy: dict[str, Any]) -> Callable[[Any], Any]:
        policy = {**policy, **({"key": policy["key"].format(name=name)} if "key" in policy else {})}
        return self._cache(name=name, tags=["k:{k}"], **policy)

    def _loader(self, number: int) -> Callable[[int], int]:
        def load(k: int) -> int:
            version = self._truth.version(number * KEYS + k)
            self._check.counts["loads"] += 1
            time.sleep(random.random() * 0.01)
            return version

        return load

    def _aloader(self, number: int) -> Callable[[int], Any]:
        async def load(k: int) -> int:
            version = self._truth.version(number * KEYS + k)
            self._check.counts["loads"] += 1
            await asyncio.sleep(random.random() * 0.01)
            return version

        return load

    # One step

    def step(self, chance: random.Random) -> None:
        """Do something, as a blocking caller."""
        number, function = chance.choice(self._functions)
        k, what = chance.randrange(KEYS), chance.random()
        key = number * KEYS + k
        if what < 0.85:
            known = self._check.before(key)
            value = function.many([(k,)])[0] if what < 0.05 else function.refresh(k) if what < 0.07 else function(k)
            self._check.after(key, known, value)
        elif what < 0.9:
            versions = self._truth.raise_version([key])
            function.invalidate(k)
            self._check.invalidated(versions)
        elif what < 0.92:
            versions = self._truth.raise_version([row * KEYS + k for row in range(NAMES)])
            self._cache.invalidate(tags=[f"k:{k}"])
            self._check.invalidated(versions)
        elif what < 0.96:
            self._change_name(k, chance.random() < 0.7)
        else:
            known = self._check.before(NAMES * KEYS + k)
            self._check.after(NAMES * KEYS + k, known, self._cache.get(f"n{k}"))

    def _change_name(self, k: int, is_set: bool) -> None:
        key = NAMES * KEYS + k
        with self._orders.name_locks[k % len(self._orders.name_locks)]:  # or nobody could say which of two was the last
            versions = self._truth.raise_version([key])
            if is_set:
                self._cache.set(f"n{k}", versions[key], 30)
            else:
                self._cache.delete(f"n{k}")
        self._check.invalidated(versions)

    async def astep(self, chance: random.Random) -> None:
        """Do something, as a task."""
        number, function = chance.choice(self._afunctions)
        k, what = chance.randrange(KEYS), chance.random()
        key = number * KEYS + k
        if what < 0.87:
            known = self._check.before(key)
            value = (await function.many([(k,)]))[0] if what < 0.05 else await function(k)
            self._check.after(key, known, value)
        elif what < 0.92:
            versions = self._truth.raise_version([key])
            await function.invalidate(k)
            self._check.invalidated(versions)
        elif what < 0.94:
            versions = self._truth.raise_version([row * KEYS + k for row in range(NAMES)])
            await self._cache.ainvalidate(tags=[f"k:{k}"])
            self._check.invalidated(versions)
        else:
            known = self._check.before(NAMES * KEYS + k)
            self._check.after(NAMES * KEYS + k, known, await self._cache.aget(f"n{k}"))

    # All of them

    def _call(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._orders.stop.is_set():
            try:
                self.step(chance)
            except Exception as error:
                self._check.problems.append(f"{type(error).__name__} at a blocking caller: {error}")
            self._check.settle()
            time.sleep(PAUSE)

    async def _acall(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._orders.stop.is_set():
            try:
                await self.astep(chance)
            except Exception as error:
                self._check.problems.append(f"{type(error).__name__} at a task: {error}")
            await asyncio.sleep(PAUSE)

    async def _acalls(self) -> None:
        await asyncio.gather(*(self._acall(100 * self._orders.number + task) for task in range(TASKS)))

    def _end(self) -> None:
        """See that the store is back before long, and that nothing is left behind."""
        until = time.monotonic() + RECOVERY
        flights = self._cache._core.flights
        while (self._cache.health().state != "ok" or len(flights)) and time.monotonic() < until:
            time.sleep(0.01)
        if self._cache.health().state != "ok":
            self._check.problems.append(f"still {self._cache.health()} {RECOVERY:g} seconds after the last fault")
        left = [f"{flight.key} (claimed: {flight.claimed})" for flight in list(flights._table.values())]
        if left:
            self._check.problems.append(f"flights left behind: {', '.join(left)}")

    def run(self) -> dict[str, Any]:
        """Go on until it is time to stop; return what happened."""
        works = [lambda seed=seed: self._call(1000 + 100 * self._orders.number + seed) for seed in range(THREADS)]
        threads = [threading.Thread(target=work) for work in [*works, lambda: asyncio.run(self._acalls())]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._end()
        self._cache.close()
        counts = dict(self._check.counts)
        return {"counts": counts, "problems": self._check.problems, "slowest": self._check.slowest}


def run(orders: Orders) -> None:
    """Be one process of a soak."""
    logging.getLogger("stillroom").setLevel(logging.ERROR)
    try:
        result = Process(orders).run()
    except BaseException as error:
        result = {"counts": {}, "problems": [f"process {orders.number} died of {error!r}"], "slowest": 0.0}
    orders.results.put(result)
