"""A source of truth with versions, and a model that knows which answers are allowed.

Each key of the source has a version that only grows. An update makes a new version, and then invalidates what shows the old
one. When an invalidation has returned, no call that begins later may be given a version older than the one that was current
when the invalidation began: that is the *floor*. No answer may be newer than the version that is current when the call ends.

`Stress` makes random calls, updates and invalidations from threads and tasks, and notes each answer that is not allowed.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stillroom import Cache
from stillroom.protocols import Store

KEYS = 4
TTL = 0.02
"""Seconds: short, so that entries expire all the time."""


class OriginError(Exception):
    """What loads raise now and then."""


class Source:
    """The truth: a version for each key, and the floors of each group of functions."""

    def __init__(self) -> None:
        self.versions = [0] * KEYS
        self.locks = [threading.Lock() for _ in range(KEYS)]
        self._floors: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def floor(self, group: str, k: int) -> int:
        """Return the oldest version that a call of a group that begins now may be given."""
        return self._floors.setdefault(group, [0] * KEYS)[k]

    def raise_floors(self, groups: tuple[str, ...], versions: dict[int, int]) -> None:
        """Note that versions older than these may not be given any more."""
        with self._lock:
            for group in groups:
                floors = self._floors.setdefault(group, [0] * KEYS)
                for k, version in versions.items():
                    floors[k] = max(floors[k], version)


@dataclass
class Group:
    """Functions that share entries: a blocking one, a coroutine function."""

    name: str
    namespace: str
    call: Callable[[int], Any]
    acall: Callable[[int], Any] | None = None
    tagged: bool = False


@dataclass
class Outcome:
    """What a run of `Stress` has seen."""

    wrong: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    calls: int = 0
    errors: int = 0
    cancelled: int = 0
    updates: int = 0


class Stress:
    """Random calls, updates and invalidations, and the check of every answer.

    Args:
        store: the store of the cache.
        seed: for the random choices; threads still take their turns as they like.
        seconds: when to stop.
        threads: how many threads call.
        tasks: how many tasks call, on one event loop in a thread of its own.
        until_wrong: stop at the first wrong answer.
    """

    def __init__(
        self, store: Store, *, seed: int, seconds: float, threads: int = 8, tasks: int = 200, until_wrong: bool = False
    ) -> None:
        self.cache = Cache(store)
        self.source = Source()
        self.seen = Outcome()
        self.groups = self._groups()
        self._seed = seed
        self._deadline = time.monotonic() + seconds
        self._threads = threads
        self._tasks = tasks
        self._until_wrong = until_wrong
        self._lock = threading.Lock()

    def run(self) -> Outcome:
        """Run to the end, and return what was seen."""
        workers = [threading.Thread(target=self._guarded, args=(self._work, n), daemon=True) for n in range(self._threads)]
        workers.append(threading.Thread(target=self._guarded, args=(self._loop, -1), daemon=True))
        for worker in workers:
            worker.start()
        until = self._deadline + 10
        for worker in workers:
            worker.join(max(0.1, until - time.monotonic()))
        self.seen.unexpected += [f"{worker.name} hangs" for worker in workers if worker.is_alive()]
        return self.seen

    def leftovers(self) -> list[str]:
        """Return which flights there still are, once background loads have had their time."""
        deadline = time.monotonic() + 5
        table = self.cache._core.flights._table
        while table and time.monotonic() < deadline:
            time.sleep(0.01)
        return [key.text for key in table]

    # Functions

    def _groups(self) -> list[Group]:
        cache, load, aload = self.cache, self._load, self._aload
        strict: dict[str, Any] = {"ttl": TTL}
        lenient: dict[str, Any] = {
            "ttl": TTL, "stale_while_revalidate": 5, "stale_if_error": 5, "retry_after": 0.01, "soft_timeout": 0.001,
        }  # fmt: skip
        groups = []
        for name, namespace, policy in (("strict", "main", strict), ("lenient", "other", lenient)):
            named = {"key": name + ":{k}", "name": name, "tags": ["all", name + "/{k}"], "namespace": namespace} | policy
            groups.append(Group(name, namespace, cache(**named)(_plain(load)), cache(**named)(_coroutine(aload)), True))
        for name, policy in (("plain", strict), ("plain-lenient", lenient)):
            groups.append(Group(name, "main", cache(name=name, **policy)(_plain(load))))
            tasks = cache(name=name + "-tasks", namespace="other", **policy)(_coroutine(aload))
            groups.append(Group(name + "-tasks", "other", lambda k: None, tasks))
        groups.append(Group("items", "main", _first(cache(name="items", ttl=TTL)(_items(load)))))
        return groups

    def _load(self, k: int) -> int:
        version = self.source.versions[k]
        chance = random.random()
        if chance < 0.3:
            time.sleep(0.002 * chance)
        if chance > 0.97:
            raise OriginError
        return version

    async def _aload(self, k: int) -> int:
        version = self.source.versions[k]
        chance = random.random()
        await asyncio.sleep(0.002 * chance if chance < 0.5 else 0)
        if chance > 0.97:
            raise OriginError
        return version

    # Who does what

    def _guarded(self, work: Callable[[random.Random], None], number: int) -> None:
        try:
            work(random.Random(self._seed * 1000 + number))
        except BaseException as error:
            self.seen.unexpected.append(repr(error))

    @property
    def _goes_on(self) -> bool:
        return time.monotonic() < self._deadline and not (self._until_wrong and self.seen.wrong)

    def _work(self, chance: random.Random) -> None:
        groups = [group for group in self.groups if not group.name.endswith("-tasks")]
        while self._goes_on:
            group, k, dice = chance.choice(groups), chance.randrange(KEYS), chance.random()
            if dice < 0.85:
                self._checked_call(group, k)
            elif dice < 0.87:
                self._refresh(group, k)
            elif dice < 0.90 and group.name != "items":
                self._put(group, k)
            else:
                self._update(chance, k)

    def _loop(self, chance: random.Random) -> None:
        async def main() -> None:
            await asyncio.gather(*(self._task(random.Random(chance.random())) for _ in range(self._tasks)))

        asyncio.run(main())

    async def _task(self, chance: random.Random) -> None:
        groups = [group for group in self.groups if group.acall is not None]
        while self._goes_on:
            group, k, dice = chance.choice(groups), chance.randrange(KEYS), chance.random()
            if dice < 0.1:
                await self._cancelled_call(group, k, chance)
            elif dice < 0.12:
                self._update(chance, k)
            else:
                await self._checked_acall(group, k)
            await asyncio.sleep(0.01 * chance.random())

    # Calls and their check

    def _checked_call(self, group: Group, k: int) -> None:
        floor = self.source.floor(group.name, k)
        try:
            answer = group.call(k)
        except OriginError:
            answer = None
        self._check(group, k, floor, answer, self.source.versions[k])

    async def _checked_acall(self, group: Group, k: int) -> None:
        assert group.acall is not None
        floor = self.source.floor(group.name, k)
        try:
            answer = await group.acall(k)
        except OriginError:
            answer = None
        self._check(group, k, floor, answer, self.source.versions[k])

    async def _cancelled_call(self, group: Group, k: int, chance: random.Random) -> None:
        task = asyncio.ensure_future(self._checked_acall(group, k))
        await asyncio.sleep(0.001 * chance.random())
        self.seen.cancelled += task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass

    def _check(self, group: Group, k: int, floor: int, answer: int | None, ceiling: int) -> None:
        with self._lock:
            self.seen.calls += 1
            self.seen.errors += answer is None
            if answer is not None and not floor <= answer <= ceiling:
                self.seen.wrong.append(f"{group.name}({k}) gave {answer}, allowed were {floor} to {ceiling}")

    # Updates

    def _put(self, group: Group, k: int) -> None:
        with self.source.locks[k]:
            self.source.versions[k] += 1
            version = self.source.versions[k]
            group.call.put(version, k)  # type: ignore[attr-defined]
        self.source.raise_floors((group.name,), {k: version})

    def _refresh(self, group: Group, k: int) -> None:
        floor = self.source.floor(group.name, k)
        try:
            answer = group.call.refresh(k)  # type: ignore[attr-defined]
        except OriginError:
            return
        self._check(group, k, floor, answer[0] if isinstance(answer, tuple) else answer, self.source.versions[k])

    def _update(self, chance: random.Random, k: int) -> None:
        """Make a new version, and invalidate in some way what shows the old one."""
        with self.source.locks[k]:
            self.source.versions[k] += 1
        self.seen.updates += 1
        now = dict(enumerate(self.source.versions))
        group = chance.choice([group for group in self.groups if not group.name.endswith("-tasks")])
        name = group.name
        every = tuple(one.name for one in self.groups)
        tagged = tuple(one.name for one in self.groups if one.tagged)
        act, groups, versions = chance.choice(
            [
                (lambda: group.call.invalidate(k), (name,), {k: now[k]}),  # type: ignore[attr-defined]
                (lambda: group.call.invalidate(k), (name,), {k: now[k]}),  # type: ignore[attr-defined]
                (group.call.invalidate_all, (name,), now),  # type: ignore[attr-defined]
                (lambda: self.cache.invalidate(tags=["strict/" + str(k)]), ("strict",), {k: now[k]}),
                (lambda: self.cache.invalidate(tags=["lenient/" + str(k)]), ("lenient",), {k: now[k]}),
                (lambda: self.cache.invalidate(tags=["all"]), tagged, now),
                (lambda: self.cache.delete(f"strict:{k}"), ("strict",), {k: now[k]}),
                (lambda: self.cache.invalidate(namespace="other"), _names(self.groups, "other"), now),
                (lambda: self.cache.invalidate(namespace="main"), _names(self.groups, "main"), now),
                (self.cache.clear, every, now),
            ]
        )
        act()
        self.source.raise_floors(groups, versions)


def _names(groups: list[Group], namespace: str) -> tuple[str, ...]:
    return tuple(one.name for one in groups if one.namespace == namespace)


def _plain(load: Callable[[int], int]) -> Any:
    def plain(k: int) -> int:
        return load(k)

    return plain


def _coroutine(load: Callable[[int], Any]) -> Any:
    async def coroutine(k: int) -> Any:
        return await load(k)

    return coroutine


def _items(load: Callable[[int], int]) -> Any:
    def items(k: int) -> Any:
        yield load(k)

    return items


def _first(items: Any) -> Any:
    def first(k: int) -> Any:
        (only,) = items(k)
        return only

    for helper in ("invalidate", "invalidate_all", "refresh"):
        setattr(first, helper, getattr(items, helper))
    return first
