"""The table of tallies: what it forgets, and what never."""

from __future__ import annotations

from typing import Any

import pytest

from stillroom import Cache
from stillroom.guards import tally
from stillroom.testing import FakeClock

pytestmark = pytest.mark.memory_only("it looks into the table")


@pytest.fixture
def cache(clock: FakeClock) -> Cache:
    return Cache(clock=clock)


def size(cache: Cache) -> int:
    return len(cache._core.tallies)


def limited(cache: Cache) -> Any:
    return cache.rate_limit(limit=1, period="10s", key="{n}")(lambda n: n)


def filtered(cache: Cache) -> Any:
    f: Any = cache.bloom(capacity=10)(lambda n: n == "ada")
    f.add("ada")
    return f


def test_what_is_over_is_forgotten_also_behind_what_has_no_end(cache: Cache, clock: FakeClock) -> None:
    filtered(cache)
    f = limited(cache)
    for n in range(1000):
        f(n)
        clock.advance(1)
    assert size(cache) < 20


def test_what_is_over_is_forgotten_while_others_go_on(cache: Cache, clock: FakeClock) -> None:
    f = limited(cache)
    for n in range(100):
        f(n)
    for _ in range(60):
        clock.advance(11)
        f("another")
    assert size(cache) == 1


def test_there_is_a_bound_and_the_one_that_was_longest_without_a_change_goes_first(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "ROOM", 3)
    f = limited(cache)
    for n in range(5):
        f(n)
    assert size(cache) == 3
    assert [f.limiter.peek(n).is_open for n in range(5)] == [True, True, False, False, False]


def test_nothing_crowds_a_filter_out(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "ROOM", 3)
    is_there, f = filtered(cache), limited(cache)
    for n in range(5):
        f(n)
    assert not is_there("zoe")
    assert is_there.bloom.peek() is not None
