"""All processes judge together how slow a function is, and each does as it was told while the server is out of reach."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Any

import pytest
from tests.servers.server import Server
from tests.servers.waiting import eventually

from stillroom import Cache, TooSlow

RULES: dict[str, Any] = {"factor": 5, "window": 60, "baseline": "1h", "min_calls": 6, "refuse_for": 60, "name": "watched"}
CALLER = """
import asyncio, sys, time
from stillroom import Cache, TooSlow

cache = Cache(sys.argv[1], timeout=5)
rules = {rules}

@cache.slow(**rules)
def f():
    time.sleep(0.2)

@cache.slow(**rules)
async def g():
    time.sleep(0.2)

async def call():
    await g()
    await cache.aclose()

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(call()) if sys.argv[2] == "async" else f()
"""
MEASURER = """
import sys, threading
from stillroom import Cache, TooSlow

cache = Cache(sys.argv[1], timeout=5)
decided, told, passed = threading.Semaphore(0), threading.Event(), []

@cache.slow(**{rules})
def f():
    passed.append(True)
    decided.release()
    told.wait(60)

def call():
    try:
        f()
    except TooSlow:
        decided.release()

print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=call) for _ in range(4)]
for thread in threads:
    thread.start()
for _ in threads:
    decided.acquire()
print(len(passed), flush=True)
sys.stdin.readline()
told.set()
for thread in threads:
    thread.join()
"""


class Caller:
    """A process that makes one slow call when it is told to, or several."""

    def __init__(self, server: Any, colour: str, program: str = CALLER, rules: Any = RULES) -> None:
        command = [sys.executable, "-W", "error", "-c", program.format(rules=rules), server.url, colour]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def call(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def passed(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def wait(self) -> int:
        self._process.communicate(timeout=30)
        return self._process.returncode


@pytest.mark.parametrize("where", ["redis_server", "redis_cluster"])
def test_what_some_processes_find_slow_is_refused_in_others(where: str, request: pytest.FixtureRequest) -> None:
    server: Any = request.getfixturevalue(where)
    cache = Cache(server.url, timeout=5)
    f = cache.slow(**{**RULES, "window": 0.2})(lambda: None)  # it soon knows what is usual
    for _ in range(6):
        f()
    processes = [Caller(server, colour) for colour in ("sync", "async") * 3]
    eventually(lambda: f.slowness.peek().calls == 0)
    f()  # now it is known what is usual
    for process in processes:
        process.call()
    assert [process.wait() for process in processes] == [0] * 6
    pace = f.slowness.peek()
    assert pace.state == "refusing"
    assert (pace.recent or 0) >= 0.2
    with pytest.raises(TooSlow):
        f()
    f.slowness.reset()
    assert server_keys(server) == []
    f()
    cache.close()


def slowed(cache: Cache, rules: Any) -> Any:
    """Return a function of one argument, how long it takes, that has become so slow that it is refused."""

    def f(took: float) -> None:
        time.sleep(took)

    quick, slow = cache.slow(**{**rules, "window": 0.2})(f), cache.slow(**rules)(f)
    for _ in range(6):
        quick(0)
    eventually(lambda: quick.slowness.peek(0).calls == 0)
    while slow.slowness.peek(0).state == "normal":
        slow(0.05)
    return slow


@pytest.mark.parametrize("where", ["redis_server", "redis_cluster"])
def test_no_more_calls_measure_than_are_wanted_whichever_process_makes_them(where: str, request: pytest.FixtureRequest) -> None:
    server: Any = request.getfixturevalue(where)
    rules = {**RULES, "refuse_for": 5}
    cache = Cache(server.url, timeout=5)
    f = slowed(cache, rules)
    processes = [Caller(server, "sync", MEASURER, rules) for _ in range(3)]
    eventually(lambda: f.slowness.peek(0).state == "measuring")
    for process in processes:
        process.call()
    assert sum(process.passed() for process in processes) == 6
    with pytest.raises(TooSlow):
        f(0)
    for process in processes:
        process.call()
    assert [process.wait() for process in processes] == [0] * 3
    cache.close()


def test_a_call_that_is_cancelled_while_it_asks_to_measure_gives_its_place_back(
    redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(redis_server.url, timeout=5)
    rules = {**RULES, "min_calls": 1, "refuse_for": 1}
    f = slowed(cache, rules)
    eventually(lambda: f.slowness.peek(0).state == "measuring")

    async def ask() -> None:
        hangs = asyncio.Event()

        @cache.slow(**rules)
        async def g() -> str:
            return "well"

        def new_token() -> bytes:
            redis_server.pause()
            hangs.set()
            return b"token"

        with monkeypatch.context() as patched:
            patched.setattr("stillroom.guards.judge.new_token", new_token)
            asking = asyncio.ensure_future(g())
            await hangs.wait()
            for _ in range(20):  # so that it has asked, and the server will have it measure
                await asyncio.sleep(0)
            asking.cancel()
            redis_server.resume()
            with pytest.raises(asyncio.CancelledError):
                await asking
        assert await g() == "well"
        assert (await g.slowness.peek()).state == "normal"
        await cache.aclose()

    asyncio.run(ask())


def server_keys(server: Any) -> list[bytes]:
    nodes = getattr(server, "nodes", [server])
    return [key for node in nodes for key in node.ask("KEYS", "stillroom+*")]


@pytest.mark.parametrize(
    ("on_error", "seen"), [("fallback", ["passed"] * 3), ("bypass", ["passed"] * 3), ("refuse", ["refused"] * 3)]
)
def test_while_the_server_hangs_it_does_as_it_was_told(redis_server: Server, on_error: Any, seen: list[str]) -> None:
    cache = Cache(redis_server.url, timeout=0.2)
    f = cache.slow(on_error=on_error)(lambda: "passed")
    assert f() == "passed"
    redis_server.pause()
    found = []
    try:
        for _ in range(3):
            try:
                found.append(f())
            except TooSlow:
                found.append("refused")
    finally:
        redis_server.resume()
        cache.close()
    assert found == seen


def test_a_call_takes_one_command_before_it_and_one_after_it_and_leaves_nothing_behind(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    f = cache.slow(window=0.2, baseline=0.4, min_calls=1, key="{a}", name="f")(lambda a: a)
    f(0)  # connects, and has the script loaded
    with redis_server.monitor() as seen:
        f(1)
    assert [command.words[0] for command in seen if command.client not in ("lua", "unix")] == [b"EVALSHA"] * 2
    assert b"stillroom+{slow:main:f:1}" in redis_server.ask("KEYS", "*")
    eventually(lambda: f(1) and b"stillroom+{slow:main:f:1}!" in redis_server.ask("KEYS", "*"))  # there is a history, too
    eventually(lambda: redis_server.ask("KEYS", "stillroom+*") == [])
    cache.close()
