"""The clock for tests: time passes only when the test says so, and wakes those who wait in their order."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from stillroom import ConfigurationError
from stillroom.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_time_stands_still_until_it_is_told_to_pass(clock: FakeClock) -> None:
    assert clock.now() == clock.now() == 0.0
    clock.advance("1h30m")
    clock.advance(timedelta(seconds=0.5))
    clock.advance(2)
    assert clock.now() == 5402.5
    assert FakeClock(1000.0).now() == 1000.0


@pytest.mark.parametrize("duration", [0, -1, "x", None, True, float("nan"), float("inf")])
def test_time_passes_forwards_only(clock: FakeClock, duration: Any) -> None:
    with pytest.raises(ConfigurationError, match="duration"):
        clock.advance(duration)
    assert clock.now() == 0.0


def test_who_waits_is_woken_when_it_is_time(clock: FakeClock) -> None:
    woken: list[float] = []
    clock.call_at(5, lambda: woken.append(clock.now()))
    clock.advance(4.9)
    assert (woken, clock.pending) == ([], 1)
    clock.advance(0.1)
    assert (woken, clock.pending) == ([5.0], 0)


def test_wake_ups_happen_in_their_order_each_at_its_time(clock: FakeClock) -> None:
    woken: list[tuple[str, float]] = []
    for name, when in (("late", 8.0), ("early", 2.0), ("first of two", 5.0), ("second of two", 5.0)):
        clock.call_at(when, lambda name=name: woken.append((name, clock.now())))  # type: ignore[misc]
    clock.advance(10)
    assert woken == [("early", 2.0), ("first of two", 5.0), ("second of two", 5.0), ("late", 8.0)]
    assert clock.now() == 10.0


def test_a_time_that_has_come_already_wakes_at_once(clock: FakeClock) -> None:
    clock.advance(5)
    woken: list[int] = []
    clock.call_at(5, lambda: woken.append(1))
    clock.call_at(-1, lambda: woken.append(2))
    assert (woken, clock.pending) == ([1, 2], 0)


def test_a_wake_up_that_was_called_off_does_not_happen(clock: FakeClock) -> None:
    woken: list[int] = []
    timer = clock.call_at(5, lambda: woken.append(1))
    timer.cancel()
    timer.cancel()
    assert clock.pending == 0
    clock.advance(10)
    assert woken == []
    timer.cancel()


def test_a_wake_up_may_ask_for_the_next_one(clock: FakeClock) -> None:
    woken: list[float] = []

    def again() -> None:
        woken.append(clock.now())
        clock.call_at(clock.now() + 3, again)

    clock.call_at(3, again)
    clock.advance(10)
    assert woken == [3.0, 6.0, 9.0]
    assert clock.now() == 10.0
    assert clock.pending == 1


def test_a_wake_up_may_call_off_another(clock: FakeClock) -> None:
    woken: list[str] = []
    other = clock.call_at(6, lambda: woken.append("other"))
    clock.call_at(5, other.cancel)
    clock.advance(10)
    assert woken == []


def test_wake_ups_can_be_asked_for_from_any_thread(clock: FakeClock) -> None:
    woken: list[int] = []

    def ask() -> None:
        for number in range(100):
            clock.call_at(number + 1, lambda: woken.append(1))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.pending == 400
    clock.advance(100)
    assert len(woken) == 400
