"""The tokens that invalidation ends."""

from __future__ import annotations

import pytest

from stillroom.stores import generations as module
from stillroom.stores.generations import Generations, in_force


def test_a_name_keeps_its_token_while_somebody_holds_it() -> None:
    generations = Generations()
    token = generations.of_name("users")
    assert generations.of_name("users") is token
    assert in_force((generations.everything, generations.of_namespace("main"), token))


def test_names_and_namespaces_do_not_meet() -> None:
    generations = Generations()
    name, namespace = generations.of_name("main"), generations.of_namespace("main")
    assert name is not namespace
    generations.end({"main"}, (), everything=False)
    assert not name.alive
    assert namespace.alive


@pytest.mark.parametrize("ended", ["name", "namespace", "everything"])
def test_an_ended_token_is_replaced_and_no_other(ended: str) -> None:
    generations = Generations()

    def tokens() -> dict[str, object]:
        return {
            "name": generations.of_name("users"),
            "namespace": generations.of_namespace("main"),
            "everything": generations.everything,
        }

    before = tokens()
    generations.end(
        {"users"} if ended == "name" else (), {"main"} if ended == "namespace" else (), everything=ended == "everything"
    )
    after = tokens()
    assert [name for name in before if before[name] is not after[name]] == [ended]
    assert not in_force(tuple(before.values()))
    assert in_force(tuple(after.values()))


def test_what_nobody_knows_can_be_ended() -> None:
    generations = Generations()
    generations.end({"nobody"}, {"nowhere"}, everything=False)
    assert generations.of_name("nobody").alive


def test_names_that_nobody_goes_by_leave_nothing() -> None:
    """Rule 30."""
    generations = Generations()
    for number in range(10_000):
        assert generations.of_name(f"tag:{number}").alive
    assert len(generations._names) <= 1


def test_it_is_remembered_which_names_have_lasted_since_a_number() -> None:
    generations = Generations()
    generations.end({"users"}, (), everything=False)
    since = generations.number
    assert generations.lasted({"users", "teams"}, since)
    generations.end({"teams"}, (), everything=False)
    assert generations.lasted({"users"}, since)
    assert not generations.lasted({"users", "teams"}, since)
    assert generations.lasted({"users", "teams"}, generations.number)


def test_what_has_been_forgotten_may_have_been_invalidated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 30: only so many names are remembered; whoever asks about a time before that is given no for an answer."""
    monkeypatch.setattr(module, "REMEMBERED", 2)
    generations = Generations()
    numbers = [generations.number]
    for name in ("a", "b", "a", "c"):
        generations.end({name}, (), everything=False)
        numbers.append(generations.number)
    assert len(generations._ended) == 2
    assert not generations.lasted({"quiet"}, numbers[1])
    assert generations.lasted({"b", "quiet"}, numbers[2])
    assert not generations.lasted({"a"}, numbers[2])
