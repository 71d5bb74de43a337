"""Rules 1, 2 and 3 with several processes, each with a near store, at work on the same keys of one server or cluster.

The source of truth is a whole number for each key, which only grows. Every process does, over and over: read a key; or raise
its number, invalidate what was loaded of it, and read. What it then reads must not be older than what it raised the number to.
After a while of quiet, what every process reads must be what the source says.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from typing import Any

import pytest
from tests.servers.cluster import Cluster
from tests.servers.server import Server

KEYS = 300
PROCESSES = 4
BUSY = 3.0
QUIET = 0.3
PATIENCE = 30.0

WORKER = """
import asyncio, json, random, sys, threading, time
import redis
from stillroom import Cache

url, socket, prefix, colours, seed, keys, busy, quiet = json.loads(sys.argv[1])
source = redis.Redis(unix_socket_path=socket)
cache = Cache(url, prefix=prefix, near="memory://?max_entries=1000", timeout=5.0)
problems, counts = [], {"reads": 0, "changes": 0}

def truth(n):
    return int(source.get(f"truth:{prefix}:{n}") or 0)

def raise_truth(n):
    return source.incr(f"truth:{prefix}:{n}")

@cache(ttl="1h", name="plain")
def plain(n):
    return truth(n)

@cache(ttl="1h", key="tagged:{n}", tags=["team:{team}"], name="tagged")
def tagged(n, team):
    return truth(n)

@cache(ttl="1h", name="awaited")
async def awaited(n):
    return truth(n)

def check(found, least, what, n):
    if found < least:
        problems.append(f"{what}({n}) gave {found} after what was older than {least} had been invalidated")

def change(n, by_tag):
    least = raise_truth(n)
    counts["changes"] += 1
    plain.invalidate(n)
    if by_tag:
        cache.invalidate(tags=[f"team:{n % 7}"])
    else:
        tagged.invalidate(n, n % 7)
    check(plain(n), least, "plain", n)
    check(tagged(n, n % 7), least, "tagged", n)
    return least

async def change_awaited(n, least):
    await awaited.invalidate(n)
    check(await awaited(n), least, "awaited", n)

def on_threads(chance, until):
    while time.monotonic() < until:
        n, kind = int(chance.betavariate(1, 3) * keys), chance.random()
        counts["reads"] += 1
        if kind < 0.9:
            plain(n) if kind < 0.45 else tagged(n, n % 7)
        else:
            least = change(n, by_tag=kind > 0.98)
            asyncio.run_coroutine_threadsafe(change_awaited(n, least), loop).result(20)

async def in_tasks(chance, until):
    while time.monotonic() < until:
        n = int(chance.betavariate(1, 3) * keys)
        counts["reads"] += 1
        if chance.random() < 0.9:
            await awaited(n)
        else:
            await change_awaited(n, await asyncio.to_thread(change, n, False))
        await asyncio.sleep(0)

async def called(n):
    return await awaited(n)

loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
plain(0), tagged(0, 0)
cache._core.store.feed.wait_live(10)
print("ready", flush=True)
sys.stdin.readline()
until = time.monotonic() + busy
chances = [random.Random(seed + at) for at in range(4)]
threads = [threading.Thread(target=on_threads, args=(one, until)) for one in chances[:2] if "threads" in colours]
tasks = [asyncio.run_coroutine_threadsafe(in_tasks(one, until), loop) for one in chances if "tasks" in colours]
for thread in threads:
    thread.start()
for task in tasks:
    task.result(busy + 20)
for thread in threads:
    thread.join(busy + 20)
print("done", flush=True)
sys.stdin.readline()
time.sleep(quiet)
answers = {n: [plain(n), tagged(n, n % 7), asyncio.run_coroutine_threadsafe(called(n), loop).result(10)] for n in range(keys)}
differ = {n: [*found, truth(n)] for n, found in answers.items() if set(found) != {truth(n)}}
stats = cache.stats()
print(json.dumps({
    "problems": problems[:5], "differ": differ, "hits": stats.hits, "loads": stats.loads, **counts,
    "nearby": cache._core.memory.size, "feed": cache._core.store.feed.state, "health": cache.health().state,
}), flush=True)
"""


def run(url: str, socket: str, colours: list[str]) -> list[dict[str, Any]]:
    """Run the processes; return what each of them has found."""
    prefix = secrets.token_hex(4)
    workers = []
    try:
        for number in range(PROCESSES):
            given = json.dumps([url, socket, prefix, colours, 100 * number + 1, KEYS, BUSY, QUIET])
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            workers.append(subprocess.Popen([sys.executable, "-c", WORKER, given], text=True, **pipes))  # type: ignore[call-overload]
        for said in ("ready\n", "done\n"):
            for worker in workers:
                assert worker.stdout.readline() == said, worker.communicate(timeout=PATIENCE)[1]
            for worker in workers:
                worker.stdin.write("go on\n")
                worker.stdin.flush()
        found = [worker.communicate(timeout=PATIENCE) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert [errors for _, errors in found if errors] == []
    return [json.loads(told) for told, _ in found]


@pytest.mark.timeout(90)
@pytest.mark.parametrize("colours", [["threads"], ["tasks"], ["threads", "tasks"]], ids="+".join)
@pytest.mark.parametrize("kind", ["redis_server", "redis_cluster"])
def test_near_stores_of_several_processes_converge(kind: str, colours: list[str], request: pytest.FixtureRequest) -> None:
    """Rules 1, 2 and 3: of 300 keys, none differs."""
    found: Server | Cluster = request.getfixturevalue(kind)
    truth = found.nodes[0] if isinstance(found, Cluster) else found
    if isinstance(found, Cluster):
        truth = request.getfixturevalue("redis_server")
    for told in run(found.url, str(truth.directory / "sock"), colours):
        assert (told["problems"], told["differ"]) == ([], {})
        assert (told["feed"], told["health"]) == ("live", "ok")
        assert told["changes"] > 20, told
        assert told["nearby"] > KEYS, told  # so the near stores did have a part in it
