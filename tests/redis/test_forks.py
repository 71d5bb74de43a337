"""Rule 29 on Redis: a forked child works from the first call on, and shares no socket, thread, task or lock with its parent.

Each test runs in an interpreter of its own.
"""

from __future__ import annotations

import os

import pytest
from tests.concurrency.apart import run_apart
from tests.servers.server import Server

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

USED = """
cache = Cache({url!r}, lease="1s", timeout=5)
loads = []
@cache(ttl=1000, tags=["all"])
def f(k):
    loads.append(k)
    return k

@cache(ttl=1000, tags=["all"])
async def a(k):
    await asyncio.sleep(0)
    loads.append(("a", k))
    return k

@cache(ttl=1000, lock="shared")
def alone(k):
    loads.append(("alone", k))
    time.sleep(0.6)
    return k

@cache(ttl=0.01, stale_while_revalidate=1000)
def stale(k):
    loads.append(("stale", k))
    return k

def eventually(holds):
    deadline = time.monotonic() + 3
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)

def sockets():
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + number)
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found

def everything(who):
    assert [f("known"), asyncio.run(a("known"))] == ["known"] * 2
    assert [k for k in loads if k in ("known", ("a", "known"))] == ["known", ("a", "known")], "loaded once, and hits ever since"
    assert [f(who), f(who), f.refresh(who), asyncio.run(a(who))] == [who] * 4
    assert f.many(["known", who]) == ["known", who]
    cache.set(who, 1), cache.incr(who), cache.delete(who)
    with cache.lock("lock" + who, ttl=5):
        pass
    stale(who), time.sleep(0.02), stale(who)
    eventually(lambda: loads.count(("stale", who)) == 2)
    f.invalidate(who)
    assert cache.health().state == "ok", cache.health()

f("known"), asyncio.run(a("known"))
"""


def test_children_of_a_parent_that_has_used_both_colours(redis_server: Server) -> None:
    """As gunicorn does with ``preload_app``: fork several workers, and go on."""
    run_apart(
        USED.format(url=redis_server.url)
        + """
everything("parent")
before = sockets()
pids = []
for number in range(3):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(8)
            for turn in range(10):
                everything(f"child {number} {turn}")
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)
    pids.append(pid)
for turn in range(10):
    everything(f"parent {turn}")
assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 3
everything("parent again")
cache.close()
""",
        patience=15,
    )


def test_a_child_talks_over_sockets_of_its_own(redis_server: Server) -> None:
    run_apart(
        USED.format(url=redis_server.url)
        + """
inherited = sockets()
assert inherited
def child():
    import socket
    everything("child")
    spoken = []
    real = socket.socket.sendall
    f("more"), asyncio.run(a("more"))
    assert sockets() - inherited, "it has made its own"
assert in_child(child) == 0
# What the parent had is as it was: nothing was closed politely, and no reply was taken by somebody else.
assert sockets() == inherited
before = sockets()
f("known"), f("known")
assert sockets() == before
cache.close()
""",
    )


def test_multiprocessing_with_its_fork_context(redis_server: Server) -> None:
    run_apart(
        USED.format(url=redis_server.url)
        + """
import multiprocessing
context = multiprocessing.get_context("fork")
everything("parent")
def work(queue, number):
    everything(f"child {number}")
    queue.put(number)
queue = context.Queue()
children = [context.Process(target=work, args=(queue, number)) for number in range(3)]
[child.start() for child in children]
assert sorted(queue.get(timeout=8) for _ in children) == [0, 1, 2]
[child.join(8) for child in children]
assert [child.exitcode for child in children] == [0] * 3
everything("parent again")
cache.close()
""",
        patience=15,
    )


def test_a_fork_while_threads_and_a_loop_are_at_it(redis_server: Server) -> None:
    """The parent's connections are in the middle of exchanges, and its locks are hot."""
    run_apart(
        USED.format(url=redis_server.url)
        + """
sys.setswitchinterval(1e-4)
stop = False
failed = []
def heat(number):
    k = 0
    while not stop:
        k += 1
        value = f(k % 7)
        if value != k % 7:
            failed.append(value)
        f.invalidate(k % 7), cache.set("x", k), cache.get("x"), stale(k % 3)
async def heat_async():
    k = 0
    while not stop:
        k += 1
        if await asyncio.gather(*(a(j) for j in range(k % 7, k % 7 + 5))) != list(range(k % 7, k % 7 + 5)):
            failed.append(k)
        await a.invalidate(k % 7)
threads = [threading.Thread(target=heat, args=(number,)) for number in range(2)]
threads.append(threading.Thread(target=lambda: asyncio.run(heat_async())))
[thread.start() for thread in threads]
time.sleep(0.1)
def calm():
    global stop
    everything(f"child {os.getpid()}")
codes = [in_child(calm) for _ in range(6)]
stop = True
[thread.join(5) for thread in threads]
assert codes == [0] * 6 and not failed, (codes, failed)
everything("parent")
cache.close()
""",
        patience=25,
    )


def test_leases_that_the_parent_holds_it_goes_on_holding(redis_server: Server) -> None:
    """The child renews none of them, waits for them as any other process does, and gives none of them back."""
    run_apart(
        USED.format(url=redis_server.url)
        + """
began = threading.Event()
@cache(ttl=1000, lock="shared")
def long(k):
    loads.append(("long", k))
    began.set()
    time.sleep(1.6)
    return k
thread = threading.Thread(target=long, args=(1,))
thread.start()
assert began.wait(3)
def child():
    assert long(1) == 1
    assert loads.count(("long", 1)) == 1, "the parent's load, longer than its lease"
    assert alone("of the child") == "of the child"
assert in_child(child) == 0
thread.join(5)
assert loads.count(("long", 1)) == 1
cache.close()
""",
    )


def test_a_child_goes_on_from_the_outage_that_its_parent_is_in(own_server: Server) -> None:
    """It has probes of its own, and tells the server itself what was invalidated before the fork."""
    own_server.kill()
    run_apart(
        USED.format(url=own_server.url).replace("timeout=5", "timeout=0.2")
        + """
import logging
logging.getLogger("stillroom").addHandler(logging.NullHandler())
logging.getLogger("stillroom").propagate = False
f.invalidate("known")
assert cache.health().state == "down" and cache.health().pending == 1
def child():
    assert cache.health().state == "down" and cache.health().pending == 1
    failures = cache.health().failures
    eventually(lambda: cache.health().failures > failures)
    assert f("k") == "k" and asyncio.run(a("k")) == "k"
assert in_child(child) == 0
cache.close()
""",
    )


def test_a_child_does_not_give_back_what_its_parent_holds(redis_server: Server) -> None:
    run_apart(
        USED.format(url=redis_server.url)
        + """
from stillroom import LockTimeout

def free():
    try:
        with cache.lock("report", wait="100ms"):
            return True
    except LockTimeout:
        return False

lock = cache.lock("report", ttl=30)
lock.__enter__()
def child():
    assert not lock.held
    lock.__exit__(None, None, None)
    assert not free()
assert in_child(child) == 0
assert lock.held and not free()
lock.__exit__(None, None, None)
assert free()
cache.close()
""",
    )
