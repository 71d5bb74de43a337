"""A limit holds for all processes together, by the server's clock, and does as it was told while the server is out of reach."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from tests.servers.server import Server

from stillroom import Cache, RateLimited

LIMIT, PERIOD = 40, 0.5
HAMMER = """
import asyncio, json, sys, time
from stillroom import Cache, RateLimited

cache = Cache(sys.argv[1], timeout=5)
passed = []

@cache.rate_limit(limit={limit}, period={period}, name="hammered", on_error="refuse")
def f():
    return None

@cache.rate_limit(limit={limit}, period={period}, name="hammered", on_error="refuse")
async def g():
    return None

async def once():
    await g()

def hammer(call):
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        before = time.monotonic()
        try:
            call()
        except RateLimited:
            continue
        passed.append((before, time.monotonic()))

if sys.argv[2] == "async":
    loop = asyncio.new_event_loop()
    hammer(lambda: loop.run_until_complete(g()))
    loop.run_until_complete(cache.aclose())
    loop.close()
else:
    hammer(f)
    cache.close()
print(json.dumps(passed))
"""


@pytest.mark.parametrize("where", ["redis_server", "redis_cluster"])
def test_processes_that_hammer_get_all_of_the_limit_and_no_more(where: str, request: pytest.FixtureRequest) -> None:
    server: Any = request.getfixturevalue(where)
    code = HAMMER.format(limit=LIMIT, period=PERIOD)
    processes = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", code, server.url, colour], stdout=subprocess.PIPE, text=True)
        for colour in ("sync", "async", "sync")
    ]
    passed = sorted(tuple(one) for process in processes for one in json.loads(process.communicate(timeout=30)[0]))
    assert all(process.returncode == 0 for process in processes)
    first, last = passed[0][0], passed[-1][1]
    # Each was let through at some moment between its two times: if the outer ones of a run of `limit + 1` are closer together
    # than the period, all of them were within one.
    runs = zip(passed, passed[LIMIT:], strict=False)
    assert all(later[1] - earlier[0] >= PERIOD for earlier, later in runs)
    assert len(passed) >= LIMIT * int((last - first) / PERIOD), "demand was there all the time"


def out_of_reach(server: Server, on_error: Any) -> list[str]:
    """Return what becomes of four calls with a limit of two while the server hangs."""
    cache = Cache(server.url, timeout=0.2)
    f = cache.rate_limit(limit=2, period="1h", on_error=on_error)(lambda: "passed")
    assert f() == "passed"
    server.pause()
    seen = []
    try:
        for _ in range(4):
            try:
                seen.append(f())
            except RateLimited:
                seen.append("refused")
    finally:
        server.resume()
        cache.close()
    return seen


def test_while_the_server_hangs_calls_are_counted_in_memory(redis_server: Server) -> None:
    assert out_of_reach(redis_server, "fallback") == ["passed", "passed", "refused", "refused"]


def test_while_the_server_hangs_calls_may_go_past_the_limit(redis_server: Server) -> None:
    assert out_of_reach(redis_server, "bypass") == ["passed"] * 4


def test_while_the_server_hangs_calls_may_be_refused(redis_server: Server) -> None:
    assert out_of_reach(redis_server, "refuse") == ["refused"] * 4


def test_a_call_takes_one_command_and_leaves_nothing_behind(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    f = cache.rate_limit(limit=2, period=0.3, key="{a}", name="f")(lambda a: a)
    f(0)  # connects, and has the script loaded
    with redis_server.monitor() as seen:
        f(1)
    assert [command.words[0] for command in seen if command.client not in ("lua", "unix")] == [b"EVALSHA"]
    assert b"stillroom+{rate:main:f:1}" in redis_server.ask("KEYS", "*")
    deadline = time.monotonic() + 5
    while redis_server.ask("KEYS", "stillroom+*") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert redis_server.ask("KEYS", "stillroom+*") == []
    cache.close()


def test_values_and_limits_of_one_name_have_nothing_to_do_with_each_other(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    f = cache.rate_limit(limit=1, period="1h", key="{a}", name="f")(lambda a: a)
    f("{x}:%")
    cache.set("rate:main:f:{x}:%", 1, ttl=60)
    cache.clear()
    with pytest.raises(RateLimited):
        f("{x}:%")
    cache.close()
