"""Rule 29: a forked child works, whatever the parent's other threads were in the middle of.

Each test runs in an interpreter of its own, and no child is waited for longer than a few seconds.
"""

from __future__ import annotations

import os

import pytest
from tests.concurrency.apart import run_apart

pytestmark = [
    pytest.mark.memory_only("these tests run in processes of their own, with caches of their own"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
]

CHILD = """
cache = Cache({store})
loads = []
@cache(ttl=1000, tags=["all"])
def f(k):
    loads.append(k)
    return k

@cache(ttl=0.001, stale_while_revalidate=1000)
def stale(k):
    loads.append(("stale", k))
    return k

@cache(ttl=0.02, keep_warm=True, idle_after=1000)
def warm(k):
    loads.append(("warm", k))
    return k

@cache(ttl=1000)
async def a(k):
    await asyncio.sleep(0)
    loads.append(("a", k))
    return k

def eventually(holds):
    deadline = time.monotonic() + 3
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)

def everything(known=None):
    if known is not None:
        before = len(loads)
        assert f(known) == known and len(loads) == before, "what the parent held is gone"
    assert [f("c1"), f("c1"), *f.many(["c1", "c2"]), f.refresh("c1")] == ["c1", "c1", "c1", "c2", "c1"]
    stale("c"), time.sleep(0.002)
    before = len(loads)
    eventually(lambda: stale("c") and len(loads) > before + 1)
    own = f"own {{os.getpid()}}"  # a key that is warm in the parent is kept warm there
    warm(own)
    eventually(lambda: loads.count(("warm", own)) > 1)
    assert asyncio.run(a("c")) == "c"
    cache.set("n", 1), cache.incr("n"), cache.get("n"), cache.delete("n")
    with cache.disabled():
        f("c1")
    cache.subscribe(lambda event: None)()
    threads = [threading.Thread(target=f, args=("t",), daemon=True) for _ in range(4)]
    [thread.start() for thread in threads], [thread.join(3) for thread in threads]
    assert not any(thread.is_alive() for thread in threads)
    cache(ttl=5)(lambda: 1)()
    f.invalidate("c1"), cache.invalidate(tags=["all"]), cache.stats(), cache.clear(), f("c1")
"""

stores = pytest.mark.parametrize("store", ["", "ChaosStore(MemoryStore())"], ids=["plain", "engine"])


@stores
def test_a_child_works_while_the_parents_locks_are_hot(store: str) -> None:
    """Rule 29."""
    run_apart(
        CHILD.format(store=store)
        + """
unsubscribe = cache.subscribe(lambda event: None)
everything(), unsubscribe()  # so that no module is being imported at the moment of a fork
f("known")
sys.setswitchinterval(1e-5)
stop = False
def heat(number):
    k = 0
    while not stop:
        k += 1
        f(k % 7), f.invalidate(k % 7), stale(k % 3), cache.set("x", k), cache.get("x"), warm(k % 3)
        cache.subscribe(lambda event: None)()
        f.many([1, 2, 3]), Cache().set("y", 1)

threads = [threading.Thread(target=heat, args=(number,), daemon=True) for number in range(3)]
[thread.start() for thread in threads]
assert [in_child(lambda: everything("known") if k == 0 else everything()) for k in range(5)] == [0] * 5
stop = True
[thread.join(5) for thread in threads]
assert not any(thread.is_alive() for thread in threads)
everything()
""",
        patience=20,
    )


def test_a_child_finds_every_lock_free() -> None:
    """Rule 29: each lock in turn is held by another thread at the moment of the fork."""
    run_apart(
        CHILD.format(store="")
        + """
import types
from stillroom._runtime import clock
lock_types = (type(threading.Lock()), type(threading.RLock()))
found, seen = {}, set()
def search(thing, path, depth=0):
    if id(thing) in seen or depth > 7:
        return
    seen.add(id(thing))
    if isinstance(thing, lock_types):
        found[path] = thing
        return
    if isinstance(thing, (type, types.ModuleType, types.FunctionType, str, bytes, int, float)):
        return
    if not type(thing).__module__.startswith(("stillroom", "threading", "builtins")):
        return
    if isinstance(thing, dict):
        for key, value in list(thing.items()):
            search(value, f"{path}[{key!r}]", depth + 1)
    elif isinstance(thing, (list, tuple)):
        for number, value in enumerate(thing):
            search(value, f"{path}[{number}]", depth + 1)
    else:
        names = set(getattr(thing, "__dict__", ())) | {n for c in type(thing).__mro__ for n in getattr(c, "__slots__", ())}
        for name in sorted(names):
            if not name.startswith("__") and hasattr(thing, name):
                search(getattr(thing, name), f"{path}.{name}", depth + 1)

f("known"), warm("p"), asyncio.run(a("p"))
search(cache._core, "core"), search(vars(clock)["_wakeups"], "wakeups")
assert len(found) >= 4, found
hanging = []
for path, lock in found.items():
    held = threading.Event()
    def hold():
        with lock:
            held.set()
            time.sleep(0.05)
    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert held.wait(5)
    if in_child(everything, patience=4):
        hanging.append(path)
    thread.join(5)
assert not hanging, hanging
""",
        patience=20,
    )


@stores
def test_a_child_loads_what_a_thread_of_the_parent_is_loading(store: str) -> None:
    """Rule 29: nobody in the child waits for a load that only the parent will finish."""
    run_apart(
        CHILD.format(store=store)
        + """
inside, go_on = threading.Event(), threading.Event()
parent = os.getpid()
@cache(ttl=1000)
def slow(k):
    if os.getpid() == parent:
        inside.set()
        assert go_on.wait(10)
    return k

@cache(ttl=1000)
async def aslow(k):
    if os.getpid() == parent:
        inside.set()
        while not go_on.is_set():
            await asyncio.sleep(0.01)
    return k

thread = threading.Thread(target=slow, args=(1,), daemon=True)
thread.start()
assert inside.wait(5)
inside.clear()
loop = threading.Thread(target=lambda: asyncio.run(aslow(1)), daemon=True)
loop.start()
assert inside.wait(5)

def child():
    assert slow(1) == 1 and asyncio.run(asyncio.wait_for(aslow(1), 3)) == 1
    everything()

assert in_child(child) == 0
go_on.set()
thread.join(5), loop.join(5)
assert not thread.is_alive() and not loop.is_alive()
assert slow(1) == 1
""",
    )


@stores
def test_a_child_that_is_forked_inside_a_load_finishes_it(store: str) -> None:
    """Rule 29: and so does the parent, and neither waits for itself."""
    run_apart(
        CHILD.format(store=store)
        + """
parent = os.getpid()
pids = []
@cache(ttl=1000)
def forking(k):
    if os.getpid() == parent and not pids:
        pids.append(os.fork())
    return (k, os.getpid())

result = forking(1)
if os.getpid() != parent:
    code = 1
    try:
        signal.alarm(5)
        assert result[1] == os.getpid() != parent
        assert forking(1)[1] == os.getpid()
        everything()
        code = 0
    finally:
        os._exit(code)
assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 0
assert result == (1, parent) == forking(1)
""",
    )


def test_a_child_exits_cleanly_and_gives_background_work_no_second_life() -> None:
    """Rule 29: with ``multiprocessing`` and its "fork" context, and timers and queued refreshes in the parent."""
    run_apart(
        CHILD.format(store="")
        + """
import multiprocessing
context = multiprocessing.get_context("fork")
[warm(k) for k in range(20)], [stale(k) for k in range(20)], time.sleep(0.002), [stale(k) for k in range(20)]
def work(queue):
    everything()
    queue.put("done")
queue = context.Queue()
children = [context.Process(target=work, args=(queue,)) for _ in range(3)]
[child.start() for child in children]
assert [queue.get(timeout=8) for _ in children] == ["done"] * 3
[child.join(8) for child in children]
assert [child.exitcode for child in children] == [0] * 3
""",
    )


def test_two_threads_may_fork_at_the_same_time() -> None:
    """Rule 29."""
    run_apart(
        CHILD.format(store="")
        + """
sys.setswitchinterval(1e-6)
others = [Cache() for _ in range(50)]
codes = []
def fork_often():
    for _ in range(15):
        codes.append(in_child(lambda: (f(1), f.invalidate(1), cache.set("x", 1), [other.set("x", 1) for other in others])))
threads = [threading.Thread(target=fork_often, daemon=True) for _ in range(3)]
[thread.start() for thread in threads], [thread.join(8) for thread in threads]
assert codes == [0] * 45, codes
everything()
""",
    )


def test_a_child_does_not_wait_for_a_module_that_the_parent_is_importing() -> None:
    """Rule 29: what is imported only when needed may be half imported, under the import lock of a thread that is gone."""
    run_apart(
        CHILD.format(store="")
        + """
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("stillroom.") and os.getpid() == parent:
            importing.append(name)
            time.sleep(0.5)
        return None

parent, importing = os.getpid(), []
sys.meta_path.insert(0, Slow())

def use_it():
    unsubscribe = cache.subscribe(lambda event: None)
    f("x"), f.refresh("x"), cache.clear(), stale("x"), warm("x"), asyncio.run(a("x"))
    unsubscribe()

thread = threading.Thread(target=use_it, daemon=True)
thread.start()
codes = set()
while thread.is_alive():
    time.sleep(0.05)
    if importing:
        def child():
            cache.subscribe(lambda event: None)
            everything()
        codes.add(in_child(child, patience=3))
        if codes != {0}:
            break
assert codes <= {0}, (codes, importing)
""",
        patience=15,
    )
