from __future__ import annotations

import math
import re
import sys
from collections import Counter, OrderedDict, defaultdict
from typing import Any
from uuid import UUID, SafeUUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.serializers.samples import (
    KNOWN,
    Box,
    Colour,
    Counted,
    Derived,
    Hashed,
    Item,
    Model,
    Pair,
    Point,
    Session,
    User,
    state,
    values,
)

from stillroom.errors import UncacheableValue
from stillroom.serializers import serializer_for

auto = serializer_for("auto", returns=KNOWN)


def through(value: Any) -> Any:
    return auto.load(auto.dump(value))


@given(values)
@settings(max_examples=300)
def test_what_comes_out_is_what_went_in(value: Any) -> None:
    """Rule 14."""
    assert state(through(value)) == state(value)


@pytest.mark.parametrize("value", [math.nan, -0.0, 2**64 - 1, 2**64, -(2**63) - 1, True, 1, 1.0, "\ud800", "\ud800\udc00", ()])
def test_what_is_easily_changed_is_not(value: object) -> None:
    """Rule 13."""
    found = through([value, {"k": value}])
    assert repr(found) == repr([value, {"k": value}])


def test_the_order_of_dicts_is_kept() -> None:
    assert [*through({3: 0, (1, 2): 1, None: 2, "z": 3, "a": 4})] == [3, (1, 2), None, "z", "a"]
    assert [*through({"z": (), "a": ()})] == ["z", "a"]


def test_how_safe_a_uuid_was_made_is_kept() -> None:
    assert through(UUID(int=5, is_safe=SafeUUID.safe)).is_safe is SafeUUID.safe


def test_plain_values_are_plain_messagepack() -> None:
    value = {"a": [1, None, 2.5, b"x"], "b": {"c": "é"}}
    assert auto.dump(value) == msgspec.msgpack.encode(value)


def test_no_constructor_runs_and_everything_that_was_set_comes_back() -> None:
    user = User("ada")
    assert user.loud == "('ADA', 'AS MADE')"
    found = through(user)
    assert found == user
    assert found.name == ("ada", "as made")
    assert vars(found)["loud"] == user.loud


def test_a_frozen_class_with_slots_is_rebuilt() -> None:
    assert through(Point(1, (2,))) == Point(1, (2,))


def test_a_cached_property_in_a_slot_comes_back_if_it_was_computed() -> None:
    computed, fresh = Box((1,)), Box((2,))
    assert computed.double == [(1,), (1,)]
    assert auto.dump(computed) != auto.dump(Box((1,)))
    assert through(computed).double == computed.double
    assert through(fresh) == fresh


def test_a_cached_hash_does_not_travel() -> None:
    """Hashes differ from one process to the next."""
    one = Hashed("a")
    unhashed = auto.dump(Hashed("a"))
    assert hash(one) == hash(through(one))
    assert auto.dump(one) == unhashed


def test_a_struct_is_rebuilt_as_it_was_not_as_its_post_init_would_have_it() -> None:
    one = Counted(1)
    one.__dict__["more"] = (1,)
    found = through(one)
    assert (found.count, found.__dict__) == (2, {"more": (1,)})


def test_a_model_comes_back_with_what_was_given_extra_and_private() -> None:
    model = Model(id=1, more=(1, 2))  # type: ignore[call-arg]
    model._private = {5}
    found = through(model)
    assert found == model
    assert found.model_fields_set == {"id", "more"}
    assert found.model_extra == {"more": (1, 2)}
    assert found._private == {5}


class MyInt(int):
    pass


@pytest.mark.parametrize("value", [MyInt(1), Counter("a"), defaultdict(int), Session(), print, memoryview(b""), Derived(id=1)])
def test_what_is_not_known_exactly_is_refused_with_three_ways_out(value: object) -> None:
    with pytest.raises(UncacheableValue, match=r"^value\['users'\]\[1\] cannot be stored: ") as caught:
        auto.dump({"users": (0, value)})
    assert caught.value.path == "value['users'][1]"
    assert caught.value.type is type(value)
    for way in ("annotate the function", f"register_type({type(value).__name__}", 'serializer="pickle" with a secret'):
        assert way in str(caught.value)


