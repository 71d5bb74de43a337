"""Cached methods, class methods and static methods: who shares with whom, and what they look like."""

from __future__ import annotations

import abc
import copy
import enum
import functools
import gc
import inspect
import pickle
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from stillroom import Cache, ConfigurationError, UncacheableArgument

shared: Any = Cache()


class Shop:
    """A class with a cached method of every sort."""

    def __init__(self, id: int = 0) -> None:
        self.id = id

    @shared(ttl=60)
    def price(self, item: str, amount: int = 1) -> list[object]:
        """Return the price."""
        return [self.id, item, amount]

    @shared(ttl=60)
    async def price_async(self, item: str, amount: int = 1) -> list[object]:
        """Return the price."""
        return [self.id, item, amount]

    @shared(ttl=60)
    @classmethod
    def above(cls, item: str) -> list[object]:
        return [cls, item]

    @classmethod
    @shared(ttl=60)
    def below(cls, item: str) -> list[object]:
        return [cls, item]

    @shared(ttl=60)
    @staticmethod
    def static_above(item: str) -> list[object]:
        return [item]

    @staticmethod
    @shared(ttl=60)
    def static_below(item: str) -> list[object]:
        return [item]

    @property
    @shared(ttl=60)
    def name(self) -> list[object]:
        return ["shop", self.id]

    @shared(ttl=60)
    def items(self, count: int):
        yield from range(count)

    def uncached(self, item: str, amount: int = 1) -> list[object]:
        return [self.id, item, amount]


class Branch(Shop):
    """Inherits everything, and changes one method."""

    @shared(ttl=60)
    def price(self, item: str, amount: int = 1) -> list[object]:
        return ["branch", *super().price(item, amount)]


@dataclass(frozen=True)
class Frozen:
    id: int

    @shared(ttl=60)
    def price(self, item: str) -> list[object]:
        return [self.id, item]


@dataclass(frozen=True)
class FrozenToo(Frozen):
    pass


class Pair(NamedTuple):
    a: int
    b: int

    @shared(ttl=60)
    def total(self) -> list[int]:
        return [self.a + self.b]


class Colour(enum.Enum):
    RED = 1
    BLUE = 2

    @shared(ttl=60)
    def shade(self) -> list[object]:
        return [self]


# Instances


def test_each_instance_has_its_own_entries() -> None:
    """Rule 10."""
    one, other = Shop(1), Shop(1)
    assert one.price("a") is one.price(item="a", amount=1)
    assert one.price("a") is not other.price("a")
    assert Shop.price(one, "a") is one.price("a") is Shop.price(self=one, item="a")


def test_an_instance_is_not_kept_alive() -> None:
    """Rule 10."""
    shop = Shop()
    shop.price("a")
    shop.price.put(["b"], "b")
    shop.price.many(["c"])
    assert list(shop.items(2)) == [0, 1]
    watched = weakref.ref(shop)
    del shop
    gc.collect()
    assert watched() is None


def test_an_instance_with_asynchronous_methods_is_not_kept_alive(run: Callable[[Any], Any]) -> None:
    """Rule 10."""
    shop = Shop()
    run(shop.price_async("a"))
    watched = weakref.ref(shop)
    del shop
    gc.collect()
    assert watched() is None


def test_an_address_that_is_used_again_never_hits() -> None:
    """Rule 10: never by address."""
    seen = []
    for number in range(200):
        shop = Shop(number)
        seen.append(shop.price("a")[0])
        del shop
    assert seen == list(range(200))


@pytest.mark.memory_only("instances are told apart by numbers, which mean nothing to other processes")
def test_an_instance_that_cannot_be_hashed_has_entries_of_its_own(cache: Any) -> None:
    class Equal:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return True

        @cache(ttl=60)
        def load(self):
            return object()

    one, other = Equal(), Equal()
    assert one.load() is one.load()
    assert one.load() is not other.load()


def test_a_copy_of_an_instance_is_another_instance() -> None:
    shop = Shop(1)
    assert copy.copy(shop).price("a") is not shop.price("a")
    assert copy.deepcopy(shop).price("a") is not shop.price("a")


@pytest.mark.parametrize(("one", "same", "other"), [(Frozen(1), Frozen(1), Frozen(2)), (Frozen(1), Frozen(1), FrozenToo(1))])
def test_a_frozen_dataclass_is_its_value(one: Any, same: Any, other: Any) -> None:
    """Rule 10: by declared identity."""
    assert one.price("a") is same.price("a")
    assert one.price("a") is not other.price("a")


def test_named_tuples_and_enumerations_are_their_values() -> None:
    """Rule 10."""
    assert Pair(1, 2).total() is Pair(1, 2).total()
    assert Pair(1, 2).total() is not Pair(2, 1).total()
    assert Colour.RED.shade() == [Colour.RED]
    assert Colour.BLUE.shade() == [Colour.BLUE]
    assert list(Colour) == [Colour.RED, Colour.BLUE]


