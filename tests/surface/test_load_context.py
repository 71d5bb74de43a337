"""`current_load` wherever user code runs as a load: generators, methods, verbs, threads, and past the cache."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import copy_context
from typing import Any

import pytest
from tests.surface.conftest import Spoken

from stillroom import Cache, LoadAborted, StillroomError, current_load
from stillroom.testing import FakeClock


def test_a_generator_sees_its_load_in_each_step_and_nobody_else_does(cache: Cache, clock: FakeClock) -> None:
    loads = []

    @cache(ttl=60)
    def numbers(count: int) -> Iterator[int]:
        for number in range(count):
            current_load().ttl = 10 * (number + 1)
            yield number
        loads.append(count)

    steps = numbers(3)
    assert next(steps) == 0
    with pytest.raises(StillroomError):
        current_load()
    assert [*steps, *numbers(3)] == [1, 2, 0, 1, 2]
    clock.advance(29)
    assert list(numbers(3)) == [0, 1, 2]
    clock.advance(1)
    assert list(numbers(3)) == [0, 1, 2]
    assert loads == [3, 3]


def test_an_asynchronous_generator_sees_its_load_in_each_step(
    cache: Cache, clock: FakeClock, run: Callable[[Any], Any]
) -> None:
    loads = []

    @cache(ttl=60)
    async def numbers(count: int) -> AsyncIterator[int]:
        for number in range(count):
            await asyncio.sleep(0)
            current_load().ttl = 10 * (number + 1)
            yield number
        loads.append(count)

    async def listed() -> list[int]:
        items = []
        async for item in numbers(3):
            with pytest.raises(StillroomError):
                current_load()
            items.append(item)
        return items

    assert [run(listed()), run(listed())] == [[0, 1, 2]] * 2
    clock.advance(30)
    assert run(listed()) == [0, 1, 2]
    assert loads == [3, 3]


def test_a_generator_can_skip_give_up_and_carry_tags(cache: Cache) -> None:
    loads = []

    @cache(ttl=60)
    def words(how: str) -> Iterator[str]:
        loads.append(how)
        load = current_load()
        if how == "tags":
            load.tags.add("words")
        if how == "skip":
            load.skip()
        if how == "fail" and loads.count("fail") > 1:
            load.fail("no more words")
        yield how

    for how in ("tags", "skip"):
        for _ in range(3):
            assert list(words(how)) == [how]
    assert loads.count("skip") == 3
    before = loads.count("tags")
    assert before <= 2
    cache.invalidate(tags=["words"])
    assert list(words("tags")) == ["tags"]
    assert loads.count("tags") == before + 1


def test_a_generator_cannot_return_what_it_gave_before(cache: Cache) -> None:
    @cache(ttl=60)
    def words() -> Iterator[str]:
        load = current_load()
        if load.has_stale:
            assert load.stale_value == ("tea",)
            with pytest.raises(StillroomError, match="stale_value"):
                load.not_modified()
            yield from load.stale_value
        else:
            yield "tea"

    assert list(words()) == ["tea"]
    assert words.refresh() == ("tea",)


def test_functions_that_ask_for_their_load_work_with_the_cache_switched_off(cache: Cache, run: Callable[[Any], Any]) -> None:
    @cache(key="plain:{k}", ttl=60)
    def plain(k: int) -> str:
        current_load().tags.add("any")
        assert current_load().ttl == 60
        return current_load().key

    @cache()
    async def coroutine(k: int) -> int:
        current_load().skip()
        await asyncio.sleep(0)
        current_load().ttl = 7
        return k

    @cache()
    def generator(k: int) -> Iterator[Any]:
        current_load().skip()
        sent = yield k
        current_load().skip()
        yield sent

    @cache()
    async def asynchronous(k: int) -> AsyncIterator[Any]:
        current_load().skip()
        sent = yield k
        current_load().skip()
        yield sent

    async def items() -> list[Any]:
        steps: Any = asynchronous(1)
        return [await steps.asend(None), await steps.asend(2), [item async for item in asynchronous.bypass(3)]]

    with cache.disabled():
        assert [plain(1), plain.refresh(1)] == ["plain:1", "plain:1"]
        assert cache.get_or_load("name", lambda: current_load().ttl, ttl=60) == 60
        assert run(coroutine(1)) == 1
        steps: Any = generator(1)
        assert [next(steps), steps.send(2), list(generator.bypass(3))] == [1, 2, [3, None]]
        assert run(items()) == [1, 2, [3, None]]
    with pytest.raises(StillroomError):
        current_load()


def test_a_generator_past_the_cache_can_be_closed_and_thrown_at(cache: Cache, run: Callable[[Any], Any]) -> None:
    ends = []

    @cache()
    def generator() -> Iterator[int]:
        try:
            yield 1
        except KeyError:
            ends.append("thrown")
            yield 2
        finally:
            current_load().skip()
            ends.append("closed")

    @cache()
    async def asynchronous() -> AsyncIterator[int]:
        try:
            yield 1
        except KeyError:
            ends.append("thrown")
            yield 2
        finally:
            current_load().skip()
            ends.append("closed")

    async def talk() -> None:
        steps: Any = asynchronous.bypass()
        assert [await steps.asend(None), await steps.athrow(KeyError())] == [1, 2]
        await steps.aclose()

    steps: Any = generator.bypass()
    assert [next(steps), steps.throw(KeyError())] == [1, 2]
    steps.close()
    run(talk())
    assert ends == ["thrown", "closed"] * 2


def test_methods_and_their_helpers_see_the_load(cache: Cache) -> None:
    def helper() -> None:
        current_load().tags.add("shop")

    class Shop:
        loads = 0

        @cache(key="price:{item}")
        def price(self, item: str) -> str:
            self.loads += 1
            helper()
            return current_load().key

    shop = Shop()
    for _ in range(3):
        assert shop.price("tea") == "price:tea"
    loads = shop.loads
    assert loads <= 2
    cache.invalidate(tags=["shop"])
    shop.price("tea")
    assert shop.loads == loads + 1


def test_what_a_verb_loads_sees_its_load(verbs: Spoken, cache: Cache, clock: FakeClock) -> None:
    loads = []

    def load() -> str:
        loads.append(current_load().key)
        current_load().ttl = 10
        return f"v{len(loads)}"

    assert [verbs.get_or_load("thing", load, ttl=60) for _ in range(2)] == ["v1", "v1"]
    clock.advance(10)
    assert verbs.get_or_load("thing", load, ttl=60) == "v2"
    with cache.disabled():
        assert verbs.get_or_load("thing", load, ttl=60) == "v3"
    assert loads == ["thing"] * 3


def test_a_thread_sees_the_load_only_in_a_copy_of_its_context(cache: Cache) -> None:
    seen: list[Any] = []

    def look() -> None:
        try:
            seen.append(current_load().key)
        except StillroomError:
            seen.append(None)

    @cache(key="thing")
    def load() -> None:
        context = copy_context()
        for target in (look, lambda: context.run(look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

    load()
    assert seen == [None, "thing"]


def test_tags_that_several_threads_add_are_all_carried(cache: Cache) -> None:
    seen: list[int] = []

    @cache(key="thing")
    def load() -> None:
        mine = current_load()
        threads = [threading.Thread(target=mine.tags.add, args=(f"tag:{number}",)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seen.append(len(mine.tags))
        assert "tag:7" in mine.tags
        assert sorted(mine.tags) == sorted(f"tag:{number}" for number in range(20))

    load()
    assert seen == [20]


def test_a_load_shows_what_it_is(cache: Cache) -> None:
    @cache(key="thing", ttl=5)
    def load() -> list[str]:
        mine = current_load()
        mine.tags.add("a", "b", "a")
        return [repr(mine), repr(mine.tags)]

    assert load() == ["Load('thing')", "LoadTags(['a', 'b'])"]


def test_a_load_past_the_cache_of_arguments_that_have_no_key_gives_up_like_any_other(cache: Cache) -> None:
    @cache()
    def load(what: object) -> None:
        assert current_load().key == ""
        current_load().fail("nothing to be had")

    with pytest.raises(LoadAborted, match=r"^nothing to be had$"):
        load.bypass(object())


def test_a_verb_that_goes_on_with_the_value_of_a_function_is_ended_with_the_function(cache: Cache, clock: FakeClock) -> None:
    """Rule 1."""

    @cache(key="thing", ttl=60, stale_if_error=600)
    def thing() -> str:
        return "old"

    assert thing() == "old"
    clock.advance(60)
    assert cache.get_or_load("thing", lambda: current_load().not_modified(), ttl=60) == "old"
    thing.invalidate_all()
    assert cache.get("thing") is None
    assert cache.get_or_load("thing", lambda: "new", ttl=60) == "new"


def test_a_key_that_is_kept_warm_may_turn_out_to_have_no_end(cache: Cache, clock: FakeClock) -> None:
    loads = []

    @cache(ttl=60, keep_warm=True)
    def load() -> int:
        loads.append(1)
        current_load().ttl = None
        return len(loads)

    assert load() == 1
    clock.advance(100_000)
    assert load() == 1


class Tagged:
    """A function whose loads add the tag ``late``, which has been met before."""

    def __init__(self, cache: Cache) -> None:
        self.loads = 0
        self.renews = False

        @cache(key="thing", ttl=60, stale_if_error=600)
        def thing() -> str:
            self.loads += 1
            load = current_load()
            if self.renews and load.has_stale:
                return str(load.not_modified())
            load.tags.add("late")
            return f"v{self.loads}"

        @cache()
        def meet() -> None:
            current_load().tags.add("late")

        meet()
        self.thing = thing


def test_what_is_loaded_in_a_transaction_carries_the_added_tags_outside(cache: Cache) -> None:
    """Rule 1."""
    tagged = Tagged(cache)
    with cache.transaction():
        assert [tagged.thing(), tagged.thing()] == ["v1", "v1"]
    assert tagged.thing() == "v1"
    cache.invalidate(tags=["late"])
    assert tagged.thing() == "v2"


def test_a_savepoint_hands_the_added_tags_on(cache: Cache) -> None:
    """Rule 1."""
    tagged = Tagged(cache)
    with cache.transaction():
        with cache.transaction():
            assert tagged.thing() == "v1"
        assert tagged.thing() == "v1"
    assert tagged.thing() == "v1"
    cache.invalidate(tags=["late"])
    assert tagged.thing() == "v2"


def test_an_added_tag_that_is_invalidated_in_a_transaction_ends_the_value_inside_and_in_the_end_outside(cache: Cache) -> None:
    """Rule 1: whether it was loaded outside before, or inside."""
    tagged = Tagged(cache)
    assert tagged.thing() == "v1"
    with cache.transaction():
        cache.invalidate(tags=["late"])
        assert [tagged.thing(), tagged.thing()] == ["v2", "v2"]
        cache.invalidate(tags=["late"])
        assert tagged.thing() == "v3"
    assert tagged.thing() == "v4"


def test_an_invalidation_outside_of_an_added_tag_reaches_what_a_transaction_has_loaded(cache: Cache) -> None:
    """Rule 1."""
    tagged = Tagged(cache)
    with cache.transaction():
        assert tagged.thing() == "v1"
        threads = [threading.Thread(target=cache.invalidate, kwargs={"tags": ["late"]})]
        for thread in threads:
            thread.start()
            thread.join()
        assert tagged.thing() == "v2"
    assert tagged.thing() in ("v2", "v3")


def test_a_value_that_goes_on_being_good_in_a_transaction_does_not_lose_its_tags(cache: Cache, clock: FakeClock) -> None:
    """Rule 1."""
    tagged = Tagged(cache)
    assert tagged.thing() == "v1"
    clock.advance(60)
    tagged.renews = True
    with cache.transaction():
        assert tagged.thing() == "v1"
    cache.invalidate(tags=["late"])
    assert tagged.thing() != "v1"
