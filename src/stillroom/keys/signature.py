"""The parameters of a function, as far as keys are concerned.

Read once per function. Arguments are bound by a compiled function of the same signature, so Python itself binds them, applies
the defaults and says what is wrong with a call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from stillroom.errors import ConfigurationError

from .refusals import alternatives

__all__ = ["Parameters"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a function.

    Attributes:
        names: all of them, in their order.
        keyed: those that are part of the key, in the same order.
        ignored: the others.
        extra_positional: the name of ``*args``, whose value is a tuple; ``None`` if there is none.
        extra_keywords: the name of ``**kwargs``, whose value is a dict; ``None`` if there is none.
        declaration: the parameter list as source, to compile functions of the same signature.
        defaults: the global names that the declaration uses.
    """

    names: tuple[str, ...]
    keyed: tuple[str, ...]
    ignored: frozenset[str]
    extra_positional: str | None
    extra_keywords: str | None
    declaration: str
    defaults: Mapping[str, object]
    _bind: Callable[..., dict[str, object]]

    @classmethod
    def of(cls, function: Callable[..., Any], ignore: Iterable[str] = ()) -> Parameters:
        """Read the parameters of a function.

        Args:
            function: the function.
            ignore: the names of the parameters that are no part of the key.

        Raises:
            ConfigurationError: the function has no signature that can be read, or lacks a parameter that is to be ignored.
        """
        parameters = _read(function)
        names = tuple(parameter.name for parameter in parameters)
        ignored = _checked(ignore, names)
        declaration, defaults = _declared(parameters)
        return cls(
            names=names,
            keyed=tuple(name for name in names if name not in ignored),
            ignored=ignored,
            extra_positional=_named(parameters, Parameter.VAR_POSITIONAL),
            extra_keywords=_named(parameters, Parameter.VAR_KEYWORD),
            declaration=declaration,
            defaults=defaults,
            _bind=_binder(function, names, declaration, defaults),
        )

    def bind(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        """Return the value of every parameter in a call, defaults applied.

        Raises:
            TypeError: the arguments do not fit, in the words that the function itself would use.
        """
        return self._bind(*args, **kwargs)

    def values(self, arguments: Mapping[str, object]) -> tuple[object, ...]:
        """Return the values of the keyed parameters, in their order, from what `bind` returned."""
        return tuple([arguments[name] for name in self.keyed])


def _read(function: Callable[..., Any]) -> list[Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        message = f"function must have a signature that can be read, which {function!r} has not"
        raise ConfigurationError(message, setting="function", given=function) from error


def _checked(ignore: Iterable[str], names: tuple[str, ...]) -> frozenset[str]:
    if isinstance(ignore, str):
        raise ConfigurationError(
            f'ignore must be a tuple of names, as in ignore=("{ignore}",), not a str', setting="ignore", given=ignore
        )
    ignored = tuple(ignore)
    for name in ignored:
        if name not in names:
            message = f"ignore names {name!r}, which is no parameter: {alternatives(str(name), names)}"
            raise ConfigurationError(message, setting="ignore", given=ignored)
    return frozenset(ignored)


def _named(parameters: Iterable[Parameter], kind: object) -> str | None:
    return next((parameter.name for parameter in parameters if parameter.kind is kind), None)


def _declared(parameters: list[Parameter]) -> tuple[str, dict[str, object]]:
    plain = [parameter.replace(annotation=Parameter.empty) for parameter in parameters]
    defaults = {_default_name(p): p.default for p in plain if p.default is not Parameter.empty}
    by_name = [p if p.default is Parameter.empty else p.replace(default=_Source(_default_name(p))) for p in plain]
    return str(inspect.Signature(by_name))[1:-1], defaults


class _Source:
    """A default that `inspect` prints as the name of a global."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


def _default_name(parameter: Parameter) -> str:
    return f"_default_{parameter.name}"


def _binder(
    function: Callable[..., Any], names: tuple[str, ...], declaration: str, defaults: Mapping[str, object]
) -> Callable[..., dict[str, object]]:
    body = ", ".join(f"{name!r}: {name}" for name in names)
    scope: dict[str, Any] = dict(defaults)
    exec(f"def bind({declaration}): return {{{body}}}", scope)  # noqa: S102 -- nothing but the names of parameters
    binder: Callable[..., dict[str, object]] = scope["bind"]
    binder.__name__ = getattr(function, "__name__", "function")
    binder.__qualname__ = getattr(function, "__qualname__", "function")
    return binder
