"""Values that are not arguments but belong to keys: never a result of another tenant."""

from __future__ import annotations

import asyncio
import contextvars
import queue
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from tests.concurrency.meeting import Worker

from stillroom import (
    Cache,
    ConfigurationError,
    MissingKeyContext,
    StillroomError,
    UncacheableArgument,
    default_key_context,
    key_context,
)
from stillroom.testing import FakeClock


class User:
    def __init__(self, id: object) -> None:
        self.id = id


class Opaque:
    pass


@pytest.fixture(params=["function", "coroutine function"])
def made(request: pytest.FixtureRequest, cache: Any, run: Callable[[Any], Any]) -> Callable[..., Any]:
    """Returns a cached function of one colour, and what calls it and its helpers to their end."""

    def made(load: Callable[[int], Any], **settings: Any) -> tuple[Any, Callable[[Any], Any]]:
        decorate = cache(**{"ttl": 60, **settings})
        if request.param == "function":

            def plain(a: int) -> Any:
                return load(a)

            return decorate(plain), lambda result: result

        async def loading(a: int) -> Any:
            return load(a)

        return decorate(loading), run

    return made


def test_each_tenant_has_results_of_its_own(made: Callable[..., Any]) -> None:
    loads: list[str] = []
    tenant = ""

    def load(a: int) -> str:
        loads.append(f"{tenant}{a}")
        return f"{tenant}{a}"

    f, end = made(load, key="report:{@tenant}:{a}")
    for _ in range(3):
        for tenant in ("acme", "umbrella"):
            with key_context(tenant=tenant):
                assert end(f(1)) == f"{tenant}1"
    assert loads == ["acme1", "umbrella1"]


def test_a_switch_of_tenants_is_seen_by_every_way_to_a_result(made: Callable[..., Any]) -> None:
    f, end = made(lambda a: ["loaded", a], key="{@tenant}:{a}")
    with key_context(tenant="acme"):
        end(f.put(["acme", 1], 1))
        assert f.key(1).endswith("acme:1")
    with key_context(tenant="umbrella"):
        assert f.key(1).endswith("umbrella:1")
        assert end(f.peek(1)) is None
        assert end(f.invalidate(1)) is False
        assert end(f.many([1, 1])) == [["loaded", 1]] * 2
        assert end(f.refresh(1)) == ["loaded", 1]
    with key_context(tenant="acme"):
        assert end(f.peek(1)) == ["acme", 1]
        assert end(f.many([1])) == [["acme", 1]]
        assert end(f.invalidate(1)) is True


@pytest.mark.parametrize("pair", [(5, "5"), (True, 1), (None, "None"), (1, 1.0), ("a:b", "a%3Ab"), ((1, 2), [1, 2])])
def test_values_that_differ_in_anything_have_keys_of_their_own(cache: Any, pair: tuple[Any, Any]) -> None:
    f = cache(key="{@tenant}:{a}")(lambda a: object())
    keys = set()
    for value in pair:
        with key_context(tenant=value):
            keys.add(f.key("b"))
    assert len(keys) == 2


def test_no_value_imitates_a_separator(cache: Any) -> None:
    f = cache(key="{@tenant}:{a}")(lambda a: a)
    with key_context(tenant="x:y"):
        one = f.key("z")
    with key_context(tenant="x"):
        assert f.key("y:z") != one


def test_fields_lead_into_values(cache: Any) -> None:
    f = cache(key="orders:{@user.id}:{@roles[0]!hash}")(lambda: ["orders"])
    with key_context(user=User(7), roles=["admin"]):
        seven = f.key()
        assert "orders:7:" in seven
    with key_context(user=User(8), roles=["admin"]):
        assert f.key() != seven
    with key_context(user=None, roles=["admin"]), pytest.raises(UncacheableArgument, match=r"\{@user.id\}"):
        f()


def test_a_value_that_cannot_be_keyed_is_refused_with_a_way_out(cache: Any) -> None:
    f = cache(key="{@user}")(lambda: 1)
    with key_context(user=Opaque()), pytest.raises(UncacheableArgument, match=r"as in \{@user.id\}") as caught:
        f()
    assert caught.value.parameter == "@user"


