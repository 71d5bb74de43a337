"""Transactions: what is changed inside counts inside at once, outside from the end on, and not at all after an error."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.backends import leases, let_go, new_chaos
from tests.surface.colours import Coloured, outside

from stillroom import Cache, ConfigurationError, StillroomError, UncacheableValue
from stillroom.testing import FakeClock


class Oops(Exception):
    """What a block is left with for its transaction to be dropped."""


class Shop:
    """A cache, and functions on what a database holds: the committed prices, and those of an open transaction of it.

    Attributes:
        say: the cache, in the colour that the test runs under.
        prices: what the database shows to the code under test.
        price: keyed by its argument, with a tag.
        named: the same, under a name.
    """

    def __init__(self, cache: Cache, colour: str) -> None:
        self.cache = cache
        self.say = Coloured(cache, colour)
        self.prices: dict[str, Any] = {"tea": 4, "milk": 1}
        self.loads: list[str] = []
        self.price = self.say.cached(self._price, name="price", ttl="1h", tags=["{item}"])
        self.named = self.say.cached(self._price, name="named", ttl="1h", key="price:{item}", tags=["named"])

    def _price(self, item: str) -> Any:
        self.loads.append(item)
        return self.prices[item]

    async def of(self, item: str) -> Any:
        return await self.say.of(self.price(item))

    def stored(self, item: str) -> Any:
        """Return what others find under the name of a price."""
        return outside(self.cache.get, f"price:{item}")

    @asynccontextmanager
    async def failing(self) -> AsyncIterator[None]:
        try:
            async with self.say.transaction():
                yield
                raise Oops
        except Oops:
            pass


@pytest.fixture
def shop(cache: Cache, colour: str) -> Shop:
    return Shop(cache, colour)


# What is changed


async def test_what_is_changed_counts_inside_at_once_and_outside_from_the_end_on(shop: Shop) -> None:
    say, cache = shop.say, shop.cache
    await say.set_many({"a": 1, "b": [2], "gone": 3})
    async with say.transaction():
        await say.set("a", "new", 50)
        await say.set_many({"c": 5})
        assert await say.add("d", 6)
        assert not await say.add("a", 7)
        assert await say.incr("n", 2) == 2
        assert await say.incr("n") == 3
        assert await say.touch("b", 70)
        assert await say.delete("gone")
        assert not await say.delete("gone")
        assert await say.get("a") == "new"
        assert await say.get_many(["a", "b", "c", "gone"]) == {"a": "new", "b": [2], "c": 5}
        assert await say.scan() == ["a", "b", "c", "d", "n"]
        assert not await say.exists("gone")
        assert (await say.ttl("a"), await say.ttl("b")) == (pytest.approx(50, abs=1), pytest.approx(70, abs=1))
        assert sorted(outside(lambda: list(cache.scan()))) == ["a", "b", "gone"]
        assert outside(cache.get_many, ["a", "b", "c", "d", "n", "gone"]) == {"a": 1, "b": [2], "gone": 3}
    found = outside(cache.get_many, ["a", "b", "c", "d", "n", "gone"])
    assert found == {"a": "new", "b": [2], "c": 5, "d": 6, "n": 3}
    assert (await say.ttl("a"), await say.ttl("b")) == (pytest.approx(50, abs=1), pytest.approx(70, abs=1))


async def test_an_error_drops_all_of_it(shop: Shop) -> None:
    say = shop.say
    await say.set_many({"a": 1, "b": 2})
    assert await shop.of("tea") == 4
    async with shop.failing():
        await say.set("a", 5)
        await say.delete("b")
        await say.incr("n")
        await say.touch("a", 5)
        await say.clear()
        await say.of(shop.price.put(7, "tea"))
        assert (await say.scan(), await shop.of("tea")) == ([], 7)
    assert await say.get_many(["a", "b", "n"]) == {"a": 1, "b": 2}
    assert await say.ttl("a") > 5
    assert await shop.of("tea") == 4
    assert shop.loads == ["tea"]


INVALIDATIONS: dict[str, Callable[[Shop], Awaitable[Any]]] = {
    "key": lambda shop: shop.say.of(shop.price.invalidate("tea")),
    "function": lambda shop: shop.say.of(shop.price.invalidate_all()),
    "tag": lambda shop: shop.say.invalidate(tags=["tea"]),
    "namespace": lambda shop: shop.say.invalidate(namespace="main"),
    "everything": lambda shop: shop.say.clear(),
    "refresh": lambda shop: shop.say.of(shop.price.refresh("tea")),
    "put": lambda shop: shop.say.of(shop.price.put(6, "tea")),
}


@pytest.mark.parametrize("means", INVALIDATIONS)
async def test_what_is_invalidated_is_loaded_anew_inside_and_never_seen_outside_before_the_end(shop: Shop, means: str) -> None:
    """Rule 1, and nobody sees what is not committed."""
    await shop.of("tea")
    async with shop.say.transaction():
        shop.prices["tea"] = 6  # uncommitted
        await INVALIDATIONS[means](shop)
        assert await shop.of("tea") == await shop.of("tea") == 6
        assert shop.loads.count("tea") == (1 if means == "put" else 2)
        if not shop.say.is_async:
            assert outside(shop.price.peek, "tea") == 4
    if means != "put":  # what was loaded inside, of what was touched, is dropped
        assert await shop.say.of(shop.price.peek("tea")) is None
    assert await shop.of("tea") == 6


@pytest.mark.parametrize("means", INVALIDATIONS)
async def test_after_an_error_what_was_stored_before_counts_again(shop: Shop, means: str) -> None:
    await shop.of("tea")
    async with shop.failing():
        shop.prices["tea"] = 6
        await INVALIDATIONS[means](shop)
        assert await shop.of("tea") == 6
    shop.prices["tea"] = 4  # rolled back
    loads = len(shop.loads)
    assert await shop.of("tea") == 4
    assert len(shop.loads) == loads


@pytest.mark.parametrize("tagged_by", ["verb", "function"])
async def test_a_tag_reaches_values_that_are_asked_for_by_name(shop: Shop, tagged_by: str) -> None:
    say = shop.say
    if tagged_by == "verb":
        await say.set("price:tea", 4, tags=["named"])
    else:
        await say.of(shop.named("tea"))
    await say.set("other", 1)
    async with say.transaction():
        await say.invalidate(tags=["named"])
        assert await say.get("price:tea") is None
        assert not await say.exists("price:tea")
        assert await say.scan() == ["other"]
        assert await say.incr("price:tea") == 1
        assert shop.stored("tea") == 4
    assert await say.get("price:tea") == 1


async def test_names_that_match_are_deleted_at_the_end(shop: Shop) -> None:
    say = shop.say
    await say.set_many({"user:1": 1, "user:2": 2, "other": 3})
    async with say.transaction():
        await say.set("user:3", 3)
        assert await say.delete_match("user:*") == 3
        assert await say.scan() == ["other"]
        assert outside(shop.cache.get, "user:1") == 1
    assert await say.scan() == ["other"]


async def test_only_an_int_is_incremented(shop: Shop) -> None:
    await shop.say.set("text", "a")
    async with shop.say.transaction():
        for _ in range(2):
            with pytest.raises(TypeError, match="only an int can be incremented, not str"):
                await shop.say.incr("text")
            await shop.say.set("text", "b")


async def test_what_others_add_meanwhile_is_not_lost(shop: Shop) -> None:
    await shop.say.set("n", 10)
    async with shop.say.transaction():
        assert await shop.say.incr("n", 5) == 15
        outside(shop.cache.incr, "n", 100)
        assert await shop.say.incr("n") == 116
        assert await shop.say.add("seat", "Ada")
        outside(shop.cache.set, "seat", "Bob")
    assert await shop.say.get_many(["n", "seat"]) == {"n": 116, "seat": "Bob"}


async def test_what_a_transaction_keeps_is_what_was_given(shop: Shop) -> None:
    """Rule 12: on a store outside of this process a value is taken as it was when it was set."""
    given = [1]
    async with shop.say.transaction():
        await shop.say.set("a", given)
        if shop.cache._core.memory is None:
            given.append(2)
            (await shop.say.get("a")).append(3)
        assert await shop.say.get("a") == [1]
    assert await shop.say.get("a") == [1]


async def test_what_the_store_cannot_keep_is_refused_at_once(shop: Shop) -> None:
    if shop.cache._core.memory is None:
        async with shop.say.transaction():
            with pytest.raises(UncacheableValue):
                await shop.say.set("a", object())
            shop.prices["tea"] = object()
            assert await shop.of("tea") is shop.prices["tea"]
        assert not await shop.say.exists("a")


# What is loaded


async def test_a_value_that_was_loaded_inside_is_stored_at_the_end(shop: Shop) -> None:
    async with shop.say.transaction():
        assert await shop.say.of(shop.named("tea")) == await shop.say.of(shop.named("tea")) == 4
        assert await shop.say.get("price:tea") == 4
        assert shop.stored("tea") is None
    assert shop.stored("tea") == 4
    assert shop.loads == ["tea"]


async def test_so_is_what_its_load_has_called(shop: Shop) -> None:
    """On an event loop a load runs in a task of its own, and yet is what its caller does."""
    say = shop.say

    @shop.cache(ttl="1h", key="basket")
    def basket() -> Any:
        shop.cache.set("last", "basket")
        return [shop.named("tea"), shop.named("tea")]

    @shop.cache(ttl="1h", key="async basket")
    async def async_basket() -> Any:
        await shop.cache.aset("last", "basket")
        return [await shop.named("tea"), *await asyncio.gather(shop.named("milk"))]

    asked = async_basket if say.is_async else basket
    shop.cache.set("last", "nothing")
    async with say.transaction():
        await say.of(asked())
        assert await say.of(shop.named("tea")) == 4
        assert (await say.get("last"), outside(shop.cache.get, "last")) == ("basket", "nothing")
    assert shop.loads.count("tea") == 1
    assert (shop.stored("tea"), shop.stored("milk")) == (4, None)
    assert outside(shop.cache.get, "last") == "basket"


async def test_a_value_that_was_loaded_inside_is_dropped_after_an_error(shop: Shop) -> None:
    async with shop.failing():
        shop.prices["tea"] = 6
        assert await shop.say.of(shop.named("tea")) == 6
    assert shop.stored("tea") is None
    assert leases(shop.cache) == []


async def test_a_value_that_was_loaded_before_its_invalidation_inside_is_dropped(shop: Shop) -> None:
    """The data are changed, somebody reads, and only then the cache is told."""
    async with shop.say.transaction():
        shop.prices["tea"] = 6
        assert await shop.say.of(shop.named("tea")) == 6
        shop.prices["tea"] = 7
        await shop.say.invalidate(tags=["named"])
        assert await shop.say.of(shop.named("tea")) == 7
        assert await shop.say.get("price:tea") == 7
        assert shop.stored("tea") is None
    assert shop.stored("tea") is None


async def test_a_value_that_was_loaded_in_the_place_of_one_that_was_set_inside_is_dropped(shop: Shop, clock: FakeClock) -> None:
    await shop.say.set("price:tea", 4)
    async with shop.say.transaction():
        await shop.say.set("price:tea", 5, 10)
        clock.advance(20)
        shop.prices["tea"] = 6
        assert await shop.say.of(shop.named("tea")) == await shop.say.get("price:tea") == 6
    assert shop.stored("tea") is None


@pytest.mark.parametrize("means", ["delete", "tag", "set"])
async def test_what_others_invalidate_meanwhile_ends_what_was_loaded_inside(shop: Shop, means: str) -> None:
    """Rule 1: inside at once, and it is not stored at the end."""
    async with shop.say.transaction():
        assert await shop.say.of(shop.named("tea")) == 4
        shop.prices["tea"] = 6
        act = {
            "delete": lambda: shop.cache.delete("price:tea"),
            "tag": lambda: shop.cache.invalidate(tags=["named"]),
            "set": lambda: shop.cache.set("price:tea", 6),
        }[means]
        outside(act)
        assert await shop.say.of(shop.named("tea")) == 6
        outside(act)
    assert shop.stored("tea") == (6 if means == "set" else None)


@pytest.mark.parametrize("means", ["delete", "tag", "set"])
@pytest.mark.parametrize("touched_by", ["function", "key", "refresh"])
async def test_what_others_invalidate_meanwhile_ends_what_was_loaded_of_what_was_touched(
    shop: Shop, means: str, touched_by: str
) -> None:
    """Rule 1: who ends all of a function, or one of its results, has not by that changed all that others may change."""
    touch, act = (
        {
            "function": shop.named.invalidate_all,
            "key": lambda: shop.named.invalidate("tea"),
            "refresh": lambda: shop.named.refresh("tea"),
        },
        {
            "delete": lambda: shop.cache.delete("price:tea"),
            "tag": lambda: shop.cache.invalidate(tags=["named"]),
            "set": lambda: shop.cache.set("price:tea", 6),
        },
    )
    async with shop.say.transaction():
        await shop.say.of(touch[touched_by]())
        assert await shop.say.of(shop.named("tea")) == 4
        loads = len(shop.loads)
        assert await shop.say.of(shop.named("tea")) == 4
        assert len(shop.loads) == loads
        shop.prices["tea"] = 6
        outside(act[means])
        assert await shop.say.of(shop.named("tea")) == 6
    assert await shop.say.of(shop.named.peek("tea")) in (None, 6)


async def test_an_outsider_who_read_before_the_commit_does_not_store_after_it(shop: Shop) -> None:
    """Between the commit of the database and the end of the block: a load that begins before that and ends after it."""
    cache, store = shop.cache, new_chaos(shop.cache._core.clock)
    cache.configure(store)
    held = store.hold("fill")
    loader = threading.Thread(target=lambda: outside(cache.get_or_load, "k", lambda: "old"))
    async with shop.say.transaction():
        await shop.say.delete("k")
        assert await shop.say.get_or_load("k", lambda: "new") == "new"
        loader.start()
        held.wait()
    held.release()
    loader.join()
    assert cache.get("k") is None
    let_go(cache)


async def test_nothing_runs_behind(shop: Shop, clock: FakeClock) -> None:
    """A refresh that outlives the transaction would load in it, and end after it."""
    stale = shop.say.cached(shop._price, name="stale", ttl="1m", stale_while_revalidate="1h", refresh_ahead=0.5)
    await shop.say.of(stale("tea"))
    clock.advance("2m")
    async with shop.say.transaction():
        assert await shop.say.of(stale("tea")) == 4
    assert shop.loads == ["tea"]


async def test_generators_follow(shop: Shop) -> None:
    if shop.say.is_async:
        return

    @shop.cache(ttl="1h", key="items", tags=["named"])
    def items() -> Any:
        yield from shop.prices.values()

    with shop.cache.transaction():
        assert list(items()) == list(items()) == [4, 1]
        shop.prices["tea"] = 6
        shop.cache.invalidate(tags=["named"])
        assert list(items()) == [6, 1]
        assert not outside(shop.cache.exists, "items")
    assert not outside(shop.cache.exists, "items")


async def test_many_and_peek_see_the_transaction(shop: Shop) -> None:
    say = shop.say
    await shop.of("tea"), await shop.of("milk")
    async with say.transaction():
        await say.of(shop.price.put(6, "tea"))
        assert await say.of(shop.price.many(["tea", "milk", "tea"])) == [6, 1, 6]
        assert await say.of(shop.price.peek("tea")) == 6
        await say.of(shop.price.invalidate("tea"))
        assert await say.of(shop.price.peek("tea")) is None
    assert await say.of(shop.price.many(["milk"])) == [1]


# Savepoints


async def test_a_transaction_inside_another_is_a_savepoint(shop: Shop) -> None:
    say = shop.say
    await say.set_many({"a": 1, "b": 2})
    async with say.transaction():
        await say.set("a", 5)
        async with shop.failing():
            assert await say.get("a") == 5
            await say.set("a", 6)
            await say.delete("b")
            assert await say.scan() == ["a"]
        assert await say.get_many(["a", "b"]) == {"a": 5, "b": 2}
        async with say.transaction():
            await say.delete("b")
            assert await say.incr("a") == 6
            assert await say.of(shop.named("tea")) == 4
        assert await say.get_many(["a", "b", "price:tea"]) == {"a": 6, "price:tea": 4}
        assert outside(shop.cache.get_many, ["a", "b", "price:tea"]) == {"a": 1, "b": 2}
    assert outside(shop.cache.get_many, ["a", "b", "price:tea"]) == {"a": 6, "price:tea": 4}
    assert shop.loads == ["tea"]


async def test_an_error_of_the_whole_drops_its_savepoints_too(shop: Shop) -> None:
    async with shop.failing(), shop.say.transaction():
        await shop.say.set("a", 1)
    assert await shop.say.get("a") is None


async def test_a_savepoint_may_be_of_a_transaction_that_is_not_the_innermost(shop: Shop) -> None:
    say, cache = shop.say, shop.cache
    await say.set_many({"a": 1, "b": 1})
    async with shop.failing():
        of_first = cache.transaction(independent=True)
        with of_first:
            with cache.transaction(independent=True):
                with of_first.savepoint():
                    cache.set("a", 2)
                    cache.delete("b")
                assert outside(cache.get_many, ["a", "b"]) == {"a": 1, "b": 1}
            assert outside(cache.get_many, ["a", "b"]) == {"a": 1}, "who was told is not known, so the other one counts, too"
            assert cache.get_many(["a", "b"]) == {"a": 2}
        assert outside(cache.get_many, ["a", "b"]) == {"a": 2}
        with pytest.raises(StillroomError, match="not open"):
            of_first.savepoint()


async def test_a_savepoint_inside_a_savepoint_is_of_that_one(shop: Shop) -> None:
    cache = shop.cache
    with cache.transaction(independent=True) as whole:
        with pytest.raises(Oops):  # noqa: PT012, SIM117 - the block is what fails
            with cache.transaction():
                with whole.savepoint():
                    cache.set("a", 1)
                raise Oops
        assert cache.get("a") is None


async def test_an_independent_transaction_ends_by_itself(shop: Shop) -> None:
    """What it has invalidated counts for the one around it as well: that may have been meant."""
    say, cache = shop.say, shop.cache
    await say.set_many({"a": 1, "b": 1, "c": 1})
    async with shop.failing():
        await say.set("a", 2)
        with cache.transaction(independent=True):
            assert cache.get("a") == 1
            cache.set("b", 2)
            cache.delete("c")
        assert outside(cache.get_many, ["a", "b", "c"]) == {"a": 1, "b": 2}
    async with say.transaction():
        with pytest.raises(Oops):  # noqa: PT012, SIM117 - the block is what fails
            with cache.transaction(independent=True):
                cache.delete("a")
                cache.invalidate(tags=["x"])
                raise Oops
        assert await say.get("a") is None
        assert outside(cache.get, "a") == 1
    assert await say.get_many(["a", "b"]) == {"b": 2}


async def test_where_the_outcome_is_not_known_what_was_changed_is_invalidated(shop: Shop) -> None:
    say, cache = shop.say, shop.cache
    await say.set_many({"a": 1, "b": 1, "n": 1, "other": 1})
    await say.set("tagged", 1, tags=["x"])
    transaction = cache.transaction()
    transaction.__enter__()
    cache.set("a", 2)
    cache.delete("b")
    cache.incr("n")
    cache.invalidate(tags=["x"])
    assert cache.get_or_load("loaded", lambda: 1) == 1
    transaction.outdate()
    assert outside(cache.get_many, ["a", "b", "n", "tagged", "loaded", "other"]) == {"other": 1}
    with pytest.raises(StillroomError, match="not open"):
        transaction.outdate()
    assert leases(cache) == []


async def test_what_was_loaded_in_an_independent_transaction_may_be_of_the_one_around_it(shop: Shop) -> None:
    """Nobody can tell which database transaction a load has read from, and that one is not over."""
    cache = shop.cache
    if shop.say.is_async:
        return
    shop.prices["tea"] = 6
    with cache.transaction():
        cache.invalidate(tags=["named"])
        with cache.transaction(independent=True):
            assert shop.named("tea") == 6
            assert cache.get_or_load("other", lambda: 1) == 1
        assert shop.stored("tea") is None
        assert outside(cache.get, "other") == 1


async def test_caches_have_transactions_of_their_own(shop: Shop, clock: FakeClock) -> None:
    other = Cache(clock=clock)
    async with shop.failing():
        other.set("a", 1)
        await shop.say.set("a", 2)
        assert other.get("a") == 1
    assert (other.get("a"), await shop.say.get("a")) == (1, None)


async def test_a_transaction_is_opened_once(shop: Shop) -> None:
    transaction = shop.cache.transaction()
    with transaction, pytest.raises(StillroomError, match="make one for each block"):
        transaction.__enter__()
    with pytest.raises(StillroomError, match="not open"):
        transaction.__exit__(None, None, None)


# Others


def test_threads_have_transactions_of_their_own(cache: Cache) -> None:
    cache.set("a", 0)
    meeting, seen = threading.Barrier(2, timeout=5), dict[int, list[Any]]()

    def work(number: int) -> None:
        with cache.transaction():
            cache.set("a", number)
            meeting.wait()
            seen[number] = [cache.get("a"), outside(cache.get, "a")]
            meeting.wait()

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {1: [1, 0], 2: [2, 0]}
    assert cache.get("a") in (1, 2)


@pytest.mark.asyncio_only
async def test_tasks_have_transactions_of_their_own(cache: Cache) -> None:
    meeting = [asyncio.Event(), asyncio.Event()]

    async def work(number: int) -> Any:
        async with cache.transaction():
            await cache.aset("a", number)
            meeting[number].set()
            await meeting[1 - number].wait()
            return await cache.aget("a")

    assert list(await asyncio.gather(work(0), work(1))) == [0, 1]


@pytest.mark.asyncio_only
async def test_what_is_started_inside_takes_part(shop: Shop) -> None:
    say = shop.say
    await say.set("a", 1)
    async with say.transaction():
        await say.set("a", 2)
        assert list(await asyncio.gather(say.get("a"), shop.of("tea"))) == [2, 4]
        await asyncio.wait_for(say.set("b", 3), 5)
        assert await asyncio.to_thread(shop.cache.get, "b") == 3
        assert outside(shop.cache.get_many, ["a", "b"]) == {"a": 1}
    assert await say.get_many(["a", "b"]) == {"a": 2, "b": 3}


@pytest.mark.asyncio_only
async def test_what_a_task_that_was_started_inside_invalidates_counts_at_once_whatever_becomes_of_the_block(shop: Shop) -> None:
    """Rule 1: it may have a database transaction of its own, which is over."""
    say = shop.say
    await say.set_many({"a": 1, "b": 2, "c": 3}, tags=["letters"])
    async with shop.failing():
        await asyncio.create_task(say.delete("a"))
        await asyncio.create_task(say.set("b", 5))
        assert outside(shop.cache.get_many, ["a", "b", "c"]) == {"c": 3}
        await asyncio.create_task(say.invalidate(tags=["letters"]))
        assert await say.get_many(["a", "b", "c"]) == {"b": 5}
        assert outside(shop.cache.get_many, ["a", "b", "c"]) == {}
    assert await say.get_many(["a", "b", "c"]) == {}


@pytest.mark.asyncio_only
async def test_what_a_task_that_was_started_inside_loads_is_for_its_caller_only(shop: Shop) -> None:
    async with shop.say.transaction():
        shop.prices["tea"] = 6
        await shop.say.of(shop.named.invalidate("tea"))
        shop.prices["tea"] = 4  # what somebody with another database transaction sees
        assert await asyncio.create_task(shop.named("tea")) == 4
        shop.prices["tea"] = 6
        assert await shop.named("tea") == 6
    assert shop.stored("tea") is None


@pytest.mark.asyncio_only
async def test_tasks_that_were_started_inside_share_no_load_that_is_out_of_date(shop: Shop) -> None:
    """Rule 1: somebody outside has deleted the key since it began."""
    begun, may_end = asyncio.Event(), asyncio.Event()

    @shop.cache(ttl="1h", key="slow")
    async def slow() -> Any:
        found = shop.prices["tea"]
        begun.set()
        await may_end.wait()
        return found

    async with shop.say.transaction():
        early = asyncio.create_task(slow())
        await begun.wait()
        shop.prices["tea"] = 6
        outside(shop.cache.delete, "slow")
        begun.clear()
        late = asyncio.create_task(slow())
        await begun.wait()
        may_end.set()
        assert (await early, await late) == (4, 6)


@pytest.mark.asyncio_only
@pytest.mark.parametrize("verb", ["set", "delete", "incr", "touch", "add"])
async def test_what_such_a_task_changes_while_the_block_ends_is_lost_neither_way(cache: Cache, verb: str) -> None:
    store = new_chaos(cache._core.clock)
    cache.configure(store)
    await cache.aset("a", 1, 50)
    if verb == "add":
        await cache.adelete("a")
    reached, may_go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        reached.set()
        await may_go_on.wait()

    changes: dict[str, Callable[[], Any]] = {
        "set": lambda: cache.aset("a", 2),
        "delete": lambda: cache.adelete("a"),
        "incr": lambda: cache.aincr("a"),
        "touch": lambda: cache.atouch("a", 70),
        "add": lambda: cache.aadd("a", 3),
    }
    async with cache.transaction():
        store.before("delete" if verb == "set" else "read", hold, times=1)
        task = asyncio.create_task(changes[verb]())
        await reached.wait()
    may_go_on.set()
    await task
    store.calm()
    assert await cache.aget("a") == {"set": 2, "delete": None, "incr": 2, "touch": 1, "add": 3}[verb]
    assert verb != "touch" or await cache.attl("a") == pytest.approx(70, abs=1)
    assert not cache._core._changing
    let_go(cache)


@pytest.mark.asyncio_only
async def test_a_task_that_outlives_the_block_is_outside(shop: Shop) -> None:
    ended = asyncio.Event()

    async def later() -> Any:
        await ended.wait()
        await shop.say.set("b", 1)
        return await shop.say.get("a")

    async with shop.failing():
        await shop.say.set("a", 1)
        task = asyncio.create_task(later())
    ended.set()
    assert await task is None
    assert outside(shop.cache.get, "b") == 1


async def test_what_was_loaded_inside_may_be_kept_from_the_store(shop: Shop) -> None:
    with shop.cache.transaction(keep_loads=False):
        assert shop.cache.get_or_load("k", lambda: 1) == 1
        assert shop.cache.get_or_load("k", lambda: 2) == 1
    assert not await shop.say.exists("k")
    with pytest.raises(ConfigurationError, match="keep_loads"):
        shop.cache.transaction(keep_loads=1)  # type: ignore[arg-type]


@pytest.mark.asyncio_only
async def test_nobody_boards_a_flight_across_the_border(shop: Shop) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    answers = iter(["outside", "inside", "late"])

    @shop.cache(ttl="1h", key="slow")
    async def slow() -> str:
        mine = next(answers)
        begun.set()
        await may_end.wait()
        return mine

    early = asyncio.create_task(slow())
    await begun.wait()
    async with shop.say.transaction():
        begun.clear()
        await slow.invalidate()
        within = asyncio.create_task(slow())
        await begun.wait()
        begun.clear()
        assert outside(shop.cache.get, "slow") is None
        may_end.set()
        assert await within == "inside"
        assert await early == "outside"
    assert outside(shop.cache.get, "slow") is None


# The plain hit path


@pytest.mark.memory_only("it is about the plain hit path")
def test_the_plain_path_is_closed_only_while_a_transaction_has_changes(cache: Cache) -> None:
    @cache(ttl="1h")
    def double(number: int) -> int:
        return 2 * number

    double(1)
    (gate,) = cache._core._gates
    with cache.transaction():
        assert gate.entries
        assert double(1) == 2
        with cache.transaction():
            cache.set("a", 1)
            assert not gate.entries
        assert not gate.entries
    assert gate.entries
    assert double(1) == 2
    assert not cache._core._transactions
    assert not cache._core._changing


@pytest.mark.memory_only("it is about the plain hit path")
def test_what_was_loaded_or_put_inside_is_served_by_the_plain_path_afterwards(cache: Cache) -> None:
    @cache(ttl="1h", tags=["numbers"])
    def double(number: int) -> int:
        return 2 * number

    with cache.transaction():
        assert double(1) == 2
        double.put(5, 2)
    (gate,) = cache._core._gates
    assert sorted(node.value for node in gate.entries.values()) == [2, 5]
    assert all(node.plain_until > cache._core.clock.now() for node in gate.entries.values())


# What goes wrong


@pytest.mark.asyncio_only
async def test_to_cancel_the_end_of_a_block_does_not_cut_it_short(cache: Cache) -> None:
    store = new_chaos(cache._core.clock)
    cache.configure(store)
    await cache.aset_many({"a": 1, "b": 1}, tags=["x"])
    held = asyncio.Event()
    reached = asyncio.Event()

    async def hold() -> None:
        reached.set()
        await held.wait()

    async def work() -> None:
        async with cache.transaction():
            await cache.ainvalidate(tags=["x"])
            await cache.aset("c", 1)
            store.before("invalidate", hold, times=1)

    task = asyncio.create_task(work())
    await reached.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    held.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    store.calm()
    assert await cache.aget_many(["a", "b", "c"]) == {"c": 1}
    assert not cache._core._transactions
    let_go(cache)


@pytest.mark.asyncio_only
@pytest.mark.parametrize("at", ["invalidate", "delete", "write"])
async def test_a_program_that_ends_meanwhile_applies_all_the_same(cache: Cache, at: str) -> None:
    store = new_chaos(cache._core.clock)
    cache.configure(store)
    await cache.aset_many({"a": 1, "b": 1, "c": 1})
    await cache.aset("tagged", 1, tags=["x"])

    async def work() -> None:
        async with cache.transaction():
            await cache.ainvalidate(tags=["x"])
            await cache.adelete_many(["a", "b"])
            await cache.aset("c", 2)

    for order in (1, -1):
        before = asyncio.all_tasks()
        hold = store.hold(at)
        task = asyncio.create_task(work())
        await asyncio.to_thread(hold.wait)
        hold.release()
        rest = asyncio.all_tasks() - before
        for one in sorted(rest, key=lambda one: order * (one is task)):  # as `asyncio.run` does at its end
            one.cancel()
        await asyncio.wait(rest)
        assert task.cancelled()
        store.calm()
        assert await cache.aget_many(["a", "b", "c", "tagged"]) == {"c": 2}
        assert not cache._core._transactions
        await cache.aset_many({"a": 1, "b": 1, "c": 1})
        await cache.aset("tagged", 1, tags=["x"])
    let_go(cache)


async def test_one_thing_that_fails_at_the_end_keeps_none_of_the_others_from_being_done(shop: Shop) -> None:
    store = new_chaos(shop.cache._core.clock)
    shop.cache.configure(store)
    say = shop.say
    await say.set_many({"a": 1, "b": 1, "c": 1}, tags=["x"])
    await say.set("d", 1)
    store.fail("delete", Oops("not now"), times=1)

    async def work() -> None:
        async with say.transaction():
            await say.invalidate(tags=["x"])
            await say.delete("d")
            await say.set("c", 2)

    with pytest.raises(Oops, match="not now"):
        await work()
    store.calm()
    assert await say.get_many(["a", "b", "c", "d"]) == {"c": 2, "d": 1}
    let_go(shop.cache)


async def test_a_cache_that_is_switched_off_forgets_what_is_written_inside(shop: Shop) -> None:
    await shop.say.set("a", 1)
    async with shop.say.transaction():
        with shop.cache.disabled():
            await shop.say.set("a", 2)
            assert await shop.of("tea") == 4
        assert await shop.say.get("a") is None
        assert outside(shop.cache.get, "a") == 1
    assert await shop.say.get("a") is None


async def test_a_transaction_leaves_nothing_behind(shop: Shop) -> None:
    for _ in range(3):
        async with shop.say.transaction():
            await shop.of("tea")
            await shop.say.of(shop.named("milk"))
            await shop.say.of(shop.named.invalidate("milk"))
            await shop.say.of(shop.named("milk"))
    assert leases(shop.cache) == []
    assert leases(shop.cache, alive=True) == []
    assert len(shop.cache._core.flights) == 0
