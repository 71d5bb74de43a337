"""Faults of a server, as one process meets them: no wrong answer, no exception at the caller, recovery within seconds."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.concurrency.meeting import Worker
from tests.redis.subject import Subject, subjects, timed
from tests.servers.processes import free_port
from tests.servers.proxy import Proxy
from tests.servers.server import Server
from tests.servers.waiting import eventually

from stillroom import Cache, StoreError
from stillroom._runtime.runtime import drive
from stillroom.observe.events import EntryUnreadable, StoreLost, StoreRegained

SLACK = 0.12
"""Seconds that the work around it may add to what a time limit allows."""
TIMEOUT = 0.25


@pytest.fixture(params=["blocking", "asyncio"])
def colour_(request: pytest.FixtureRequest) -> str:
    colour: str = request.param
    return colour


@pytest.fixture
def made(colour_: str) -> Iterator[Callable[..., Subject]]:
    with subjects(colour_) as make:
        yield make


def test_a_hanging_server_costs_a_call_the_timeout_and_soon_nothing(own_server: Server, made: Callable[..., Subject]) -> None:
    """Rule 33."""
    subject = made(own_server.url)
    subject.answers = {f"k{k}": k for k in range(40)}
    assert all(subject.is_right(k) for k in subject.answers)
    own_server.pause()
    lengths = [timed(lambda k=k: subject.is_right(k)) for k in subject.answers]  # type: ignore[misc]
    assert max(lengths) < TIMEOUT + SLACK
    assert sum(length > 0.05 for length in lengths) <= 3
    assert subject.cache.health().state == "down"
    assert timed(lambda: subject.verb("set", "n", 1)) < 0.05
    own_server.resume()
    subject.recovers()


@pytest.mark.parametrize("verb", ["invalidate", "set", "delete", "refresh", "alone", "many", "lock"])
def test_so_does_whatever_else_is_asked_of_it(own_server: Server, made: Callable[..., Subject], verb: str) -> None:
    """Rule 33: what makes something outdated begins the outage, and is made up for."""
    subject = made(own_server.url)
    subject.answers = {"1": 1, "2": 2}

    def lock() -> Any:
        if subject.is_async:

            async def held() -> None:
                async with subject.cache.lock("l", ttl=5, wait=5):
                    pass

            return held()
        with subject.cache.lock("l", ttl=5, wait=5):
            return None

    work: dict[str, Callable[[], Any]] = {
        "invalidate": lambda: subject.invalidate("1"),
        "set": lambda: subject.verb("set", "n", 1),
        "delete": lambda: subject.verb("delete", "n"),
        "refresh": lambda: subject.run(lambda: subject.function.refresh("1")),
        "alone": lambda: subject.run(lambda: subject.alone("1")),
        "many": lambda: subject.run(lambda: subject.function.many(["1", "2"])),
        "lock": lambda: subject.run(lock),
    }
    assert subject.is_right("1")
    own_server.pause()
    assert timed(work[verb]) < TIMEOUT + SLACK
    own_server.resume()
    subject.recovers()
    assert timed(work[verb]) < TIMEOUT


FAULTS: dict[str, Callable[[Server], object]] = {
    "killed and empty": lambda server: server.restart(),
    "scripts flushed": lambda server: server.ask("SCRIPT FLUSH"),
    "clients killed": lambda server: server.ask("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes"),
    "flushed": lambda server: server.flush(),
    "hangs": lambda server: (server.pause(), time.sleep(0.3), server.resume()),  # type: ignore[func-returns-value]
    "sleeps": lambda server: server.client().execute_command("DEBUG", "SLEEP", "0.4"),
    "tokens evicted": lambda server: [server.ask("DEL", key) for key in server.ask("KEYS", "stillroom:[a-z]*")],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_under_load_harms_nobody(own_server: Server, made: Callable[..., Subject], fault: str) -> None:
    """Rules 34 and 36: whoever reads and invalidates meanwhile gets right answers, and all is well after it."""
    subject = made(own_server.url)
    subject.answers = {f"k{k}": 0 for k in range(20)}
    assert all(subject.is_right(k) for k in subject.answers)
    trouble = Worker(lambda: FAULTS[fault](own_server))
    version, until = 0, time.monotonic() + 0.7
    while time.monotonic() < until or trouble.thread.is_alive():
        version += 1
        k = f"k{version % 20}"
        subject.answers[k] = version
        subject.invalidate(k)
        assert all(subject.is_right(one) for one in (k, f"k{version % 7}", f"k{version % 11}"))
    assert not isinstance(trouble.join(), BaseException)
    subject.recovers()
    assert all(subject.is_right(k) for k in subject.answers)
    assert subject.run(lambda: subject.alone("k3")) == subject.answers["k3"]


def test_an_idle_connection_that_was_killed_costs_nothing(own_server: Server, made: Callable[..., Subject]) -> None:
    """Rule 36: it is made anew, nobody notices, and no outage is declared."""
    subject = made(own_server.url)
    subject.answers = {"1": 1}
    for _ in range(5):
        assert subject.is_right("1")
        own_server.ask("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
        time.sleep(0.01)
    assert subject.is_right("1")
    assert subject.cache.health().state == "ok"
    assert subject.loads == ["1"]


def test_an_application_starts_while_its_server_is_down_and_uses_it_when_it_comes(made: Callable[..., Subject]) -> None:
    server = Server(port=free_port())
    subject = made(server.url)
    subject.answers = {f"k{k}": k for k in range(10)}
    assert all(subject.is_right(k) for k in subject.answers)
    assert all(subject.is_right(k) for k in subject.answers)
    assert subject.cache.health().state == "down"
    with server:
        subject.recovers()


def test_the_log_says_once_that_the_store_went_away_and_once_that_it_is_back(
    own_server: Server, made: Callable[..., Subject], caplog: pytest.LogCaptureFixture
) -> None:
    subject = made(own_server.url)
    seen: list[str] = []
    subject.cache.subscribe(lambda event: seen.append(type(event).__name__), StoreLost, StoreRegained)
    subject.answers = {f"k{k}": k for k in range(20)}
    with caplog.at_level(logging.INFO, logger="stillroom"):
        assert all(subject.is_right(k) for k in subject.answers)
        own_server.kill()
        for _ in range(3):
            assert all(subject.is_right(k) for k in subject.answers)
            subject.verb("invalidate", tags=["all"])
        own_server.start()
        subject.recovers()
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2, texts
    assert "is out of reach" in texts[0]
    assert "is back after" in texts[1]
    assert seen == ["StoreLost", "StoreRegained"]


def test_invalidations_of_an_outage_are_told_before_anything_is_served(
    own_server: Server, made: Callable[..., Subject]
) -> None:
    """Rule 35: the server still holds what was invalidated while it hung."""
    subject = made(own_server.url)
    subject.answers = {f"k{k}": 0 for k in range(50)}
    assert all(subject.is_right(k) for k in subject.answers)
    own_server.pause()
    for k in subject.answers:
        subject.answers[k] = 1
    for number in range(25):
        subject.invalidate(f"k{number}")
    for number in range(25, 50):
        subject.verb("invalidate", tags=[f"k:k{number}"])
    assert subject.cache.health().pending == 50
    own_server.resume()
    until = time.monotonic() + 3
    while not subject.is_well():
        assert all(subject.is_right(k) for k in subject.answers)
        assert time.monotonic() < until
    assert all(subject.is_right(k) for k in subject.answers)


def test_there_is_a_bound_to_what_is_kept_for_a_server_that_is_gone(own_server: Server, made: Callable[..., Subject]) -> None:
    """Rules 30 and 35: with too many invalidations to remember, the whole namespace is invalidated instead."""
    subject = made(own_server.url)
    subject.answers = {f"k{k}": 0 for k in range(5)}
    assert all(subject.is_right(k) for k in subject.answers)
    own_server.pause()
    subject.verb("delete_many", [f"n{number}" for number in range(6000)])
    for k in subject.answers:
        subject.answers[k] = 1
        subject.invalidate(k)
    subject.verb("delete_many", [f"m{number}" for number in range(6000)])
    assert subject.cache.health().pending <= 10_000
    own_server.resume()
    subject.recovers()
    assert all(subject.is_right(k) for k in subject.answers)


def test_what_is_evicted_is_a_miss_and_nothing_worse(tiny_server: Server, made: Callable[..., Subject]) -> None:
    """Rules 34 and 40: a server without room drops whatever it likes, generation tokens and leases included."""
    subject = made(tiny_server.url, timeout=2)
    tiny_server.ask("CONFIG SET", "maxmemory-policy", "allkeys-random")
    filler = "x" * 20_000
    subject.answers = {f"k{k}": (0, filler) for k in range(300)}
    for version in range(1, 4):
        for k in list(subject.answers)[:: 2 if version % 2 else 3]:
            subject.answers[k] = (version, filler)
            subject.invalidate(k) if int(k[1:]) % 2 else subject.verb("invalidate", tags=[f"k:{k}"])
        assert all(subject.is_right(k) for k in subject.answers)
    assert int(tiny_server.client().info("stats")["evicted_keys"]) > 100
    assert subject.cache.health().state == "ok"


def test_values_for_which_there_is_no_room_still_end_what_is_outdated(own_server: Server, made: Callable[..., Subject]) -> None:
    """Rule 34: there is none for the token of a tag that is new, either."""
    cache = made(own_server.url)
    former = {f"n{number}": 0 for number in range(10)}
    cache.verb("set_many", former)
    own_server.ask("CONFIG SET", "maxmemory", "1kb")
    own_server.ask("CONFIG SET", "maxmemory-policy", "noeviction")
    cache.verb("set_many", dict.fromkeys([*former, "new"], 1), tags=["new"])
    assert cache.verb("get_many", [*former, "new"]) == {}
    assert cache.cache.health().state == "ok"


def test_a_server_that_takes_nothing_any_more_does_no_harm(own_server: Server, made: Callable[..., Subject]) -> None:
    """Rule 34: full, and told to evict nothing."""
    subject = made(own_server.url)
    subject.answers = {f"k{k}": 0 for k in range(10)}
    assert all(subject.is_right(k) for k in subject.answers)
    own_server.ask("CONFIG SET", "maxmemory", "1kb")
    own_server.ask("CONFIG SET", "maxmemory-policy", "noeviction")
    for k in subject.answers:
        subject.answers[k] = 1
        subject.invalidate(k)
        assert subject.is_right(k)
        assert subject.is_right(k)
    subject.answers["new"] = 1
    assert subject.is_right("new")
    subject.verb("set", "n", 1)
    own_server.ask("CONFIG SET", "maxmemory", "0")
    subject.recovers()
    assert all(subject.is_right(k) for k in subject.answers)


# What `on_error` says


def test_fallback_answers_from_memory_meanwhile(own_server: Server, made: Callable[..., Subject]) -> None:
    subject = made(own_server.url, on_error="fallback")
    subject.answers = {"1": 1}
    own_server.kill()
    subject.invalidate("1")
    assert subject.is_right("1")
    assert subject.is_right("1")
    assert subject.loads == ["1"]
    subject.verb("set", "n", 5)
    assert subject.verb("get", "n") == 5
    own_server.start()
    subject.recovers()
    assert subject.verb("get", "n") is None, "what memory held is forgotten"


def test_bypass_runs_functions_uncached_meanwhile(own_server: Server, made: Callable[..., Subject]) -> None:
    subject = made(own_server.url, on_error="bypass")
    subject.answers = {"1": 1}
    own_server.kill()
    subject.invalidate("1")
    assert subject.is_right("1")
    assert subject.is_right("1")
    assert subject.loads == ["1", "1"]
    subject.verb("set", "n", 5)
    assert subject.verb("get", "n") is None
    own_server.start()
    subject.recovers()


def test_raise_tells_the_caller_and_is_quick_about_it(own_server: Server, made: Callable[..., Subject]) -> None:
    subject = made(own_server.url, on_error="raise")
    subject.answers = {"1": 1}
    assert subject.is_right("1")
    subject.answers["1"] = 2
    own_server.pause()

    def raises(work: Callable[[], Any]) -> None:
        with pytest.raises(StoreError):
            work()

    for work in (lambda: subject.get("1"), lambda: subject.invalidate("1"), lambda: subject.verb("get", "n")):
        assert timed(lambda work=work: raises(work)) < TIMEOUT + SLACK  # type: ignore[misc]
    assert timed(lambda: raises(lambda: subject.get("1"))) < 0.05
    own_server.resume()
    subject.recovers()
    assert subject.is_right("1"), "the invalidation that raised has been replayed"


@pytest.mark.parametrize("on_error", ["fallback", "bypass", "raise"])
def test_ping_tells_whether_the_store_answers(own_server: Server, made: Callable[..., Subject], on_error: str) -> None:
    subject = made(own_server.url, on_error=on_error)

    def answers() -> bool:
        try:
            return bool(subject.verb("ping"))
        except StoreError:
            return False

    assert answers()
    own_server.kill()
    assert not answers()
    own_server.start()
    eventually(answers, 3)


# A bad network


def test_replies_that_are_cut_in_the_middle(own_server: Server, made: Callable[..., Subject]) -> None:
    with Proxy(own_server) as proxy:
        subject = made(proxy.url)
        filler = "x" * 300
        subject.answers = {f"k{k}": (0, filler) for k in range(10)}
        for size in range(1, 500, 17):
            proxy.cut_after(size)
            k = f"k{size % 10}"
            subject.answers[k] = (size, filler)
            subject.invalidate(k)
            assert all(subject.is_right(k) for k in subject.answers)
        proxy.calm()
        subject.recovers()
        assert all(subject.is_right(k) for k in subject.answers)


@pytest.mark.parametrize("secret", [None, "a secret of some length"])
def test_replies_that_are_garbled(own_server: Server, made: Callable[..., Subject], secret: str | None) -> None:
    """Rules 43 and 44: whatever byte is another one than it was, no wrong answer comes of it."""
    with Proxy(own_server) as proxy:
        subject = made(proxy.url, secret=secret, timeout=0.1)
        subject.answers = {f"k{k}": {"k": k, "version": 0, "text": "some text"} for k in range(30)}
        assert all(subject.is_right(k) for k in subject.answers)
        for seed in range(20):
            proxy.garble(0.3, seed=seed)
            for k in list(subject.answers)[seed % 3 :: 3]:
                assert subject.is_right(k), seed
            k = f"k{seed % 30}"
            subject.answers[k] = {**subject.answers[k], "version": seed}
            subject.invalidate(k)
            assert subject.is_right(k)
            if seed % 5 == 4:
                proxy.calm()
                eventually(subject.is_well, 3)
        proxy.calm()
        subject.recovers()
        assert all(subject.is_right(k) for k in subject.answers)


def test_replies_of_another_kind_than_they_should_be(own_server: Server, made: Callable[..., Subject]) -> None:
    """Rule 34: each kind of reply where another one should be, for everything that is asked."""
    with Proxy(own_server) as proxy:
        subject = made(proxy.url, timeout=0.1)
        subject.answers = {"1": 0}
        replies = [b":5\r\n", b",1.5\r\n", b"#t\r\n", b"*1\r\n:1\r\n", b"$3\r\nabc\r\n", b"$-1\r\n", b"+OK\r\n", b"*0\r\n"]
        verbs: list[Callable[[], Any]] = [
            lambda: subject.verb("set", "n", 1),
            lambda: subject.verb("get", "n"),
            lambda: subject.verb("add", "n", 1),
            lambda: subject.verb("incr", "n"),
            lambda: subject.verb("touch", "n", 100),
            lambda: subject.verb("delete", "n"),
            lambda: subject.verb("get_many", ["n", "m"]),
            lambda: subject.verb("delete_match", "n*"),
            lambda: subject.verb("invalidate", tags=["all"]),
            lambda: subject.invalidate("1"),
            lambda: subject.is_right("1"),
            lambda: subject.run(lambda: subject.alone("1")),
            lambda: subject.run(lambda: subject.function.refresh("1")),
            lambda: subject.run(lambda: subject.function.many(["1"])),
        ]
        for at, verb in enumerate(verbs):
            for reply in replies[at % 7 :: 7]:
                proxy.tamper(lambda _, reply=reply: reply)  # type: ignore[misc]
                verb()
                proxy.calm()
                subject.answers["1"] += 1
                subject.invalidate("1")
                assert subject.is_right("1")
            eventually(subject.is_well, 3)
            assert subject.is_right("1")
        subject.recovers()


def test_a_slow_network_is_waited_for_and_one_that_is_too_slow_is_not(own_server: Server, made: Callable[..., Subject]) -> None:
    with Proxy(own_server) as proxy:
        subject = made(proxy.url, timeout=0.15)
        subject.answers = {f"k{k}": k for k in range(10)}
        proxy.delay(0.02)
        assert all(subject.is_right(k) for k in subject.answers)
        assert subject.cache.health().state == "ok"
        proxy.delay(0.2)
        assert timed(lambda: subject.is_right("k1")) < 0.15 + SLACK
        assert all(subject.is_right(k) for k in subject.answers)
        proxy.calm()
        subject.recovers()


def test_replies_that_come_in_drops_cost_no_more_than_the_timeout(own_server: Server, made: Callable[..., Subject]) -> None:
    with Proxy(own_server) as proxy:
        subject = made(proxy.url)
        subject.answers = {"1": "x" * 200}
        assert subject.is_right("1")
        proxy.drip(1, 0.05)
        assert timed(lambda: subject.is_right("1")) < TIMEOUT + SLACK
        proxy.calm()
        subject.recovers()


# What is stored


def test_foreign_and_damaged_bytes_are_misses_and_events(redis_server: Server, made: Callable[..., Subject]) -> None:
    """Rule 44."""
    subject = made(redis_server.url, timeout=5)
    unreadable: list[str] = []
    subject.cache.subscribe(lambda event: unreadable.append(event.key), EntryUnreadable)  # type: ignore[attr-defined]
    subject.answers = {"1": {"a": 1}}
    assert subject.is_right("1")
    (name,) = redis_server.ask("KEYS", "stillroom:{*subject*}")
    whole = redis_server.ask("GET", name)
    damaged = [b"foreign", b"", b"\x00" * 50, b"\xff" * 50, whole[:-1], whole + b"x", whole[:20], b"\x02" + whole[1:]]
    flipped = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    damaged += flipped
    for data in damaged:
        redis_server.ask("SET", name, data)
        del subject.loads[:], unreadable[:]
        assert subject.is_right("1"), data
        assert subject.loads == ["1"], data
        if data not in flipped:  # what is changed in its tokens looks like what was invalidated
            assert unreadable or not data, data
        assert subject.is_right("1")
        assert subject.loads == ["1"], "it has been replaced"
    assert subject.cache.health().state == "ok"


def test_what_is_of_another_type_is_a_miss(redis_server: Server, made: Callable[..., Subject]) -> None:
    """Rule 44: a list lies where an entry should."""
    subject = made(redis_server.url, timeout=5)
    subject.answers = {"1": 1}
    assert subject.is_right("1")
    (name,) = redis_server.ask("KEYS", "stillroom:{*subject*}")
    redis_server.ask("DEL", name)
    redis_server.ask("RPUSH", name, "a")
    assert subject.is_right("1")
    subject.invalidate("1")
    assert subject.is_right("1")
    subject.recovers()


@pytest.mark.parametrize("secret", [None, "a secret of some length"])
def test_an_entry_that_was_copied_to_another_key_is_refused(
    redis_server: Server, made: Callable[..., Subject], secret: str | None
) -> None:
    """Rule 43."""
    subject = made(redis_server.url, timeout=5, secret=secret)
    unreadable: list[object] = []
    subject.cache.subscribe(unreadable.append, EntryUnreadable)
    subject.answers = {"one": 1, "two": 2}
    assert subject.is_right("one")
    assert subject.is_right("two")
    first, second = sorted(redis_server.ask("KEYS", "stillroom:{*subject*}"))
    assert b"one" in first
    redis_server.ask("SET", second, redis_server.ask("GET", first))
    assert subject.is_right("two")
    assert unreadable
    assert subject.loads == ["one", "two", "two"]


def test_an_entry_with_another_signature_is_refused(redis_server: Server, made: Callable[..., Subject]) -> None:
    """Rule 43, and 45: and neither secret is told to anybody."""
    first, second = (made(redis_server.url, timeout=5, secret=f"secret number {number}, or so") for number in (1, 2))
    first.answers, second.answers = {"1": 1}, {"1": 2}
    told: list[object] = []
    second.cache.subscribe(told.append, EntryUnreadable)
    assert first.is_right("1")
    assert second.is_right("1")
    assert told
    assert "secret number" not in repr(told) + repr(second.cache) + repr(second.cache.health())


def test_the_state_of_a_store_is_known_to_both_colours(own_server: Server) -> None:
    cache = Cache(own_server.url)
    own_server.kill()
    cache.invalidate(tags=["all"])

    async def main() -> None:
        assert cache.health().state == "down"
        assert await cache.aget("n", 1) == 1

    asyncio.run(main())
    assert drive(cache._core.blocking.store.read([])) == []
    cache.close()
