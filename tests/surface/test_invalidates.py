"""`@cache.invalidates(...)`: a function that has changed something leaves nothing behind that is out of date."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
from tests.backends import Backend, new_chaos
from tests.concurrency.meeting import Worker

from stillroom import Cache, ConfigurationError, MissingKeyContext, StoreError, UncacheableArgument, key_context
from stillroom.observe.events import Invalidated


@dataclass
class User:
    id: int
    team: int = 1


class Made:
    """Makes functions of one colour, and calls them to their end."""

    def __init__(self, cache: Any, run: Callable[[Any], Any] | None) -> None:
        self.cache = cache
        self.is_blocking = run is None
        self._run = run

    def cached(self, load: Callable[..., Any], **settings: Any) -> Any:
        """Return a cached function of ``user_id`` and ``full``."""
        if self._run is None:

            @self.cache(**settings)
            def get(user_id: int, full: bool = False) -> Any:
                return load(user_id, full)

            return get

        @self.cache(**settings)
        async def get_async(user_id: int, full: bool = False) -> Any:
            return load(user_id, full)

        return get_async

    def changing(self, change: Callable[..., Any], **settings: Any) -> Any:
        """Return a function of ``user_id`` and ``more`` that changes something."""
        if self._run is None:

            @self.cache.invalidates(**settings)
            def save(user_id: Any, more: Any = None) -> Any:
                return change(user_id, more)

            return save

        @self.cache.invalidates(**settings)
        async def save_async(user_id: Any, more: Any = None) -> Any:
            await asyncio.sleep(0)
            return change(user_id, more)

        return save_async

    def __call__(self, given: Any) -> Any:
        return given if self._run is None else self._run(given)


@pytest.fixture(params=["function", "coroutine function"])
def made(request: pytest.FixtureRequest, cache: Cache, run: Callable[[Any], Any]) -> Made:
    return Made(cache, None if request.param == "function" else run)


def value(user_id: Any, more: Any) -> str:
    return f"{user_id} {more}"


# What is invalidated


def test_tags_are_templates_over_the_arguments(made: Made) -> None:
    get = made.cached(value, tags=["user:{user_id}"])
    save = made.changing(value, tags=["user:{user_id}", "team:{more.team}"])
    made.cache.set("team", 1, tags=["team:7"])
    for user_id in (1, 2):
        made(get(user_id))
    assert made(save(1, User(5, team=7))) == "1 User(id=5, team=7)"
    assert made(get.peek(1)) is None
    assert made(get.peek(2)) == "2 False"
    assert made.cache.get("team") is None


def test_keys_are_templates_of_names(made: Made) -> None:
    get = made.cached(value, key="user:{user_id}")
    made.cache.set("count", 1)
    made.cache.set("user:2", "other")
    save = made.changing(value, keys=["user:{user_id}", "count"])
    made(get(1))
    made(save(1))
    assert made(get.peek(1)) is None
    assert made.cache.get_many(["count", "user:2"]) == {"user:2": "other"}


def test_long_names_are_found_as_well(made: Made) -> None:
    get = made.cached(value, key="user:{user_id}")
    long = "x" * 500
    made(get(long))
    made(made.changing(value, keys=["user:{user_id}"])(long))
    assert made(get.peek(long)) is None


@pytest.mark.parametrize("key", [None, "user:{user_id}:{full}"])
def test_the_result_of_a_function_is_found_by_parameters_of_the_same_names(made: Made, key: str | None) -> None:
    get = made.cached(value, key=key)
    save = made.changing(value, of=get)
    for call in [(1,), (1, True), (2,)]:
        made(get(*call))
    made(save(1))
    assert [made(get.peek(*call)) for call in [(1,), (1, True), (2,)]] == [None, "1 True", "2 False"]


@pytest.mark.parametrize("field", ["more.id", "{more.id}", "return.id", "@user.id"])
def test_a_map_says_what_stands_for_a_parameter(made: Made, field: str) -> None:
    get = made.cached(value)
    save = made.changing(lambda user_id, more: more, of=[get], map={"user_id": field})
    for user_id in (1, 2):
        made(get(user_id))
    with key_context(user=User(1)):
        made(save("nobody", User(1)))
    assert [made(get.peek(user_id)) for user_id in (1, 2)] == [None, "2 False"]


def test_a_map_keeps_types_apart(made: Made) -> None:
    get = made.cached(value)
    save = made.changing(value, of=get)
    for user_id in (1, "1", 1.0):
        made(get(user_id))
    made(save("1"))
    assert [made(get.peek(user_id)) for user_id in (1, "1", 1.0)] == ["1 False", None, "1.0 False"]


def test_all_results_of_a_function_may_be_meant(made: Made) -> None:
    get, other = made.cached(value, name="get"), made.cached(value, name="other")
    save = made.changing(value, all_of=get)
    for user_id in (1, 2):
        made(get(user_id)), made(other(user_id))
    made(save(3))
    assert [made(get.peek(user_id)) for user_id in (1, 2)] == [None, None]
    assert made(other.peek(1)) == "1 False"


def test_a_whole_namespace_may_be_meant(made: Made) -> None:
    get = made.cached(value, namespace="eu")
    made(get(1))
    made(made.changing(value, namespace="eu")(2))
    assert made(get.peek(1)) is None


def test_the_result_is_called_return(made: Made) -> None:
    for tag in ("user:9", "ids:9"):
        made.cache.set(tag, 1, tags=[tag])
    save = made.changing(lambda user_id, more: User(9), tags=["user:{return.id}"], keys=["{more}:{return.id}"])
    assert made(save(1, "ids")) == User(9)
    assert made.cache.get_many(["user:9", "ids:9"]) == {}


def test_arguments_are_read_as_they_were_before_the_change(made: Made) -> None:
    def move(user: User, team: int) -> User:
        user.team = team
        return user

    for team in (1, 2, 3):
        made.cache.set(f"team:{team}", 1, tags=[f"team:{team}"])
    made(made.changing(move, tags=["team:{user_id.team}", "team:{return.team}"])(User(5, team=1), 2))
    assert made.cache.get_many(["team:1", "team:2", "team:3"]) == {"team:3": 1}


def test_the_key_context_counts_that_of_the_call(made: Made) -> None:
    get = made.cached(value, key="{@tenant}:{user_id}")
    save = made.changing(value, of=get, tags=["tenant:{@tenant}"])
    for tenant in ("acme", "umbrella"):
        with key_context(tenant=tenant):
            made(get(1))
    with key_context(tenant="acme"):
        made(save(1))
        assert made(get.peek(1)) is None
    with key_context(tenant="umbrella"):
        assert made(get.peek(1)) == "1 False"


def test_functions_of_other_caches_and_other_colours_are_found(made: Made, run: Callable[[Any], Any]) -> None:
    other = Cache()

    @other()
    def get(user_id: int) -> str:
        return "plain"

    @other(key="async:{user_id}")
    async def get_async(user_id: int) -> str:
        return "async"

    get(1), run(get_async(1))
    made(made.changing(value, of=[get, get_async])(1))
    assert get.peek(1) is None
    assert run(get_async.peek(1)) is None


def test_what_has_been_invalidated_is_announced(made: Made) -> None:
    get = made.cached(value, name="get", key="user:{user_id}")
    events: list[Invalidated] = []
    made.cache.subscribe(events.append, Invalidated)
    made(made.changing(value, tags=["a", "a"], of=get, all_of=get, keys=["user:{user_id}"])(1))
    assert [(e.tags, e.keys, e.function) for e in events] == [
        (("a",), (), None),
        ((), ("user:1",), None),
        ((), (), "get"),
    ]


def test_it_counts_while_the_cache_is_switched_off(made: Made) -> None:
    get = made.cached(value)
    made(get(1))
    with made.cache.disabled():
        made(made.changing(value, of=get)(1))
    assert made(get.peek(1)) is None


def test_a_load_that_began_before_the_change_does_not_count(made: Made) -> None:
    data = {1: "old"}
    begun: list[int] = []

    def load(user_id: int, full: bool) -> str:
        found = data[user_id]
        if not begun:
            begun.append(1)
            change()
        return found

    def change() -> None:
        @made.cache.invalidates(of=get)
        def write(user_id: int) -> None:
            data[user_id] = "new"

        write(1)

    get = made.cached(load)
    assert made(get(1)) == "old"
    assert made(get.peek(1)) is None
    assert made(get(1)) == "new"


# What is not


def test_after_an_error_nothing_is_invalidated(made: Made) -> None:
    def fail(user_id: int, more: Any) -> None:
        raise LookupError(user_id)

    get = made.cached(value)
    made(get(1))
    with pytest.raises(LookupError):
        made(made.changing(fail, of=get, namespace="main")(1))
    assert made(get.peek(1)) == "1 False"


@pytest.mark.parametrize("settings", [{"tags": ["{more.id}"]}, {"keys": ["{user_id}"]}, {"keys": ["{@tenant}"]}])
def test_what_cannot_be_named_is_refused_before_the_change(made: Made, settings: dict[str, Any]) -> None:
    changes: list[Any] = []
    save = made.changing(lambda user_id, more: changes.append(user_id), **settings)
    with pytest.raises((UncacheableArgument, MissingKeyContext)):
        made(save(object()))
    assert changes == []


def test_a_result_that_cannot_be_named_keeps_nothing_else_back(made: Made) -> None:
    get = made.cached(value)
    made(get(1))
    made.cache.set("tagged", 1, tags=["user:1"])
    save = made.changing(lambda user_id, more: None, of=get, tags=["new:{return.id}", "user:{user_id}"], keys=["{return[0]}"])
    with pytest.raises(UncacheableArgument, match=r"\{return.id\}"):
        made(save(1))
    assert made(get.peek(1)) is None
    assert made.cache.get("tagged") is None


@pytest.mark.memory_only("it breaks the store")
def test_an_invalidation_that_fails_keeps_nothing_else_back(clock: Any, run: Callable[[Any], Any]) -> None:
    chaos = new_chaos(clock)
    cache = Cache(chaos, clock=clock)

    @cache()
    def get(user_id: int) -> int:
        return user_id

    @cache.invalidates(of=get, tags=["tag"])
    def save(user_id: int) -> None: ...

    get(1)
    chaos.fail("invalidate", StoreError("no", store="chaos", operation="invalidate"))
    with pytest.raises(StoreError):
        save(1)
    assert get.peek(1) is None


# Cancelling


def test_who_is_cancelled_after_the_change_has_it_invalidated_all_the_same(run: Callable[[Any], Any], clock: Any) -> None:
    chaos = new_chaos(clock)
    cache = Cache(chaos, clock=clock)

    @cache(key="user:{user_id}")
    async def get(user_id: int) -> int:
        return user_id

    changed: list[int] = []

    @cache.invalidates(of=get, tags=["tag"])
    async def save(user_id: int) -> None:
        changed.append(user_id)

    async def main() -> None:
        await get(1)
        await cache.aset("tagged", 1, tags=["tag"])
        hold = chaos.hold("invalidate")
        task = asyncio.create_task(save(1))
        await asyncio.to_thread(hold.wait)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        assert await get.peek(1) == 1
        hold.release()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await get.peek(1) is None
        assert await cache.aget("tagged") is None

    run(asyncio.wait_for(main(), 5))
    assert changed == [1]


def test_a_program_that_ends_meanwhile_invalidates_all_the_same(run: Callable[[Any], Any], clock: Any) -> None:
    chaos = new_chaos(clock)
    cache = Cache(chaos, clock=clock)

    @cache.invalidates(keys=["a"], tags=["tag"])
    async def save() -> None: ...

    async def main() -> None:
        await cache.aset_many({"a": 1})
        await cache.aset("tagged", 1, tags=["tag"])
        hold = chaos.hold("invalidate")
        task = asyncio.create_task(save())
        await asyncio.to_thread(hold.wait)
        hold.release()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for one in rest:  # as `asyncio.run` does at its end
            one.cancel()
        await asyncio.wait(rest)
        assert task.cancelled()
        assert await cache.aget_many(["a", "tagged"]) == {}

    run(main())


def test_who_is_cancelled_in_the_middle_of_the_change_invalidates_nothing(cache: Any, run: Callable[[Any], Any]) -> None:
    @cache.invalidates(keys=["a"])
    async def save() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(save())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    cache.set("a", 1)
    run(main())
    assert cache.get("a") == 1


# Functions of all sorts


def shop(cache: Any) -> Any:
    class Shop:
        closed = 0

        @cache()
        def price(self, item: str) -> str:
            return f"price of {item}"

        @classmethod
        @cache()
        def names(cls, item: str) -> str:
            return f"name of {item}"

        @staticmethod
        @cache()
        def weight(item: str) -> str:
            return f"weight of {item}"

        @cache.invalidates(of=[price, names, weight], map={"cls": "self.__class__"})
        def rename(self, item: str) -> Any:
            return self

        @cache.invalidates(of=price)
        @cache.invalidates(of=weight)
        def both(self, item: str) -> Any:
            return self

        @cache.invalidates(of=names)
        @classmethod
        def above(cls, item: str) -> Any:
            return cls if item else None

        @classmethod
        @cache.invalidates(of=names)
        def below(cls, item: str) -> Any:
            return cls if item else None

        @cache.invalidates(of=weight)
        @staticmethod
        def static_above(item: str) -> Any:
            return item

        @staticmethod
        @cache.invalidates(of=weight)
        def static_below(item: str) -> Any:
            return item

    return Shop


@pytest.mark.memory_only("instances mean nothing elsewhere")
def test_methods_of_all_sorts_change_things(cache: Any) -> None:
    cls = shop(cache)
    one, other = cls(), cls()

    def fill() -> None:
        for each in (one, other):
            each.price("tea")
        cls.names("tea"), cls.weight("tea")

    def left() -> list[bool]:
        return [one.price.peek("tea") is None, other.price.peek("tea") is None] + [
            f.peek("tea") is None for f in (cls.names, cls.weight)
        ]

    for change, returned, gone in [
        (one.rename, one, [True, False, True, True]),
        (one.both, one, [True, False, False, True]),
        (cls.above, cls, [False, False, True, False]),
        (one.above, cls, [False, False, True, False]),
        (cls.below, cls, [False, False, True, False]),
        (cls.static_above, "tea", [False, False, False, True]),
        (one.static_below, "tea", [False, False, False, True]),
    ]:
        fill()
        assert change("tea") is returned
        assert left() == gone, change


@pytest.mark.memory_only("instances mean nothing elsewhere")
def test_a_changing_method_looks_like_itself(cache: Any) -> None:
    cls = shop(cache)
    one = cls()
    assert one.rename.__name__ == "rename"
    assert one.rename.__wrapped__("tea") is one
    assert cls.rename.__wrapped__(one, "tea") is one
    assert cls.rename(one, item="tea") is one
    with pytest.raises(TypeError, match="rename"):
        one.rename()


@pytest.mark.memory_only("instances mean nothing elsewhere")
def test_a_method_of_one_object_may_be_meant(cache: Any) -> None:
    cls = shop(cache)
    one, other = cls(), cls()

    @cache.invalidates(of=one.price)
    def save(item: str) -> None: ...

    @cache.invalidates(of=cls.price, map={"self": "owner"})
    def save_at(owner: object, item: str) -> None: ...

    for each in (one, other):
        each.price("tea")
    save("tea")
    assert (one.price.peek("tea"), other.price.peek("tea")) == (None, "price of tea")
    save_at(other, "tea")
    assert other.price.peek("tea") is None


def test_what_means_nothing_to_other_processes_is_refused_before_the_change(cache: Cache, backend: Backend) -> None:
    one = shop(cache)()
    changes: list[str] = []

    @cache.invalidates(of=one.price)
    def save(item: str) -> None:
        changes.append(item)

    if backend.is_memory:
        save("tea")
    else:
        with pytest.raises(UncacheableArgument, match="self cannot be part of a key"):
            save("tea")
    assert changes == ["tea"] * backend.is_memory


def test_self_of_another_class_is_another_object(cache: Any) -> None:
    cls = shop(cache)
    with pytest.raises(ConfigurationError, match="nothing is mapped to self"):

        class Service:
            @cache.invalidates(of=cls.price)
            def rename(self, item: str) -> None: ...


def test_a_function_that_hands_on_a_coroutine_is_waited_for(cache: Any, run: Callable[[Any], Any]) -> None:
    async def change() -> str:
        await asyncio.sleep(0)
        cache.set("a", "from before")
        return "changed"

    @cache.invalidates(keys=["a"])
    def save() -> Any:
        return change()

    assert run(save()) == "changed"
    assert cache.get("a") is None


def test_guards_and_caching_stand_above_and_below(cache: Any) -> None:
    @cache.invalidates(keys=["a"])
    @cache.locked()
    def below() -> int:
        return 1

    @cache.locked()
    @cache.invalidates(keys=["a"])
    def above() -> int:
        return 1

    @cache.invalidates(keys=["a"])
    @cache()
    def cached() -> int:
        return 1

    for change in (below, above, cached, cached):
        cache.set("a", 1)
        assert change() == 1
        assert cache.get("a") is None
    assert cached.stats.hits == 1


# What makes no sense


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [generator, async_generator])
def test_generators_are_refused(cache: Any, function: Any) -> None:
    with pytest.raises(ConfigurationError, match="not for generators"):
        cache.invalidates(keys=["a"])(function)


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({}, "tags"),
        ({"tags": "users"}, "tags"),
        ({"keys": [""]}, "keys"),
        ({"namespace": ""}, "namespace"),
        ({"of": len}, "of"),
        ({"of": "get"}, "of"),
        ({"all_of": [len]}, "all_of"),
        ({"map": {"a": "b"}, "tags": ["x"]}, "map"),
    ],
)
def test_settings_that_make_no_sense_are_refused(cache: Any, settings: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        cache.invalidates(**settings)
    assert caught.value.setting == setting


def listed(page: int = 1) -> list[int]:
    return [page]


def several(*ids: int, **more: int) -> list[int]:
    return list(ids)


def got(user_id: int, full: bool = False) -> int:
    return user_id


def bare() -> int:
    return 1


@pytest.mark.parametrize(
    ("target", "given_map", "match"),
    [
        (got, None, "nothing is mapped to user_id"),
        (listed, None, "nothing is mapped to page.*all_of"),
        (several, None, "nothing is mapped to ids and more"),
        (got, {"user": "id"}, "did you mean 'user_id'"),
        (got, {"user_id": "idd"}, "did you mean 'id'"),
        (got, {"user_id": "{id!hash}"}, "must lead to a value"),
        (got, {"user_id": "{id}:{id}"}, "must lead to a value"),
        (got, {"user_id": 5}, "map"),
        (got, ["user_id"], "map must be a mapping"),
        (several, {"ids": "id"}, "map names 'ids'"),
    ],
)
def test_what_is_not_known_of_a_function_is_refused(cache: Any, target: Any, given_map: Any, match: str) -> None:
    with pytest.raises(ConfigurationError, match=match) as caught:

        @cache.invalidates(of=cache()(target), map=given_map)
        def save(id: int) -> None: ...

    assert caught.value.setting == "map"


def test_parameters_that_no_key_is_made_of_need_not_be_known(cache: Any) -> None:
    @cache(ignore=["session"])
    def get(session: object, id: int) -> int:
        return id

    @cache(key="id:{id}")
    def named(session: object, id: int) -> int:
        return id

    once = cache()(bare)

    @cache.invalidates(of=[get, named, once])
    def save(id: int) -> None: ...

    get(object(), 1), named(object(), 1), once()
    save(1)
    assert [get.peek(None, 1), named.peek(None, 1), once.peek()] == [None] * 3


def test_a_batch_function_counts_as_its_function_of_one_item(cache: Any) -> None:
    @cache.batch(key="user:{id}")
    def users(ids: list[int]) -> dict[int, str]:
        return {id: str(id) for id in ids}

    class Shop:
        @cache.batch(key="price:{item}")
        def prices(self, items: list[str]) -> dict[str, str]:
            return {item: item for item in items}

        @cache.invalidates(of=[users, prices], map={"id": "user_id"})
        def save(self, user_id: int, item: str) -> None: ...

    shop = Shop()

    @cache.invalidates(of=shop.prices, all_of=users)
    def sell(item: str) -> None: ...

    users([1, 2]), shop.prices(["tea", "jam"])
    shop.save(1, "tea")
    assert (users.peek([1, 2]), shop.prices.peek(["tea", "jam"])) == ({2: "2"}, {"jam": "jam"})
    sell("jam")
    assert (users.peek([1, 2]), shop.prices.peek(["tea", "jam"])) == ({}, {})


def test_further_arguments_are_handed_on(cache: Any) -> None:
    get = cache()(several)

    @cache.invalidates(of=get)
    def save(*ids: int, **more: int) -> None: ...

    get(1, 2, a=3), get(1)
    save(1, 2, a=3)
    assert (get.peek(1, 2, a=3), get.peek(1)) == (None, [1])


@pytest.mark.parametrize("template", ["{id}{return}", "{nothing}", "{returned.id}"])
def test_templates_that_make_no_sense_are_refused(cache: Any, template: str) -> None:
    for setting in ("tags", "keys"):
        with pytest.raises(ConfigurationError, match=setting):

            @cache.invalidates(**{setting: [template]})
            def save(id: int) -> None: ...


# In transactions


@pytest.mark.parametrize("committed", [True, False])
def test_in_a_transaction_it_counts_inside_at_once_and_outside_from_the_commit_on(made: Made, committed: bool) -> None:
    get, listed = made.cached(value, tags=["user:{user_id}"]), made.cached(value, name="listed")
    save = made.changing(value, of=get, tags=["users"], keys=["named"], all_of=listed)
    made(get(1)), made(listed(1))
    made.cache.set_many({"named": 1})
    made.cache.set("tagged", 1, tags=["users"])
    seen: list[list[Any]] = []

    def look() -> list[Any]:
        return [*made.cache.get_many(["named", "tagged"]), get.peek(1), listed.peek(1)]

    async def look_async() -> list[Any]:
        return [*await made.cache.aget_many(["named", "tagged"]), await get.peek(1), await listed.peek(1)]

    def change() -> None:
        with made.cache.transaction():
            save(1)
            seen.extend([look(), Worker(look).join()])
            if not committed:
                raise LookupError

    async def change_async() -> None:
        async with made.cache.transaction():
            await save(1)
            seen.append(await look_async())
            seen.append(await contextvars.Context().run(asyncio.create_task, look_async()))
            if not committed:
                raise LookupError

    there, gone = ["named", "tagged", "1 False", "1 False"], [None, None]
    with nullcontext() if committed else pytest.raises(LookupError):
        if made.is_blocking:
            change()
        else:
            made(change_async())
    assert seen == [gone, there]
    assert made(look() if made.is_blocking else look_async()) == (gone if committed else there)
