"""Decorators that guard a function: locks, limits, circuits, filters; and iterators."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any

import cashews as original
import pytest

from stillroom.compat.cashews import (
    Cache,
    CircuitBreakerOpen,
    LockedError,
    PerfDegradationException,
    RateLimitError,
    thunder_protection,
    with_exceptions,
)
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


# Locks


async def test_locked_functions_run_one_after_the_other(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        steps: list[str] = []

        @cache.locked(ttl=10, key="{name}")
        async def work(name: str, who: str) -> str:
            steps.append(f"{who} in")
            await asyncio.sleep(0.002)
            steps.append(f"{who} out")
            return who

        done = await asyncio.gather(work("a", "one"), work("a", "two"), work("a", "three"))
        pairs = {(steps[at].split()[0], steps[at + 1].split()[0]) for at in (0, 2, 4)}
        return done, all(first == second for first, second in pairs)

    assert await same(program) == (["one", "two", "three"], True)


async def test_who_will_not_wait_is_told(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        began, go_on = asyncio.Event(), asyncio.Event()

        @cache.locked(ttl=10, key="k", wait=False)
        async def work() -> int:
            began.set()
            await go_on.wait()
            return 1

        first = asyncio.create_task(work())
        await began.wait()
        try:
            await work()
        except library.LockedError:
            go_on.set()
            return await first, await cache.is_locked("locked:k")

    assert await same(program) == (1, False)


async def test_locks_are_given_back_on_errors(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    @cache.locked(ttl=10, wait=False)
    async def work() -> None:
        raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            await work()


async def test_generators_may_be_locked(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        @cache.locked(ttl=10, key="k", wait=False)
        async def count() -> Any:
            yield 1
            yield 2

        seen = []
        async for number in count():
            seen.append(number)
            try:
                seen.append([one async for one in count()])
            except library.LockedError:
                seen.append("locked")
        return seen, [one async for one in count()]

    assert await same(program) == ([1, "locked", 2, "locked"], [1, 2])


async def test_concurrent_calls_share_a_run_under_thunder_protection(same: Same) -> None:
    async def program(library: Any, _: Any) -> Any:
        runs: list[int] = []

        @library.thunder_protection()
        async def work(number: int) -> int:
            runs.append(number)
            await asyncio.sleep(0.001)
            return number

        return await asyncio.gather(work(1), work(2), work(1), work(number=1)), await work(1), sorted(runs)

    assert await same(program) == ([1, 2, 1, 1], 1, [1, 1, 2])


async def test_thunder_protection_tells_arguments_apart() -> None:
    @thunder_protection()
    async def work(value: object) -> str:
        await asyncio.sleep(0)
        return repr(value)

    assert [*await asyncio.gather(work(1), work("1"), work(None), work(""))] == ["1", "'1'", "None", "''"]


# Rate limits


@pytest.mark.parametrize("name", ["rate_limit", "slice_rate_limit"])
async def test_calls_beyond_the_limit_are_refused(same: Same, name: str) -> None:
    async def program(library: Any, cache: Any) -> Any:
        @getattr(cache, name)(limit=3, period=60, key="user:{user}")
        async def call(user: str) -> str:
            return user

        seen: list[str] = []
        for user in ("a", "a", "b", "a", "a", "a", "b"):
            try:
                seen.append(await call(user))
            except library.RateLimitError as error:
                seen.append(type(error).__name__)
        return seen

    assert await same(program) == ["a", "a", "b", "a", "RateLimitError", "RateLimitError", "b"]


async def test_an_action_answers_what_is_refused(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        @cache.rate_limit(limit=1, period=60, action=lambda *args, **kwargs: (args, kwargs))
        async def call(a: int, b: int = 0) -> int:
            return a

        return await call(1, b=0), await call(1, b=0)

    assert await same(program) == (1, ((1,), {"b": 0}))


async def test_too_many_calls_are_banned_for_a_while(timed: Cache, clock: FakeClock) -> None:
    """The document: no more than 10 calls per minute or ban for 10 minutes."""

    @timed.rate_limit(limit=10, period="1m", ttl="10m")
    async def call(name: str) -> dict[str, str]:
        return {"status": name}

    for _ in range(10):
        await call("bob")
    with pytest.raises(RateLimitError):
        await call("bob")
    assert await call("ada") == {"status": "ada"}
    clock.advance("9m")
    with pytest.raises(RateLimitError):
        await call("bob")
    clock.advance("10m")
    assert await call("bob") == {"status": "bob"}


async def test_a_slice_limit_bans_nobody(timed: Cache, clock: FakeClock) -> None:
    @timed.slice_rate_limit(limit=2, period=10)
    async def call() -> int:
        return 1

    await call()
    clock.advance(6)
    await call()
    with pytest.raises(RateLimitError):
        await call()
    clock.advance(5)
    assert await call() == 1


async def test_limits_tell_arguments_apart(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    @cache.rate_limit(limit=1, period=60, key="{user}")
    async def call(user: object) -> object:
        return user

    assert [await call(1), await call("1"), await call(None), await call("")] == [1, "1", None, ""]


# Circuits


async def test_a_circuit_opens_after_too_many_failures(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        calls: list[int] = []

        @cache.circuit_breaker(errors_rate=50, period=60, ttl=60, min_calls=4, exceptions=ValueError)
        async def call(number: int) -> int:
            calls.append(number)
            if number % 2:
                raise ValueError
            return number

        seen: list[Any] = []
        for number in range(8):
            try:
                seen.append(await call(number))
            except (ValueError, library.CircuitBreakerOpen) as error:
                seen.append(type(error).__name__)
        return seen, calls

    seen, calls = await same(program)
    assert seen[4:] == ["CircuitBreakerOpen"] * 4
    assert calls == [0, 1, 2, 3]


async def test_an_open_circuit_is_tried_after_its_ttl(timed: Cache, clock: FakeClock) -> None:
    broken = [True]

    @timed.circuit_breaker(errors_rate=10, period="1m", ttl="5m", half_open_ttl="1m")
    async def call() -> int:
        if broken:
            raise ValueError
        return 1

    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        await call()
    with pytest.raises(CircuitBreakerOpen):
        await call()
    broken.clear()
    clock.advance("301s")
    assert await call() == 1


@pytest.mark.parametrize("rate", [0, 100, -1])
async def test_rates_are_percentages(same: Same, rate: int) -> None:
    async def program(_: Any, cache: Any) -> Any:
        with pytest.raises(AssertionError):

            @cache.circuit_breaker(errors_rate=rate, period=60, ttl=60)
            async def call() -> None: ...

    await same(program)


# Performance


async def test_a_function_that_has_become_slow_is_not_called(open_cache: Callable[..., Any]) -> None:
    cache, judged = open_cache(), []

    def condition(current: float, previous: Any) -> bool:
        judged.append(len(previous))
        return len(judged) == 2

    @cache.perf(ttl=60, trace_size=3, perf_condition=condition)
    async def call(name: str) -> str:
        return name

    for _ in range(5):
        assert await call("a") == "a"
    assert judged == [3, 3]
    with pytest.raises(PerfDegradationException):
        await call("a")
    assert await call("b") == "b"


# Filters


async def test_a_filter_is_certain_of_strangers(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        asked: list[str] = []

        @cache.bloom(capacity=100, name="name:{name}")
        async def exists(name: str) -> bool:
            asked.append(name)
            return name in {"ada", "bob"}

        added = [await exists.set("ada"), await exists.set("zoe"), await exists.set("bob")]
        asked.clear()
        return added, [await exists("ada"), await exists("zoe"), await exists("eve"), await exists("bob")], asked

    assert await same(program) == ([True, False, True], [True, False, False, True], ["ada", "bob"])


async def test_a_filter_may_answer_by_itself(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        asked: list[str] = []

        @cache.bloom(capacity=100, check_false_positive=False)
        async def exists(name: str) -> bool:
            asked.append(name)
            return True

        await exists.set("ada")
        asked.clear()
        return await exists("ada"), await exists("bob"), asked

    assert await same(program) == (True, False, [])


async def test_a_filter_that_is_not_there_is_certain_of_nothing(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    @cache.bloom(capacity=100)
    async def exists(name: str) -> bool:
        return True

    assert await exists("ada")  # in cashews, it is not there


async def test_two_filters_remember_answers(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        asked: list[int] = []

        @cache.dual_bloom(capacity=100, false=1)
        async def is_even(number: int) -> bool:
            asked.append(number)
            return number % 2 == 0

        return [await is_even(number) for number in (1, 2, 3, 1, 2, 3)], asked

    assert await same(program) == ([False, True, False] * 2, [1, 2, 3])


@pytest.mark.parametrize(
    ("name", "settings"), [("bloom", {"false_positives": 0}), ("bloom", {"capacity": 0}), ("dual_bloom", {"false": 100})]
)
async def test_settings_of_filters_are_checked(same: Same, name: str, settings: dict[str, int]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        with pytest.raises(AssertionError):
            getattr(cache, name)(**{"capacity": 10, **settings})

    await same(program)


# Iterators


async def test_chunks_are_replayed(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        runs: list[int] = []

        @cache.iterator(ttl=60, key="count:{upto}")
        async def count(upto: int) -> Any:
            runs.append(upto)
            for number in range(1, upto + 1):
                yield number

        return [await _listed(count(upto)) for upto in (3, 3, 2, 3)], runs

    assert await same(program) == ([[1, 2, 3], [1, 2, 3], [1, 2], [1, 2, 3]], [3, 2])


class Countdown:
    """An asynchronous iterator that is no generator."""

    def __init__(self, start: int) -> None:
        self._left = start

    def __aiter__(self) -> Countdown:
        return self

    async def __anext__(self) -> int:
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        return self._left + 1


async def test_iterators_need_not_be_generators(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        @cache.iterator(ttl=60, key="countdown")
        def countdown() -> Any:
            return Countdown(2)

        replayed = [await _listed(countdown()) for _ in range(2)]
        with cache.disabling():
            return replayed, await _listed(countdown())

    assert await same(program) == ([[2, 1], [2, 1]], [2, 1])


async def test_a_generator_that_is_left_is_closed_at_once(open_cache: Callable[..., Any]) -> None:
    cache, closed = open_cache(), list[bool]()

    @cache.iterator(ttl=60, key="chunks")
    async def chunks() -> Any:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    async with aclosing(chunks()) as some:
        async for _ in some:
            break
    assert closed == [True]


async def test_no_chunk_is_lost(open_cache: Callable[..., Any]) -> None:
    """In cashews the first chunk that is false ends a replay, and an iteration that was left is replayed as the whole."""
    cache, runs = open_cache(), []

    @cache.iterator(ttl=60, key="chunks")
    async def chunks() -> Any:
        runs.append(1)
        for chunk in (1, 0, None, "", 2):
            yield chunk

    async for chunk in chunks():
        assert chunk == 1
        break
    for _ in range(3):
        assert [chunk async for chunk in chunks()] == [1, 0, None, "", 2]
    assert len(runs) == 2


async def test_errors_of_iterators_may_be_remembered(open_cache: Callable[..., Any]) -> None:
    cache, runs = open_cache(), []

    async def chunks() -> Any:
        runs.append(1)
        yield 1
        raise KeyError("end")

    remembered = cache.iterator(ttl=60, key="remembered", condition=with_exceptions(KeyError))(chunks)
    forgotten = cache.iterator(ttl=60, key="forgotten")(chunks)
    for iterate in (remembered, remembered, forgotten, forgotten):
        seen: list[int] = []
        with pytest.raises(KeyError):
            await _collect(iterate(), seen)
        assert seen == [1]
    assert len(runs) == 3


async def _listed(chunks: Any) -> list[Any]:
    return [chunk async for chunk in chunks]


async def _collect(chunks: Any, into: list[int]) -> None:
    async for chunk in chunks:
        into.append(chunk)  # noqa: PERF401 - what came before an error counts


async def test_iterators_tell_arguments_apart(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    @cache.iterator(ttl=60, key="{value}")
    async def once(value: object) -> Any:
        yield repr(value)

    for value in (1, "1", 1, None, "", None):
        assert [one async for one in once(value)] == [repr(value)]


async def test_iterators_follow_disabling_and_deletion(same: Same) -> None:
    async def program(_: Any, cache: Any) -> Any:
        runs: list[int] = []

        @cache.iterator(ttl=60, key="k")
        async def once() -> Any:
            runs.append(1)
            yield len(runs)

        seen = [await _listed(once()) for _ in range(2)]
        with cache.disabling():
            seen.append([one async for one in once()])
        await cache.delete_match("k*")
        return [*seen, [one async for one in once()]]

    assert await same(program) == [[1], [1], [2], [3]]


async def test_locked_errors_are_those_of_the_package() -> None:
    assert issubclass(LockedError, Exception)


async def test_a_limit_of_nobody(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        calls: list[str] = []

        @cache.rate_limit(limit=0, period=60)
        async def limited() -> None:
            calls.append("limited")

        @cache.hit(ttl=60, cache_hits=0)
        async def unhit() -> None:
            calls.append("unhit")

        await unhit(), await unhit()
        with pytest.raises(library.RateLimitError):
            await limited()
        return calls

    assert await same(program) == ["unhit", "unhit"]


async def test_percentages_are_exact(same: Same) -> None:
    async def program(library: Any, cache: Any) -> Any:
        @cache.circuit_breaker(errors_rate=7, period=600, ttl=600, min_calls=100)
        async def call(fails: bool) -> None:
            if fails:
                raise ValueError

        for number in range(100):
            try:
                await call(number >= 93)
            except ValueError:
                pass
        with pytest.raises(library.CircuitBreakerOpen):
            await call(False)

    await same(program)


async def test_long_arguments_are_not_kept_in_mind(open_cache: Callable[..., Any]) -> None:
    cache, loads = open_cache(), list[int]()

    @cache(ttl=60)
    async def size(text: str) -> int:
        loads.append(len(text))
        return len(text)

    for text in ("a" * 5000, "a" * 4999 + "b", "a" * 5000):
        assert await size(text) == 5000
    assert len(loads) == 2


GUARDS: dict[str, Callable[[Any], Any]] = {
    "rate_limit": lambda cache: cache.rate_limit(limit=2, period=60, key="of:{name}"),
    "slice_rate_limit": lambda cache: cache.slice_rate_limit(limit=2, period=60, key="of:{name}"),
    "circuit_breaker": lambda cache: cache.circuit_breaker(errors_rate=50, period=60, ttl=60, key="of:{name}"),
}
FORGETTING: dict[str, Callable[[Any], Any]] = {
    "clear": lambda cache: cache.clear(),
    "delete_match": lambda cache: cache.delete_match("*of:ada*"),
}


async def times_let_through(*functions: Any) -> int:
    """Call functions in turn, and return how many calls reached them."""
    calls = [0]
    for function in functions:
        with suppress(ValueError, RateLimitError, CircuitBreakerOpen, original.RateLimitError, original.CircuitBreakerOpen):
            await function("ada", calls)
    return calls[0]


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
async def test_functions_with_one_key_are_guarded_together(same: Same, guard: Callable[[Any], Any]) -> None:
    async def program(_: Any, cache: Any) -> object:
        @guard(cache)
        async def one(name: str, calls: list[int]) -> None:
            calls[0] += 1
            raise ValueError

        @guard(cache)
        async def other(name: str, calls: list[int]) -> None:
            calls[0] += 1
            raise ValueError

        return await times_let_through(one, other, one, other)

    assert await same(program) in (1, 2)


@pytest.mark.parametrize("forget", FORGETTING.values(), ids=FORGETTING)
@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
async def test_what_was_counted_is_forgotten_with_its_key(
    same: Same, guard: Callable[[Any], Any], forget: Callable[[Any], Any]
) -> None:
    async def program(_: Any, cache: Any) -> object:
        @guard(cache)
        async def function(name: str, calls: list[int]) -> None:
            calls[0] += 1
            raise ValueError

        before = await times_let_through(function, function, function)
        await forget(cache)
        return before, await times_let_through(function, function, function)

    before, after = await same(program)
    assert before == after > 0


@pytest.mark.parametrize("prefix", ["rate_limit", "srl"])
async def test_a_limit_is_lifted_by_deleting_its_key(same: Same, prefix: str) -> None:
    async def program(_: Any, cache: Any) -> object:
        @(cache.rate_limit if prefix == "rate_limit" else cache.slice_rate_limit)(limit=1, period=60, key="of:{name}")
        async def function(name: str, calls: list[int]) -> None:
            calls[0] += 1

        before = await times_let_through(function, function)
        await cache.delete(f"{prefix}:of:ada")
        return before, await times_let_through(function, function)

    assert await same(program) == (1, 1)


async def test_a_guard_stands_in_no_functions_way(open_cache: Callable[..., Any]) -> None:
    cache = open_cache()

    @cache.rate_limit(limit=3, period=60, key="key", prefix="")
    async def limited() -> str:
        return "limited"

    @cache(ttl=60, key="key")
    async def kept() -> str:
        return "kept"

    assert [await function() for function in (limited, kept, limited, kept)] == ["limited", "kept", "limited", "kept"]


async def test_answers_of_two_filters_are_forgotten_with_everything(same: Same) -> None:
    async def program(_: Any, cache: Any) -> object:
        members = {"ada"}

        @cache.dual_bloom(name="member:{name}", capacity=100)
        async def is_member(name: str) -> bool:
            return name in members

        before = [await is_member("ada"), await is_member("bob")]
        members.symmetric_difference_update({"ada", "bob"})
        await cache.clear()
        return before, [await is_member("ada"), await is_member("bob")]

    assert await same(program) == ([True, False], [False, True])


async def test_an_answer_from_before_a_deletion_is_not_remembered(open_cache: Callable[..., Any]) -> None:
    cache, members, is_asked, may_answer = open_cache(), {"ada"}, asyncio.Event(), asyncio.Event()

    @cache.dual_bloom(name="member:{name}", capacity=100)
    async def is_member(name: str) -> bool:
        answer = name in members
        is_asked.set()
        await may_answer.wait()
        return answer

    asking = asyncio.ensure_future(is_member("ada"))
    await is_asked.wait()
    members.clear()
    await cache.clear()
    may_answer.set()
    assert [await asking, await is_member("ada")] == [True, False]
