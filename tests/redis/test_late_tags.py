"""Tags that loads add while they run, on a server that several processes share."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from tests.servers.server import Server

from stillroom import Cache, current_load

LONG = 5.0
"""Seconds that an operation may take: a busy machine must not look like an outage."""


class Process:
    """What stands for one process: a cache of its own on a shared server, and a function of the same name in each."""

    def __init__(self, url: str, prefix: str, near: str | None) -> None:
        self.cache = Cache(url, prefix=prefix, timeout=LONG, near=near)
        self.loads = 0
        self.meanwhile: Callable[[], None] = lambda: None

        @self.cache(ttl="1h", name="number", key="number:{n}")
        def number(n: int) -> str:
            self.loads += 1
            value = f"v{self.loads}"
            self.meanwhile()
            current_load().tags.add(f"parity:{n % 2}")
            return value

        self.number = number


@pytest.fixture(params=[None, "memory://"], ids=["far", "near and far"])
def processes(redis_server: Server, request: pytest.FixtureRequest) -> Iterator[Callable[[], Process]]:
    prefix, made = secrets.token_hex(4), []

    def make() -> Process:
        made.append(Process(redis_server.url, prefix, request.param))
        return made[-1]

    yield make
    for process in made:
        process.cache.close()


def test_what_one_process_has_stored_another_ends_by_its_tag(processes: Callable[[], Process]) -> None:
    """Rule 1."""
    one, other = processes(), processes()
    assert [one.number(1), one.number(1), one.number(1)] == ["v1", "v2", "v2"]
    assert [other.number(1), other.number(1)] == ["v2", "v2"]
    assert other.loads == 0
    other.cache.invalidate(tags=["parity:1"])
    assert one.number(1) == "v3"


def test_who_has_read_an_entry_has_met_its_tags(processes: Callable[[], Process]) -> None:
    one, other = processes(), processes()
    one.number(1), one.number(1)
    assert other.number(1) == "v2"
    assert [other.number(3), other.number(3)] == ["v1", "v1"]


@pytest.mark.parametrize("has_met", [True, False])
def test_an_invalidation_of_another_process_wins_over_a_load_that_adds_the_tag_later(
    processes: Callable[[], Process], has_met: bool
) -> None:
    """Rule 1."""
    one, other = processes(), processes()
    if has_met:
        one.number(3)
    before = one.loads
    one.meanwhile = lambda: other.cache.invalidate(tags=["parity:1"])
    assert one.number(1) == f"v{before + 1}"
    one.meanwhile = lambda: None
    assert one.number(1) == f"v{before + 2}"


def test_an_invalidation_costs_one_load_and_no_second_one(processes: Callable[[], Process]) -> None:
    one = processes()
    one.number(1), one.number(1)
    one.cache.invalidate(tags=["parity:1"])
    assert [one.number(1), one.number(1)] == ["v3", "v3"]
