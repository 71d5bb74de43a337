"""How an entry is written, and what of it a reader gets back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom._engine.generations import function_generation, shared_name, tag_generation
from stillroom.entry import Entry
from stillroom.protocols import Keyspace
from stillroom.stores.redis.envelope import Damaged, names_of, pack, packed_names, unpack

NAMES = Keyspace("main", "", str)
OF_F = Keyspace("main", "f", str, function_generation("shop.f"))
TOKEN = bytes(range(8))

texts = st.text(st.characters(codec="utf-8"), max_size=20)
tags = st.lists(texts.map(tag_generation), max_size=4, unique=True)


@given(owner=st.none() | texts.map(function_generation), carried=tags)
def test_the_generations_of_an_entry_are_known_from_its_bytes(owner: str | None, carried: list[str]) -> None:
    names = (*([] if owner is None else [owner]), *carried)
    assert names_of(NAMES, packed_names(NAMES, names)) == tuple(map(shared_name, names))


@given(carried=tags)
def test_the_function_that_a_keyspace_belongs_to_takes_no_room(carried: list[str]) -> None:
    assert OF_F.function is not None
    packed = packed_names(OF_F, (OF_F.function, *carried))
    assert packed == packed_names(NAMES, tuple(carried))
    assert names_of(OF_F, packed) == (shared_name(OF_F.function), *carried)


def test_functions_have_names_of_one_length_whatever_they_are_called() -> None:
    names = [function_generation("f"), function_generation("a.module.of.some.depth.Class.method"), function_generation("")]
    assert len({shared_name(name) for name in names}) == len(names)
    assert {len(packed_names(NAMES, (name,))) for name in names} == {9}
    assert shared_name(shared_name(names[0])) == shared_name(names[0])


def test_a_function_is_the_same_for_others_whichever_of_its_name_it_is_here() -> None:
    assert shared_name(function_generation("f", 2)) == shared_name(function_generation("f"))


@pytest.mark.parametrize(("space", "count"), [(OF_F, 55), (NAMES, 64)])
def test_without_tags_an_entry_takes_no_more_than_64_bytes_beyond_its_value(space: Keyspace, count: int) -> None:
    """Of everything, the namespace and the function it carries the tokens."""
    names = packed_names(space, (function_generation("shop.f"),))
    entry = Entry(None, 1000.0, 1060.0, 1060.0, plain_until=1060.0)
    assert len(pack(entry, TOKEN * 3, names, 0.0)) == count


def test_a_header_is_read_as_it_was_written() -> None:
    entry = Entry(None, 1000.0, 1060.0, 1090.0, cost=0.5, retry_at=1010.0, plain_until=1050.0)
    header = unpack(pack(entry, TOKEN * 3, b"t:a", 5.0) + b"value")
    read = header.entry("value", 5.0)
    assert (read.loaded_at, read.fresh_until, read.expires_at) == (1000.0, 1060.0, 1090.0)
    assert (read.cost, read.retry_at, read.plain_until) == (0.5, 1010.0, 1050.0)
    assert (header.tokens, header.names) == (TOKEN * 3, b"t:a")


@given(st.binary(max_size=80))
def test_what_is_no_entry_is_told_apart(data: bytes) -> None:
    try:
        header = unpack(data)
    except ValueError:
        return
    assert header.size <= len(data)


def test_a_header_that_is_cut_short_is_damaged() -> None:
    whole = pack(Entry(None, 1000.0, math.inf, math.inf), TOKEN * 3, b"", 0.0)
    with pytest.raises(Damaged):
        unpack(whole[:-1])