@pytest.mark.memory_only("instances are told apart by numbers, which mean nothing to other processes")
def test_slots_with_weak_references_are_enough(cache: Any) -> None:
    class Slotted:
        __slots__ = ("__weakref__", "id")

        @cache(ttl=60)
        def load(self):
            return object()

    one, other = Slotted(), Slotted()
    assert one.load() is one.load()
    assert one.load() is not other.load()


@pytest.mark.by_reference
def test_slots_without_weak_references_are_refused_with_the_ways_out(cache: Any) -> None:
    """Rule 10."""

    class Closed:
        __slots__ = ("id",)

        @cache(ttl=60)
        def load(self):
            return object()

        @cache(ttl=60, key="closed:{self.id}")
        def by_id(self):
            return object()

        @cache(ttl=60, ignore=("self",))
        def without(self):
            return object()

    one: Any = Closed()
    same: Any = Closed()
    one.id = same.id = 5
    with pytest.raises(UncacheableArgument, match="__weakref__") as caught:
        one.load()
    assert caught.value.parameter == "self"
    for way in ('ignore=("self",)', 'key="', "register_key_type"):
        assert way in str(caught.value)
    assert one.by_id() is same.by_id()
    assert one.without() is same.without()


@pytest.mark.by_reference
def test_a_key_without_self_is_shared_by_all_instances(cache: Any) -> None:
    """Rule 10."""

    class Client:
        def __init__(self, id: int) -> None:
            self.id = id

        @cache(ttl=60, ignore=("self",))
        def everybody(self, a):
            return object()

        @cache(ttl=60, key="client:{self.id}:{a}", tags=["client:{self.id}"])
        def by_id(self, a):
            return object()

    assert Client(1).everybody(1) is Client(2).everybody(1)
    assert Client(1).by_id(1) is Client(1).by_id(1)
    assert Client(1).by_id(1) is not Client(2).by_id(1)
    assert cache.get("client:1:1") is Client(1).by_id(1)
    before, other = Client(1).by_id(1), Client(2).by_id(1)
    cache.invalidate(tags=["client:1"])
    assert Client(1).by_id(1) is not before
    assert Client(2).by_id(1) is other


def test_a_first_parameter_of_another_name_is_an_argument_like_any_other(cache: Any) -> None:
    """Rules 8 and 10: only ``self`` and ``cls`` stand for themselves; a static method has neither."""

    class Shop:
        @cache(ttl=60)
        def price(this, item):  # noqa: N805
            return object()

    with pytest.raises(UncacheableArgument, match="this"):
        Shop().price(1)


# Classes


def test_two_methods_of_one_name_never_meet(cache: Any) -> None:
    """Rule 9."""

    class One:
        @cache(ttl=60, ignore=("self",))
        def load(self, a):
            return "one"

    class Other:
        @cache(ttl=60, ignore=("self",))
        def load(self, a):
            return "other"

    assert (One().load(1), Other().load(1)) == ("one", "other")
    assert One.load.key(None, 1) != Other.load.key(None, 1)


def test_a_subclass_shares_the_method_but_not_the_entries() -> None:
    one, branch = Shop(1), Branch(1)
    assert branch.items.key(1) != one.items.key(1)
    assert branch.name is branch.name
    assert branch.name is not one.name


def test_super_reaches_the_entries_of_the_method_that_was_overridden() -> None:
    branch = Branch(1)
    assert branch.price("a") == ["branch", 1, "a", 1]
    assert Shop.price(branch, "a") == [1, "a", 1]
    assert branch.price.invalidate("a") is True
    assert Shop.price.peek(branch, "a") == [1, "a", 1]


def test_class_methods_of_a_subclass_have_entries_of_their_own() -> None:
    for method in ("above", "below"):
        assert getattr(Shop, method)("a") == [Shop, "a"]
        assert getattr(Branch, method)("a") == [Branch, "a"]
        assert getattr(Shop, method)("a") is getattr(Shop(), method)(item="a")


@pytest.mark.parametrize("method", ["above", "below"])
@pytest.mark.parametrize("owner", [Shop, Shop()])
def test_class_methods_in_either_order_have_all_helpers(method: str, owner: Any) -> None:
    """Rule 49."""
    cached = getattr(owner, method)
    cached.invalidate_all()
    assert cached.peek("a", default="absent") == "absent"
    value = cached("a")
    assert value is cached.peek("a")
    assert cached.many(["a", ("b",), {"item": "a"}]) == [[Shop, "a"], [Shop, "b"], [Shop, "a"]]
    assert cached.invalidate("a") is True
    assert cached.put("new", "a") is None
    assert cached("a") == "new"
    assert cached.refresh("a") == cached.bypass("a") == [Shop, "a"]
    assert cached.key("a").endswith("Shop>,'a')")
    assert cached.stats.refreshes > 0


