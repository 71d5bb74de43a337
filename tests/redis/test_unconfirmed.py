"""What no replica has heard of is kept until a new master has been told."""

from __future__ import annotations

from stillroom.stores.redis.client import Node
from stillroom.stores.redis.commands import command, run_script
from stillroom.stores.redis.layout import RedisKey
from stillroom.stores.redis.scripts import DROP, SWAP
from stillroom.stores.redis.unconfirmed import Unconfirmed

OLD, NEW = Node("old", 1), Node("new", 1)
KEY = RedisKey(b"stillroom:t:team")
DELETION = command(KEY, b"DEL", KEY.name)


def test_it_stays_until_it_has_been_told_again() -> None:
    unconfirmed = Unconfirmed()
    unconfirmed.add(OLD, DELETION)
    lost = unconfirmed.lost(lambda slot: NEW)
    assert [one for _, _, one in lost] == [DELETION]
    assert unconfirmed.lost(lambda slot: NEW) == lost  # as if telling it had failed
    unconfirmed.forget(lost)
    assert unconfirmed.lost(lambda slot: NEW) == []


def test_what_was_told_to_a_node_that_is_still_there_is_not_lost() -> None:
    unconfirmed = Unconfirmed()
    unconfirmed.add(OLD, DELETION)
    assert unconfirmed.lost(lambda slot: OLD) == []
    assert len(unconfirmed) == 1


def test_what_changes_nothing_is_not_kept() -> None:
    unconfirmed = Unconfirmed()
    unconfirmed.add(OLD, command(KEY, b"GET", KEY.name))
    assert len(unconfirmed) == 0


def test_a_value_is_kept_as_the_deletion_of_what_is_there() -> None:
    unconfirmed = Unconfirmed()
    unconfirmed.add(OLD, run_script(SWAP, (b"entry", b"leases", b"uses"), b"any", b"value", 0, 0, 0, by=KEY))
    ((_, _, kept),) = unconfirmed.lost(lambda slot: NEW)
    assert kept == run_script(DROP, (b"entry", b"leases", b"uses"), by=KEY)
