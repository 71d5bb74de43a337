"""A filter is shared by all processes, certain of nothing while the server is out of reach or has lost it, and one round trip
away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.servers.sentinel import Sentinel
from tests.servers.server import Server

from stillroom import Cache, StoreError

BITS = b"stillroom+{bloom:main:taken:1000:28756:20}"
MEMBERS = BITS + b"!"

OTHER = """
import sys
from stillroom import Cache

cache = Cache(sys.argv[1], timeout=5)

@cache.bloom(capacity=1000, false_positive_rate=1e-6, name="taken")
def is_taken(name):
    print("asked for", name)
    return True

is_taken.add("bob")
print(is_taken("ada"), is_taken("bob"), is_taken("zoe"))
cache.close()
"""


def filtered(cache: Cache, asked: list[str]) -> Any:
    @cache.bloom(capacity=1000, false_positive_rate=1e-6, name="taken")
    def is_taken(name: str) -> bool:
        asked.append(name)
        return True

    return is_taken


@pytest.mark.parametrize("where", ["redis_server", "redis_cluster"])
def test_what_one_process_adds_another_one_knows(where: str, request: pytest.FixtureRequest) -> None:
    server: Any = request.getfixturevalue(where)
    cache, asked = Cache(server.url, timeout=5), list[str]()
    is_taken = filtered(cache, asked)
    is_taken.bloom.fill(["ada"])
    command = [sys.executable, "-W", "error", "-c", OTHER, server.url]
    other = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert other.stdout.split("\n")[:3] == ["asked for ada", "asked for bob", "True True False"]
    assert [is_taken(name) for name in ("ada", "bob", "zoe")] == [True, True, False]
    assert asked == ["ada", "bob"]
    cache.close()


def test_without_its_server_a_filter_is_certain_of_nothing_and_takes_no_members(redis_server: Server) -> None:
    cache, asked = Cache(redis_server.url, timeout=0.2), list[str]()
    is_taken = filtered(cache, asked)
    is_taken.add("ada")
    assert not is_taken("zoe")
    redis_server.pause()
    try:
        assert is_taken("zoe"), "the function has to tell"
        with pytest.raises(StoreError):
            is_taken.add("bob")
    finally:
        redis_server.resume()
        cache.close()


def test_a_call_takes_one_command(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    is_taken = filtered(cache, [])
    is_taken.add("ada"), is_taken("ada")
    with redis_server.monitor() as seen:
        assert not is_taken("zoe")
    assert [command.words[0] for command in seen if command.client not in ("lua", "unix")] == [b"EVALSHA"]
    cache.close()


def test_a_filter_that_has_lost_its_bits_is_certain_of_nothing(redis_server: Server) -> None:
    first, second = Cache(redis_server.url, timeout=5), Cache(redis_server.url, timeout=5)
    filtered(first, []).bloom.fill(["ada"])
    assert redis_server.ask("DEL", BITS) == 1
    is_taken = filtered(second, [])
    is_taken.add("bob")
    assert is_taken.bloom.peek() is None
    assert is_taken("ada"), "the function has to tell"
    for cache in (first, second):
        cache.close()


def test_a_filter_that_has_lost_all_but_its_bits_goes_on(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    is_taken = filtered(cache, [])
    is_taken.bloom.fill(["ada"])
    assert redis_server.ask("DEL", MEMBERS) == 1
    is_taken.add("bob")
    assert [is_taken(name) for name in ("ada", "bob", "zoe")] == [True, True, False]
    cache.close()


def test_bits_that_are_lost_while_a_filter_is_filled_are_missed(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    is_taken = filtered(cache, [])

    def names() -> Iterator[str]:
        yield from [f"name {n}" for n in range(1000)]
        assert redis_server.ask("DEL", BITS) == 1
        yield "ada"

    with pytest.raises(StoreError, match="lost"):
        is_taken.bloom.fill(names())
    assert is_taken("name 1"), "the function has to tell"
    cache.close()


def test_a_step_that_a_new_master_has_not_heard_of_is_missed(redis_server: Server) -> None:
    cache = Cache(redis_server.url, timeout=5)
    is_taken = filtered(cache, [])

    def names() -> Iterator[str]:
        yield from [f"first {n}" for n in range(1000)]
        heard = {key: redis_server.ask("DUMP", key) for key in (BITS, MEMBERS)}
        yield from [f"second {n}" for n in range(1000)]
        for key, value in heard.items():
            redis_server.ask("RESTORE", key, 0, value, "REPLACE")
        yield "ada"

    with pytest.raises(StoreError, match="lost"):
        is_taken.bloom.fill(names())
    assert is_taken("second 1"), "the function has to tell"
    cache.close()


def test_to_add_waits_for_replicas(sentinel: Sentinel) -> None:
    """A replica that takes over would not know the member otherwise."""
    cache = Cache(sentinel.url, timeout=5)
    is_taken = filtered(cache, [])
    is_taken.add("ada")
    with sentinel.master().monitor() as seen:
        is_taken.add("bob")
        assert is_taken("bob")
    words = [command.words[0] for command in seen if command.words[0] in (b"EVALSHA", b"WAIT") and command.client != "lua"]
    assert words == [b"EVALSHA", b"WAIT", b"EVALSHA"]
    cache.close()
