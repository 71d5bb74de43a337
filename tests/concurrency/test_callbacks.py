"""Rule 26: user code runs under no lock of stillroom's, so whatever calls back into the cache returns.

Each test runs in an interpreter of its own: a deadlock here would take later tests along, since a fork waits for all locks.
"""

from __future__ import annotations

import pytest
from tests.concurrency.apart import run_apart

pytestmark = pytest.mark.memory_only("these tests run in processes of their own, with caches of their own")


VERBS = """
cache = Cache(max_entries={size})
@cache(ttl=1000, tags=["all"])
def f(k):
    return made(k)
made = lambda k: k
backs = [
    lambda: f.invalidate(1), lambda: f.invalidate_all(), lambda: f.put(1, 1), lambda: f(1), lambda: f(1000), lambda: f.peek(1),
    lambda: f.refresh(1), lambda: cache.clear(), lambda: cache.invalidate(tags=["all"]), lambda: cache.set("x", 1),
    lambda: cache.get("x"), lambda: cache.delete("x"), lambda: cache.stats(), lambda: cache(ttl=5)(lambda: 1)(),
]
"""


def test_a_value_that_goes_may_call_back() -> None:
    """Rule 26: values are freed after the lock is released, whether they are evicted, replaced, deleted or invalidated."""
    run_apart(
        VERBS.format(size=4)
        + """
class Value:
    def __del__(self):
        if armed:
            armed.pop()()
made = lambda k: Value()
armed = []
for back in backs:
    for act in (
        lambda: f.invalidate(1), f.invalidate_all, cache.clear, lambda: f.refresh(1), lambda: f.put(2, 1),
        lambda: cache.invalidate(tags=["all"]), lambda: cache.invalidate(namespace="main"),
        lambda: [f(k) for k in range(10, 30)],
    ):
        for k in range(4):
            f(k)
        armed.append(back)
        act()
        armed.clear()
cache.close()
"""
    )


def test_a_finalizer_that_the_garbage_collector_runs_may_call_back() -> None:
    """Rule 26: the collector may run at any allocation, so also at those that are made under a lock."""
    run_apart(
        VERBS.format(size=10)
        + """
class Cycle:
    def __init__(self, back):
        self.me, self.back = self, back
    def __del__(self):
        self.back()

for back in backs:
    gc.set_threshold(11)
    for k in range(100):
        Cycle(back)
        f(k % 20), f.invalidate(k), f.put(1, k), cache.set(f"n{k}", 1, tags=["a"]), cache.delete(f"n{k}"), f.refresh(k)
        Cycle(back)
        cache.invalidate(tags=[f"t{k}"]), f.many([k, k + 1]), cache.incr("c"), cache.touch("c", 5)
    gc.set_threshold(700)
"""
    )


def test_whatever_interrupts_the_core_may_call_back() -> None:
    """Rule 26: signal handlers and, since Python 3.12, finalizers run between any two steps, so also under a lock.

    A tracer stands for them: it calls back once, at each line of stillroom's in turn.
    """
    run_apart(
        VERBS.format(size=3)
        + """
import logging, stillroom
logging.disable()
home = os.path.dirname(stillroom.__file__)

def trace(frame, event, arg):
    global seen
    if not frame.f_code.co_filename.startswith(home):
        return None
    if event == "line":
        seen += 1
        if seen == at:
            sys.settrace(None)
            back()
    return trace

def work():
    for k in range(3):
        f(k), f(k)
    f.invalidate(1), f.put(1, 1), f.refresh(2), f.many([2, 7]), cache.set("n", 1, tags=["all"]), cache.incr("c")
    cache.touch("c", 5), cache.delete("n"), cache.invalidate(tags=["all"]), f(8)

def run_traced():
    global seen
    seen = 0
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)

at = 0
run_traced()
lines, wrong = seen, set()
assert lines > 500
for number, back in enumerate(backs):
    cache.clear()
    for at in range(1 + number, lines, 29):
        try:
            run_traced()
            f(1), f(1), cache.set("x", 1)
            queues = cache._core.memory._room._queues
            held = sum(len(p.entries) + sum(map(len, p.graves)) for p in cache._core.memory._partitions)
            assert queues.size == queues.small.size + queues.main.size == held, (queues.size, held)
            assert not any(partition.leases for partition in cache._core.memory._partitions)
            assert not len(cache._core.flights)
        except Exception as error:
            wrong.add(f"{number}: {type(error).__name__}: {error}")
            cache.configure("memory://", max_entries=3)
assert not wrong, "\\n".join(sorted(wrong))
""",
        patience=8,
    )


