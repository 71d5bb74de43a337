"""Lines: `cache.line(name, limit=…)`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.guards.twin import Twin
from tests.servers.processes import HOST
from tests.servers.server import Server

from stillroom import Cache, ConfigurationError, StoreError
from stillroom.guards.line import Joining, Leaving, Looking
from stillroom.guards.tally import Forget
from stillroom.stores.redis.scripts import BY_NAME

pytestmark = pytest.mark.memory_only("it makes its caches itself")


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Callable[[], Cache]:
    """Makes caches that share what they keep, as far as caches of this sort do."""
    if request.param == "memory":
        cache = Cache()
        return lambda: cache
    server: Server = request.getfixturevalue("redis_server")
    return lambda: Cache(server.url)


def test_who_came_first_leaves_first(make: Callable[[], Cache]) -> None:
    line = make().line("seen", limit=3)
    assert [line.add(text) for text in "abc"] == [[], [], []]
    assert line.add("d") == ["a"]
    assert line.peek() == ["b", "c", "d"]
    assert line.add("e", "f") == ["b", "c"]
    assert line.limit == 3


def test_who_comes_again_goes_to_the_end(make: Callable[[], Cache]) -> None:
    line = make().line("seen", limit=2)
    line.add("a", "b", "a")
    assert line.peek() == ["b", "a"]
    assert line.add("c") == ["b"]


def test_who_leaves_makes_room(make: Callable[[], Cache]) -> None:
    line = make().line("seen", limit=2)
    line.add("a", "b")
    assert line.drop("a", "z") == 1
    assert line.add("c") == []
    assert line.peek() == ["b", "c"]
    line.clear()
    assert line.peek() == []
    assert line.drop("b") == 0


def test_all_who_use_a_name_share_it(make: Callable[[], Cache]) -> None:
    make().line("seen", limit=9).add("a", "b", "ü", "\ud800", "{c}")
    assert make().line("seen", limit=2).peek() == ["a", "b", "ü", "\ud800", "{c}"]
    assert make().line("seen", limit=2).add("d") == ["a", "b", "ü", "\ud800"]
    assert make().line("heard", limit=2).peek() == []


def test_lines_of_namespaces_are_apart(redis_server: Server) -> None:
    one, other = (Cache(redis_server.url, namespace=name) for name in ("a", "b"))
    one.line("seen", limit=2).add("a")
    assert other.line("seen", limit=2).peek() == []


def test_the_same_in_asyncio(make: Callable[[], Cache]) -> None:
    async def main() -> None:
        line = make().line("seen", limit=2)
        assert await line.aadd("a", "b", "c") == ["a"]
        assert await line.adrop("b") == 1
        assert await line.apeek() == ["c"]
        await line.aclear()
        assert await line.apeek() == []

    asyncio.run(main())


def test_nobody_is_lost_or_told_twice(make: Callable[[], Cache]) -> None:
    line = make().line("seen", limit=5)
    gone: list[str] = []

    def work(name: str) -> None:
        for number in range(50):
            gone.extend(line.add(f"{name}{number}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(gone + line.peek()) == sorted(f"{name}{number}" for name in "abcd" for number in range(50))
    assert len(line.peek()) == 5


def test_an_empty_line_takes_no_memory() -> None:
    cache = Cache()
    line = cache.line("seen", limit=2)
    line.peek()
    line.add("a")
    line.drop("a")
    line.drop("a")
    assert len(cache._core.tallies) == 0


@pytest.mark.parametrize(("name", "limit"), [("", 2), (5, 2), ("seen", 0), ("seen", "2"), ("seen", True)])
def test_what_makes_no_sense_is_refused(name: Any, limit: Any) -> None:
    with pytest.raises(ConfigurationError):
        Cache().line(name, limit=limit)


@pytest.mark.parametrize("given", [5, "", None, ["a"]])
def test_only_texts_stand_in_line(given: Any) -> None:
    line = Cache().line("seen", limit=2)
    for verb in (line.add, line.drop):
        with pytest.raises(ConfigurationError, match="list of texts"):
            verb(given)


def test_a_server_that_is_gone_is_told(redis_server: Server) -> None:
    line = Cache(f"redis://{HOST}:1/0").line("seen", limit=2)
    for ask in (line.peek, line.clear, lambda: line.add("a"), lambda: line.drop("a")):
        with pytest.raises(StoreError):
            ask()


names = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6).map(tuple)
steps: Any = st.one_of(
    st.builds(Joining, st.integers(1, 6), names), st.builds(Leaving, names), st.just(Looking()), st.just(Forget())
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, max_size=20))
def test_the_scripts_decide_as_python_does(redis_server: Server, steps: list[Any]) -> None:
    twin = Twin(redis_server, BY_NAME)
    for step in [*steps, Looking()]:
        mine, its = twin.both(step)
        assert isinstance(step, Forget) or its == mine
