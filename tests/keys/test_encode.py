from __future__ import annotations

import gc
import importlib
import weakref
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.keys.samples import LEAVES, Colour, MyInt, Pair, Plain, Point, Twin, same, values

from stillroom.errors import ConfigurationError, UncacheableArgument
from stillroom.keys import encode, has_value_identity, register_key_type


class Money:
    def __init__(self, amount: object, currency: str) -> None:
        self.amount = amount
        self.currency = currency


class Gold(Money):
    pass


class Named:
    def __init__(self, name: object) -> None:
        self.name = name


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every test register types of its own."""
    module: Any = importlib.import_module("stillroom.keys.encode")
    monkeypatch.setattr(module, "_registry", module._Registry())


@given(values, values)
def test_texts_are_equal_exactly_if_the_values_are_equal_and_of_the_same_types(a: object, b: object) -> None:
    """Rule 5: keys are injective."""
    assert (encode(a, "x") == encode(b, "x")) is same(a, b)


@pytest.mark.parametrize("a", range(len(LEAVES)))
def test_values_that_are_easily_confused_are_told_apart(a: int) -> None:
    """Rule 5: None, "", 0, False, 0.0, "0" and b"0" all differ."""
    text = encode(LEAVES[a], "x")
    assert [b for b, leaf in enumerate(LEAVES) if (encode(leaf, "x") == text) is not same(LEAVES[a], leaf)] == []


@given(st.dictionaries(st.text(max_size=2), values, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_a_dict_does_not_matter(value: dict[str, object], random: Any) -> None:
    """Rule 6: keys are canonical."""
    items = list(value.items())
    random.shuffle(items)
    assert encode(dict(items), "x") == encode(value, "x")


def test_the_order_of_an_ordered_dict_matters() -> None:
    assert encode(OrderedDict(a=1, b=2), "x") != encode(OrderedDict(b=2, a=1), "x")


def test_texts_read_like_python() -> None:
    value = {"b": [1, 2.0, None], "a": ("Berlin",), 3: {True}}
    assert encode(value, "x") == "{'a':('Berlin',),'b':[1,2.0,None],3:{True}}"


@pytest.mark.parametrize(
    ("value", "parameter"),
    [
        (Plain(), "x"),
        ([0, Plain()], "x[1]"),
        ({"owner": Point(1, Plain())}, "x['owner'].y"),
        ({Plain(): 1}, "x.keys()"),
        ({Plain()}, "x{...}"),
        (Pair(0, [Plain()]), "x.right[0]"),
        (slice(Plain(), 1), "x[0]"),
        ([[[[[[Plain()]]]]]], "x[0][0][0][0][0]..."),
    ],
)
def test_a_refusal_names_the_way_to_the_culprit_and_the_ways_out(value: object, parameter: str) -> None:
    """Rule 8: unknown types are refused by name."""
    with pytest.raises(UncacheableArgument) as caught:
        encode(value, "x")
    assert caught.value.parameter == parameter
    assert caught.value.type is Plain
    for part in (parameter, "samples.Plain", 'ignore=("x",)', 'key="..."', "register_key_type(Plain, function)"):
        assert part in str(caught.value)


@pytest.mark.parametrize("value", [MyInt(1), object(), iter([]), lambda: 0, [].append, Exception(), memoryview(b"")])
def test_what_is_not_known_exactly_is_refused(value: object) -> None:
    """Rule 8: no repr, str or id of arbitrary objects; a subclass of a known type may behave like no such value does."""
    with pytest.raises(UncacheableArgument):
        encode(value, "x")


def test_containers_that_contain_themselves_are_refused() -> None:
    cyclic: list[object] = []
    cyclic.append({"again": (cyclic, cyclic)})
    with pytest.raises(UncacheableArgument, match="contains itself"):
        encode(cyclic, "x")


def test_containers_may_be_nested_deeply() -> None:
    value: object = 1
    for _ in range(150):
        value = [value]
    assert encode(value, "x") == "[" * 150 + "1" + "]" * 150


def test_containers_may_be_as_wide_as_they_like() -> None:
    assert encode([[]] * 1000, "x") == f"[{','.join(['[]'] * 1000)}]"


def test_a_registered_type_is_known_by_what_its_function_returns() -> None:
    register_key_type(Money, lambda money: (money.amount, money.currency))
    text = encode(Money(5, "EUR"), "x")
    assert text.endswith("test_encode.Money((5,'EUR'))")
    assert encode([Money(5, "EUR")], "x") == f"[{text}]"
    assert encode(Money(5.0, "EUR"), "x") != text != encode(Money(6, "EUR"), "x")


def test_a_registration_holds_for_subclasses_under_their_own_names() -> None:
    register_key_type(Money, lambda money: money.amount)
    assert encode(Gold(5, ""), "x").endswith("test_encode.Gold(5)")
    assert encode(Gold(5, ""), "x") != encode(Money(5, ""), "x")


def test_the_nearest_registration_counts() -> None:
    register_key_type(Gold, lambda gold: ("gold", gold.amount))
    register_key_type(Money, lambda money: money.amount)
    assert encode(Gold(5, ""), "x").endswith(".Gold(('gold',5))")


def test_a_registration_takes_effect_at_once() -> None:
    before = encode(Point(1, 2), "x")
    with pytest.raises(UncacheableArgument):
        encode(Money(1, "EUR"), "x")
    register_key_type(Money, lambda money: money.amount)
    register_key_type(Point, lambda point: point.x)
    assert encode(Money(1, "EUR"), "x").endswith(".Money(1)")
    assert before.endswith("Point(x=1,y=2)")
    assert encode(Point(1, 2), "x").endswith("Point(1)")


def test_a_local_class_can_be_registered_but_only_the_last_of_a_name_is_known() -> None:
    """Rule 9: local classes that would share a name are never both known."""

    def define() -> type[Named]:
        class Local(Named):
            pass

        register_key_type(Local, lambda value: value.name)
        return Local

    first = define()
    assert encode(first("a"), "x").endswith("define$<locals>$Local('a')")
    second = define()
    assert encode(second("a"), "x").endswith("define$<locals>$Local('a')")
    with pytest.raises(UncacheableArgument):
        encode(first("a"), "x")


def test_what_a_registered_function_returns_must_be_known_itself() -> None:
    register_key_type(Named, lambda value: [value.name])
    with pytest.raises(UncacheableArgument) as caught:
        encode({"a": Named(Plain())}, "x")
    assert caught.value.parameter == "x['a'] (as registered)[0]"


def test_a_registered_function_that_returns_its_value_does_not_recurse_forever() -> None:
    register_key_type(Named, lambda value: value)
    with pytest.raises(UncacheableArgument, match="nested more than"):
        encode(Named(1), "x")


@pytest.mark.parametrize("known", [int, str, dict, object, type, 5, None])
def test_only_types_that_are_not_known_can_be_registered(known: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        register_key_type(known, lambda value: value)
    assert (caught.value.setting, caught.value.given) == ("type", known)


def test_only_what_can_be_called_can_be_registered() -> None:
    with pytest.raises(ConfigurationError) as caught:
        register_key_type(Money, "amount")  # type: ignore[arg-type]
    assert (caught.value.setting, caught.value.given) == ("function", "amount")


def test_a_type_whose_name_imitates_other_text_cannot_be_registered() -> None:
    with pytest.raises(ConfigurationError, match="plain name"):
        register_key_type(type("Page(1,2)", (), {}), id)


def test_types_are_not_kept_alive() -> None:
    """Rule 30: nothing is left behind of classes that come and go."""
    kind = type("Fleeting", (Point,), {"__module__": __name__})
    globals()["Fleeting"] = kind
    assert encode(kind(1), "x").endswith("Fleeting(x=1,y=0)")
    del globals()["Fleeting"]
    reference = weakref.ref(kind)
    del kind
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("kind", [Colour, Pair, Point, int, str])
def test_values_have_value_identity(kind: type) -> None:
    """Rule 10: self is keyed by declared identity."""
    assert has_value_identity(kind)


def test_plain_classes_and_mutable_records_have_none() -> None:
    class Local(Pair):
        pass

    assert [kind for kind in (Plain, Twin, Local, Money) if has_value_identity(kind)] == []


def test_registration_declares_value_identity() -> None:
    register_key_type(Money, lambda money: money.amount)
    assert has_value_identity(Money)
    assert has_value_identity(Gold)