def test_a_listener_may_call_back() -> None:
    """Rule 26, evictions and invalidations included."""
    run_apart(
        VERBS.format(size=4)
        + """
busy = []
def listener(event):
    if not busy:
        busy.append(1)
        back()
        busy.clear()
for back in [*backs, lambda: cache.subscribe(lambda event: None)(), lambda: cache.disabled().__enter__()]:
    unsubscribe = cache.subscribe(listener)
    for k in range(20):
        f(k), f(k), f.invalidate(k), f.refresh(k), cache.set(f"n{k}", 1)
    cache.invalidate(tags=["all"]), cache.clear(), unsubscribe()
"""
    )


def test_a_loader_may_call_back() -> None:
    """Rules 26 and 25: also for the key that it is loading."""
    run_apart(
        VERBS.format(size=10)
        + """
depth = []
def made(k):
    if len(depth) < 3:
        depth.append(1)
        back()
    return k
for back in [*backs, lambda: f(k), lambda: f.refresh(k), lambda: f.many([k, k + 1]), lambda: f.invalidate(k)]:
    for k in range(3):
        for act in (lambda: f(k), lambda: f.refresh(k), lambda: f.many([k, k + 1])):
            depth.clear()
            act()
assert not len(cache._core.flights)
"""
    )


def test_arguments_may_call_back_when_they_are_hashed_and_compared() -> None:
    """Rule 26."""
    run_apart(
        """
from dataclasses import dataclass
cache = Cache()
busy = []
def back():
    if not busy:
        busy.append(1)
        f.invalidate(0), cache.clear(), f(0), cache.set("x", 1)
        busy.clear()

@dataclass(frozen=True)
class Argument:
    x: int
    def __hash__(self):
        back()
        return 1
    def __eq__(self, other):
        back()
        return isinstance(other, Argument) and self.x == other.x
    def __del__(self):
        back()

@cache(ttl=1000)
def f(k):
    return 1

for x in (1, 2, 1, 2):
    f(Argument(x)), f(Argument(x)), f.refresh(Argument(x)), f.invalidate(Argument(x)), f.many([Argument(1), Argument(1)])

class Shop:
    def __hash__(self):
        back()
        return 1
    @cache(ttl=1000)
    def price(self, k):
        return k
shops = [Shop() for _ in range(3)]
for shop in shops:
    shop.price(1), shop.price(1), shop.price.invalidate(1)
"""
    )


def test_rules_given_as_functions_may_call_back() -> None:
    """Rule 26: weigher, ttl, store_if, key."""
    run_apart(
        """
busy = []
def back():
    if not busy:
        busy.append(1)
        f.invalidate(0), cache.clear(), f(0), cache.set("x", 1)
        busy.clear()

def weigher(key, value):
    back()
    return 1

def ttl(k, value):
    back()
    return 10

def keyed(k):
    back()
    return f"k{k}"

cache = Cache(MemoryStore(max_bytes=10, weigher=weigher))
f = cache(ttl=ttl, store_if=lambda value: back() is None, key=keyed)(lambda k: k)
for k in range(30):
    f(k), f(k), f.put(1, k), f.refresh(k), cache.set("y", 1), cache.incr("z")
"""
    )