@pytest.mark.parametrize("method", ["static_above", "static_below"])
@pytest.mark.parametrize("owner", [Shop, Shop()])
def test_static_methods_in_either_order_have_all_helpers(method: str, owner: Any) -> None:
    """Rule 49."""
    cached = getattr(owner, method)
    cached.invalidate_all()
    value = cached("a")
    assert value is cached(item="a") is cached.peek("a")
    assert cached.many(["a", ("b",)]) == [["a"], ["b"]]
    assert cached.invalidate("a") is True
    assert cached.put("new", "a") is None
    assert cached("a") == "new"
    assert cached.refresh("a") == cached.bypass("a") == ["a"]


def test_a_property_over_a_cached_method_reads_its_entry() -> None:
    shop = Shop(7)
    assert shop.name is shop.name
    assert shop.name == ["shop", 7]


@pytest.mark.memory_only("instances are told apart by numbers, which mean nothing to other processes")
def test_special_methods_are_cached(cache: Any) -> None:
    class Table:
        @cache(ttl=60)
        def __call__(self, a):
            return object()

        @cache(ttl=60)
        def __getitem__(self, a):
            return object()

    table = Table()
    assert table(1) is table(a=1)
    assert table[1] is table[1]


def test_abstract_methods_stay_abstract_in_either_order(cache: Any) -> None:
    class Source(abc.ABC):
        @cache(ttl=60)
        @abc.abstractmethod
        def above(self): ...

        @abc.abstractmethod
        @cache(ttl=60)
        def below(self): ...

        @property
        @cache(ttl=60)
        @abc.abstractmethod
        def prop(self): ...

        @cache(ttl=60)
        @classmethod
        @abc.abstractmethod
        def of_class(cls): ...

    assert Source.__abstractmethods__ == {"above", "below", "prop", "of_class"}
    with pytest.raises(TypeError, match="abstract"):
        Source()  # type: ignore[abstract]


@pytest.mark.memory_only("instances are told apart by numbers, which mean nothing to other processes")
def test_a_lambda_in_a_class_body_is_a_method(cache: Any) -> None:
    class Shop:
        price = cache(ttl=60)(lambda self, item: object())

    shop = Shop()
    assert shop.price(1) is shop.price(1)
    assert shop.price.invalidate(1) is True


