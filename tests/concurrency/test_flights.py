"""The table of flights by itself: what may be boarded, and what a refresh must not wait for."""

from __future__ import annotations

import pytest

from stillroom._runtime.flights import Flight, Flights, Result
from stillroom.protocols import Key, Keyspace

KEY = Key(Keyspace("main", "", str), "k")


def _ended(flight: Flight) -> None:
    flight.end(Result.ABANDONED)  # as whoever waits does when its event loop stands still; the table is not told


def _lost(flight: Flight) -> None:
    flight.is_lost = lambda: True


@pytest.mark.parametrize("over", [_ended, _lost])
def test_nobody_boards_a_flight_that_is_over_or_lost(over: object) -> None:
    """Rule 27: or callers would find it ended, look again, and find it once more, for as long as its load takes."""
    flights = Flights()
    flight, leads = flights.board(KEY, (), blocking=False)
    assert leads
    assert callable(over)
    over(flight)
    later, leads = flights.board(KEY, (), blocking=False)
    assert leads
    assert later is not flight


@pytest.mark.parametrize("over", [_ended, _lost])
def test_a_refresh_is_not_held_up_by_a_flight_that_is_over_or_lost(over: object) -> None:
    flights = Flights()
    flight = flights.start(KEY, ())
    assert flight is not None
    assert flights.start(KEY, ()) is None
    assert callable(over)
    over(flight)
    assert flights.start(KEY, ()) is not None


def test_a_late_landing_leaves_the_flight_that_took_its_place() -> None:
    flights = Flights()
    former, _ = flights.board(KEY, (), blocking=False)
    _ended(former)
    latter, _ = flights.board(KEY, (), blocking=False)
    flights.land(former, "late")
    assert flights.board(KEY, (), blocking=False) == (latter, False)
    assert former.answer is None
