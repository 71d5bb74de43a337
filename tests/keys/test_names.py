from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from tests.keys.samples import Colour, Plain, Point, function

from stillroom.errors import UncacheableArgument
from stillroom.keys import encode


class Outer:
    class Inner:
        def method(self) -> None:
            """Have a name."""


class Meta(type):
    pass


class Made(metaclass=Meta):
    pass


class Replaced:
    pass


OLD = Replaced


class Replaced:  # type: ignore[no-redef]
    pass


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (int, "<builtins.int>"),
        (len, "<builtins.len>"),
        (math.sqrt, "<math.sqrt>"),
        (Point, f"<{Point.__module__}.Point>"),
        (Colour, f"<{Point.__module__}.Colour>"),
        (function, f"<{Point.__module__}.function>"),
        (Made, f"<{__name__}.Made>"),
        (Outer.Inner, f"<{__name__}.Outer$Inner>"),
        (Outer.Inner.method, f"<{__name__}.Outer$Inner$method>"),
    ],
)
def test_types_and_functions_are_known_by_name(value: object, text: str) -> None:
    """Rule 9: a function is its module and qualified name."""
    assert encode(value, "x") == text


def _local() -> Callable[[], None]:
    def local() -> None: ...

    return local


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda: 0, "lambda"),
        (_local(), "local to a function"),
        (type("Nowhere", (), {"__module__": __name__}), "not what its name leads to"),
        (type("Odd name", (), {"__module__": __name__}), "no name by which"),
        (type("Lost", (), {"__module__": "no.such.module"}), "not what its name leads to"),
        (OLD, "not what its name leads to"),
        ({}.get, "no name by which"),
    ],
)
def test_what_no_name_leads_to_is_refused(value: object, reason: str) -> None:
    """Rule 9: what would share a name with something else is refused."""
    with pytest.raises(UncacheableArgument, match=reason):
        encode(value, "x")


def test_instances_of_local_classes_are_refused_with_the_reason() -> None:
    class Local(Point):
        pass

    with pytest.raises(UncacheableArgument, match="Local is local to a function") as caught:
        encode([Local(1)], "x")
    assert caught.value.parameter == "x[0]"
    assert caught.value.type is Local
    assert "register_key_type(Local, function)" in str(caught.value)


def test_the_way_out_for_a_lambda_is_a_function_with_a_name() -> None:
    with pytest.raises(UncacheableArgument, match="top level of a module") as caught:
        encode(lambda: 0, "x")
    assert "register_key_type" not in str(caught.value)


def test_a_name_that_is_taken_by_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert encode(Plain, "x").endswith("Plain>")
    monkeypatch.setattr(f"{Plain.__module__}.Plain", object())
    with pytest.raises(UncacheableArgument):
        encode(Plain, "x")


def test_methods_of_two_classes_never_meet() -> None:
    """Rule 9: same-named methods of two classes never meet."""

    def names(*classes: Any) -> set[str]:
        return {encode(kind.__repr__, "x") if kind is Plain else encode(kind, "x") for kind in classes}

    assert len(names(Outer, Outer.Inner, Made)) == 3
