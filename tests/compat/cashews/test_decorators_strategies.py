"""The caching decorators: the same programs on cashews and on the facade, and what the facade does better."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import cashews
import pytest

import stillroom.compat.cashews as facade
from stillroom.compat.cashews import NOT_NONE, Cache, Command
from stillroom.compat.cashews.backends.interface import Backend
from stillroom.testing import FakeClock

pytestmark = pytest.mark.asyncio_only

Same = Callable[..., Any]


@pytest.fixture
def timed(clock: FakeClock) -> Cache:
    """A cache of the facade whose time is in the test's hands."""
    cache = Cache()
    cache._add_backend(Backend(url="memory://", options={"clock": clock}))  # pyright: ignore[reportPrivateUsage]
    return cache


@pytest.mark.parametrize("name", ["cache", "__call__", "early", "soft", "hit", "dynamic", "failover", "iterator", "invalidate"])
def test_decorators_take_what_those_of_cashews_take(name: str) -> None:
    _takes_the_same(name)


@pytest.mark.parametrize("name", ["locked", "rate_limit", "slice_rate_limit", "circuit_breaker", "bloom", "dual_bloom"])
def test_guards_take_what_those_of_cashews_take(name: str) -> None:
    _takes_the_same(name)


def _takes_the_same(name: str) -> None:
    theirs, ours = (inspect.signature(getattr(library.Cache, name)).parameters for library in (cashews, facade))
    assert list(ours)[: len(theirs)] == list(theirs)
    for parameter in theirs:
        assert (ours[parameter].default, ours[parameter].kind) == (theirs[parameter].default, theirs[parameter].kind)


# Every strategy


STRATEGIES: dict[str, Callable[[Any], Any]] = {
    "cache": lambda cache: cache(ttl=60, key="k:{a}"),
    "default key": lambda cache: cache(ttl="1m"),
    "prefix": lambda cache: cache(ttl=timedelta(minutes=1), key="k:{a}", prefix="v2"),
    "locked": lambda cache: cache(ttl=60, key="k:{a}", lock=True),
    "unprotected": lambda cache: cache(ttl=60, key="k:{a}", protected=False),
    "upper": lambda cache: cache(ttl=60, key="k:{a}", upper=True),
    "tags": lambda cache: cache(ttl=60, key="k:{a}", tags=["all", "one:{a}"]),
    "ttl by call": lambda cache: cache(ttl=lambda a, b=2: a + b + 50, key="k:{a}"),
    "ttl by result": lambda cache: cache(ttl=lambda *args, result=None, **kwargs: result[0] + 60, key="k:{a}"),
    "early": lambda cache: cache.early(ttl=60, key="k:{a}"),
    "early ttl": lambda cache: cache.early(ttl=60, early_ttl=30, key="k:{a}"),
    "early by call": lambda cache: cache.early(ttl=lambda a, b=2: 60, early_ttl=lambda a, b=2: 30, key="k:{a}"),
    "early in front": lambda cache: cache.early(ttl=60, early_ttl=30, key="k:{a}", background=False),
    "soft": lambda cache: cache.soft(ttl=60, key="k:{a}"),
    "soft ttl": lambda cache: cache.soft(ttl=60, soft_ttl=30, key="k:{a}"),
    "hit": lambda cache: cache.hit(ttl=60, cache_hits=10, key="k:{a}"),
    "hit and refresh": lambda cache: cache.hit(ttl=60, cache_hits=10, update_after=9, key="k:{a}"),
    "endless": lambda cache: cache(ttl=None, key="k:{a}"),
}


