"""From a function and a call to the text of its key."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Iterable
from functools import lru_cache
from typing import Any, Final

from .exceptions import WrongKeyError
from .formatter import TemplateFormatter, default_format, default_formatter
from .key_context import get as context_values

__all__ = [
    "generate_key_template",
    "get_cache_key",
    "get_cache_key_template",
    "get_call_values",
    "get_func_params",
    "noself",
]

ARGS: Final = "__args__"
KWARGS: Final = "__kwargs__"


def get_cache_key(
    func: Callable[..., Any], template: str | None = None, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
) -> str:
    """Return the key of a call.

    Args:
        func: the function.
        template: its key template; that of all arguments unless given.
        args: what it is called with.
        kwargs: what it is called with by name.
    """
    return default_format(template or get_cache_key_template(func), **call_values(func, args, kwargs or {}))


@lru_cache(maxsize=1_000)
def get_cache_key_template(
    func: Callable[..., Any], key: str | None = None, prefix: str = "", exclude_parameters: Container[str] = ()
) -> str:
    """Return the key template of a function.

    Args:
        func: the function.
        key: the template that the user chose; one of all parameters unless given.
        prefix: stands before it.
        exclude_parameters: the names of parameters that are left out, unless ``key`` is given.

    Raises:
        WrongKeyError: ``key`` names what is no parameter.
    """
    if key is None:
        key = generate_key_template(func, exclude_parameters)
    elif "{" in key:
        _check(key, get_func_params(func))
    return f"{prefix}:{key}" if prefix else key


def generate_key_template(func: Callable[..., Any], exclude_parameters: Container[str] = (), separator: str = ":") -> str:
    """Return the template of a function of which all parameters but some are part: ``"module:function:name:{name}"``."""
    names = [name for name in get_func_params(func) if name not in exclude_parameters]
    fields = [f"{{{name}}}" if name in (ARGS, KWARGS) else f"{name}:{{{name}}}" for name in names]
    return ":".join([f"{func.__module__}{separator}{func.__qualname__}", *fields])


def get_func_params(func: Callable[..., Any]) -> Iterable[str]:
    """Return the names that templates know the parameters of a function by."""
    for name, parameter in _signature(func).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            yield KWARGS
        else:
            yield ARGS if parameter.kind is parameter.VAR_POSITIONAL else name


def get_call_values(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name, without the tuple and the dict of further ones."""
    return {name: value for name, value in call_values(func, args, kwargs).items() if name not in (ARGS, KWARGS)}


def call_values(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by the names that templates know them by, defaults applied."""
    signature = _signature(func)
    bound = signature.bind_partial(*args, **kwargs)
    bound.apply_defaults()
    values: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            values |= {KWARGS: value, **value}
        else:
            values[ARGS if kind is inspect.Parameter.VAR_POSITIONAL else name] = value
    return values


def noself(decor_func: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator like the one given, for methods whose ``self`` does not matter to the key."""

    def decorator(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        def of_method(method: Callable[..., Any]) -> Any:
            key = kwargs.get("key") or get_cache_key_template(method, exclude_parameters=("self",))
            return decor_func(*args, **{**kwargs, "key": key})(method)

        return of_method

    return decorator


@lru_cache(maxsize=1_000)
def _signature(func: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(func)


class _Anything:
    """Stands for any argument while a template is checked."""

    def __getattr__(self, name: str) -> _Anything:
        return self

    def __getitem__(self, item: object) -> _Anything:
        return self


def _check(key: str, names: Iterable[str]) -> None:
    """Check that a template names parameters, or values of the key context.

    Raises:
        WrongKeyError: it names something else.
    """

    def refuse(name: str) -> str:
        raise WrongKeyError(f"the key {key!r} names {name!r}, which is no parameter of the function")

    known = {**context_values()[0], **dict.fromkeys(names, _Anything()), "@": _Anything()}
    _Checking(refuse).format(key, **known)


class _Checking(TemplateFormatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        return "" if isinstance(value, _Anything) else default_formatter.text(value)
