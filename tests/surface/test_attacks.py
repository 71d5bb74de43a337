"""What an attack on decorated functions found: each of these once served a wrong value, or lost one."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.concurrency.meeting import Gate, Worker

from stillroom import Cache, register_key_type
from stillroom.compile import binder
from stillroom.parameters import Parameters
from stillroom.testing import FakeClock


class Source:
    """What functions load from."""

    def __init__(self) -> None:
        self.now = 1


@pytest.fixture
def source() -> Source:
    return Source()


# What stands for self and cls


@pytest.mark.memory_only("instances are told apart by numbers, which mean nothing to other processes")
def test_invalidating_reaches_what_a_class_cached_before_it_was_bound_to_its_name(cache: Cache, source: Source) -> None:
    """Rules 1 and 10: ``__init_subclass__`` runs before the class can be found by its name."""
    module = f"{__name__}.of_classes"

    class Base:
        __module__ = module

        def __init_subclass__(cls, **kwargs: Any) -> None:
            super().__init_subclass__(**kwargs)
            cls.configuration()

        @classmethod
        @cache(ttl=600)
        def configuration(cls) -> int:
            return source.now

    namespace: dict[str, Any] = {"Base": Base, "__name__": __name__}
    exec("class Late(Base): pass", namespace)
    globals()["Late"] = late = namespace["Late"]  # only now is it what its name says
    try:
        source.now = 2
        late.configuration.invalidate()
        assert late.configuration() == late.configuration() == 2
        source.now = 3
        late.configuration.invalidate()
        assert late.configuration() == 3
    finally:
        del globals()["Late"]


@pytest.mark.memory_only("instances are told apart by numbers, which mean nothing to other processes")
def test_invalidating_reaches_what_an_instance_cached_before_its_type_was_registered(cache: Cache, source: Source) -> None:
    """Rules 1 and 6: the call, the peek and the invalidation go by one key, whenever the type became known."""

    class Money:
        def __init__(self, amount: int) -> None:
            self.amount = amount

        @cache(ttl=600)
        def rate(self) -> int:
            return source.now

    money = Money(1)
    assert money.rate() == money.rate() == 1
    register_key_type(Money, lambda money: money.amount)
    source.now = 2
    money.rate.invalidate()
    assert money.rate.peek() is None
    assert money.rate() == money.rate() == money.rate.peek() == Money(1).rate() == 2


# Names that two functions make


def test_functions_whose_templates_render_alike_never_serve_each_other(cache: Cache) -> None:
    """Rule 9: by plain hits, peeks, batches and refreshes."""

    @cache(ttl=600, key="user:{x}")
    def user(x: int) -> tuple[Any, ...]:
        return ("user", x)

    @cache(ttl=600, key="{kind}:{x}")
    def thing(kind: str, x: int) -> tuple[Any, ...]:
        return ("thing", kind, x)

    for _ in range(3):
        assert user(5) == user(5) == ("user", 5)
        assert thing.peek("user", 5) is None
        assert thing("user", 5) == thing("user", 5) == ("thing", "user", 5)
        assert user.peek(5) is None
        assert user.many([5, 6]) == [("user", 5), ("user", 6)]
        assert thing.refresh("user", 5) == thing("user", 5) == ("thing", "user", 5)


def test_functions_whose_keys_come_out_alike_do_not_serve_each_other_after_an_invalidation(cache: Cache) -> None:
    """Rules 1 and 9."""

    @cache(ttl=600, key=lambda x: f"p:{x}")
    def one(x: int) -> str:
        return "one"

    @cache(ttl=600, key=lambda x: f"p:{x}")
    def other(x: int) -> str:
        return "other"

    for _ in range(2):
        assert one(1) == one(1) == "one"
        other.invalidate_all()
        assert other(1) == other(1) == "other"
        one.invalidate_all()
        assert one(1) == one(1) == "one"


def test_functions_whose_templates_render_alike_do_not_share_a_load(cache: Cache) -> None:
    """Rule 9: nor does what one of them brings replace the other's answer."""
    gate = Gate()

    @cache(ttl=600, key="user:{x}")
    def user(x: int) -> str:
        gate.wait_here()
        return "user"

    @cache(ttl=600, key="{kind}:{x}")
    def thing(kind: str, x: int) -> str:
        return "thing"

    worker = Worker(lambda: user(5))
    gate.reached()
    other = Worker(lambda: thing("user", 5))
    other.thread.join(0.2)
    gate.open()
    assert (worker.join(), other.join()) == ("user", "thing")
    assert (user(5), thing("user", 5), user(5)) == ("user", "thing", "user")


def test_what_a_verb_stores_is_served_to_every_function_of_that_name(cache: Cache) -> None:
    """Rule 6: every path builds the same key."""

    @cache(ttl=600, key="user:{x}")
    def user(x: int) -> str:
        return "loaded"

    @cache(ttl=600, key="{kind}:{x}")
    def thing(kind: str, x: int) -> str:
        return "loaded"

    cache.set("user:5", "stored")
    assert user(5) == user(5) == user.peek(5) == "stored"
    assert thing("user", 5) == thing("user", 5) == "stored"
    assert thing("user", 6) == "loaded"


def test_functions_that_are_given_one_name_still_share_their_values(cache: Cache, run: Callable[[Any], Any]) -> None:
    """Rule 9: a function is its name, and these say that they are one."""

    @cache(ttl=600, name="user", key="user:{x}")
    def user(x: int) -> str:
        return "blocking"

    @cache(ttl=600, name="user", key="user:{x}")
    async def auser(x: int) -> str:
        return "async"

    assert user(5) == run(auser(5)) == "blocking"
    assert run(auser(6)) == user(6) == "async"