@pytest.fixture(params=STRATEGIES)
def strategy(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    return STRATEGIES[request.param]


async def test_a_result_is_kept(same: Same, strategy: Callable[[Any], Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        loads: list[Any] = []

        @strategy(cache)
        async def load(a: int, b: int = 2) -> list[int]:
            """Load."""
            loads.append((a, b))
            return [a, len(loads)]

        seen = [await load(1), await load(1, b=2), await load(2), await load(1)]
        keys = sorted([key async for key in cache.scan("*") if not key.endswith((":counter", ":lock")) and key[0] != "_"])
        return seen, loads, keys, load.__name__, load.__doc__, inspect.iscoroutinefunction(load), inspect.signature(load)

    await same(program)


@pytest.mark.parametrize("value", [None, 0, "", [], False, b"", "text", {"a": {1, 2}}, (1, [2])], ids=repr)
async def test_all_values_are_kept(same: Same, strategy: Callable[[Any], Any], value: Any) -> None:
    async def program(_: Any, cache: Any) -> Any:
        loads: list[int] = []

        @strategy(cache)
        async def load(a: int, b: int = 2) -> Any:
            loads.append(a)
            return value

        return await load(1), await load(1), loads

    if strategy is STRATEGIES["ttl by result"]:
        return  # it looks into the result
    assert await same(program) == (value, value, [1])


async def test_errors_are_raised_and_not_kept(same: Same, strategy: Callable[[Any], Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        loads: list[int] = []

        @strategy(cache)
        async def load(a: int, b: int = 2) -> list[int]:
            loads.append(a)
            if len(loads) < 3:
                raise KeyError(len(loads))
            return [a]

        seen: list[Any] = []
        for _ in range(4):
            try:
                seen.append(await load(1))
            except KeyError as error:
                seen.append(error.args)
        return seen, loads

    if strategy is STRATEGIES["ttl by result"]:
        return  # it looks into the result
    assert await same(program) == ([(1,), (2,), [1], [1]], [1, 1, 1])


async def test_deleting_makes_it_load_again(same: Same, strategy: Callable[[Any], Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        loads: list[int] = []

        @strategy(cache)
        async def load(a: int, b: int = 2) -> list[int]:
            loads.append(a)
            return [a, len(loads)]

        seen = [await load(1)]
        await cache.delete_match("*")
        seen.append(await load(1))
        await cache.clear()
        return [*seen, await load(1)]

    assert await same(program) == [[1, 1], [1, 2], [1, 3]]


async def test_while_disabled_functions_run(same: Same, strategy: Callable[[Any], Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        loads: list[int] = []

        @strategy(cache)
        async def load(a: int, b: int = 2) -> list[int]:
            loads.append(a)
            return [a, len(loads)]

        seen = []
        with cache.disabling():
            seen += [await load(1), await load(1)]
        seen += [await load(1), await load(1)]
        with cache.disabling(library.Command.GET):
            seen += [await load(1)]
        with cache.disabling(library.Command.SET):
            seen += [await load(1), await load(2), await load(2)]
        return seen

    seen = await same(program)
    assert seen[:4] == [[1, 1], [1, 2], [1, 3], [1, 3]]


async def test_results_are_loaded_anew_where_they_are_invalidated_further(same: Same, strategy: Callable[[Any], Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        loads: list[int] = []

        @strategy(cache)
        async def load(a: int, b: int = 2) -> list[int]:
            loads.append(a)
            return [a, len(loads)]

        seen = [await load(1), await load(1)]
        with library.invalidate_further():
            seen.append(await load(1))
        return [*seen, await load(1)]

    assert await same(program) == [[1, 1], [1, 1], [1, 2], [1, 2]]


async def test_middlewares_stand_around_what_decorators_do(same: Same, strategy: Callable[[Any], Any]) -> None:
    async def program(library: Any, cache: Any) -> Any:
        seen: list[Any] = []

        async def watch(call: Any, cmd: Any, backend: Any, *args: Any, **kwargs: Any) -> Any:
            if cmd.value in ("get", "set") and not kwargs["key"].endswith(":lock"):
                seen.append((cmd.value, kwargs["key"]))
            return await call(*args, **kwargs)

        cache.add_middleware(watch)

        @strategy(cache)
        async def load(a: int, b: int = 2) -> list[int]:
            return [a]

        return await load(1), await load(1), seen

    if strategy is not STRATEGIES["upper"]:  # which in cashews reads by another way first
        await same(program)


async def test_middlewares_may_rename_keys(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        cache.add_middleware(library.add_prefix("app:"))
        loads: list[int] = []

        @cache(ttl=60, key="k:{a}")
        async def load(a: int) -> int:
            loads.append(a)
            return a

        seen = [await load(1), await load(1), await cache.get("k:1"), loads]
        return seen, [key async for key in cache.scan("k:*")]

    await same(program)


async def test_callers_at_one_time_share_a_load(same: Same, strategy: Callable[[Any], Any]) -> None:
    shares = strategy not in (STRATEGIES["unprotected"], STRATEGIES["upper"], STRATEGIES["hit"])
    shares = shares and strategy is not STRATEGIES["hit and refresh"]

    async def program(_: Any, cache: Any) -> Any:
        loads: list[int] = []

        @strategy(cache)
        async def load(a: int, b: int = 2) -> list[int]:
            loads.append(a)
            await asyncio.sleep(0.001)
            return [a]

        return await asyncio.gather(*(load(1) for _ in range(10))), loads

    if shares:
        assert await same(program) == ([[1]] * 10, [1])


# Conditions


async def test_conditions_say_what_is_kept(same: Same) -> None:
    conditions: list[Any] = [
        None,
        Any,
        "all",
        NOT_NONE,
        "skip_none",
        lambda result, args, kwargs, key=None: result == 2,
        lambda result, args, kwargs, key=None: key.endswith("1") and args == (1,) and kwargs == {},
    ]

    async def program(_: Any, cache: Any) -> Any:
        seen = []
        for number, condition in enumerate(conditions):
            loads: list[int] = []

            @cache(ttl=60, key=f"{number}:{{a}}", condition=condition)
            async def load(a: int, loads: list[int] = loads) -> int | None:
                loads.append(a)
                return a or None

            seen.append([await load(1), await load(1), await load(2), await load(2), await load(0), await load(0), loads])
        return seen

    await same(program)


async def test_errors_may_be_remembered(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        seen: list[Any] = []
        for condition in (library.with_exceptions(KeyError), library.only_exceptions(), library.with_exceptions()):
            for decorate in (cache, cache.early):
                loads: list[int] = []

                @decorate(ttl=60, key=f"{len(seen)}:{{a}}", condition=condition)
                async def load(a: int, loads: list[int] = loads) -> int:
                    loads.append(a)
                    if a == 1:
                        raise KeyError("one")
                    if a == 2:
                        raise ValueError("two")
                    return a

                for argument in (1, 1, 2, 2, 3, 3):
                    try:
                        seen.append(await load(argument))
                    except (KeyError, ValueError) as error:
                        seen.append((type(error), error.args))
                seen.append(loads)
        return seen

    await same(program)


async def test_only_slow_results_are_kept(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        loads: list[str] = []

        @cache(ttl=60, key="fast", time_condition="1h")
        async def fast() -> None:
            loads.append("fast")

        @cache(ttl=60, key="slow", time_condition=0)
        async def slow() -> None:
            loads.append("slow")

        for _ in range(2):
            await fast()
            await slow()
        return loads

    assert await same(program) == ["fast", "slow", "fast"]


async def test_what_was_made_of_kept_results_is_not_kept_by_upper(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        loads: list[str] = []

        @cache(ttl=60, key="inner")
        async def inner() -> None:
            loads.append("inner")

        @cache(ttl=60, key="outer", upper=True)
        async def outer() -> None:
            loads.append("outer")
            await inner()

        await inner()
        for _ in range(2):
            await outer()
        await cache.delete("inner")
        for _ in range(2):
            await outer()
        return loads

    assert await same(program) == ["inner", "outer", "outer", "outer", "inner"]


async def test_a_lock_needs_a_ttl(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        with pytest.raises(ValueError, match="ttl can't be None with lock"):
            cache(ttl=None, lock=True)

    await same(program)


async def test_decorators_before_setup_tell_so(same: Same) -> None:
    async def program(library: Any, _: Any) -> Any:
        cache = library.Cache()

        @cache(ttl=60)
        async def load() -> int:
            return 1

        try:
            await load()
        except library.exceptions.NotConfiguredError:
            cache.setup("mem://")
            seen = await load(), await load()
            await cache.close()
            return seen

    assert await same(program) == (1, 1)


# Failover


@pytest.mark.parametrize("name", ["failover", "fail"])
async def test_the_last_result_stands_in(open_cache: Callable[..., Any], name: str) -> None:
    cache, outcomes = open_cache(), [1, ValueError("down"), KeyError("other"), 4, ValueError("down")]

    @getattr(cache, name)(ttl=60, exceptions=(ValueError,), key="status")
    async def load() -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert [await load(), await load()] == [1, 1]
    with pytest.raises(KeyError):
        await load()
    assert [await load(), await load()] == [4, 4]
    assert await cache.get("fail:status") == 4


async def test_failing_over_is_that_of_cashews(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        outcomes: list[Any] = [ValueError(0), 1, ValueError(1), 2, KeyError(2), None, ValueError(3), ValueError(4)]

        @cache.failover(ttl=60, exceptions=ValueError, condition=library.NOT_NONE)
        async def load(name: str) -> Any:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        seen: list[Any] = []
        while outcomes:
            try:
                seen.append(await load("bob"))
            except Exception as error:
                seen.append((type(error), error.args))
        return seen, [key async for key in cache.scan("*")]

    await same(program)


async def test_default_errors_may_be_set(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        cache.set_default_fail_exceptions(KeyError)
        outcomes: list[Any] = [1, KeyError(1), ValueError(1)]

        @cache.failover(ttl=60)
        async def load() -> Any:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        seen = [await load(), await load()]
        try:
            await load()
        except ValueError:
            return seen

    assert await same(program) == [1, 1]


# Ends and refreshes


async def test_results_end(timed: Cache, clock: FakeClock) -> None:
    loads: list[int] = []

    @timed(ttl="1m", key="k")
    async def load() -> int:
        loads.append(1)
        return len(loads)

    assert [await load(), await load()] == [1, 1]
    clock.advance(61)
    assert await load() == 2


async def test_early_refreshes_behind(timed: Cache, clock: FakeClock) -> None:
    """The document: if you call this function after 7 min, cache will be updated in a background."""
    loads: list[int] = []

    @timed.early(ttl=timedelta(minutes=10), early_ttl=timedelta(minutes=7))
    async def load() -> int:
        loads.append(1)
        return len(loads)

    assert await load() == 1
    clock.advance("6m")
    assert await load() == 1
    clock.advance("2m")
    assert await load() == 1
    await becomes(2, load)
    assert len(loads) == 2


async def test_early_refreshes_in_front_if_asked_to(timed: Cache, clock: FakeClock) -> None:
    loads: list[int] = []

    @timed.early(ttl=600, early_ttl=lambda *_: 420, background=False)
    async def load() -> int:
        loads.append(1)
        return len(loads)

    assert await load() == 1
    clock.advance("8m")
    assert [await load(), len(loads), await load()] == [1, 2, 2]


async def test_soft_asks_again_and_has_the_old_result_stand_in(timed: Cache, clock: FakeClock) -> None:
    outcomes: list[Any] = [1, ValueError(), ValueError(), 2, KeyError(), ValueError()]

    @timed.soft(ttl="10m", soft_ttl="1m", exceptions=(ValueError,))
    async def load() -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert [await load(), await load()] == [1, 1]
    clock.advance("2m")
    assert [await load(), await load()] == [1, 1]
    assert [await load(), await load()] == [2, 2]
    clock.advance("2m")
    with pytest.raises(KeyError):
        await load()
    clock.advance("9m")
    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        await load()


@pytest.mark.parametrize("name", ["cache", "soft", "failover"])
async def test_a_ttl_may_depend_on_the_result(same: Same, name: str) -> None:
    async def program(_: Any, cache: Any) -> Any:
        @getattr(cache, name)(ttl=lambda a, result: result["lives"], key="key")
        async def load(a: int) -> dict[str, int]:
            return {"lives": 30}

        return await load(1), await load(1)

    assert await same(program) == ({"lives": 30}, {"lives": 30})


async def test_hits_are_counted(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        loads: list[int] = []

        @cache.hit(ttl=60, cache_hits=3)
        async def load() -> int:
            loads.append(1)
            return len(loads)

        return [await load() for _ in range(10)]

    assert await same(program) == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("settings", [{"update_before": 2}, {"update_after": 3}])
async def test_hits_refresh_behind(open_cache: Callable[..., Any], settings: dict[str, int]) -> None:
    cache, loads = open_cache(), []

    @cache.hit(ttl=60, cache_hits=5, **settings)
    async def load() -> int:
        loads.append(1)
        return len(loads)

    assert [await load() for _ in range(3)] == [1, 1, 1]
    await asyncio.sleep(0)
    assert len(loads) == 1
    assert await load() == 1
    await becomes(2, load)


async def test_dynamic_refreshes_with_the_first_hit(open_cache: Callable[..., Any]) -> None:
    cache, loads = open_cache(), []

    @cache.dynamic()
    async def load() -> int:
        loads.append(1)
        return min(len(loads), 2)

    assert await load() == 1
    assert await load() == 1
    await _settled(loads)
    assert await load() == 2
    await _settled(loads)


async def test_the_ttl_is_that_of_the_key(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        @cache(ttl="1h", key="hour")
        async def hour() -> int:
            return 1

        @cache(ttl=lambda result=None: 60 * result, key="by-result")
        async def by_result() -> int:
            return 2

        @cache(ttl=None, key="endless")
        async def endless() -> int:
            return 3

        await hour(), await by_result(), await endless()
        return [await cache.get_expire(key) for key in ("hour", "by-result", "endless")]

    assert await same(program) == [3600, 120, -1]


async def _settled(loads: list[int]) -> int:
    """Return how many loads there are once what goes on behind has come to its end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others)
    return len(loads)


async def becomes(value: object, load: Callable[[], Any]) -> None:
    """Wait until a function gives a value."""
    for _ in range(10_000):
        if await load() == value:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"it never became {value!r}")


# Names, tags, commands


async def test_commands_reach_what_decorators_keep(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        loads: list[int] = []

        @cache(ttl=60, key="user:{id}")
        async def load(id: int) -> dict[str, int]:
            loads.append(id)
            return {"id": id}

        seen: list[Any] = [await load(1), await cache.get("user:1"), await cache.exists("user:1"), await cache.delete("user:1")]
        await cache.set("user:2", "by hand", expire=60)
        seen += [await load(2), await load(1), loads]
        await cache.set("user:1", "by hand")
        seen += [await load(1), await cache.get_many("user:1", "user:2", "user:3")]
        return seen

    await same(program)


async def test_tags_forget_what_carries_them(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        loads: list[Any] = []

        @cache(ttl=60, key="user:{id}:{team}", tags=["users", "team:{team}", "{id}"])
        async def load(id: str, team: str) -> str:
            loads.append((id, team))
            return id

        for tags in ((), ("team:a",), ("users",), ("5",), ("none",)):
            await cache.delete_tags(*tags)
            for id, team in (("1", "a"), ("2", "b"), ("5", "b")):
                await load(id, team)
        return loads, sorted(cache.get_key_tags("user:1:a"))

    await same(program)


async def test_prefixes_of_setups_are_homes_of_decorators(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        cache.setup("mem://", prefix="local:")
        loads: list[str] = []

        @cache(ttl=60, key="local:{a}")
        async def local(a: int) -> int:
            loads.append("local")
            return a

        @cache(ttl=60, key="other:{a}")
        async def other(a: int) -> int:
            loads.append("other")
            return a

        for _ in range(2):
            await local(1), await other(1)
        cache.disable(prefix="local:")
        await local(1), await other(1)
        return loads

    assert await same(program) == ["local", "other", "local"]


async def test_a_setup_that_comes_later_is_followed(open_cache: Callable[..., Any]) -> None:
    cache, loads = open_cache(), []

    @cache(ttl=60, key="k")
    async def load() -> int:
        loads.append(1)
        return len(loads)

    assert [await load(), await load()] == [1, 1]
    cache.setup("mem://")
    assert [await load(), await load()] == [2, 2]


async def test_a_plain_function_may_be_decorated(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    @cache(ttl=60)
    def load(a: int) -> list[int]:
        return [a]

    assert await load(1) == await load(1) == [1]


async def test_registered_types_go_through_their_encoders(same: Same) -> None:
    class Money:
        def __init__(self, amount: int) -> None:
            self.amount = amount

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Money) and self.amount == other.amount

        def __hash__(self) -> int:
            return self.amount

    async def encode(value: Any, backend: Any, key: str, expire: float | None) -> bytes:
        return str(value.amount).encode()

    async def decode(value: bytes, backend: Any, key: str) -> Money:
        return Money(int(value))

    async def program(library: Any, cache: Any) -> Any:
        __import__(f"{library.__name__}.serialize")
        library.serialize.register_type(Money, encode, decode)
        loads: list[int] = []

        @cache(ttl=60, key="money")
        async def load() -> Money:
            loads.append(1)
            return Money(5)

        return await load() == Money(5), await load() == Money(5), await cache.get("money") == Money(5), loads

    assert await same(program) == (True, True, True, [1])


# What the facade does better


async def test_an_invalidation_beats_a_load_that_began_before_it(
    open_cache: Callable[..., Any], strategy: Callable[[Any], Any]
) -> None:
    cache, began, go_on, rows = open_cache(), asyncio.Event(), asyncio.Event(), [[1]]

    @strategy(cache)
    async def load(a: int, b: int = 2) -> list[int]:
        row = rows[0]
        began.set()
        await go_on.wait()
        return row

    early = asyncio.create_task(load(1))
    await began.wait()
    rows[0] = [2]
    await cache.delete_match("*")
    go_on.set()
    await early
    assert await load(1) == [2]


async def test_a_function_that_asks_for_its_own_key_is_answered(open_cache: Callable[..., Any]) -> None:
    cache, depth = open_cache(), []

    @cache(ttl=60, key="k", lock=True)
    async def load() -> int:
        depth.append(1)
        return await load() if len(depth) < 3 else 1

    assert await asyncio.wait_for(load(), 5) == 1


async def test_a_caller_that_is_cancelled_takes_nobody_along(open_cache: Callable[..., Any]) -> None:
    cache, began, go_on = open_cache(), asyncio.Event(), asyncio.Event()

    @cache(ttl=60, key="k")
    async def load() -> int:
        began.set()
        await go_on.wait()
        return 1

    first, second = asyncio.create_task(load()), asyncio.create_task(load())
    await began.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    go_on.set()
    assert await second == 1


async def test_commands_may_be_disabled_by_name(open_cache: Callable[..., Any]) -> None:
    cache, loads = open_cache(), []

    @cache(ttl=60, key="k")
    async def load() -> int:
        loads.append(1)
        return len(loads)

    with cache.disabling(Command.SET):
        assert [await load(), await load()] == [1, 2]
    assert await cache.get("k") is None


async def test_functions_may_have_parameters_of_any_name(open_cache: Callable[..., Any]) -> None:
    """In cashews those called ``ttl`` or ``with_callable`` stand in the way of its own."""
    cache = open_cache()

    @cache(ttl=lambda ttl, result, self, key: 60)
    async def load(ttl: int, result: int, self: int, key: int) -> int:
        return ttl + result + self + key

    @cache.early(ttl=60)
    @cache.rate_limit(limit=9, period=60)
    @cache.locked(ttl=60)
    async def guarded(ttl: int, args: int, kwargs: int, called: int) -> int:
        return ttl + args + kwargs + called

    for _ in range(2):
        assert await load(ttl=1, result=2, self=3, key=4) == 10
        assert await guarded(ttl=1, args=2, kwargs=3, called=4) == 10


@pytest.mark.parametrize("name", ["cache", "early", "soft", "dynamic", "failover", "rate_limit", "locked", "circuit_breaker"])
async def test_a_wrong_ttl_is_told_where_it_is_given(same: Same, name: str) -> None:
    further = {"rate_limit": {"limit": 1, "period": 1}, "circuit_breaker": {"errors_rate": 1, "period": 1}}

    async def program(_: Any, cache: Any) -> Any:
        with pytest.raises(ValueError, match="ttl"):
            getattr(cache, name)(ttl="1 fortnight", **further.get(name, {}))(_nothing)

    await same(program)


async def _nothing() -> None: ...


async def test_decorators_may_be_handed_the_cache(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        loads: list[int] = []

        @library.decorators.cache(cache, 60, "{a}")
        @library.decorators.locked(backend=cache, ttl=60, key="{a}")
        async def load(a: int) -> int:
            loads.append(a)
            return a

        return await load(1), await load(1), loads, [key async for key in cache.scan("*")]

    assert await same(program) == (1, 1, [1], ["1"])


async def test_decorators_may_be_handed_a_backend(same: Same) -> None:
    async def program(library: Any, _: Any) -> Any:
        memory = importlib.import_module(f"{library.__name__}.backends.memory").Memory
        decorators, backend, loads = library.decorators, memory(), list[int]()
        await backend.init()

        @decorators.failover(backend, ttl=60, key="fail:{a}")
        @decorators.rate_limit(backend, limit=1, period=60, key="{a}")
        @decorators.locked(backend, key="{a}", ttl=60)
        async def load(a: int) -> int:
            loads.append(a)
            return a

        @decorators.iterator(backend, ttl=60, key="chunks")
        async def chunks() -> Any:
            loads.append(0)
            yield 1

        replayed = [chunk async for chunk in chunks()] + [chunk async for chunk in chunks()]
        seen = await load(1), await load(1), replayed, sorted(loads), await backend.exists("fail:fail:1")
        await backend.close()
        return seen

    assert await same(program) == (1, 1, [1, 1], [0, 1], True)


MODULES = [
    "bloom",
    "cache.defaults",
    "cache.early",
    "cache.fail",
    "cache.hit",
    "cache.iterator",
    "cache.simple",
    "cache.soft",
    "circuit_breaker",
    "locked",
    "rate",
    "rate_slide",
]


@pytest.mark.parametrize("module", MODULES)
async def test_decorators_are_found_by_path(module: str) -> None:
    original = importlib.import_module(f"cashews.decorators.{module}")
    here = importlib.import_module(f"{facade.__name__}.decorators.{module}")
    own = [name for name, value in vars(original).items() if getattr(value, "__module__", None) == original.__name__]
    names = set(facade.decorators.__all__).intersection(own)
    assert names
    assert all(getattr(here, name) is getattr(facade.decorators, name) for name in names)
