from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.errors import ConfigurationError
from stillroom.keys import Parameters

SENTINEL = object()


def everything(a: int, /, b: Any = SENTINEL, *args: int, c: int, d: str = "d", **kwargs: int) -> None: ...


def nothing() -> None: ...


def keyword_only(*, a: int, b: int = 2) -> None: ...


def shadowing(type: int, len: int = 1, *, _default_len: int = 2, bind: int = 3) -> None: ...


class Service:
    def method(self, x: int, y: int = 2) -> None: ...


FUNCTIONS: list[Callable[..., Any]] = [everything, nothing, keyword_only, shadowing, Service.method, Service().method]

calls = st.tuples(
    st.lists(st.integers(0, 1), max_size=4).map(tuple),
    st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e", "x", "y", "self", "type", "len"]), st.integers(0, 1), max_size=3),
)


@given(st.sampled_from(FUNCTIONS), calls)
def test_arguments_are_bound_as_python_binds_them(
    function: Callable[..., Any], call: tuple[tuple[int, ...], dict[str, int]]
) -> None:
    """Rule 6: positional, keyword, default and keyword order never matter."""
    args, kwargs = call
    parameters = Parameters.of(function)
    try:
        expected = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            parameters.bind(args, kwargs)
        return
    expected.apply_defaults()
    assert parameters.bind(args, kwargs) == expected.arguments


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1,), {"z": 1}), ((1, 2, 3, 4), {}), ((1,), {"x": 1, "self": 2})])
def test_wrong_arguments_are_reported_in_the_words_of_the_function(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    with pytest.raises(TypeError) as expected:
        Service.method(*args, **kwargs)
    with pytest.raises(TypeError) as caught:
        Parameters.of(Service.method).bind(args, kwargs)
    assert str(caught.value) == str(expected.value)


def test_the_parameters_of_a_function_are_read() -> None:
    parameters = Parameters.of(everything, ignore=("d", "kwargs"))
    assert parameters.names == ("a", "b", "args", "c", "d", "kwargs")
    assert parameters.keyed == ("a", "b", "args", "c")
    assert parameters.ignored == {"d", "kwargs"}
    assert (parameters.extra_positional, parameters.extra_keywords) == ("args", "kwargs")
    assert (Parameters.of(nothing).extra_positional, Parameters.of(nothing).extra_keywords) == (None, None)


def test_values_come_in_the_order_of_the_keyed_parameters() -> None:
    parameters = Parameters.of(everything, ignore=["b"])
    arguments = parameters.bind((1, 2, 3), {"e": 5, "c": 4})
    assert parameters.values(arguments) == (1, (3,), 4, "d", {"e": 5})


def test_defaults_are_the_very_objects() -> None:
    assert Parameters.of(everything).bind((1,), {"c": 2})["b"] is SENTINEL


def test_the_declaration_compiles_to_the_same_signature() -> None:
    parameters = Parameters.of(everything)
    scope: dict[str, Any] = dict(parameters.defaults)
    exec(f"def copy({parameters.declaration}): ...", scope)
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(everything).parameters.values()]
    assert list(inspect.signature(scope["copy"]).parameters.values()) == plain


def test_ignoring_what_is_no_parameter_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'method'") as caught:
        Parameters.of(lambda method, url: None, ignore=("methd",))
    assert (caught.value.setting, caught.value.given) == ("ignore", ("methd",))
    assert "method, url" in str(caught.value)


def test_ignore_is_a_tuple_of_names() -> None:
    with pytest.raises(ConfigurationError, match=r'ignore=\("session",\)'):
        Parameters.of(lambda session: None, ignore="session")


@pytest.mark.parametrize("function", [5, range])
def test_what_has_no_signature_is_refused(function: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Parameters.of(function)
    assert caught.value.setting == "function"
