"""Outages among threads, event loops and processes: whatever comes between, nothing outdated is served."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import blockbuster
import pytest
from tests.concurrency.apart import run_apart
from tests.stores.keeping import run
from tests.stores.outage_scene import Diary, Far, Scene

from stillroom._runtime.clock import SystemClock
from stillroom._runtime.pool import Pool
from stillroom.entry import MISSING, Entry
from stillroom.errors import StoreError
from stillroom.protocols import Key, Keyspace, Lookup
from stillroom.stores.outage import Guarded, Outage, breaker

PATIENCE = 10.0
THREADS = 6
SECONDS = 1.0


class Back(Diary):
    """A watcher to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.is_back = threading.Event()

    def lost(self, error: StoreError) -> None:
        super().lost(error)
        self.is_back.clear()

    def regained(self, seconds: float) -> None:
        super().regained(seconds)
        self.is_back.set()


@pytest.fixture
def background() -> Pool:
    return Pool(threads=1, idle=0.01)


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Begin a work in a thread; its result is in the list once the thread has ended."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    return thread, results


# What is held up


def test_a_fill_that_the_server_executes_late_finds_its_lease_void() -> None:
    """Rule 1."""
    scene = Scene()
    hold = scene.far.hold("fill")
    thread, results = in_thread(lambda: run(scene.load("old")))
    hold.wait()
    scene.lose()
    run(scene.store.delete((scene.key(),)))
    scene.regain()
    hold.release()
    thread.join(PATIENCE)
    assert results == [False]
    assert run(scene.value()) is MISSING


def test_a_fill_that_the_server_executes_before_the_replay_is_undone() -> None:
    scene = Scene()
    hold = scene.far.hold("fill")
    thread, results = in_thread(lambda: run(scene.load("old")))
    hold.wait()
    scene.lose()
    run(scene.store.delete((scene.key(),)))
    hold.release()
    thread.join(PATIENCE)
    assert results == [True]
    assert scene.kept() == "old"
    scene.regain()
    assert run(scene.value()) is MISSING


def test_a_reading_that_outlives_an_outage_is_the_last_of_its_kind() -> None:
    scene = Scene()
    run(scene.load("old"))
    hold = scene.far.hold("read")
    thread, _ = in_thread(lambda: run(scene.value()))
    hold.wait()
    scene.lose()
    run(scene.store.delete((scene.key(),)))
    scene.regain()
    hold.release()
    thread.join(PATIENCE)
    assert run(scene.value()) is MISSING


def test_an_invalidation_that_comes_during_the_last_step_of_the_replay_is_replayed(background: Pool) -> None:
    """Rule 35."""
    back = Back()
    scene = Scene(pool=background, watcher=back)
    run(scene.load("old"))
    scene.lose()
    hold = scene.far.hold("delete")
    scene.far.is_up = True
    scene.clock.advance(0.05)
    hold.wait()
    assert scene.health.state == "recovering"
    run(scene.store.delete((scene.key(),)))
    assert run(scene.value()) is MISSING
    hold.release()
    assert back.is_back.wait(PATIENCE)
    assert scene.far.told == ["the one that found out", "k"]
    assert run(scene.value()) is MISSING