# Answers of one's own


def test_a_batch_gives_each_duplicate_a_one_shot_result_of_its_own(cache: Cache, run: Callable[[Any], Any]) -> None:
    """Rule 16: an iterator that two were given would be used up by whoever comes first."""

    @cache(ttl=600)
    def numbers(x: int) -> Iterator[int]:
        return iter([x, x + 1])

    @cache(ttl=600)
    async def anumbers(x: int) -> Iterator[int]:
        return iter([x, x + 1])

    with cache.detect() as calls:
        assert [list(one) for one in numbers.many([5, 5, 6, 5])] == [[5, 6], [5, 6], [6, 7], [5, 6]]
    assert len(calls) == 4
    assert [list(one) for one in run(anumbers.many([5, 5]))] == [[5, 6], [5, 6]]


def test_detecting_that_ends_in_another_context_opens_the_plain_path_again(cache: Cache) -> None:
    """Rule 52: an async fixture enters in one task and leaves in another."""

    @cache(ttl=600)
    def load(x: int) -> int:
        return x

    detecting = cache.detect()
    contextvars.copy_context().run(detecting.__enter__)
    assert cache._core.hub.hears_calls
    contextvars.copy_context().run(detecting.__exit__, None, None, None)
    assert not cache._core.hub.hears_calls
    assert all(gate.is_open for gate in cache._core._gates)
    with cache.detect() as calls:
        load(1), load(1)
    assert len(calls) == 2


def test_detecting_may_begin_and_end_in_different_tasks(cache: Cache) -> None:
    """Rule 50: whatever the order, what was is restored."""

    async def main() -> None:
        detecting = cache.detect()
        await asyncio.create_task(_do(detecting.__enter__))
        await asyncio.create_task(_do(lambda: detecting.__exit__(None, None, None)))

    asyncio.run(main())
    assert not cache._core.hub.hears_calls


async def _do(act: Callable[[], Any]) -> None:
    act()


@pytest.mark.memory_only("there is a plain hit path")
def test_an_exception_that_a_signal_handler_raises_during_a_plain_hit_is_not_swallowed() -> None:
    """Rule 34: errors of stillroom's own are contained, those of a time limit that the user set are the user's."""

    class TooLate(Exception):
        pass

    class Interrupted(FakeClock):
        armed = False

        def now(self) -> float:
            if self.armed:
                self.armed = False
                signal.raise_signal(signal.SIGUSR1)  # its handler runs before this returns
            return super().now()

    def handler(*_: object) -> None:
        raise TooLate

    clock = Interrupted()
    cache = Cache(clock=clock)

    @cache(ttl=600)
    def load(x: int) -> int:
        return x

    @cache(ttl=600, key="named:{x}")
    def named(x: int) -> int:
        return x

    former = signal.signal(signal.SIGUSR1, handler)
    try:
        for function in (load, named):
            assert function(1) == function(1) == 1
            clock.armed = True
            with pytest.raises(TooLate):
                function(1)
            assert function(1) == 1
    finally:
        signal.signal(signal.SIGUSR1, former)


# Signatures


def _with_database(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand a function its first argument."""

    @functools.wraps(function)
    def wrapper(x: int, *, limit: int = 10) -> Any:
        return function("database", x, limit)

    return wrapper


def _handing_on(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def test_a_decorator_with_parameters_of_its_own_is_called_by_its_own_signature(cache: Cache) -> None:
    """Rule 13: the parameters are those that a call has to fit, not those of what is wrapped."""

    @cache(ttl=600)
    @_with_database
    def query(database: str, x: int, limit: int) -> tuple[Any, ...]:
        return (database, x, limit)

    assert query(1) == query(x=1) == query(1, limit=10) == ("database", 1, 10)
    assert query.key(1) == query.key(x=1, limit=10)
    with pytest.raises(TypeError):
        query("database", 1, 10)


def test_the_parameters_are_the_wrappers_unless_it_hands_on_whatever_it_is_given() -> None:
    """Rules 6 and 13: positional or by keyword makes no difference, through a wrapper that takes anything."""

    def query(database: str, x: int, limit: int = 3) -> tuple[Any, ...]:
        return (database, x, limit)

    assert Parameters.of(_with_database(query)).names == ("x", "limit")
    assert Parameters.of(_handing_on(query)).names == ("database", "x", "limit")
    bind = binder(_handing_on(query), Parameters.of(_handing_on(query)))
    assert bind("db", 1) == bind(x=1, database="db", limit=3)
    assert list(inspect.signature(_handing_on(query)).parameters) == ["database", "x", "limit"]


def _taking_nothing(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper() -> Any:
        return function("database")

    return wrapper


def _taking_positional_only(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function("database", *args)

    return wrapper


def _taking_keywords_only(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(**kwargs: Any) -> Any:
        return function("database", **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("wrapped", "args", "kwargs"),
    [(_taking_nothing, (), {}), (_taking_positional_only, (1,), {}), (_taking_keywords_only, (), {"x": 1})],
    ids=["nothing", "positional", "keywords"],
)
def test_a_decorator_that_takes_less_than_anything_is_called_by_its_own_signature(
    cache: Cache, wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Rule 13: only one that takes both ``*args`` and ``**kwargs`` can hand on whatever it is given."""

    def query(database: str, *rest: Any, **others: Any) -> tuple[Any, ...]:
        return (database, *rest, *others.values())

    def one(database: str, x: int) -> tuple[Any, ...]:
        return (database, x)

    function = cache(ttl=600)(wrapped(query if wrapped is _taking_nothing else one))
    assert function(*args, **kwargs) == function(*args, **kwargs) == ("database", *args, *kwargs.values())