def test_a_value_is_kept_apart_from_a_parameter_of_its_name(cache: Any) -> None:
    f = cache(key="{@a}:{a}")(lambda a: a)
    with key_context(a="context"):
        assert f.key("argument").endswith("context:argument")


# Values that are not set


def test_without_a_value_everything_that_needs_a_key_is_refused(made: Callable[..., Any]) -> None:
    loads: list[int] = []
    f, end = made(loads.append, key="{@tenant}:{a}")
    for use in (f, f.invalidate, f.peek, lambda a: f.put("value", a), lambda a: f.many([a]), f.key, f.refresh):
        with pytest.raises(MissingKeyContext, match=r"key_context\(tenant=\.\.\.\)") as caught:
            end(use(1))
        assert caught.value.name == "tenant"
        assert isinstance(caught.value, StillroomError)
        assert isinstance(caught.value, LookupError)
    assert loads == []


def test_a_value_is_missing_also_after_hits(made: Callable[..., Any]) -> None:
    f, end = made(lambda a: a, key="{@tenant}:{a}")
    with key_context(tenant="acme"):
        assert [end(f(1)) for _ in range(3)] == [1, 1, 1]
    with pytest.raises(MissingKeyContext):
        end(f(1))


def test_a_default_counts_where_nothing_is_set(made: Callable[..., Any]) -> None:
    f, end = made(lambda a: a, key="{@default_tested_here}:{a}")
    default_key_context(default_tested_here="en")
    assert f.key(1).endswith("en:1")
    assert [end(f(1)), end(f(1))] == [1, 1]
    assert Worker(lambda: f.key(1)).join().endswith("en:1")
    with key_context(default_tested_here="de"):
        assert f.key(1).endswith("de:1")


def test_without_the_cache_no_value_is_needed(made: Callable[..., Any], cache: Cache) -> None:
    f, end = made(lambda a: a, key="{@tenant}:{a}")
    assert end(f.bypass(1)) == 1
    with cache.disabled():
        assert end(f(1)) == 1
        assert end(f.refresh(1)) == 1
        with pytest.raises(MissingKeyContext):
            end(f.invalidate(1))


@pytest.mark.parametrize("wrong", ["two words", "a.b", "", "1st"])
def test_names_that_no_template_could_use_are_refused(wrong: str) -> None:
    for setting in (key_context, default_key_context):
        with pytest.raises(ConfigurationError, match=setting.__name__):
            setting(**{wrong: 1})


@pytest.mark.parametrize("template", ["{@}", "{@a:>5}", "{@a}{@b}", "{@a}{b}", "{@@a}", "{@a!r}", "{a.@b}"])
def test_templates_that_make_no_sense_are_refused(cache: Any, template: str) -> None:
    with pytest.raises(ConfigurationError):
        cache(key=template)(lambda a, b: a)


# Blocks


def test_blocks_nest_override_and_restore(cache: Any) -> None:
    f = cache(key="{@tenant}:{@locale}")(lambda: 1)
    with key_context(tenant="acme", locale="en"):
        with key_context(locale="de"):
            assert f.key().endswith("acme:de")
            with key_context(locale=None):
                assert f.key().endswith("acme:None")
            assert f.key().endswith("acme:de")
        assert f.key().endswith("acme:en")
        with pytest.raises(KeyError), key_context(locale="fr"):
            raise KeyError
        assert f.key().endswith("acme:en")
    with pytest.raises(MissingKeyContext):
        f.key()


def test_a_block_may_be_used_again_and_within_itself(cache: Any) -> None:
    f, acme = cache(key="{@tenant}")(lambda: 1), key_context(tenant="acme")
    for _ in range(2):
        with acme, key_context(tenant="umbrella"), acme:
            assert f.key().endswith("acme")
    with pytest.raises(MissingKeyContext):
        f.key()
    assert repr(acme) == "key_context(tenant='acme')"


def test_a_block_that_ends_late_takes_out_its_own_values_only(cache: Any) -> None:
    f = cache(key="{@tenant}:{@locale}")(lambda: 1)

    def around() -> Iterator[None]:
        with key_context(tenant="acme", locale="en"):
            yield

    blocks = around()
    next(blocks)
    with key_context(locale="de"):
        assert f.key().endswith("acme:de")
        next(blocks, None)
        with key_context(tenant="none"):
            assert f.key().endswith("none:de")
        with pytest.raises(MissingKeyContext):
            f.key()
    with pytest.raises(MissingKeyContext):
        f.key()