def test_many_who_fail_at_once_begin_one_outage() -> None:
    scene = Scene()
    start = threading.Barrier(8)
    scene.far.is_up = False

    def work() -> None:
        start.wait(PATIENCE)
        run(scene.store.delete((scene.key(threading.current_thread().name),)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(scene.diary.heard) == 1
    assert scene.health.pending == 8
    assert scene.clock.pending == 1
    scene.regain()


def test_a_watcher_that_takes_its_time_holds_up_nobody_and_hears_everything_in_order() -> None:
    heard: list[str] = []
    reached, released = threading.Event(), threading.Event()

    class Slow:
        def lost(self, error: StoreError) -> None:
            heard.append("lost")
            reached.set()
            assert released.wait(PATIENCE)

        def regained(self, seconds: float) -> None:
            heard.append("regained")

    scene = Scene(watcher=Slow())
    scene.far.is_up = False
    thread, _ = in_thread(lambda: run(scene.store.delete((scene.key(),))))
    assert reached.wait(PATIENCE)
    scene.regain()
    scene.lose()
    scene.regain()
    assert heard == ["lost"]
    released.set()
    thread.join(PATIENCE)
    assert heard == ["lost", "regained"] * 2


@pytest.mark.asyncio_only
async def test_an_event_loop_is_never_blocked(background: Pool) -> None:
    """Rule 28: what is probed and replayed is so on another thread."""
    back = Back()
    scene = Scene(pool=background, watcher=back)
    hold = scene.far.hold("delete")
    with blockbuster.blockbuster_ctx("stillroom"):
        scene.far.is_up = False
        for _ in range(3):
            await scene.value()
        await scene.store.delete((scene.key(),))
        scene.far.is_up = True
        scene.clock.advance(0.05)
        await hold.wait_async()
        assert scene.health.state == "recovering"
        assert await scene.load("Ada")
        assert await scene.value() == "Ada"
        hold.release()
        assert await asyncio.to_thread(back.is_back.wait, PATIENCE)
        assert await scene.value() is MISSING


# A hammer, and a model


@pytest.fixture
def _threads_change_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    logging.getLogger("stillroom").setLevel(logging.ERROR)
    yield
    logging.getLogger("stillroom").setLevel(logging.NOTSET)
    sys.setswitchinterval(before)


class Flaky(Far):
    """Fails by chance, before or after it has done what it was asked."""

    def __init__(self) -> None:
        super().__init__(SystemClock())  # type: ignore[arg-type]
        self.chance = 0.0

    async def _around(self, operation: str, work: Callable[[], Any]) -> Any:
        del self.calls[:], self.told[:]
        if random.random() < self.chance / 2:
            raise StoreError("not done", store=self.name, operation=operation)
        result = await super()._around(operation, work)
        if random.random() < self.chance / 2:
            raise StoreError("done, but who knows", store=self.name, operation=operation)
        return result


class Source:
    """A value that grows, and what callers may see of it at least."""

    def __init__(self) -> None:
        self.value = 0
        self.least = 0
        self._lock = threading.Lock()

    def change(self, invalidate: Callable[[], object]) -> None:
        with self._lock:
            self.value += 1
            with contextlib.suppress(StoreError):
                invalidate()
            self.least = self.value


class Hammer:
    """Threads that read, load and invalidate one key, from both sides of a store that comes and goes."""

    def __init__(self, means: str, on_error: Any) -> None:
        self.far, self.back, self.source = Flaky(), Back(), Source()
        self.outage = Outage(self.far, clock=SystemClock(), on_error=on_error, watcher=self.back, limit=4)
        self.sides = [Guarded(self.far, self.outage), Guarded(self.far, self.outage)]
        self.lookup = Lookup(Key(Keyspace("main", "", str), "k"), ("t:red",))
        self.invalidate = {
            "key": lambda side: side.delete((self.lookup.key,)),
            "tag": lambda side: side.invalidate(names=("t:red",)),
            "namespace": lambda side: side.invalidate(namespaces=("main",)),
            "everything": lambda side: side.invalidate(everything=True),
            "write": lambda side: side.write([(self.lookup, self.entry(self.source.value))]),
            "increment": lambda side: side.increment(self.lookup, 1, self.entry(self.source.value)),
        }[means]
        self.until = time.monotonic() + SECONDS
        self.errors: list[BaseException] = []

    def entry(self, value: int, generations: Any = ()) -> Entry[Any]:
        now = SystemClock.now()
        return Entry(value, now, now + 600, now + 600, generations=generations, plain_until=now + 600)

    def run(self) -> None:
        works = [self.disturb, *[lambda seed=seed: self.work(random.Random(seed)) for seed in range(THREADS)]]
        threads = [threading.Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.errors, self.errors
        while self.outage.health().state != "ok" or len(self.back.heard) % 2:
            assert time.monotonic() < self.until + PATIENCE
            time.sleep(0.001)

    def work(self, chance: random.Random) -> None:
        try:
            while time.monotonic() < self.until and not self.errors:
                side = chance.choice(self.sides)
                if chance.random() < 0.05:
                    self.source.change(lambda side=side: run(self.invalidate(side)))  # type: ignore[misc]
                else:
                    self.look(side)
        except BaseException as error:
            self.errors.append(error)

    def disturb(self) -> None:
        chance = random.Random(0)
        while time.monotonic() < self.until and not self.errors:
            self.far.is_up, self.far.chance = True, chance.choice([0.0, 0.01, 0.3])
            time.sleep(chance.uniform(0.0, 0.1))
            self.far.is_up = chance.random() < 0.3
            time.sleep(chance.uniform(0.0, 0.05))
        self.far.is_up, self.far.chance = True, 0.0

    def look(self, side: Guarded) -> None:
        """Do what the engine does on a call."""
        least = self.source.least
        with contextlib.suppress(StoreError):
            (reading,) = run(side.read((self.lookup,)))
            if reading.entry is MISSING:
                lease = run(side.lease(self.lookup, reading))
                reading = lease.reading
                if reading.entry is MISSING:
                    loaded = self.source.value
                    run(side.fill(self.lookup.key, self.entry(loaded, reading.generations), lease))
                else:
                    run(side.release(self.lookup.key, lease))
            if reading.entry is not MISSING:
                assert reading.entry.value >= least


@pytest.mark.usefixtures("_threads_change_often")
@pytest.mark.parametrize(
    ("means", "on_error"),
    [
        *[(means, "fallback") for means in ("key", "tag", "namespace", "everything", "write", "increment")],
        ("key", "bypass"),
        ("tag", "bypass"),
        ("key", "raise"),
        ("tag", "raise"),
    ],
)
def test_nobody_sees_an_old_value_after_an_invalidation_has_returned(
    means: str, on_error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules 1 and 35, with a store that comes and goes."""
    monkeypatch.setattr(breaker, "LONGEST_PAUSE", 0.01)
    hammer = Hammer(means, on_error)
    hammer.run()
    heard = hammer.back.heard
    assert hammer.source.value > 10
    assert len(heard) > 4
    assert all(isinstance(one, StoreError if index % 2 == 0 else float) for index, one in enumerate(heard))
    for side in hammer.sides:
        hammer.look(side)
    assert hammer.outage.health().pending == 0
    hammer.outage.close()


# Processes

APART = """
import logging
logging.disable(logging.CRITICAL)
from stillroom._runtime.clock import SystemClock
from stillroom._runtime.runtime import drive
from stillroom.protocols import Key, Keyspace
from stillroom.stores.outage import Guarded, Outage
from tests.stores.outage_scene import Far

clock = SystemClock()
far = Far(clock)
outage = Outage(far, clock=clock, on_error="fallback")
store = Guarded(far, outage)
key = Key(Keyspace("main", "", str), "k")

def lose():
    far.is_up = False
    drive(store.delete((key,)))
    assert outage.health().state == "down"

def back():
    until = time.monotonic() + 4
    while outage.health().state != "ok" and time.monotonic() < until:
        time.sleep(0.01)
    return outage.health().state == "ok"
"""


def test_a_process_that_ends_in_an_outage_ends() -> None:
    run_apart(APART + "lose()\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_goes_on_probing_by_itself() -> None:
    """Rule 29."""
    run_apart(
        APART
        + """
lose()

def child():
    far.is_up = True
    assert back()
    assert far.told == ["k"]

assert in_child(child) == 0
assert outage.health().state == "down"
far.is_up = True
assert back()
"""
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_replays_what_its_parent_was_replaying() -> None:
    """Rules 29 and 35."""
    run_apart(
        APART
        + """
lose()
hold = far.hold("delete")
far.is_up = True
hold.wait()
assert outage.health().state == "recovering"
drive(store.invalidate(names=["t:red"]))

def child():
    assert back()
    assert far.told == ["k", {"name": "t:red"}]

assert in_child(child) == 0
hold.release()
assert back()
"""
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_does_not_wait_for_what_its_parent_is_telling() -> None:
    """Rule 29."""
    run_apart(
        APART
        + """
reached, released, regained = threading.Event(), threading.Event(), threading.Event()

class Slow:
    def lost(self, error):
        reached.set()
        released.wait(5)

    def regained(self, seconds):
        regained.set()

outage = Outage(far, clock=clock, on_error="fallback", watcher=Slow())
store = Guarded(far, outage)
thread = threading.Thread(target=lose)
thread.start()
reached.wait(5)

def child():
    far.is_up = True
    assert back()
    assert regained.wait(1)

assert in_child(child) == 0
released.set()
thread.join()
"""
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forks_and_outages_do_not_get_in_each_others_way() -> None:
    """Rule 29."""
    run_apart(
        APART
        + """
stop = threading.Event()

def disturb():
    while not stop.is_set():
        far.is_up = not far.is_up
        drive(store.delete((key,)))
        drive(store.read(()))

def child():
    far.is_up = True
    assert back()
    drive(store.delete((key,)))

threads = [threading.Thread(target=disturb) for _ in range(3)]
for thread in threads:
    thread.start()
codes = [in_child(child) for _ in range(15)]
stop.set()
for thread in threads:
    thread.join()
assert codes == [0] * 15, codes
far.is_up = True
assert back()
""",
        patience=20,
    )
