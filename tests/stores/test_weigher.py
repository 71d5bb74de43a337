"""The default weigher."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import pytest

from stillroom.stores.weigher import weigh


@dataclass
class Plain:
    """Keeps its attributes in a dict."""

    text: str


@dataclass
class Slotted:
    """Keeps its attribute in a slot."""

    __slots__ = ("text",)
    text: str


TEXT = "x" * 10_000


@pytest.mark.parametrize(
    "value",
    [TEXT, [TEXT], (TEXT,), {TEXT}, {TEXT: 1}, {1: TEXT}, {"deep": [{"deeper": (TEXT,)}]}, Plain(TEXT), Slotted(TEXT)],
    ids=lambda value: type(value).__name__,
)
def test_it_finds_what_a_value_consists_of(value: object) -> None:
    assert 10_000 <= weigh("key", value) - sys.getsizeof("key") < 11_500


def test_it_weighs_the_key_as_well() -> None:
    assert weigh(TEXT, None) >= 10_000


def test_shared_objects_count_once() -> None:
    assert weigh("key", [TEXT, TEXT, [TEXT]]) < 11_000


def test_a_cycle_has_an_end() -> None:
    cycle: list[Any] = [TEXT]
    cycle.append(cycle)
    assert 10_000 <= weigh("key", cycle) < 11_000


def test_functions_and_classes_are_not_part_of_a_value() -> None:
    assert weigh("key", [weigh, Plain, sys]) < 500


def test_large_values_are_estimated_quickly() -> None:
    value = [[str(number), "y" * 100 + str(number)] for number in range(100_000)]
    one = weigh("key", value[50_000])
    began = time.perf_counter()
    estimate = weigh("key", value)
    assert time.perf_counter() - began < 0.5
    assert 0.7 < estimate / (100_000 * one) < 1.3


def test_deep_values_do_not_exhaust_the_stack() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    assert weigh("key", value) > 0
    while value:
        value = value.pop()
