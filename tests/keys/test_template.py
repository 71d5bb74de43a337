from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.keys.samples import LEAVES, Colour, Pair, Plain, same, values

from stillroom.errors import ConfigurationError, UncacheableArgument
from stillroom.keys import Template, digest, encode, key_context

SEPARATORS = [
    ":",
    "/",
    "_",
    "-",
    ".",
    "%:",
    "a:b",
    "1_0",
    " ",
    "'",
    "\"'",
    "((",
    "\\",
    "\n",
    "{{",
    "}}",
    "~",
    "·",
    "é:",
    "\u0301",
    "::",
]
separators = st.sampled_from(SEPARATORS)
words = st.text("ab1_:%'-./·é\u0301 ", max_size=4)
arguments = values | words | st.sampled_from(["None", "True", "nan", "inf", "-inf", "1e+16", "0x10", "-1", "01", ""])


def compiled(template: Template) -> Callable[[Mapping[str, object]], str]:
    """Return a function that evaluates the template's expression."""
    expression, scope = template.expression({"a": "type", "b": "len"})  # names that hide what the expression needs
    exec(f"def render(type=None, len=None): return {expression}", scope)
    render: Any = scope["render"]
    return lambda given: str(render(given.get("a"), given.get("b")))


@given(separators, st.tuples(arguments, arguments), st.tuples(arguments, arguments))
def test_two_calls_render_alike_exactly_if_all_fields_are_equal(
    separator: str, left: tuple[object, object], right: tuple[object, object]
) -> None:
    """Rule 5: templates are injective, too."""
    template = Template(f"x{{a}}{separator}{{b}}y", ("a", "b"))
    texts = [template.render({"a": a, "b": b}) for a, b in (left, right)]
    assert (texts[0] == texts[1]) is same(left, right)


@given(separators, words, words, words, words)
def test_no_string_imitates_a_separator(separator: str, a: str, b: str, c: str, d: str) -> None:
    """Rule 5: no value can imitate a separator."""
    template = Template(f"{{a}}{separator}{{b}}", ("a", "b"))
    one, other = template.render({"a": a, "b": b}), template.render({"a": c, "b": d})
    assert (one == other) is ((a, b) == (c, d))


@given(separators, arguments, arguments)
def test_the_expression_gives_what_render_gives(separator: str, a: object, b: object) -> None:
    """Rule 6: every path builds the same key."""
    template = Template(f"x'\"\\é{separator}{{a}}{separator}{{b}}{separator}{{b!hash}}", ("a", "b"))
    given_values = {"a": a, "b": b}
    assert compiled(template)(given_values) == template.render(given_values)


@given(separators, arguments, arguments)
def test_it_does_so_for_values_of_the_key_context(separator: str, a: object, b: object) -> None:
    template = Template(f"{{@a}}{separator}{{b}}{separator}{{@a!hash}}{separator}{{@ab}}", ("a", "b"))
    given_values = {"a": "argument", "b": b}
    with key_context(a=a, ab=1):
        text = template.render(given_values)
        assert compiled(template)(given_values) == text
    plain = Template(f"{{a}}{separator}{{b}}{separator}{{a!hash}}{separator}{{ab}}", ("a", "b", "ab"))
    assert plain.render({"a": a, "b": b, "ab": 1}) == text


@pytest.mark.parametrize("value", [10**18 - 1, 10**18, -1, 10**3000, "x" * 500, "Ärger", "a·b", "naïve", "ｎａｎ"])
@pytest.mark.parametrize("separator", SEPARATORS)
def test_the_expression_does_so_at_the_edges(separator: str, value: object) -> None:
    template = Template(f"{{a}}{separator}{{b}}", ("a", "b"))
    given_values = {"a": value, "b": value}
    assert compiled(template)(given_values) == template.render(given_values)


def test_the_expression_reports_what_render_reports() -> None:
    template = Template("{a.id}", ("a",))
    with pytest.raises(UncacheableArgument) as expected:
        template.render({"a": None})
    with pytest.raises(UncacheableArgument) as caught:
        compiled(template)({"a": None})
    assert str(caught.value) == str(expected.value)


def test_expressions_with_prefixes_of_their_own_live_side_by_side() -> None:
    one, other = Template("x:{a}", ("a",)), Template("y:{a.left}", ("a",))
    (left, scope), (right, more) = one.expression({"a": "v"}, "_key_"), other.expression({"a": "v"}, "_tag_")
    assert set(scope).isdisjoint(more)
    exec(f"def render(v): return {left}, {right}", scope | more, scope)
    render: Any = scope["render"]
    assert render(Pair(1, 2)) == (one.render({"a": Pair(1, 2)}), "y:1")


