"""The transactions of a cache follow those of Django, on real databases."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.conf import settings
from tests.surface.colours import outside

from stillroom import Cache, ConfigurationError
from stillroom.stores.memory import MemoryStore
from stillroom.testing import ChaosStore

if not settings.configured:
    IN_MEMORY = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    settings.configure(DATABASES={"default": IN_MEMORY, "other": dict(IN_MEMORY)}, INSTALLED_APPS=[])
    django.setup()

from django.db import connection, connections, transaction
from django.test import TestCase

from stillroom.integrations.django import atomic


class Oops(Exception):
    pass


@pytest.fixture
def cache() -> Iterator[Cache]:
    cache = Cache()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE price (item TEXT, amount INT)")
        cursor.execute("INSERT INTO price VALUES ('tea', 4)")
    yield cache
    close()
    assert not cache._core._transactions


def close() -> None:
    """Close the databases; Django itself never closes one in memory."""
    for one in connections.all(initialized_only=True):
        if one.connection is not None:
            one.connection.close()
            one.connection = None


def price() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT amount FROM price")
        return cursor.fetchone()[0]


def raise_price() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE price SET amount = amount + 1")


def fail(cache: Cache, name: str, **settings: Any) -> None:
    """Set a name in a block that fails."""
    with pytest.raises(Oops):  # noqa: PT012, SIM117 - the block is what fails
        with atomic(cache, **settings):
            cache.set(name, "failed")
            raise Oops


def test_a_commit_applies(cache: Cache) -> None:
    @cache(ttl="1h", key="tea")
    def tea() -> Any:
        return price()

    assert tea() == 4
    seen: list[Any] = []
    with atomic(cache):
        raise_price()
        tea.invalidate()
        transaction.on_commit(lambda: seen.append(cache.get("tea")))
        assert tea() == 5
        assert outside(cache.get, "tea") == 4
    assert seen == [None], "the cache is told before anybody else"
    assert tea() == 5


def test_a_rollback_drops(cache: Cache) -> None:
    fail(cache, "a")
    assert cache.get("a") is None
    with atomic(cache):
        cache.set("a", 1)
        transaction.set_rollback(True)
    assert cache.get("a") is None


def test_savepoints_follow(cache: Cache) -> None:
    with atomic(cache):
        cache.set("a", 1)
        fail(cache, "a")
        assert cache.get("a") == 1
        with atomic(cache):
            cache.set("b", 1)
        assert outside(cache.get_many, ["a", "b"]) == {}
    assert cache.get_many(["a", "b"]) == {"a": 1, "b": 1}


def test_an_error_in_a_block_without_a_savepoint_drops_the_whole(cache: Cache) -> None:
    with atomic(cache):
        cache.set("a", 1)
        fail(cache, "a", savepoint=False)
    assert cache.get("a") is None


def test_inside_of_a_transaction_of_somebody_else_the_end_of_that_one_counts(cache: Cache) -> None:
    with transaction.atomic():
        with atomic(cache):
            cache.set("a", 1)
        assert (cache.get("a"), outside(cache.get, "a")) == (1, None)
        fail(cache, "a")
        with atomic(cache):
            cache.set("b", 1)
        assert outside(cache.get, "b") is None
    assert cache.get_many(["a", "b"]) == {"a": 1, "b": 1}


def test_a_rollback_around_it_drops(cache: Cache) -> None:
    def work() -> None:
        with transaction.atomic():
            with atomic(cache):
                cache.set("a", 1)
            assert cache.get("a") == 1
            raise Oops

    with pytest.raises(Oops):
        work()
    assert cache.get("a") is None
    with transaction.atomic():
        with pytest.raises(Oops):
            work()
        assert cache.get("a") is None
        with atomic(cache):
            cache.set("b", 1)
    assert cache.get("b") == 1


def test_another_database_has_a_transaction_of_its_own(cache: Cache) -> None:
    with atomic(cache):
        cache.set("a", 1)
        with atomic(cache, using="other"):
            cache.set("b", 1)
        assert outside(cache.get_many, ["a", "b"]) == {"b": 1}
    assert cache.get_many(["a", "b"]) == {"a": 1, "b": 1}


def test_a_savepoint_is_one_of_its_own_database(cache: Cache) -> None:
    def work() -> None:
        with atomic(cache):
            with atomic(cache, using="other"), atomic(cache):
                cache.set("a", 1)
            assert outside(cache.get, "a") is None
            raise Oops

    with pytest.raises(Oops):
        work()
    assert cache.get("a") is None


def test_a_hook_of_somebody_else_that_fails_keeps_no_invalidation_back(cache: Cache) -> None:
    """Rule 1: the database has committed. Django then calls no further hooks."""
    cache.set_many({"a": 1, "b": 1})
    cache.set("c", 1, tags=["letters"])
    with pytest.raises(Oops) as caught:  # noqa: PT012, SIM117 - the block is what fails
        with transaction.atomic():
            transaction.on_commit(fail_now)
            with atomic(cache):
                cache.set("a", 2)
                cache.delete("b")
                cache.invalidate(tags=["letters"])
    with atomic(cache):
        cache.set("d", 1)
    assert outside(cache.get, "d") == 1, "it is no savepoint of what is over"
    del caught
    gc.collect()
    assert cache.get_many(["a", "b", "c", "d"]) == {"d": 1}


def fail_now() -> None:
    raise Oops


def test_a_rollback_leaves_what_was_there(cache: Cache) -> None:
    cache.set_many({"a": 1, "b": 1})
    with transaction.atomic(), pytest.raises(Oops), transaction.atomic(), atomic(cache):  # noqa: PT012 - as below
        cache.set("a", 2)
        cache.clear()
        raise Oops
    with pytest.raises(Oops), transaction.atomic():  # noqa: PT012 - the block is what fails
        with atomic(cache):
            cache.delete("b")
        raise Oops
    assert cache.get_many(["a", "b"]) == {"a": 1, "b": 1}


def test_an_error_of_one_cache_keeps_no_other_from_being_told(cache: Cache) -> None:
    store = ChaosStore(MemoryStore())
    other = Cache(store)
    cache.set("a", 1)
    store.fail("delete", Oops("not now"))
    with pytest.raises(Oops, match="not now"), atomic(other), atomic(cache):  # noqa: PT012 - its end is what fails
        other.delete("a")
        cache.set("a", 2)
    assert outside(cache.get, "a") == 2


def test_it_is_a_decorator(cache: Cache) -> None:
    @atomic(cache)
    def count(more: int) -> None:
        cache.incr("n")
        if more:
            count(more - 1)

    count(2)
    assert cache.get("n") == 3


def test_what_makes_no_sense_is_refused_at_once(cache: Cache) -> None:
    async def later() -> None: ...

    def pieces() -> Iterator[int]:
        yield 1

    with pytest.raises(ConfigurationError, match="cache must be a Cache"):
        atomic(later)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="keep_loads must be True or False"):
        atomic(cache, keep_loads="no")  # type: ignore[arg-type]
    for wrong in (later, pieces):
        with pytest.raises(ConfigurationError, match=f"is over when .*{wrong.__name__} has begun"):
            atomic(cache)(wrong)


def test_tests_of_django_see_what_is_changed_and_may_say_when_it_is_committed(cache: Cache) -> None:
    with transaction.atomic(), TestCase.captureOnCommitCallbacks(execute=True):
        with atomic(cache):
            cache.set("a", 1)
        assert (cache.get("a"), outside(cache.get, "a")) == (1, None)
    assert cache.get("a") == 1


def test_an_error_of_the_cache_is_raised_at_the_end_or_logged(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    store = ChaosStore(MemoryStore())
    cache.configure(store)
    store.fail("delete", Oops("not now"))
    with pytest.raises(Oops, match="not now"), atomic(cache):
        cache.delete("a")
    with atomic(cache, robust=True):
        cache.delete("a")
    assert "not now" in caplog.text
