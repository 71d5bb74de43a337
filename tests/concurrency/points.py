"""Runs an operation once for each of its await points, with an invalidation at that point.

A `World` is a cache over a `ChaosStore`, with a source that its function reads. Whatever the operation under attack does passes
`World.point`: before and after each operation of the store, in the load before and after it has read the source, and when work
that was put behind begins. A run without an attack says how many points there are, so that new ones are covered by themselves.

Everything is written once, for both colours: `settle` awaits what a coroutine function gives. Attack and probe run in a context
of their own and, under the blocking runtime, the probe in a thread of its own, so that nothing of the operation under attack
rubs off on them.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import itertools
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from tests.backends import leases, let_go, new_chaos, stride

from stillroom import Cache
from stillroom._runtime.pool import Pool
from stillroom._runtime.runtime import drive
from stillroom.testing import FakeClock
from stillroom.testing.chaos import OPERATIONS

PATIENCE = 5.0
"""Seconds after which something hangs."""

UNDER_ATTACK: ContextVar[bool] = ContextVar("under_attack", default=False)
"""Whether the operation under attack, or what it has put behind, is running."""


T = TypeVar("T")


class Outage(Exception):
    """What loads of the operation under attack raise, if they are to fail."""


async def settle(result: Any) -> Any:
    """Return the result of a call of either colour."""
    return await result if inspect.isawaitable(result) else result


async def collect(items: Any) -> list[Any]:
    """Return the items of an iterator of either colour."""
    return [item async for item in items] if hasattr(items, "__aiter__") else list(items)


def run(work: Coroutine[Any, Any, T], *, on_a_loop: bool) -> T:
    """Run to the end what is written for both colours."""
    return asyncio.run(work) if on_a_loop else drive(work)


class WatchedPool(Pool):
    """A pool that can be waited for, and whose jobs pass a point when they begin."""

    def __init__(self, point: Callable[[str], Any]) -> None:
        super().__init__(idle=0.01)
        self._point = point
        self._busy = 0
        self._changed = threading.Condition()

    def submit(self, job: Callable[[], None]) -> bool:
        def watched() -> None:
            try:
                self._point("behind")
                job()
            finally:
                self._count(-1)

        self._count(1)
        if super().submit(watched):
            return True
        self._count(-1)
        return False

    def wait_until_idle(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: not self._busy, PATIENCE), "a background load hangs"

    def _count(self, by: int) -> None:
        with self._changed:
            self._busy += by
            self._changed.notify_all()


@dataclass
class World:
    """A cache under attack.

    Attributes:
        is_async: whether functions are coroutine functions.
        failing: whether the loads of the operation under attack raise.
        attack: what happens at the point ``attack_at``: it changes the source and invalidates.
        probe: a call that is made at the point ``probe_at``; it begins after the attack has returned.
        value: what loads find.
        slow_by: how many seconds the loads of the operation under attack take.
        passed: the points passed so far.
        probed: what the probe was given.
    """

    is_async: bool
    failing: bool = False
    attack: Callable[[], Any] | None = None
    attack_at: int = -1
    probe: Callable[[], Any] | None = None
    probe_at: int = -1
    value: str = "old"
    slow_by: float = 0.0
    passed: list[str] = field(default_factory=list)
    probed: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.chaos = new_chaos(self.clock)
        self.cache = Cache(self.chaos, clock=self.clock)
        self._lock = threading.Lock()
        self._probes: list[Any] = []
        self.pool = WatchedPool(self.point)
        self.cache._core.blocking.runtime._pool = self.pool  # type: ignore[attr-defined]
        for operation in OPERATIONS:
            self.chaos.before(operation, partial(self.point, f"before {operation}"))
            self.chaos.after(operation, partial(self.point, f"after {operation}"))

    # The function

    def origin(self, decorator: Callable[[Any], Any], *, generator: bool = False) -> Any:
        """Return a decorated function that reads the source."""
        if generator:
            return decorator(_aitems(self._agenerator) if self.is_async else _items(self._generator))
        return decorator(_coroutine_function(self._aload) if self.is_async else _function(self._load))

    def _load(self, k: str) -> str:
        self.point("load")
        value = self.value
        self._take_time()
        self.point("loaded")
        self._fail()
        return f"{value} {k}"

    async def _aload(self, k: str) -> str:
        await settle(self.point("load"))
        value = self.value
        self._take_time()
        await asyncio.sleep(0)
        await settle(self.point("loaded"))
        self._fail()
        return f"{value} {k}"

    def _generator(self, k: str) -> Any:
        self.point("load")
        value = self.value
        for item in range(2):
            self.point("loaded")
            self._fail()
            yield f"{value} {k} {item}"

    async def _agenerator(self, k: str) -> Any:
        await settle(self.point("load"))
        value = self.value
        for item in range(2):
            await settle(self.point("loaded"))
            self._fail()
            yield f"{value} {k} {item}"

    def _take_time(self) -> None:
        if self.slow_by and UNDER_ATTACK.get():
            self.clock.advance(self.slow_by)

    def _fail(self) -> None:
        if self.failing and UNDER_ATTACK.get():
            raise Outage

    # Points

    def point(self, label: str) -> Any:
        """Pass a point: attack and probe if it is their turn."""
        if not UNDER_ATTACK.get():
            return None
        with self._lock:
            number = len(self.passed)
            self.passed.append(label)
        work = self._at(number)
        if self.is_async and label != "behind":
            return work if number in (self.attack_at, self.probe_at) else work.close()
        return drive(work)

    async def _at(self, number: int) -> None:
        if number == self.attack_at and self.attack is not None:
            self.value = "new"
            await self.apart(self.attack)
        if number == self.probe_at and self.probe is not None:
            await self._start_probe(self.probe)

    async def apart(self, act: Callable[[], Any]) -> Any:
        """Do something that has nothing to do with the operation under attack."""
        context = contextvars.Context()
        if not self.is_async:
            return context.run(act)

        async def main() -> Any:
            return await settle(act())

        return await asyncio.wait_for(context.run(asyncio.ensure_future, main()), PATIENCE)

    async def _start_probe(self, probe: Callable[[], Any]) -> None:
        """Start a call, and see it through unless it has to wait for the operation under attack."""
        if self.is_async:
            task = contextvars.Context().run(asyncio.ensure_future, self._probe_async(probe))
            self._probes.append(task)
            for _ in range(40):
                if task.done():
                    break
                await asyncio.sleep(0)
            return
        thread = threading.Thread(target=self._probe, args=(probe,), daemon=True)
        self._probes.append(thread)
        thread.start()
        deadline = time.monotonic() + 0.2
        while thread.is_alive() and not self._somebody_waits() and time.monotonic() < deadline:
            thread.join(0.0005)

    def _somebody_waits(self) -> bool:
        return any(flight.passengers > 1 for flight in list(self.cache._core.flights._table.values()))

    def _probe(self, probe: Callable[[], Any]) -> None:
        try:
            self.probed.append(drive(settle(probe())))
        except Exception as error:
            self.probed.append(error)

    async def _probe_async(self, probe: Callable[[], Any]) -> None:
        try:
            self.probed.append(await settle(probe()))
        except Exception as error:
            self.probed.append(error)

    # One run

    async def go(self, operation: Callable[[], Any]) -> Any:
        """Do the operation under attack; return what it gave, or the error."""
        token = UNDER_ATTACK.set(True)
        try:
            return await settle(operation())
        except Outage as error:
            return error
        finally:
            UNDER_ATTACK.reset(token)

    async def drain(self) -> None:
        """Wait until nothing runs any more: background loads, probes."""
        if self.is_async:
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                _, late = await asyncio.wait(others, timeout=PATIENCE)
                assert not late, f"hangs: {late}"
            return
        self.pool.wait_until_idle()
        for thread in self._probes:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a call that came after the invalidation hangs"
        self.pool.wait_until_idle()

    def leftovers(self) -> list[str]:
        """Return what is left of loads when none is in progress."""
        left = [f"flight {key.text}" for key in self.cache._core.flights._table]
        return left + [f"lease {lease}" for lease in leases(self.cache)]

    def close(self) -> None:
        """Let go of the store: a test has many worlds."""
        let_go(self.cache)


def _function(load: Callable[[str], Any]) -> Callable[[str], Any]:
    def function(k: str) -> Any:
        return load(k)

    return function


def _coroutine_function(load: Callable[[str], Any]) -> Callable[[str], Any]:
    async def function(k: str) -> Any:
        return await load(k)

    return function


def _items(load: Callable[[str], Any]) -> Callable[[str], Any]:
    def function(k: str) -> Any:
        yield from load(k)

    return function


def _aitems(load: Callable[[str], Any]) -> Callable[[str], Any]:
    async def function(k: str) -> Any:
        async for item in load(k):
            yield item

    return function


Prepare = Callable[[World], "Awaitable[Scene]"]


@dataclass
class Scene:
    """What a scenario has set up.

    Attributes:
        operation: what is attacked.
        attacks: ways to invalidate, by name.
        read: a call whose answer must be new.
        looks: other ways to look at the entry; each gives something new or ``None``.
        new: how a new answer begins, or what it is.
    """

    operation: Callable[[], Any]
    attacks: dict[str, Callable[[], Any]]
    read: Callable[[], Any]
    looks: list[Callable[[], Any]]
    new: Any


def attacks_at_every_point(prepare: Prepare, *, is_async: bool, failing: bool, thorough: tuple[str, ...] = ()) -> int:
    """Attack an operation at every point, in every way; return how often it was attacked.

    On the kinds of stores that take long, each way gets one point in `stride`, and not the same ones as the next way.

    For the ways in ``thorough`` the call that comes after the invalidation begins at every later point too, for the others at
    the same point.
    """

    async def all_of_them() -> int:
        names, count = await _dry_run(prepare, is_async, failing)
        runs = 0
        for number, name in enumerate(names):
            for attack_at in itertools.count(number % stride(), stride()):
                reached = await _attack(prepare, is_async, failing, name, attack_at, attack_at)
                if not reached:
                    break
                runs += 1
                later = range(attack_at + 1, count + 1, stride()) if name in thorough else ()
                for probe_at in later:
                    await _attack(prepare, is_async, failing, name, attack_at, probe_at)
                    runs += 1
        return runs

    return run(all_of_them(), on_a_loop=is_async)


async def _dry_run(prepare: Prepare, is_async: bool, failing: bool) -> tuple[list[str], int]:
    world = World(is_async, failing)
    scene = await prepare(world)
    await world.go(scene.operation)
    await world.drain()
    assert world.passed, "the operation passes no point"
    assert not world.leftovers()
    world.close()
    return list(scene.attacks), len(world.passed)


async def _attack(prepare: Prepare, is_async: bool, failing: bool, name: str, attack_at: int, probe_at: int) -> bool:
    world = World(is_async, failing)
    scene = await prepare(world)
    world.attack, world.attack_at = scene.attacks[name], attack_at
    world.probe, world.probe_at = scene.read, probe_at
    await world.go(scene.operation)
    await world.drain()
    if len(world.passed) <= attack_at:
        world.close()
        return False
    where = f"{name} at point {attack_at}, call at {probe_at}, of {world.passed}"
    for answer in world.probed:
        assert _is_new(answer, scene.new) or (failing and isinstance(answer, Outage)), f"a call got {answer!r}: {where}"
    for look in scene.looks:
        found = await settle(look())
        assert found is None or _is_new(found, scene.new), f"a look found {found!r}: {where}"
    for _ in range(2):
        answer = await settle(scene.read())
        assert _is_new(answer, scene.new), f"a read got {answer!r}: {where}"
    await world.drain()
    assert not world.leftovers(), where
    world.close()
    return True


def _is_new(answer: Any, new: Any) -> bool:
    return bool(answer == new)