def test_variables_never_hide_what_an_expression_uses() -> None:
    template = Template("{a}:{b}", ("a", "b"))
    expression, scope = template.expression({"a": "_key_type", "b": "_key__len"})
    exec(f"def render(_key_type, _key__len): return {expression}", scope)
    render: Any = scope["render"]
    assert render(1, "x" * 300) == template.render({"a": 1, "b": "x" * 300})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        ("5", "'5'"),
        (-5, "-5"),
        ("-5", "'-5'"),
        (5.0, "5.0"),
        ("5.0", "'5.0'"),
        ("5.0.1", "5.0.1"),
        ("2024-report", "2024-report"),
        (True, "True"),
        ("True", "'True'"),
        (None, "None"),
        ("None", "'None'"),
        ("none", "none"),
        ("nan", "'nan'"),
        ("", "''"),
        ("Berlin", "Berlin"),
        ("New York", "New York"),
        ("Zürich", "Zürich"),
        ("a/b.txt", "a/b.txt"),
        ("a:b", "a:b"),
        ("50%", "50%25"),
        ("'a'", "\"'a'\""),
        ("f(x)", "'f(x)'"),
        ("\n", "'\\n'"),
        (b"x", "b'x'"),
        ((1, "x"), "(1,'x')"),
        (date(2024, 1, 2), "date(2024-01-02)"),
        (Colour.RED, f"{Colour.__module__}.Colour['RED']"),
    ],
)
def test_ordinary_values_are_written_plainly(value: object, text: str) -> None:
    assert Template("x:{a}", ("a",)).render({"a": value}) == f"x:{text}"


def test_separators_within_values_are_escaped() -> None:
    """Rule 5: g("x:b:y", "z") and g("x", "y:b:z") differ."""
    template = Template("{a}:b:{b}", ("a", "b"))
    assert template.render({"a": "x:b:y", "b": "z"}) == "x%3Ab%3Ay:b:z"
    assert template.render({"a": "x", "b": "y:b:z"}) == "x:b:y%3Ab%3Az"
    assert Template("{a}→{b}", ("a", "b")).render({"a": "→", "b": "%"}) == "%E2%86%92→%25"


def test_only_what_stands_between_fields_is_escaped() -> None:
    assert Template("a/b:{a}", ("a",)).render({"a": "c/d:e"}) == "a/b:c/d:e"


def test_fields_lead_into_values() -> None:
    template = Template("user:{a.left}:{b[slug]}", ("a", "b"))
    assert template.render({"a": Pair(5, 0), "b": {"slug": "x"}}) == "user:5:x"


def test_a_hashed_field_is_the_digest_of_its_text() -> None:
    """Rule 11: 128 bits of BLAKE2."""
    assert Template("q:{a!hash}", ("a",)).render({"a": "x"}) == f"q:{digest(encode('x', 'a'))}"


def test_a_template_without_fields_is_its_text() -> None:
    template = Template("settings{{}}", ("a",))
    assert template.render({}) == compiled(template)({}) == "settings{}"
    assert template.fields == ()


def test_long_results_are_shortened() -> None:
    """Rule 11: long keys are shortened."""
    template = Template("x:{a}", ("a",))
    assert template.render({"a": "y" * 500}) == "x:" + "y" * 166 + "~" + digest("x:" + "y" * 500)
    assert template.render({"a": "y" * 198}) == "x:" + "y" * 198


def test_the_values_of_the_key_context_in_use_are_known() -> None:
    template = Template("{@tenant.id}:{a}:{@tenant.name}", ("a", "tenant"))
    assert (template.fields, template.context) == (("a",), ("tenant",))
    assert Template("{tenant}", ("tenant",)).context == ()


def test_the_parameters_in_use_are_known() -> None:
    template = Template("{b.x}:{a}:{b[y]}", ("a", "b", "c"))
    assert template.fields == ("b", "a")
    assert repr(template) == "Template('{b.x}:{a}:{b[y]}')"


@pytest.mark.parametrize("between", ["", "x", "12", "é", "%", "a%1"])
def test_fields_that_could_not_be_told_apart_are_refused(between: str) -> None:
    """Rule 5: nothing tells where the first one ends."""
    with pytest.raises(ConfigurationError, match=r"put a separator such as ':' between \{a.x\} and \{b!hash\}"):
        Template(f"{{a.x}}{between}{{b!hash}}", ("a", "b"))


@given(st.sampled_from(LEAVES), st.sampled_from(LEAVES))
def test_one_field_alone_tells_everything(a: object, b: object) -> None:
    """Rule 5: 5, "5", True, "True", None, "None" and 5.0 all differ."""
    template = Template("{a}", ("a",))
    assert (template.render({"a": a}) == template.render({"a": b})) is same(a, b)


@given(values, values)
def test_hashed_fields_tell_everything_too(a: object, b: object) -> None:
    assume(not same(a, b))
    template = Template("{a!hash}", ("a",))
    assert template.render({"a": a}) != template.render({"a": b})


def test_arguments_that_no_field_uses_do_not_matter() -> None:
    assert Template("{a}", ("a", "b")).render({"a": 1, "b": Plain()}) == "1"
