from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.compile import binder
from stillroom.errors import ConfigurationError
from stillroom.parameters import Parameters

SENTINEL = object()


def everything(a: int, /, b: Any = SENTINEL, *args: int, c: int, d: str = "d", **kwargs: int) -> None: ...


def nothing() -> None: ...


def keyword_only(*, a: int, b: int = 2) -> None: ...


def shadowing(type: int, len: int = 1, *, _stillroom_default_len: int = 2, _stillroom_node: int = 3) -> None: ...


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
    bind = binder(function, Parameters.of(function))
    try:
        expected = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            bind(*args, **kwargs)
        return
    expected.apply_defaults()
    assert bind(*args, **kwargs) == (tuple(expected.arguments.values()), expected.args, expected.kwargs)


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1,), {"z": 1}), ((1, 2, 3, 4), {}), ((1,), {"x": 1, "self": 2})])
def test_wrong_arguments_are_reported_in_the_words_of_the_function(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    with pytest.raises(TypeError) as expected:
        Service.method(*args, **kwargs)
    with pytest.raises(TypeError) as caught:
        binder(Service.method, Parameters.of(Service.method))(*args, **kwargs)
    assert str(caught.value) == str(expected.value)


def test_defaults_are_the_very_objects() -> None:
    assert binder(everything, Parameters.of(everything))(1, c=2).values[1] is SENTINEL


def test_the_source_compiles_to_the_same_signature() -> None:
    parameters = Parameters.of(everything)
    scope: dict[str, Any] = dict(parameters.defaults)
    exec(f"def copy({parameters.source}): ...", scope)
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(everything).parameters.values()]
    assert list(inspect.signature(scope["copy"]).parameters.values()) == plain


def test_no_parameter_begins_with_the_prefix() -> None:
    parameters = Parameters.of(shadowing)
    assert Parameters.of(everything).prefix == "_stillroom_"
    assert parameters.prefix == "_stillroom__"
    assert not any(name.startswith(parameters.prefix) for name in parameters.names)


def test_what_is_left_when_some_are_ignored() -> None:
    parameters = Parameters.of(everything)
    assert parameters.names == ("a", "b", "args", "c", "d", "kwargs")
    assert parameters.without(("d", "kwargs")) == ("a", "b", "args", "c")
    assert parameters.without(()) == parameters.names
    assert parameters.extra == {"args", "kwargs"}


def test_ignoring_what_is_no_parameter_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'method'") as caught:
        Parameters.of(lambda method, url: None).without(("methd",))
    assert (caught.value.setting, caught.value.given) == ("ignore", ("methd",))
    assert "method, url" in str(caught.value)


@pytest.mark.parametrize("function", [5, dict.get, max])
def test_what_has_no_signature_is_refused_by_name(function: Any) -> None:
    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        with pytest.raises(ConfigurationError, match=getattr(function, "__qualname__", "5")) as caught:
            Parameters.of(function)
        assert caught.value.setting == "function"
    else:  # some versions of Python know more signatures than others
        assert Parameters.of(function).names
