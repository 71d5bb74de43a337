"""A limit holds for all processes together, by the server's clock, and does as it was told while the server is out of reach."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from bisect import bisect_left, bisect_right
from typing import Any

import pytest
from tests.servers.server import Server

from stillroom import Cache, RateLimited

LIMIT, PERIOD = 40, 0.5
HAMMER = """
import asyncio, json, sys, time
from stillroom import Cache, RateLimited

cache = Cache(sys.argv[1], timeout=5)
passed, refused = [], []

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
            refused.append((before, time.monotonic()))
        else:
            passed.append((before, time.monotonic()))

if sys.argv[2] == "async":
    loop = asyncio.new_event_loop()
    hammer(lambda: loop.run_until_complete(g()))
    loop.run_until_complete(cache.aclose())
    loop.close()
else:
    hammer(f)
    cache.close()
print(json.dumps([passed, refused]))
"""


@pytest.mark.parametrize("where", ["redis_server", "redis_cluster"])
def test_processes_that_hammer_get_all_of_the_limit_and_no_more(where: str, request: pytest.FixtureRequest) -> None:
    server: Any = request.getfixturevalue(where)
    code = HAMMER.format(limit=LIMIT, period=PERIOD)
    processes = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", code, server.url, colour], stdout=subprocess.PIPE, text=True)
        for colour in ("sync", "async", "sync")
    ]
    told = [json.loads(process.communicate(timeout=30)[0]) for process in processes]
    assert all(process.returncode == 0 for process in processes)
    passed, refused = ([tuple(call) for one in told for call in one[which]] for which in (0, 1))
    begun, ended = sorted(began for began, _ in passed), sorted(end for _, end in passed)
    # The server decided on each call at some moment between its two times, so all of those that both began and ended within a
    # period were let through in it; and so were at most those that had not ended before a period and began before its end.
    within = [sum(began <= other and end < began + PERIOD for other, end in passed) for began in begun]
    assert max(within) <= LIMIT
    assert refused, "demand was there"
    before = [bisect_left(begun, end) - bisect_right(ended, began - PERIOD) for began, end in refused]
    assert min(before) >= LIMIT, "nobody is refused unless so many were let through"


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
    assert b"stillroom+{rate:main:f:window:0.3:1}" in redis_server.ask("KEYS", "*")
    deadline = time.monotonic() + 5
    while redis_server.ask("KEYS", "stillroom+*") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert redis_server.ask("KEYS", "stillroom+*") == []
    cache.close()


def test_values_and_limits_of_one_name_have_nothing_to_do_with_each_other(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    f = cache.rate_limit(limit=1, period="1h", key="{a}", name="f")(lambda a: a)
    f("{x}:%")
    cache.set("rate:main:f:window:3600:{x}:%", 1, ttl=60)
    cache.clear()
    with pytest.raises(RateLimited):
        f("{x}:%")
    cache.close()
