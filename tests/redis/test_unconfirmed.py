"""What no replica has heard of is kept until a new master has been told."""

from __future__ import annotations

import pytest

from stillroom.stores.redis import unconfirmed as module
from stillroom.stores.redis.client import Node
from stillroom.stores.redis.commands import command, run_script
from stillroom.stores.redis.layout import RedisKey
from stillroom.stores.redis.picture import of_server
from stillroom.stores.redis.scripts import BLOOM_ADD, DROP, SWAP
from stillroom.stores.redis.unconfirmed import Unconfirmed

OLD, NEW = Node("old", 1), Node("new", 1)
KEY = RedisKey(b"stillroom:t:team")
DELETION = command(KEY, b"DEL", KEY.name)
ALL = RedisKey(b"stillroom:all")
EVERYTHING = command(ALL, b"DEL", ALL.name)


@pytest.fixture
def unconfirmed() -> Unconfirmed:
    return Unconfirmed(EVERYTHING)


def test_it_stays_until_it_has_been_told_again(unconfirmed: Unconfirmed) -> None:
    unconfirmed.add(OLD, DELETION)
    lost = unconfirmed.lost(of_server(NEW))
    assert [one for _, _, one in lost] == [DELETION]
    assert unconfirmed.lost(of_server(NEW)) == lost  # as if telling it had failed
    unconfirmed.forget(lost)
    assert unconfirmed.lost(of_server(NEW)) == []


def test_what_was_told_to_a_node_that_is_still_there_is_not_lost(unconfirmed: Unconfirmed) -> None:
    unconfirmed.add(OLD, DELETION)
    assert unconfirmed.lost(of_server(OLD)) == []
    assert len(unconfirmed) == 1


def test_what_changes_nothing_is_not_kept(unconfirmed: Unconfirmed) -> None:
    unconfirmed.add(OLD, command(KEY, b"GET", KEY.name))
    assert len(unconfirmed) == 0


def test_a_value_is_kept_as_the_deletion_of_what_is_there(unconfirmed: Unconfirmed) -> None:
    unconfirmed.add(OLD, run_script(SWAP, (b"entry", b"leases", b"uses"), b"any", b"value", 0, 0, 0, by=KEY))
    ((_, _, kept),) = unconfirmed.lost(of_server(NEW))
    assert kept == run_script(DROP, (b"entry", b"leases", b"uses"), by=KEY)


def test_a_member_of_a_filter_is_kept_but_makes_no_filter_that_lacks_the_others(unconfirmed: Unconfirmed) -> None:
    name, keys = RedisKey(b"{taken}"), (b"{taken}", b"{taken}!")
    unconfirmed.add(OLD, run_script(BLOOM_ADD, keys, 100, 2, 1, 0, 0, 17, 4, by=name))
    ((_, _, kept),) = unconfirmed.lost(of_server(NEW))
    assert kept == run_script(BLOOM_ADD, keys, 100, 2, 0, 0, 0, 17, 4, by=name)


def test_steps_of_a_filling_are_not_kept_since_the_next_one_misses_them(unconfirmed: Unconfirmed) -> None:
    name, keys = RedisKey(b"{taken}"), (b"{taken}", b"{taken}!")
    unconfirmed.add(OLD, run_script(BLOOM_ADD, keys, 100, 2, 0, 5, 0, 17, 4, by=name))
    assert len(unconfirmed) == 0


def test_when_there_is_too_much_to_keep_everything_is_to_be_invalidated(unconfirmed: Unconfirmed) -> None:
    for _ in range(module._LIMIT + 1):
        unconfirmed.add(OLD, DELETION)
    assert [one for _, _, one in unconfirmed.lost(of_server(NEW))] == [EVERYTHING, DELETION]


def test_what_is_old_is_forgotten(unconfirmed: Unconfirmed, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("stillroom.stores.redis.unconfirmed.time.monotonic", lambda: now)
    unconfirmed.add(OLD, DELETION)
    now += module._KEPT / 2
    unconfirmed.add(OLD, DELETION)
    now += module._KEPT / 2
    unconfirmed.forget()
    assert len(unconfirmed) == 1
