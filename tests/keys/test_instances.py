from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.keys.samples import Colour, Pair, Plain, Point, Twin

from stillroom.errors import UncacheableArgument
from stillroom.keys import Instances


class Closed:
    __slots__ = ("id",)


class Equal:
    """All of them are equal, and none can be hashed."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


def test_an_instance_keeps_its_number_and_shares_it_with_none() -> None:
    """Rule 10: per instance by default."""
    instances = Instances()
    kept = [Plain() for _ in range(10)]
    numbers = [instances.number(instance) for instance in kept]
    assert numbers == [instances.number(instance) for instance in kept]
    assert len(set(numbers)) == 10


def test_the_number_of_a_dead_instance_is_never_given_again() -> None:
    """Rule 10: never by address, which is used again at once."""
    instances = Instances()
    numbers = [instances.number(Plain()) for _ in range(1000)]
    assert len(set(numbers)) == 1000


def test_nothing_is_left_of_a_dead_instance() -> None:
    """Rules 10 and 30: no instance is kept alive, and nothing stays behind."""
    instances = Instances()
    for _ in range(10):
        instance: Any = Plain()
        instance.itself = instance
        instances.number(instance)
    del instance
    gc.collect()
    assert instances.numbers == {}
    assert vars(instances)["_references"] == {}


def test_numbers_can_be_looked_up_by_address() -> None:
    instances, instance = Instances(), Plain()
    assert id(instance) not in instances.numbers
    number = instances.number(instance)
    assert instances.numbers[id(instance)] is number


def test_equality_and_hash_of_instances_do_not_matter() -> None:
    instances = Instances()
    a, b = Equal(), Equal()
    assert instances.number(a) != instances.number(b)


def test_instances_that_are_numbered_while_they_die_leave_nothing_behind() -> None:
    instances, seen = Instances(), []

    class Dying:
        def __init__(self) -> None:
            self.itself, self.other = self, Plain()

        def __del__(self) -> None:
            seen.append((instances.number(self), instances.number(self.other)))

    instances.number(Dying())
    Dying()
    gc.collect()
    assert len(seen) == 2
    assert instances.numbers == {}


def test_an_instance_may_die_in_any_thread_at_any_moment() -> None:
    instances = Instances()
    rounds = 300

    def work() -> None:
        numbers.extend(instances.number(Plain()) for _ in range(rounds))

    numbers: list[int] = []
    _in_threads(work, 8)
    assert len(set(numbers)) == 8 * rounds
    assert instances.numbers == {}


def test_threads_that_number_one_instance_agree() -> None:
    for _ in range(50):
        instances, instance, barrier = Instances(), Plain(), threading.Barrier(8)
        numbers: list[int] = []

        def work(
            instances: Instances = instances,
            instance: Plain = instance,
            barrier: threading.Barrier = barrier,
            numbers: list[int] = numbers,
        ) -> None:
            barrier.wait()
            numbers.append(instances.number(instance))

        _in_threads(work, 8)
        assert len(set(numbers)) == 1
        del instance, work
        gc.collect()
        assert instances.numbers == {}


def _in_threads(work: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_class_without_weak_references_is_refused_with_the_ways_out() -> None:
    with pytest.raises(UncacheableArgument, match="weak references") as caught:
        Instances().number(Closed())
    assert (caught.value.parameter, caught.value.type) == ("self", Closed)
    for way in ("__weakref__", 'ignore=("self",)', 'key="..."', "register_key_type(Closed, function)"):
        assert way in str(caught.value)


def test_a_number_shows_whose_it_is_for_as_long_as_the_class_lives() -> None:
    instances = Instances()
    plain = Plain()
    assert repr(instances.number(plain)) == "<Plain #1>"

    class Local:
        pass

    number = instances.number(Local())
    assert "Local #2" in repr(number)
    del Local
    gc.collect()
    assert repr(number) == "<instance #2>"


@pytest.mark.parametrize("value", [Point(1), Pair(1, 2), Colour.RED, Point, int, 5])
def test_values_identify_themselves(value: object) -> None:
    """Rule 10: by declared identity."""
    assert Instances().identity(value) is value


def test_all_others_are_identified_by_number() -> None:
    """Rule 10: per instance by default; a class that no name leads to is no exception."""

    class Local:
        pass

    instances = Instances()
    for instance in (Plain(), Twin(1), Local(), Local):
        assert instances.identity(instance) == instances.number(instance)
