"""Names that stand on the server as they are, and mix up nothing all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stillroom import Cache, ConfigurationError

PATIENCE = 5.0


@pytest.fixture(params=["redis_server", "redis_cluster"])
def place(request: pytest.FixtureRequest) -> Any:
    """A server, or a node of a cluster."""
    found = request.getfixturevalue(request.param)
    return found if request.param == "redis_server" else found.nodes[0]


@pytest.fixture
def cache(place: Any) -> Iterator[Cache]:
    made = opened(place)
    yield made
    made.close()


def opened(place: Any, **options: Any) -> Cache:
    return Cache(place.url, **{"bare_names": True, "timeout": PATIENCE, "ttl": 60, **options})


def client(place: Any) -> Any:
    """Return a client that finds every key, wherever it is."""
    import redis

    made: Any = redis.RedisCluster if "cluster_enabled:1" in str(place.ask("INFO", "cluster")) else redis.Redis
    return made.from_url(place.url)


@pytest.fixture
def server(place: Any, cache: Cache) -> Iterator[Any]:
    made = client(place)
    yield made
    made.close()


def test_names_stand_for_themselves(cache: Cache, server: Any) -> None:
    cache.set("user:5", "Ada")
    assert cache(key="team:{team}")(lambda team: team)(7) == 7
    assert cache.incr("visits") == 1
    assert server.exists("user:5") == server.exists("team:7") == server.exists("visits") == 1
    assert cache.get("user:5") == "Ada"
    assert cache.delete("user:5") is True
    assert server.exists("user:5") == 0


def test_a_name_may_begin_with_a_hash_tag_of_its_own(cache: Cache, server: Any, place: Any) -> None:
    names = ["{cart:7}:tea", "{cart:7}:jam", "{cart:7}.", "cart:7"]
    for name in names:
        cache.set(name, name, ttl=60)
        assert server.exists(name) == 1
    assert [cache.get(name) for name in names] == names
    assert sorted(cache.scan("*")) == sorted(names)
    assert cache.delete("cart:7")
    assert cache(key="{{cart:{cart}}}:sum", lock="shared")(lambda cart: cart)(7) == 7
    assert server.exists("{cart:7}:sum") == 1
    assert cache.delete_match("{cart:7}*") == 4
    assert not any(server.exists(name) for name in names)


def test_a_load_of_a_name_with_a_hash_tag_does_not_count_after_a_pattern_was_deleted(cache: Cache, place: Any) -> None:
    other = opened(place)

    @cache(key="{{cart:{cart}}}:sum")
    def total(cart: int) -> int:
        other.delete_match("{cart:*")
        return cart

    assert total(7) == 7
    assert cache.get("{cart:7}:sum") is None
    other.close()


@pytest.mark.parametrize(
    "name",
    [
        "a{b}c",
        "{}",
        "{a}",
        "{a}b}",
        "{a{b}c",
        "{}a",
        "{a}{b}",
        "stillroom:all",
        "stillroom:n:main",
        "stillroom!x",
        "stillroom:{main:x}",
    ],
)
def test_names_that_would_imitate_others_are_not_bare(cache: Cache, server: Any, name: str) -> None:
    cache.set("x", "x")
    cache.set(name, "Ada")
    assert (cache.get(name), cache.get("x")) == ("Ada", "x")
    assert set(cache.scan()) == {name, "x"}
    assert server.exists("x") == 1
    assert cache.delete_match("*") == 2


def test_two_namespaces_never_serve_each_other(cache: Cache, place: Any) -> None:
    other = opened(place, namespace="other")
    cache.set("k", "main")
    assert (other.get("k"), other.exists("k"), other.touch("k", 5), list(other.scan())) == (None, False, False, [])
    assert other.add("k", "other") is True
    assert (cache.get("k"), other.get("k")) == (None, "other")
    assert other.incr("n") == 1
    assert cache.incr("n") == 1
    other.close()


def test_two_prefixes_never_serve_each_other(cache: Cache, place: Any) -> None:
    other = opened(place, prefix="other")
    cache.set("k", "main")
    assert (other.get("k"), list(other.scan())) == (None, [])
    other.close()


def test_a_function_is_not_served_what_another_one_has_loaded(cache: Cache) -> None:
    one, other = (cache(key=lambda x: f"k:{x}", name=name)(lambda x, name=name: name) for name in ("one", "other"))
    assert [one(1), other(1), one(1)] == ["one", "other", "one"]


@pytest.mark.parametrize("options", [{"namespace": "other"}, {"prefix": "other"}])
def test_patterns_leave_alone_what_others_keep(cache: Cache, place: Any, options: dict[str, str]) -> None:
    other = opened(place, **options)
    cache.set("user:5", "Ada")
    cache.incr("visits")
    other.set("user:6", "Eve")
    assert list(other.scan()) == ["user:6"]
    assert other.delete_match("*") == 1
    assert (cache.get("user:5"), cache.get("visits")) == ("Ada", 1)
    other.close()


def test_patterns_find_entries_with_very_many_tags(cache: Cache) -> None:
    cache.set("user:5", "Ada", tags=[f"{number:050}" for number in range(100)])
    cache.delete_match("user:*")
    assert cache.get("user:5") is None


def test_patterns_find_what_is_stale_and_may_still_be_served(cache: Cache) -> None:
    runs: list[int] = []

    @cache(key="rate", ttl=0.001, stale_while_revalidate=60)
    def rate() -> int:
        runs.append(1)
        return len(runs)

    rate()
    cache.delete_match("*")
    assert rate() == 2


OTHERS: list[tuple[str, ...]] = [
    ("HSET", "k", "a", "b"),
    ("RPUSH", "k", "a"),
    ("SADD", "k", "a"),
    ("ZADD", "k", "1", "a"),
    ("XADD", "k", "*", "a", "b"),
    ("SET", "k", "5"),
    ("SET", "k", ""),
]


@pytest.mark.parametrize("made", OTHERS, ids=" ".join)
def test_what_is_no_entry_counts_as_missing_for_every_verb(place: Any, server: Any, made: tuple[str, ...]) -> None:
    cache = opened(place, on_error="raise")
    server.execute_command(*made)
    assert (cache.get("k"), cache.get_many(["k", "x"]), cache.exists("k"), cache.touch("k", 5)) == (None, {}, False, False)
    assert (list(cache.scan()), cache.delete_match("*"), server.exists("k")) == ([], 0, 1)
    assert cache.incr("k") == 1
    cache.delete("k")
    server.execute_command(*made)
    assert cache.add("k", "mine") is True
    cache.delete("k")
    server.execute_command(*made)
    assert cache(key="k", max_hits=5, name="counted")(lambda: "loaded")() == "loaded"
    cache.delete("k")
    server.execute_command(*made)
    assert cache(key="k")(lambda: "loaded")() == "loaded"
    assert cache.health().failures == 0
    cache.close()


def test_patterns_leave_alone_what_is_no_entry(cache: Cache, server: Any) -> None:
    server.set("user:6", "somebody's")
    server.hset("user:7", "a", "b")
    server.set(b"user:\xff", "unreadable")
    cache.set_many({"user:5": 1, "user:ß": 2, "team": 3})
    assert sorted(cache.scan("user:*")) == ["user:5", "user:ß"]
    assert cache.delete_match("user:*") == 2
    assert server.exists("user:6") == server.exists("user:7") == server.exists(b"user:\xff") == 1
    assert list(cache.scan()) == ["team"]


def test_a_load_that_began_before_a_pattern_was_deleted_does_not_count(cache: Cache, place: Any) -> None:
    other = opened(place)  # stands for another process
    source, versions = ["old"], []

    @cache(key="user:{x}")
    def user(x: int) -> str:
        found = source[0]
        versions.append(found)
        if found == "old":
            source[0] = "new"
            other.delete_match("user:*")
        return found

    assert user(5) == "old"
    assert user(5) == "new"
    other.close()


def test_shared_loads_are_shared(place: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Event

    caches, has_begun, may_end, runs = [opened(place), opened(place)], Event(), Event(), []

    def load(x: int) -> int:
        runs.append(x)
        has_begun.set()
        may_end.wait(10)
        return x

    one, other = (cache(key="shared:{x}", name="load", lock="shared")(load) for cache in caches)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(one, 1)
        has_begun.wait(10)
        second = pool.submit(other, 1)
        may_end.set()
        assert (first.result(), second.result(), runs) == (1, 1, [1])
    for cache in caches:
        cache.close()


def test_max_hits_counts(cache: Cache) -> None:
    runs: list[int] = []

    @cache(key="counted:{x}", max_hits=2)
    def f(x: int) -> None:
        runs.append(x)

    for _ in range(4):
        f(1)
    assert runs == [1, 1]


def test_what_makes_no_sense_is_refused(place: Any) -> None:
    with pytest.raises(ConfigurationError, match="near"):
        opened(place, near="memory://")
    with pytest.raises(ConfigurationError, match="bare_names"):
        opened(place, bare_names="yes")
    with pytest.raises(ConfigurationError, match="bare_names"):
        Cache("memory://", bare_names=True)
