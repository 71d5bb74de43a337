"""The invalidations that a far store has still to be told of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.stores.keeping import calls, names, run
from tests.stores.outage_scene import Far

from stillroom.protocols import Key, Keyspace
from stillroom.stores.outage.journal import Journal, Notes, batches, deletions, invalidations, replay
from stillroom.testing import FakeClock

MAIN, OTHER = names(), names("other")


def keys(*locals_: str, space: Keyspace = MAIN) -> Notes:
    return deletions([Key(space, local) for local in locals_])


def told(notes: Notes, size: int = 500) -> list[Any]:
    far = Far(FakeClock())
    for batch in batches(notes, size):
        run(replay(batch, far))
    return far.told


def test_what_was_noted_first_is_replayed_first() -> None:
    journal = Journal(10)
    journal.add(keys("b"))
    journal.add(invalidations(names=["t:red"]))
    journal.add(keys("a", "b"))
    journal.add(invalidations(namespaces=["other"], names=["f:f"]))
    assert told(journal.take()) == ["b", {"name": "t:red"}, "a", {"namespace": "other"}, {"name": "f:f"}]


def test_what_is_noted_twice_is_replayed_once() -> None:
    journal = Journal(10)
    for _ in range(100):
        journal.add(keys("a", "b"))
    assert len(journal) == 2


def test_what_looks_alike_is_told_apart() -> None:
    """A name that is the text of a call, or stands in another namespace, is another key."""
    journal = Journal(10)
    journal.add(deletions([Key(Keyspace("main", "f:", str, "f:f"), "1"), Key(MAIN, "f:1"), Key(OTHER, "f:1")]))
    assert len(journal) == 3


def test_what_is_noted_again_during_the_replay_is_replayed_again() -> None:
    journal = Journal(10)
    journal.add(keys("a"))
    under_way = journal.take()
    journal.add(keys("a"))
    journal.done(under_way)
    assert told(journal.take()) == ["a"]


def test_what_was_not_replayed_comes_before_what_is_newer() -> None:
    journal = Journal(10)
    journal.add(keys("a", "b", "c"))
    journal.take()
    journal.add(keys("d", "b"))
    journal.done(keys("a"))
    assert len(journal) == 4
    journal.give_back()
    assert told(journal.take()) == ["b", "c", "d"]


def test_everything_covers_everything() -> None:
    journal = Journal(10)
    journal.add(keys("a"))
    journal.add(invalidations(names=["t:red"], everything=True))
    journal.add(keys("b"))
    journal.add(invalidations(names=["t:red"], namespaces=["main"]))
    assert told(journal.take()) == ["everything"]


def test_a_namespace_covers_the_keys_that_are_noted_after_it() -> None:
    journal = Journal(10)
    journal.add(invalidations(namespaces=["main"]))
    journal.add(keys("a"))
    journal.add(deletions([Key(calls("f"), 1)]))
    journal.add(keys("a", space=OTHER))
    assert told(journal.take()) == [{"namespace": "main"}, "a"]


def test_what_is_under_way_covers_nothing() -> None:
    journal = Journal(10)
    journal.add(invalidations(everything=True))
    journal.take()
    journal.add(keys("a"))
    assert told(journal.take()) == ["a"]


def test_too_many_keys_become_their_namespaces() -> None:
    """Rule 35."""
    journal = Journal(10)
    journal.add(keys(*"abcdef"))
    journal.add(invalidations(names=["t:red"]))
    freed = journal.add(keys(*"ghijkl", space=OTHER))
    assert told(journal.take()) == [{"namespace": "main"}, {"namespace": "other"}, {"name": "t:red"}]
    assert len(freed[0]) == 13


def test_too_many_tags_become_everything() -> None:
    """Rule 35: a tag does not tell in which namespaces it is used."""
    journal = Journal(10)
    for number in range(1000):
        journal.add(invalidations(names=[f"t:{number}"]))
        assert len(journal) <= 10
    assert told(journal.take()) == ["everything"]


def test_too_much_that_is_given_back_is_too_much() -> None:
    journal = Journal(10)
    journal.add(keys(*"abcdefgh"))
    journal.take()
    journal.add(keys(*"ijklmnop"))
    journal.give_back()
    assert told(journal.take()) == [{"namespace": "main"}]


def test_batches_are_bounded_and_of_one_kind() -> None:
    notes = {**keys(*"abc"), **invalidations(names=["t:1", "t:2", "t:3"]), **keys(*"de")}
    found = [[note.text for note in batch] for batch in batches(notes, 2)]
    assert found == [["a", "b"], ["c"], ["t:1", "t:2"], ["t:3"], ["d", "e"]]


@pytest.mark.parametrize("notes", [{}, invalidations()], ids=["keys", "generations"])
def test_nothing_is_nothing(notes: Notes) -> None:
    journal = Journal(10)
    journal.add(notes)
    assert (len(journal), told(notes)) == (0, [])


WHAT = st.one_of(
    st.tuples(st.just("key"), st.sampled_from(["main", "other"]), st.integers(0, 12)),
    st.tuples(st.just("generation"), st.just(""), st.integers(0, 12)),
    st.tuples(st.just("namespace"), st.sampled_from(["main", "other"]), st.just(0)),
    st.tuples(st.just("everything"), st.just(""), st.just(0)),
)
STEP = st.one_of(WHAT, st.sampled_from(["take", "done", "give_back"]))


@given(st.lists(STEP, max_size=60))
def test_whatever_is_noted_is_covered_by_what_is_replayed_later(steps: list[Any]) -> None:
    """Rule 35, for every order of things."""
    journal = Journal(8)
    owed: set[Any] = set()
    at_take: set[Any] = set()
    taken: Notes = {}

    def settle() -> None:
        done = {note[:2] if note.kind in ("namespace", "everything") else note for note in taken}
        for what in list(at_take):
            kind, namespace, number = what
            text = f"{number}" if kind == "key" else f"t:{number}" if kind == "generation" else ""
            assert done & {("everything", ""), (kind, namespace, text), ("namespace", namespace)}
        owed.difference_update(at_take)

    for step in steps:
        if step == "take":
            if not journal.under_way:
                taken, at_take = journal.take(), set(owed)
        elif step == "done":
            settle()
            journal.done(taken)
            taken, at_take = {}, set()
        elif step == "give_back":
            journal.give_back()
            taken, at_take = {}, set()
        else:
            kind, namespace, number = step
            owed.add(step)
            at_take.discard(step)
            if kind == "key":
                journal.add(keys(str(number), space=MAIN if namespace == "main" else OTHER))
            elif kind == "generation":
                journal.add(invalidations(names=[f"t:{number}"]))
            else:
                journal.add(invalidations(namespaces=[namespace] if namespace else [], everything=kind == "everything"))
        assert len(journal.waiting) <= 8
    journal.give_back()
    taken, at_take = journal.take(), set(owed)
    settle()
    assert not owed
