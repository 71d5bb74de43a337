"""A circuit is one for all processes, by the server's clock, and does as it was told while the server is out of reach."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest
from tests.servers.server import Server
from tests.servers.waiting import eventually

from stillroom import Cache, CircuitOpen

CALLER = """
import asyncio, json, sys, time
from stillroom import Cache, CircuitOpen

cache = Cache(sys.argv[1], timeout=5)
spans, refused = [], 0

settings = dict(open_for=0.3, half_open_calls=2, trial_for=60, name="watched", on_error="refuse", errors=KeyError)

@cache.circuit_breaker(**settings)
def f(fails):
    began = time.monotonic()
    time.sleep(0.03)
    spans.append((began, time.monotonic()))
    if fails:
        raise KeyError

@cache.circuit_breaker(**settings)
async def g(fails):
    f.__wrapped__(fails)

def hammer(call):
    global refused
    end = time.monotonic() + 2
    while time.monotonic() < end:
        try:
            call(True)
        except KeyError:
            pass
        except CircuitOpen:
            refused += 1
            time.sleep(0.002)

if sys.argv[2] == "async":
    loop = asyncio.new_event_loop()
    hammer(lambda fails: loop.run_until_complete(g(fails)))
    loop.run_until_complete(cache.aclose())
    loop.close()
else:
    hammer(f)
    cache.close()
print(json.dumps([spans, refused]))
"""

TRIAL = """
import sys, threading
from stillroom import Cache

cache = Cache(sys.argv[1], timeout=5)

@cache.circuit_breaker(open_for=0.05, trial_for=0.5, name="watched")
def f():
    print("on trial", flush=True)
    threading.Event().wait(60)

f()
"""


@pytest.mark.parametrize("where", ["redis_server", "redis_cluster"])
def test_no_more_trials_run_at_a_time_than_there_may_be_whichever_process_makes_them(
    where: str, request: pytest.FixtureRequest
) -> None:
    server: Any = request.getfixturevalue(where)
    cache = Cache(server.url, timeout=5)
    f = cache.circuit_breaker(open_for=0.3, half_open_calls=2, trial_for=60, name="watched")(lambda: None)
    f.breaker.open()
    processes = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", CALLER, server.url, colour], stdout=subprocess.PIPE, text=True)
        for colour in ("sync", "async", "sync")
    ]
    told = [json.loads(process.communicate(timeout=30)[0]) for process in processes]
    assert all(process.returncode == 0 for process in processes)
    trials = sorted(tuple(span) for spans, _ in told for span in spans)
    assert len(trials) >= 2, "it was half open several times"
    assert max(sum(began <= at < ended for began, ended in trials) for at, _ in trials) <= 2
    assert sum(refused for _, refused in told) > 10
    cache.close()


def test_a_process_that_is_killed_on_trial_keeps_the_others_out_for_no_longer_than_was_said(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    f = cache.circuit_breaker(open_for=0.05, trial_for=0.5, name="watched")(lambda: "well")
    f.breaker.open()
    eventually(lambda: f.breaker.state == "half_open")
    with subprocess.Popen([sys.executable, "-c", TRIAL, redis_server.url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on trial\n"
        with pytest.raises(CircuitOpen, match="half open") as caught:
            f()
        process.kill()
    assert caught.value.retry_after <= 0.5
    eventually(lambda: f.breaker.peek().retry_after == 0)
    assert f() == "well"
    assert f.breaker.state == "closed"
    cache.close()


def half_open(server: Server) -> Any:
    """Return a decorator for coroutine functions with one circuit that is half open."""
    cache = Cache(server.url, timeout=5)
    watched = cache.circuit_breaker(open_for=0.05, trial_for=60, name="watched")
    f = watched(lambda: None)
    f.breaker.open()
    eventually(lambda: f.breaker.state == "half_open")
    return watched


async def cancelled(call: Any, server: Server, hangs: asyncio.Event) -> None:
    """Cancel a call once it has asked a server that hangs, and that will answer nonetheless."""
    asking = asyncio.ensure_future(call)
    await hangs.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    asking.cancel()
    server.resume()
    with pytest.raises(asyncio.CancelledError):
        await asking


def test_a_call_that_is_cancelled_while_it_asks_to_be_a_trial_gives_its_place_back(
    redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = half_open(redis_server)

    async def ask() -> None:
        hangs = asyncio.Event()

        @watched
        async def f() -> str:
            return "well"

        def new_token() -> bytes:
            redis_server.pause()
            hangs.set()
            return b"token"

        with monkeypatch.context() as patched:
            patched.setattr("stillroom.guards.judge.new_token", new_token)
            await cancelled(f(), redis_server, hangs)
        assert await f() == "well"
        assert await f.breaker.state == "closed"

    asyncio.run(ask())


def test_a_trial_whose_caller_is_cancelled_while_it_reports_is_reported_all_the_same(redis_server: Server) -> None:
    watched = half_open(redis_server)

    async def report() -> None:
        hangs = asyncio.Event()

        @watched
        async def f() -> str:
            redis_server.ask("SCRIPT FLUSH")  # so that it has to be told twice
            redis_server.pause()
            hangs.set()
            return "well"

        await cancelled(f(), redis_server, hangs)
        assert await f.breaker.state == "closed"

    asyncio.run(report())


def out_of_reach(server: Server, on_error: Any) -> list[str]:
    """Return what becomes of four calls that fail, of which two may, while the server hangs."""
    cache = Cache(server.url, timeout=0.2)

    @cache.circuit_breaker(min_calls=2, open_for="1h", on_error=on_error)
    def f(fails: bool) -> None:
        if fails:
            raise KeyError

    f(False)
    server.pause()
    seen = []
    try:
        for _ in range(4):
            try:
                f(True)
            except (KeyError, CircuitOpen) as error:
                seen.append(type(error).__name__)
    finally:
        server.resume()
        cache.close()
    return seen


def test_while_the_server_hangs_there_is_a_circuit_in_memory(redis_server: Server) -> None:
    assert out_of_reach(redis_server, "fallback") == ["KeyError", "KeyError", "CircuitOpen", "CircuitOpen"]


def test_while_the_server_hangs_calls_may_go_past_the_circuit(redis_server: Server) -> None:
    assert out_of_reach(redis_server, "bypass") == ["KeyError"] * 4


def test_while_the_server_hangs_calls_may_be_refused(redis_server: Server) -> None:
    assert out_of_reach(redis_server, "refuse") == ["CircuitOpen"] * 4


@pytest.mark.parametrize("on_error", ["fallback", "bypass", "refuse"])
def test_a_server_that_is_lost_during_a_call_costs_it_no_result(redis_server: Server, on_error: Any) -> None:
    cache = Cache(redis_server.url, timeout=0.2)

    @cache.circuit_breaker(on_error=on_error)
    def f() -> str:
        redis_server.pause()
        return "well"

    try:
        assert f() == "well"
    finally:
        redis_server.resume()
        cache.close()


def test_a_call_takes_one_command_before_it_and_one_after_it_and_leaves_nothing_behind(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    f = cache.circuit_breaker(window=0.3, key="{a}", name="f")(lambda a: a)
    f(0)  # connects, and has the script loaded
    with redis_server.monitor() as seen:
        f(1)
    assert [command.words[0] for command in seen if command.client not in ("lua", "unix")] == [b"EVALSHA"] * 2
    assert b"stillroom+{circuit:main:f:1}" in redis_server.ask("KEYS", "*")
    eventually(lambda: redis_server.ask("KEYS", "stillroom+*") == [])
    cache.close()
