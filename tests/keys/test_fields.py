from __future__ import annotations

from typing import Any

import pytest
from tests.keys.samples import Pair, Plain

from stillroom.errors import ConfigurationError, UncacheableArgument
from stillroom.keys import Template
from stillroom.keys.fields import Field, parse

PARAMETERS = ("user", "team_id", "doc", "query")


def pieces(source: str) -> list[str]:
    return [piece if isinstance(piece, str) else f"<{piece.path}>" for piece in parse(source, PARAMETERS, "key")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", []),
        ("users", ["users"]),
        ("user:{user.id}", ["user:", "<user.id>"]),
        ("{doc[slug]}", ["<doc[slug]>"]),
        ("{doc[a b-c:d]}", ["<doc[a b-c:d]>"]),
        ("{doc[0].a[b].c}", ["<doc[0].a[b].c>"]),
        ("{{user}}", ["{user}"]),
        ("{{{user}}}", ["{", "<user>", "}"]),
        ("{user}:{team_id}", ["<user>", ":", "<team_id>"]),
    ],
)
def test_templates_are_read(source: str, expected: list[str]) -> None:
    assert pieces(source) == expected


def test_digits_in_brackets_are_an_index_as_in_format_strings() -> None:
    by_index, by_name = (piece for piece in parse("{doc[0]}:{doc[x]}", PARAMETERS, "key") if isinstance(piece, Field))
    assert by_index.lookup(["zero"]) == "zero"
    assert by_name.lookup({"x": "ex"}) == "ex"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (5, "must be a template"),
        (None, "must be a template"),
        ("user:{}", "empty field"),
        ("user:{0}", "positional field"),
        ("user:{usr}", "did you mean 'user'"),
        ("user:{other}", "the parameters are user, team_id, doc, query"),
        ("user:{user:>5}", r"write \{user\}"),
        ("user:{user!r}", "only conversion is !hash"),
        ("user:{user!}", "only conversion is !hash"),
        ("user:{user", "'{' without its counterpart"),
        ("user:user}", "'}' without its counterpart"),
        ("user:{user}}", "'}' without its counterpart"),
        ("user:{{user}", "'}' without its counterpart"),
        ("user:{user id}", "attributes and items"),
        ("user:{user.}", "attributes and items"),
        ("user:{ user}", "not the name of a parameter"),
        ("user:{user()}", "attributes and items"),
        ("user:{user+1}", "attributes and items"),
    ],
)
def test_templates_that_make_no_sense_are_refused(source: Any, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as caught:
        Template(source, PARAMETERS, "tags")
    assert (caught.value.setting, caught.value.given) == ("tags", source)
    assert str(caught.value).startswith("tags ")
    assert repr(source) in str(caught.value)


def test_a_template_of_a_function_without_parameters_has_no_fields() -> None:
    with pytest.raises(ConfigurationError, match="there are no parameters"):
        Template("{x}", ())


@pytest.mark.parametrize(
    ("source", "value", "parameter", "cause"),
    [
        ("{user.id}", None, "user.id", AttributeError),
        ("{doc[slug]}", {}, "doc[slug]", KeyError),
        ("{doc[3]}", [], "doc[3]", IndexError),
        ("{doc[slug]}", 5, "doc[slug]", TypeError),
        ("{user.left.id}", Pair(1, 2), "user.left.id", AttributeError),
    ],
)
def test_a_field_that_leads_nowhere_is_reported(source: str, value: object, parameter: str, cause: type[Exception]) -> None:
    with pytest.raises(UncacheableArgument) as caught:
        Template(source, PARAMETERS).render({"user": value, "doc": value})
    assert caught.value.parameter == parameter
    assert isinstance(caught.value.__cause__, cause)
    assert source in str(caught.value)


def test_a_field_whose_value_cannot_be_keyed_is_refused() -> None:
    """Rule 8: unknown types are refused by name."""
    with pytest.raises(UncacheableArgument, match=r'ignore=\("user",\)') as caught:
        Template("{user.left}", PARAMETERS).render({"user": Pair(Plain(), 1)})
    assert caught.value.parameter == "user.left"