@pytest.mark.memory_only("instances are told apart by numbers, which mean nothing to other processes")
def test_other_decorators_go_above_and_below_in_a_class(cache: Any) -> None:
    def passing_on(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    class Shop:
        @passing_on
        @cache(ttl=60)
        def above(self, a):
            return object()

        @cache(ttl=60)
        @passing_on
        def below(self, a):
            return object()

        @functools.cached_property
        def kept(self):
            return self.below(1)

    shop = Shop()
    assert shop.above(1) is shop.above(a=1)
    assert shop.below(1) is shop.below(a=1) is shop.kept
    assert shop.below.invalidate(1) is True
    assert shop.above.invalidate(shop, 1) is True


def test_two_templates_alike_in_a_class_and_its_subclass_are_refused(cache: Any) -> None:
    class Base:
        @cache(ttl=60, key="load:{a}")
        def load(self, a):
            return "base"

    with pytest.raises(ConfigurationError, match="same key template"):

        class Sub(Base):
            @cache(ttl=60, key="load:{b}")
            def load(self, b):
                return "sub"


@pytest.mark.memory_only("instances are told apart by numbers, which mean nothing to other processes")
def test_a_method_set_on_an_instance_hides_the_cached_one(cache: Any) -> None:
    class Shop:
        @cache(ttl=60)
        def price(self):
            return "cached"

    shop: Any = Shop()
    shop.price = lambda: "patched"
    assert shop.price() == "patched"
    del shop.price
    assert shop.price() == "cached"


# Looks of bound methods


def test_a_bound_method_looks_like_one() -> None:
    shop = Shop()
    cached: Any = shop.price
    assert (cached.__name__, cached.__qualname__, cached.__doc__) == ("price", "Shop.price", "Return the price.")
    assert cached.__self__ is shop
    assert cached == shop.price
    assert cached != Shop().price
    assert hash(cached) == hash(shop.price)
    assert "Shop.price" in repr(cached)
    assert callable(cached)


def test_a_bound_method_has_the_signature_without_self() -> None:
    assert inspect.signature(Shop().price) == inspect.signature(Shop().uncached)
    assert list(inspect.signature(Shop().above).parameters) == ["item"]
    assert list(inspect.signature(Shop.below).parameters) == ["item"]


def test_the_class_gives_the_function_with_self() -> None:
    assert list(inspect.signature(Shop.price).parameters) == ["self", "item", "amount"]
    assert inspect.isfunction(Shop.price)


def test_a_bound_method_tells_its_module_and_its_function() -> None:
    assert Shop().price.__module__ == __name__
    assert Shop().price.__func__ is Shop.price
    assert Shop().price.__wrapped__.__func__ is Shop.price.__wrapped__


def test_coroutine_methods_are_told_from_others_bound_or_not() -> None:
    for asynchronous in (Shop.price_async, Shop().price_async, Branch().price_async):
        assert inspect.iscoroutinefunction(asynchronous)
    for blocking in (Shop.price, Shop().price, Shop.above, Shop().below):
        assert not inspect.iscoroutinefunction(blocking)


def test_a_bound_method_can_be_referred_to_weakly() -> None:
    shop = Shop()
    weak = weakref.WeakMethod(shop.price)
    again = weak()
    assert again is not None
    assert again("a") is shop.price("a")


def test_a_bound_method_is_pickled_as_bound_methods_are() -> None:
    assert pickle.loads(pickle.dumps(Shop(5).uncached))("a") == [5, "a", 1]
    assert pickle.loads(pickle.dumps(Shop(5).price))("a") == [5, "a", 1]
    assert pickle.loads(pickle.dumps(Shop.above)) == Shop.above


def test_a_missing_attribute_of_a_bound_method_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nope"):
        Shop().price.nope  # noqa: B018


@pytest.mark.parametrize(
    "call",
    [lambda m: m(), lambda m: m("a", 1, 2), lambda m: m("a", item="b"), lambda m: m("a", x=1)],
)
def test_wrong_arguments_of_a_bound_method_raise_what_python_itself_raises(call: Any) -> None:
    shop = Shop()
    with pytest.raises(TypeError) as expected:
        call(shop.uncached)
    with pytest.raises(TypeError) as found:
        call(shop.price)
    assert str(found.value) == str(expected.value).replace("uncached", "price")


# Helpers of bound methods


def test_a_bound_method_has_all_helpers_and_knows_its_object() -> None:
    """Rule 49."""
    shop, other = Shop(1), Shop(2)
    value = shop.price("a")
    other.price("a")
    assert shop.price.key("a") != other.price.key("a")
    assert shop.price.peek("a") is value
    assert shop.price.peek("b", default="absent") == "absent"
    assert shop.price.invalidate("a") is True
    assert shop.price.invalidate("a") is False
    assert other.price.peek("a") == [2, "a", 1]
    assert shop.price.put("new", "a") is None
    assert shop.price("a") == "new"
    assert shop.price.refresh("a") == shop.price.bypass("a") == [1, "a", 1]
    assert shop.price.many(["b", ("a", 2), {"item": "b"}]) == [[1, "b", 1], [1, "a", 2], [1, "b", 1]]
    assert shop.price.stats.snapshot() == Shop.price.stats.snapshot()


def test_the_helpers_of_the_class_are_given_the_object() -> None:
    """Rule 49."""
    shop = Shop(1)
    value = shop.price("a")
    assert Shop.price.peek(shop, "a") is value
    assert Shop.price.many([(shop, "a")]) == [value]
    assert Shop.price.invalidate(shop, "a") is True
    assert shop.price.peek("a", default="absent") == "absent"


def test_the_helpers_of_an_asynchronous_method_are_awaited(run: Callable[[Any], Any]) -> None:
    """Rule 49."""
    shop = Shop(1)
    value = run(shop.price_async("a"))
    assert run(shop.price_async(item="a")) is value is run(shop.price_async.peek("a"))
    assert run(shop.price_async.invalidate("a")) is True
    assert run(shop.price_async.put("new", "a")) is None
    assert run(Shop.price_async(shop, "a")) == "new"
    assert run(shop.price_async.refresh("a")) == run(shop.price_async.bypass("a")) == [1, "a", 1]
    assert run(shop.price_async.many(["a", "b"])) == [[1, "a", 1], [1, "b", 1]]
    assert run(Shop.price_async.invalidate_all()) is None


@pytest.mark.memory_only("instances are told apart by numbers, which mean nothing to other processes")
def test_the_arguments_of_a_method_may_be_called_as_those_of_the_helpers(cache: Any) -> None:
    class Shop:
        @cache(ttl=60)
        def price(self, value, calls, function, first):
            return [value, calls, function, first]

    shop = Shop()
    given = {"value": 1, "calls": 2, "function": 3, "first": 4}
    value = shop.price(1, 2, 3, 4)
    assert value is shop.price(**given) is shop.price.peek(**given)
    assert shop.price.many([given]) == [value]
    assert shop.price.put("new", **given) is None
    assert shop.price(**given) == "new"
