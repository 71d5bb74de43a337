"""The store for tests that is late, fails, or is overtaken, on command."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from stillroom import Cache, ConfigurationError, StoreError
from stillroom.protocols import Store
from stillroom.stores.memory import MemoryStore
from stillroom.testing import ChaosStore, FakeClock, Hold


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> ChaosStore:
    return ChaosStore(MemoryStore(clock=clock))


@pytest.fixture
def cache(store: ChaosStore, clock: FakeClock) -> Cache:
    return Cache(store, clock=clock)


def test_it_is_a_store_that_bears_the_name_of_the_one_within(store: ChaosStore) -> None:
    assert isinstance(store, Store)
    assert store.name == "memory"


def test_left_alone_it_does_what_the_store_within_does_and_keeps_a_list(cache: Any, store: ChaosStore) -> None:
    f = cache(ttl=60)(lambda a: [a])
    assert f(1) is f(1)
    assert store.calls == ["read", "lease", "fill", "read"]
    cache.incr("n"), cache.touch("n", 5), cache.set("a", 1), cache.delete("a"), cache.clear(), list(cache.scan())
    assert store.calls[4:] == ["increment", "touch", "write", "delete", "invalidate", "names"]
    cache.close()
    assert store.calls[-1] == "close"


def test_a_hook_acts_before_or_after_an_operation(cache: Any, store: ChaosStore) -> None:
    seen: list[tuple[str, object]] = []
    inner = Cache(store.inner)
    store.before("write", lambda: seen.append(("before", cache.get("a"))))
    store.after("write", lambda: seen.append(("after", cache.get("a"))))
    cache.set("a", 1)
    assert seen == [("before", None), ("after", 1)]
    assert inner.get("a") is None


def test_a_hook_may_be_limited_to_so_many_times(cache: Any, store: ChaosStore) -> None:
    seen: list[int] = []
    store.before("write", lambda: seen.append(1), times=2)
    for _ in range(5):
        cache.set("a", 1)
    assert len(seen) == 2


def test_several_hooks_act_in_their_order(cache: Any, store: ChaosStore) -> None:
    seen: list[str] = []
    store.before("write", lambda: seen.append("first"), times=1)
    store.before("write", lambda: seen.append("second"))
    cache.set("a", 1), cache.set("a", 1)
    assert seen == ["first", "second", "second"]


def test_a_hook_may_invalidate_in_the_middle_of_a_load(cache: Any, store: ChaosStore) -> None:
    """Rule 1."""
    f = cache(ttl=60, tags=["t"])(lambda a: object())
    store.before("fill", lambda: cache.invalidate(tags=["t"]), times=1)
    first = f(1)
    assert f(1) is not first
    assert f(1) is f(1)


def test_operations_fail_on_command(cache: Any, store: ChaosStore) -> None:
    store.fail("write", times=1)
    with pytest.raises(StoreError, match="write failed on command") as caught:
        cache.set("a", 1)
    assert (caught.value.store, caught.value.operation) == ("memory", "write")
    cache.set("a", 1)
    store.fail("write", LookupError("mine"))
    for _ in range(2):
        with pytest.raises(LookupError, match="mine"):
            cache.set("a", 2)
    assert cache.get("a") == 1


def test_a_failed_operation_was_not_carried_out(cache: Any, store: ChaosStore) -> None:
    cache.set("a", 1)
    store.fail("delete", times=1)
    with pytest.raises(StoreError):
        cache.delete("a")
    assert cache.get("a") == 1


def test_calm_forgets_all_hooks(cache: Any, store: ChaosStore) -> None:
    seen: list[int] = []
    store.fail("read")
    store.after("write", lambda: seen.append(1))
    store.calm()
    cache.set("a", 1)
    assert cache.get("a") == 1
    assert seen == []


@pytest.mark.parametrize("operation", ["reads", "", None, "get", 5])
def test_an_unknown_operation_is_refused_with_those_that_there_are(store: ChaosStore, operation: Any) -> None:
    for use in (lambda: store.fail(operation), lambda: store.before(operation, print), lambda: store.hold(operation)):
        with pytest.raises(ConfigurationError, match="read, lease, fill"):
            use()


@pytest.mark.parametrize("times", [0, 1.5])
def test_a_number_of_times_that_makes_no_sense_is_refused(store: ChaosStore, times: Any) -> None:
    with pytest.raises(ConfigurationError, match="times"):
        store.fail("read", times=times)


def test_what_cannot_be_called_is_no_hook(store: ChaosStore) -> None:
    not_callable: Any = 5
    with pytest.raises(ConfigurationError, match="act"):
        store.before("read", not_callable)


def test_a_held_operation_waits_while_others_overtake_it(cache: Any, store: ChaosStore) -> None:
    """In threads."""
    f = cache(ttl=60)(lambda a: object())
    hold = store.hold("fill")
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(f(1)))
    thread.start()
    hold.wait()
    assert results == []
    f.invalidate(1)
    fresh = f(1)
    hold.release()
    thread.join()
    assert results[0] is not fresh
    assert f(1) is fresh


@pytest.mark.asyncio_only
async def test_a_held_operation_waits_while_other_tasks_overtake_it(cache: Any, store: ChaosStore) -> None:
    @cache(ttl=60)
    async def f(a):
        return object()

    hold = store.hold("fill")
    task = asyncio.create_task(f(1))
    await hold.wait_async()
    assert not task.done()
    await f.invalidate(1)
    fresh = await f(1)
    hold.release()
    assert await task is not fresh
    assert await f(1) is fresh


def test_a_hold_that_was_released_before_holds_nobody_up(cache: Any, store: ChaosStore) -> None:
    hold = store.hold("write")
    hold.release()
    cache.set("a", 1)
    assert cache.get("a") == 1
    hold.wait()


def test_a_hold_that_nobody_reaches_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hold, "_PATIENCE", 0.01)
    with pytest.raises(TimeoutError, match="not reached"):
        Hold().wait()
    with pytest.raises(TimeoutError, match="not released"):
        Hold()()


@pytest.mark.asyncio_only
async def test_a_hook_may_be_awaited(cache: Any, store: ChaosStore) -> None:
    seen: list[str] = []

    async def late() -> None:
        await asyncio.sleep(0)
        seen.append("late")

    store.before("write", late)
    await cache.aset("a", 1)
    assert seen == ["late"]


def test_a_hook_that_waits_is_told_of_under_the_blocking_runtime(cache: Any, store: ChaosStore) -> None:
    async def late() -> None:
        await asyncio.sleep(0)

    store.before("write", late)
    with pytest.raises(RuntimeError, match="suspended under the blocking runtime"):
        cache.set("a", 1)