def test_a_class_that_no_annotation_names_is_refused() -> None:
    with pytest.raises(UncacheableValue, match="neither the function's return annotation nor register_type names"):
        serializer_for("auto", returns=list[Point]).dump([Colour.RED])
    with pytest.raises(UncacheableValue):
        serializer_for("auto").dump(Point(1))


def test_an_object_that_lacks_a_field_is_refused() -> None:
    for value in (Model.model_construct(), object.__new__(Point), object.__new__(User)):
        with pytest.raises(UncacheableValue, match="lacks"):
            auto.dump(value)


def test_attributes_that_cannot_be_stored_are_refused_not_lost() -> None:
    user = User("ada")
    user.session = Session()  # type: ignore[attr-defined]
    with pytest.raises(UncacheableValue):
        auto.dump(user)
    ordered: Any = OrderedDict()
    ordered.note = 1
    with pytest.raises(UncacheableValue):
        auto.dump(ordered)


def test_what_contains_itself_is_refused() -> None:
    plain: list[Any] = []
    plain += [plain, plain]
    tupled: list[Any] = []
    tupled.append((tupled, {1: tupled}))
    keyed: dict[Any, Any] = {}
    keyed[1] = keyed
    for value in (plain, tupled, keyed):
        with pytest.raises(UncacheableValue, match="contains itself"):
            auto.dump(value)


def test_nesting_is_limited_alike_for_storing_and_reading() -> None:
    value: Any = ()
    for _ in range(90):
        value = (value,)
    assert through(value) == value


KINDS = [
    *(Pair(1, {2}), User(1), Point((1,)), Box(b""), Item(id=1), Model(id=()), Colour.RED),
    *({1: (2, {3})}, re.compile("x"), 2**90, "\ud800", slice(1)),
]
SAMPLES = [auto.dump([one, (1, 2)]) for one in KINDS]


def load_or_refuse(data: bytes) -> None:
    try:
        auto.load(data)
    except ValueError:
        return


@given(st.sampled_from(SAMPLES), st.data())
@settings(max_examples=400)
def test_bytes_that_were_changed_give_a_value_or_a_value_error(data: bytes, draw: st.DataObject) -> None:
    """Rule 44."""
    position = draw.draw(st.integers(0, len(data) - 1))
    changed = bytearray(data)
    changed[position] ^= draw.draw(st.integers(1, 255))
    load_or_refuse(bytes(changed))
    with pytest.raises(ValueError, match="these bytes"):
        auto.load(data[:position])


@given(st.binary(max_size=60))
def test_random_bytes_give_a_value_or_a_value_error(data: bytes) -> None:
    load_or_refuse(data)


def test_deeply_nested_bytes_are_refused() -> None:
    nested = b"\x01"
    for _ in range(3000):
        nested = msgspec.msgpack.encode(msgspec.msgpack.Ext(10, nested))
    for data in (nested, b"\x91" * 100_000, b"\x81\xa1a" * 100_000):
        with pytest.raises(ValueError, match="these bytes"):
            auto.load(data)


@pytest.mark.parametrize(
    "head", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x0a"]
)
def test_lengths_are_not_believed(head: bytes) -> None:
    with pytest.raises(ValueError, match="these bytes"):
        auto.load(head)


@pytest.mark.parametrize("code", range(-128, 128))
def test_every_extension_with_nonsense_in_it_is_refused_or_harmless(code: int) -> None:
    for inside in (b"", b"\xc0", b"\x91\xc0", b"\x93\xa1a\xa1b\xa1c", b"os.system", b"\x92\xa9os.system\x90"):
        load_or_refuse(msgspec.msgpack.encode(msgspec.msgpack.Ext(code, inside)))
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "name", ["os.system", "posix.system", "builtins.eval", "eval", "antigravity", "subprocess.Popen", b"x" * 16]
)
@pytest.mark.parametrize("code", [4, 5])
def test_no_name_in_stored_bytes_leads_to_anything_but_allowed_classes(name: str | bytes, code: int) -> None:
    """Rule 43."""
    inside = msgspec.msgpack.encode([name, "true"] if code == 4 else name)
    with pytest.raises(ValueError, match="these bytes"):
        auto.load(msgspec.msgpack.encode(msgspec.msgpack.Ext(code, inside)))
    assert "antigravity" not in sys.modules