def test_a_block_may_end_in_another_context(cache: Any) -> None:
    f, block = cache(key="{@tenant}")(lambda: 1), key_context(tenant="acme")
    elsewhere = contextvars.copy_context()
    elsewhere.run(block.__enter__)
    with key_context(tenant="umbrella"):
        block.__exit__(None, None, None)
        assert f.key().endswith("umbrella")


def test_threads_and_tasks_have_their_own(cache: Any) -> None:
    f = cache(key="{@tenant}")(lambda: 1)

    async def task(tenant: str) -> str:
        with key_context(tenant=tenant):
            await asyncio.sleep(0)
            return str(f.key())

    async def main() -> list[str]:
        with key_context(tenant="outside"):
            child = asyncio.create_task(asyncio.to_thread(f.key))  # inherits
            return [*await asyncio.gather(*map(task, ["a", "b", "c"])), f.key(), await child]

    assert [key[-1] for key in asyncio.run(main())] == ["a", "b", "c", "e", "e"]
    with key_context(tenant="here"):
        assert isinstance(Worker(f.key).join(), MissingKeyContext)


# Tags


def test_tags_name_values_too(made: Callable[..., Any], cache: Cache) -> None:
    f, end = made(lambda a: "loaded", key="{@tenant}:{a}", tags=["tenant:{@tenant}"])
    for tenant in ("acme", "umbrella"):
        with key_context(tenant=tenant):
            end(f.put(tenant, 1))
    cache.invalidate(tags=["tenant:acme"])
    with key_context(tenant="umbrella"):
        assert end(f.peek(1)) == end(f(1)) == "umbrella"
    with key_context(tenant="acme"):
        assert end(f.peek(1, default="gone")) == "gone"


def test_a_call_goes_by_the_tags_of_its_own_context(made: Callable[..., Any], cache: Cache) -> None:
    """Where the key is the same for all, what a call has loaded is over with its own tag, whatever others asked before."""
    loads: list[int] = []

    def load(a: int) -> int:
        loads.append(a)
        return len(loads)

    f, end = made(load, tags=["tenant:{@tenant}"])
    for tenant in ("acme", "umbrella"):
        with key_context(tenant=tenant):
            end(f(1))
            end(f.invalidate(1))
            before = end(f(1))
            assert end(f(1)) == before
            cache.invalidate(tags=[f"tenant:{tenant}"])
            assert end(f(1)) > before
    with pytest.raises(MissingKeyContext):
        end(f(2))


# Loads


def test_a_load_sees_the_context_of_its_call(made: Callable[..., Any], cache: Any) -> None:
    inner = cache(key="inner:{@tenant}")(lambda: 1)
    f, end = made(lambda a: inner.key(), key="{@tenant}:{a}")
    for tenant in ("acme", "umbrella"):
        with key_context(tenant=tenant):
            assert end(f(1)).endswith(tenant)
            assert end(f.refresh(1)).endswith(tenant)
            assert end(f.many([2]))[0].endswith(tenant)


def test_what_goes_on_later_goes_by_the_defaults_of_its_call(cache: Any, clock: FakeClock) -> None:
    inner = cache(key="inner:{@default_changed_here}")(lambda: 1)
    seen: queue.Queue[str] = queue.Queue()

    @cache(ttl="1m", key="warm:{@default_changed_here}", keep_warm=True)
    def warm() -> None:
        seen.put(inner.key()[-2:])

    @cache(key="items:{@default_changed_here}")
    def items() -> Iterator[str]:
        yield inner.key()[-2:]

    default_key_context(default_changed_here="en")
    found = items()
    warm()
    default_key_context(default_changed_here="de")
    assert list(found) == ["en"]
    assert list(items()) == ["de"]
    clock.advance("1m")
    assert [seen.get(timeout=5) for _ in range(2)] == ["en", "en"]


# Generators


