"""Rule 1 across processes: what one process invalidates, no load of another brings back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from tests.redis.crew import Crew, Worker, crew
from tests.servers.server import Server
from tests.servers.waiting import eventually

MEANS = {
    "key": "{function}.invalidate('{k}')",
    "tag": "verb('invalidate', tags=['k:{k}'])",
    "function": "{function}.invalidate_all()",
    "namespace": "verb('invalidate', namespace='main')",
    "clear": "verb('clear')",
}
FRONT = {
    "call": "plain('{k}')",
    "templated": "item('{k}')",
    "shared lock": "alone('{k}')",
    "refresh": "plain.refresh('{k}')",
    "many": "plain.many(['{k}'])",
    "get_or_load": "get_or_load('{k}')",
}
BEHIND = {"stale": "stale", "warm": "warm", "soft": "soft"}
_numbers = itertools.count()


@pytest.fixture(scope="module")
def everybody(_redis_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Workers that the tests of this module share; each test has a key of its own."""
    with crew(_redis_server.url, tmp_path_factory.mktemp("crew") / "source", "sync", "async", "sync", timeout=5) as workers:
        yield workers


@pytest.fixture
def key(everybody: Crew) -> str:
    for worker in everybody:
        worker.hold()
    return f"k{next(_numbers)}"


def function_of(code: str) -> str:
    return code.partition("(")[0].partition(".")[0]


def means_for(means: str, code: str, k: str) -> str:
    if function_of(code) == "get_or_load":
        return {"key": f"verb('delete', 'named:{k}')", "function": f"verb('delete_match', 'named:{k}*')"}.get(
            means, MEANS[means].format(k=k, function="")
        )
    return MEANS[means].format(k=k, function=function_of(code))


def read(worker: Worker, code: str) -> int:
    found = worker.ask(code)
    value: int = found[0] if isinstance(found, list) else found
    return value


def roles(everybody: Crew, colour: str) -> tuple[Worker, Worker, Worker]:
    """Return who loads, who invalidates, and who looks on."""
    first, second, third = everybody
    return (first, second, third) if colour == "sync" else (second, third, first)


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("means", MEANS)
@pytest.mark.parametrize("way", FRONT)
def test_a_load_that_began_before_an_invalidation_elsewhere_never_counts(
    everybody: Crew, key: str, way: str, means: str, colour: str
) -> None:
    loader, invalidator, onlooker = roles(everybody, colour)
    code = FRONT[way].format(k=key)
    again = code.replace(".refresh", "")
    loader.hold(1)
    everybody.set(key, 1)
    under_way = loader.begin(code)
    loader.loading(key, 1)
    everybody.set(key, 2)
    invalidator.ask(means_for(means, code, key))
    assert read(onlooker, again) == 2, "the invalidation has returned"
    assert read(loader, again) == 2, "it began after the invalidation, and does not join the load from before it"
    loader.hold()
    assert under_way.result(5) in (1, [1])
    assert [read(worker, again) for worker in everybody] == [2, 2, 2]


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("means", MEANS)
@pytest.mark.parametrize("way", BEHIND)
def test_nor_does_one_that_runs_behind(everybody: Crew, key: str, way: str, means: str, colour: str) -> None:
    loader, invalidator, onlooker = roles(everybody, colour)
    code = f"{way}('{key}')"
    everybody.set(key, 0)
    assert read(loader, code) == 0
    loader.hold(1)
    everybody.set(key, 1)
    if way != "warm":
        eventually(lambda: read(loader, code) == 0 and (key, 1) in loader.loads)
    loader.loading(key, 1)
    everybody.set(key, 2)
    invalidator.ask(means_for(means, code, key))
    assert read(onlooker, code) == 2
    assert read(loader, code) == 2
    loader.hold()
    eventually(lambda: loader.ask("len(job.cache._core.flights)") == 0)
    assert [read(worker, code) for worker in everybody] == [2, 2, 2]


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("change", ["verb('set', 'named:{k}', 2)", "item.put(2, '{k}')", "item.refresh('{k}')"])
def test_what_is_set_elsewhere_is_not_overwritten_by_an_older_load(everybody: Crew, key: str, change: str, colour: str) -> None:
    loader, invalidator, _ = roles(everybody, colour)
    code = f"get_or_load('{key}')" if "named" in change else f"item('{key}')"
    loader.hold(1)
    everybody.set(key, 1)
    under_way = loader.begin(code)
    loader.loading(key, 1)
    everybody.set(key, 2)
    invalidator.ask(change.format(k=key))
    loader.hold()
    under_way.result(5)
    assert [read(worker, code) for worker in everybody] == [2, 2, 2]


def test_processes_that_change_and_invalidate_without_end_never_see_what_is_outdated(everybody: Crew, key: str) -> None:
    """Rules 1 and 2, in a hurry: whoever reads after an invalidation has returned reads what was there then, or newer."""
    code = f"plain('{key}')"
    everybody.set(key, 0)
    for version in range(1, 60):
        readings = [worker.begin(code) for worker in everybody for _ in range(3)]
        everybody.set(key, version)
        who = everybody.workers[version % 3]
        who.ask(means_for(list(MEANS)[version % 5], code, key))
        for reading in readings:
            assert reading.result(5) in (version - 1, version)
        assert everybody.all_say(code) == [version] * 3
