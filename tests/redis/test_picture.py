"""Which node has which keys, drawn from what servers and sentinels tell."""

from __future__ import annotations

from typing import Any

from stillroom.errors import StoreError
from stillroom.stores.redis.client import Node
from stillroom.stores.redis.picture import of_cluster, of_master, of_server

A, B, C = Node("a", 1), Node("b", 2), Node("c", 3)
SILENCE = StoreError("no answer", store="redis", operation="exchange")
FOLLOWING = [b"flags", b"slave", b"role-reported", b"slave", b"master-link-status", b"ok"]


def told(place: Node, epoch: int, *replicas: list[bytes]) -> list[Any]:
    """Return what a sentinel answers."""
    return [[place.host.encode(), b"%d" % place.port], [b"config-epoch", b"%d" % epoch], list(replicas)]


def test_of_several_sentinels_the_one_with_the_latest_choice_is_believed() -> None:
    for answers in ([told(A, 1), told(B, 2), told(A, 1)], [told(B, 2), told(A, 1)]):
        picture = of_master(answers)
        assert picture is not None
        assert picture.only == B


def test_a_sentinel_that_is_silent_or_does_not_know_is_passed_over() -> None:
    picture = of_master([[SILENCE] * 3, [None, SILENCE, SILENCE], told(A, 0)])
    assert picture is not None
    assert picture.only == A
    assert of_master([[SILENCE] * 3]) is None


def test_only_replicas_that_follow_are_waited_for() -> None:
    down = [b"flags", b"slave,s_down", *FOLLOWING[2:]]
    still_a_master = [*FOLLOWING[:2], b"role-reported", b"master", *FOLLOWING[4:]]
    cut_off = [*FOLLOWING[:4], b"master-link-status", b"err"]
    picture = of_master([told(A, 0, FOLLOWING, down, still_a_master, cut_off, FOLLOWING)])
    assert picture is not None
    assert picture.replicas == {A: 2}


def test_a_master_whose_replicas_do_not_follow_may_be_replaced_all_the_same() -> None:
    gone, alone = of_master([told(A, 0, [b"flags", b"slave,s_down"])]), of_master([told(A, 0)])
    assert gone is not None
    assert alone is not None
    assert (gone.replicas, alone.replicas) == ({A: 0}, {})


def slots(*homes: tuple[Node, ...]) -> list[Any]:
    """Return a map in which nodes share the slots, each with its replicas."""
    size = 16384 // len(homes)
    return [
        [at * size, at * size + size - 1, *[[node.host.encode(), node.port] for node in nodes]]
        for at, nodes in enumerate(homes)
    ]


def test_of_several_maps_that_of_the_majority_is_believed() -> None:
    former, present = slots((A,), (B,)), slots((A,), (C,))
    picture = of_cluster([(former, B), (present, A), (present, C)])
    assert picture.primaries() == [A, C]
    assert picture.node_of(0) == A
    assert picture.node_of(16383) == C


def test_a_node_that_does_not_know_its_own_name_is_the_one_that_was_asked() -> None:
    picture = of_cluster([([[0, 16383, [b"", 1]]], A)])
    assert picture.only is None
    assert picture.node_of(5) == A


def test_slots_without_a_node_have_none() -> None:
    picture = of_cluster([([[0, 99, [b"a", 1]]], A)])
    assert picture.node_of(99) == A
    assert picture.node_of(100) is None


def test_a_redirection_corrects_a_map_that_does_not_know_of_it_yet() -> None:
    picture = of_cluster([(slots((A,), (B,)), A)])
    corrected = picture.corrected({0: (A, C), 16383: (A, C)})
    assert corrected.node_of(0) == C
    assert corrected.node_of(1) == A
    assert corrected.node_of(16383) == B, "the map knows better than to send it to the node that redirects"
    assert picture.node_of(0) == A, "pictures do not change"


def test_a_single_server_has_everything_whatever_redirections_say() -> None:
    picture = of_server(A)
    assert picture.node_of(7) == A
    assert picture.corrected({7: (A, B)}) is picture
