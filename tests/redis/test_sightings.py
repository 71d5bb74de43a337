"""Which tokens a process has seen: what vouches for tags that a load has added."""

from __future__ import annotations

import pytest

from stillroom.stores.redis import sightings
from stillroom.stores.redis.layout import RedisKey
from stillroom.stores.redis.sightings import Sightings

KEY, OTHER = RedisKey(b"s:t:team:7"), RedisKey(b"s:t:team:8")
OLD, NEW = b"12345678", b"abcdefgh"


@pytest.fixture
def seen() -> Sightings:
    return Sightings()


def test_a_token_that_was_seen_before_is_vouched_for(seen: Sightings) -> None:
    seen.note([KEY], [OLD])
    assert seen.vouch([KEY], [OLD], seen.moment())


def test_a_token_that_was_seen_only_afterwards_is_not(seen: Sightings) -> None:
    since = seen.moment()
    seen.note([KEY], [OLD])
    assert not seen.vouch([KEY], [OLD], since)


def test_seeing_it_again_does_not_make_it_younger(seen: Sightings) -> None:
    seen.note([KEY], [OLD])
    since = seen.moment()
    seen.note([KEY], [OLD])
    assert seen.vouch([KEY], [OLD], since)


def test_another_token_in_its_place_is_not_vouched_for(seen: Sightings) -> None:
    seen.note([KEY], [OLD])
    assert not seen.vouch([KEY], [NEW], seen.moment())
    assert not seen.vouch([KEY], [None], seen.moment())


def test_all_of_them_must_be_known(seen: Sightings) -> None:
    seen.note([KEY, OTHER], [OLD, None])
    assert not seen.vouch([KEY, OTHER], [OLD, NEW], seen.moment())
    assert seen.vouch([], [], 0)


def test_what_is_remembered_is_bounded(seen: Sightings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 30."""
    monkeypatch.setattr(sightings, "REMEMBERED", 2)
    third = RedisKey(b"s:t:team:9")
    for key in (KEY, OTHER, third):
        seen.note([key], [OLD])
    assert len(seen._seen) == 2
    assert not seen.vouch([KEY], [OLD], seen.moment())
    assert seen.vouch([OTHER, third], [OLD, OLD], seen.moment())
