"""Several processes through outages and with clocks that are wrong: rules 2, 35 and 42."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import pytest
from tests.redis.crew import Crew, crew
from tests.servers.server import Server
from tests.servers.waiting import eventually

HOUR = 3600.0


def well(workers: Crew) -> None:
    eventually(
        lambda: workers.all_say("[cache.health().state, cache.health().pending]") == [["ok", 0]] * len(workers.workers),
        within=5,
    )


def test_invalidations_of_an_outage_reach_the_other_processes_when_it_is_over(own_server: Server, tmp_path: Path) -> None:
    """Rule 35: by key, tag, function, namespace and clear; the server held the old values all the time."""
    with crew(own_server.url, tmp_path / "source", "sync", "async") as workers:
        first, second = workers
        means = {
            "a": "plain.invalidate('a')",
            "b": "verb('invalidate', tags=['k:b'])",
            "c": "item.refresh('c')",
            "d": "verb('set', 'item:d', 2)",
        }
        codes = {k: f"{'plain' if k in 'ab' else 'item'}('{k}')" for k in means}
        for k, code in codes.items():
            workers.set(k, 1)
            assert workers.all_say(code) == [1, 1]
        own_server.pause()
        for (k, what), worker in zip(means.items(), [first, second, first, second], strict=True):
            workers.set(k, 2)
            worker.ask(what)
        assert first.ask("cache.health().pending") + second.ask("cache.health().pending") >= 4
        own_server.resume()
        well(workers)
        for code in codes.values():
            assert workers.all_say(code) == [2, 2]


@pytest.mark.parametrize("what", ["plain.invalidate_all()", "verb('invalidate', namespace='main')", "verb('clear')"])
def test_so_do_those_of_whole_groups(own_server: Server, tmp_path: Path, what: str) -> None:
    with crew(own_server.url, tmp_path / "source", "sync", "async") as workers:
        for k in "abc":
            workers.set(k, 1)
            assert workers.all_say(f"plain('{k}')") == [1, 1]
            workers.set(k, 2)
        own_server.kill()
        workers.workers[1].ask(what)
        own_server.start()
        well(workers)
        for k in "abc":
            assert workers.all_say(f"plain('{k}')") == [2, 2]


def test_during_an_outage_a_bypass_sees_what_others_change(own_server: Server, tmp_path: Path) -> None:
    """Each is on its own then, and the one who cannot have that runs uncached."""
    with crew(own_server.url, tmp_path / "source", "sync", "async", on_error="bypass") as workers:
        workers.set("k", 1)
        assert workers.all_say("plain('k')") == [1, 1]
        own_server.pause()
        for version in range(2, 5):
            workers.set("k", version)
            workers.workers[version % 2].ask("plain.invalidate('k')")
            workers.workers[1 - version % 2].ask("plain.invalidate('other')")
            assert workers.all_say("plain('k')") == [version, version]
        own_server.resume()
        well(workers)
        assert workers.all_say("plain('k')") == [4, 4]


def test_what_processes_write_and_read_agrees_in_the_end(redis_server: Server, tmp_path: Path) -> None:
    """Rule 2: four processes write and delete 60 names at random; after quiet, each sees what all others see."""
    with crew(redis_server.url, tmp_path / "source", "sync", "async", "sync", "async", timeout=5) as workers:
        storm = (
            "[[{v}('set', f'n{{r.randrange(60)}}', r.random()), {v}('get', f'n{{r.randrange(60)}}'), "
            "{v}('delete', f'n{{r.randrange(60)}}') if r.random() < 0.2 else None] for _ in range(150)] and None"
        )
        for number, worker in enumerate(workers):
            worker.ask(f"job.names.__setitem__('r', __import__('random').Random({number}))")
        begun = [worker.begin(storm.format(v="verb") if worker.colour == "sync" else "job.storm(r)") for worker in workers]
        for one in begun:
            one.result(10)
        found = workers.all_say("verb('get_many', [f'n{at}' for at in range(60)])")
        assert len(found[0]) > 20
        assert all(one == found[0] for one in found)


@pytest.mark.parametrize("off", [{"skew": 5 * HOUR}, {"skew": -0.9 * HOUR}, {"date_is_off_by": -30 * 24 * HOUR}], ids=str)
def test_a_clock_that_is_wrong_changes_nothing(redis_server: Server, tmp_path: Path, off: dict[str, float]) -> None:
    """Rule 42: fresh, stale and expired are what they are in all processes, whoever has loaded."""
    colours: list[Literal["sync", "async"] | dict[str, object]] = [{"colour": "sync", **off}, "async"]
    with crew(redis_server.url, tmp_path / "source", *colours, timeout=5) as workers:
        for loader, other in (workers.workers, workers.workers[::-1]):
            name = f"of-{loader.colour}"
            workers.set(name, 1)
            began = time.monotonic()
            assert loader.ask(f"verb('set', '{name}', 1, 0.8)") is None
            assert loader.ask(f"plain('{name}')") == 1
            workers.set(name, 2)
            assert other.ask(f"plain('{name}')") == 1, "fresh for both"
            assert other.ask(f"verb('get', '{name}')") == 1
            left = other.ask(f"verb('ttl', '{name}')")
            assert left is not None
            assert 0 < left < 0.81
            long = other.ask("verb('set', 'long', 1, 100)") or loader.ask("verb('ttl', 'long')")
            assert 95 < long < 100.1, "but for how exactly the clock of the server is known"
            eventually(lambda o=other, n=name: o.ask(f"verb('get', '{n}')") is None)  # type: ignore[misc]
            assert 0.79 < time.monotonic() - began < 5
            eventually(lambda lo=loader, n=name: lo.ask(f"verb('get', '{n}')") is None, within=1)  # type: ignore[misc]
            assert loader.ask(f"stale('{name}')") == 2
            workers.set(name, 3)
            time.sleep(0.06)
            assert other.ask(f"stale('{name}')") == 2, "stale, and refreshed behind"
            eventually(lambda lo=loader, n=name: lo.ask(f"stale('{n}')") == 3)  # type: ignore[misc]


def test_workers_that_come_and_go_leave_the_others_alone(redis_server: Server, tmp_path: Path) -> None:
    """A process that is killed in the middle of whatever it did is not missed."""
    with crew(redis_server.url, tmp_path / "source", "sync", "async", "sync", timeout=5, lease="500ms") as workers:
        workers.set("k", 1)
        victim, *others = workers.workers
        begun = [victim.begin("[plain.refresh('k') for _ in range(100000)] and None"), victim.begin("alone('k')")]
        victim.loading("k", 1)
        victim.kill()
        for version in range(2, 5):
            workers.set("k", version)
            others[version % 2].ask("plain.invalidate('k')")
            assert [worker.ask("plain('k')") for worker in others] == [version] * 2
        assert others[0].ask("alone('k')") in (1, 4)
        assert all(one.exception(5) is not None or one.done() for one in begun)