def test_a_generator_runs_in_the_context_of_its_call(cache: Any) -> None:
    inner = cache(key="inner:{@tenant}")(lambda: 1)

    @cache(key="{@tenant}:{a}")
    def items(a: int) -> Iterator[str]:
        yield inner.key()[-4:]
        with key_context(tenant="deep"):
            yield inner.key()[-4:]
            yield inner.key()[-4:]
        yield inner.key()[-4:]

    with key_context(tenant="acme"):
        found = items(1)
    taken = []
    for tenant in ("ella", "zone", "ella", "zone"):
        with key_context(tenant=tenant):
            taken.append(next(found))
            assert inner.key().endswith(tenant)
    assert next(found, None) is None
    with key_context(tenant="acme"):
        assert list(items(1)) == taken == ["acme", "deep", "deep", "acme"]
    with pytest.raises(MissingKeyContext):
        list(items(1))


def test_so_does_an_asynchronous_one(cache: Any, run: Callable[[Any], Any]) -> None:
    inner = cache(key="inner:{@tenant}")(lambda: 1)

    @cache(key="{@tenant}:{a}")
    async def items(a: int) -> AsyncIterator[str]:
        yield inner.key()[-4:]
        with key_context(tenant="deep"):
            await asyncio.sleep(0)
            yield inner.key()[-4:]
            yield inner.key()[-4:]
        yield inner.key()[-4:]

    async def main() -> None:
        with key_context(tenant="acme"):
            found = items(1)
        taken = []
        for tenant in ("ella", "zone", "ella", "zone"):
            with key_context(tenant=tenant):
                taken.append(await anext(found))
                assert inner.key().endswith(tenant)
        assert [item async for item in found] == []
        with key_context(tenant="acme"):
            assert [item async for item in items(1)] == taken == ["acme", "deep", "deep", "acme"]

    run(main())


# Others that take templates


def test_items_are_collected_for_one_tenant_at_a_time(cache: Any, run: Callable[[Any], Any]) -> None:
    inner = cache(key="inner:{@tenant}")(lambda: 1)
    runs: list[list[int]] = []

    @cache.batch(key="row:{@tenant}:{id}", window=60, max_size=2)
    async def rows(ids: list[int]) -> dict[int, str]:
        runs.append(ids)
        return {id: inner.key()[-4:] for id in ids}

    async def one(tenant: str, id: int) -> str:
        with key_context(tenant=tenant, request=object()):
            return str(await rows.one(id))

    async def main() -> list[str]:
        return [*await asyncio.gather(one("acme", 1), one("zone", 1), one("acme", 2), one("zone", 3))]

    assert run(asyncio.wait_for(main(), 5)) == ["acme", "zone", "acme", "zone"]
    assert sorted(map(sorted, runs)) == [[1, 2], [1, 3]]


def test_a_batch_is_of_one_tenant(cache: Any) -> None:
    @cache.batch(key="row:{@tenant}:{id}", tags=["tenant:{@tenant}"])
    def rows(ids: list[int]) -> dict[int, str]:
        return {id: str(rows.one.key(id)) for id in ids}

    for _ in range(2):
        for tenant in ("acme", "zone"):
            with key_context(tenant=tenant):
                assert [key[-6:] for key in rows([1, 2]).values()] == [f"{tenant}:1", f"{tenant}:2"]
    with pytest.raises(MissingKeyContext):
        rows([1])
    with cache.disabled(), pytest.raises(MissingKeyContext):
        rows.invalidate([1])


def test_a_limit_counts_each_tenant_by_itself(cache: Cache) -> None:
    @cache.rate_limit(limit=1, period=60, key="{@tenant}")
    def f() -> int:
        return 1

    for tenant in ("acme", "umbrella"):
        with key_context(tenant=tenant):
            f()
            assert f.limiter.peek().remaining == 0
    with pytest.raises(MissingKeyContext):
        f()


def test_a_method_names_values_too(cache: Any) -> None:
    class Shop:
        @cache(key="price:{@tenant}:{item}")
        def price(self, item: str) -> str:
            return str(self.price.key(item))

    shop = Shop()
    for tenant in ("acme", "umbrella"):
        with key_context(tenant=tenant):
            assert [shop.price("tea") for _ in range(2)][1].endswith(f"{tenant}:tea")
