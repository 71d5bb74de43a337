"""Which result of a cached function is meant, in terms of the parameters of a function that changes data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from typing import Any, Final, NamedTuple

from .capabilities import TwoSided
from .entry import MISSING
from .errors import ConfigurationError
from .function import Operations
from .keys import Field, alternatives, parse_field
from .methods import BoundFunction
from .parameters import Parameters
from .protocols import Key

__all__ = ["RESULT", "Result", "cached", "check_map"]

RESULT: Final = "return"
"""How fields name what a function has returned: no parameter can be called so."""

_OWNERS: Final = ("self", "cls")


class Result(NamedTuple):
    """One result of a cached function.

    Attributes:
        operations: everything that the function does.
        sources: for each of its parameters, the field that leads to the argument, or else the argument itself.
    """

    operations: Operations
    sources: tuple[tuple[Field | None, object], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """What the fields start from."""
        return tuple([field.root for field, _ in self.sources if field is not None])

    @classmethod
    def of(
        cls,
        meant: tuple[Operations, object],
        function: Callable[..., Any],
        parameters: Parameters,
        given_map: Mapping[str, str],
    ) -> Result:
        """Find out which result of a cached function is meant in terms of another function's parameters.

        Args:
            meant: what `cached` has found.
            function: the other function.
            parameters: those of the other function.
            given_map: from parameters of the cached function to what stands for them.

        Raises:
            ConfigurationError: there is a parameter of which nothing is known.
        """
        operations, owner = meant
        wanted = Parameters.of(operations.function).signature.parameters
        known = _known(parameters.signature, parameters.names if _share_class(operations.function, function) else ())
        sources: dict[str, tuple[Field | None, object]] = {}
        for index, (name, one) in enumerate(wanted.items()):
            if name in given_map:
                sources[name] = parse_field(given_map[name], (*parameters.names, RESULT), "map"), None
            elif index == 0 and owner is not MISSING:
                sources[name] = None, owner
            elif known.get(name) == _is_extra(one):
                sources[name] = parse_field(name, parameters.names, "map"), None
            else:
                sources[name] = None, _default(one)
        missing = _missing(sources, operations.keying.needs)
        if missing:
            raise _unmapped(operations, missing, parameters)
        return cls(operations, tuple(sources.values()))

    def key(self, arguments: Mapping[str, object]) -> Key:
        """Return its key, given the arguments and perhaps the result of the other function.

        Raises:
            UncacheableArgument: a field leads to nothing, or to what cannot be keyed.
            MissingKeyContext: a value of the key context is not set.
        """
        keying = self.operations.keying
        found = [value if field is None else field.lookup(field.start(arguments)) for field, value in self.sources]
        key = Key(keying.space, keying.local(tuple(found)))
        if isinstance(self.operations.core.store, TwoSided):
            key.space.shared_text(key.local)  # refuses what means nothing to other processes now, not when it is too late
        return key


def cached(given: object, setting: str) -> tuple[Operations, object]:
    """Return what a cached function does, and the object that a bound method is of, or ``MISSING``.

    Raises:
        ConfigurationError: it is no cached function.
    """
    plain: Any = getattr(given, "__func__", given) if type(given) in (staticmethod, classmethod) else given
    found = plain if isinstance(plain, BoundFunction) else getattr(getattr(plain, "invalidate", None), "__self__", None)
    if isinstance(found, BoundFunction):
        return found.operations, found.__self__
    if isinstance(found, Operations):
        return found, MISSING
    if hasattr(plain, "one"):  # a batch function goes by its function of one item
        return cached(plain.one, setting)
    message = f"{setting} must be a function decorated with @cache(...), or several, not {given!r}"
    raise ConfigurationError(message, setting=setting, given=given)


def check_map(given: Mapping[str, str] | None, functions: tuple[Operations, ...]) -> Mapping[str, str]:
    """Return a map from parameters of cached functions.

    Raises:
        ConfigurationError: it is none, or no function has such a parameter.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not functions:
        wrong = f"not {given!r}" if functions else "so it needs of="
        message = f'map must be a mapping from parameters of the functions in of, such as {{"user_id": "user.id"}}, {wrong}'
        raise ConfigurationError(message, setting="map", given=given)
    signatures = [Parameters.of(one.function).signature for one in functions]
    names = {name for signature in signatures for name, one in signature.parameters.items() if not _is_extra(one)}
    unknown = next((name for name in given if name not in names), None)
    if unknown is not None:
        message = (
            f"map names {unknown!r}, which is no parameter of a function in of: {alternatives(str(unknown), sorted(names))}"
        )
        raise ConfigurationError(message, setting="map", given=given)
    return given


def _missing(sources: Mapping[str, tuple[Field | None, object]], needs: tuple[str, ...]) -> list[str]:
    """Return the parameters that say which result is meant, but of which nothing is known.

    Where all of them are as by default, nothing is: a function that changes something else is not about page 1 of a list.
    """
    telling = [name for name in needs if name not in _OWNERS]
    if telling and all(sources[name][0] is None for name in telling):
        return telling
    return [name for name in needs if sources[name][0] is None and sources[name][1] is MISSING]


def _known(signature: Signature, owners: tuple[str, ...]) -> dict[str, bool]:
    """Return the parameters that can be mapped by their names, and whether each takes any number of arguments.

    ``self`` is another object in another class, so it counts only where both functions are of the same class.
    """
    known = {name: _is_extra(one) for name, one in signature.parameters.items()}
    return {name: extra for name, extra in known.items() if name not in _OWNERS or name in owners}


def _share_class(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    homes = {(f.__module__, str(getattr(f, "__qualname__", "")).rpartition(".")[0]) for f in (one, other)}
    return len(homes) == 1


def _is_extra(one: Parameter) -> bool:
    return one.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def _default(one: Parameter) -> object:
    if one.kind is Parameter.VAR_POSITIONAL:
        return ()
    if one.kind is Parameter.VAR_KEYWORD:
        return {}
    return MISSING if one.default is Parameter.empty else one.default


def _unmapped(operations: Operations, missing: list[str], parameters: Parameters) -> ConfigurationError:
    example = ", ".join(f'"{name}": "..."' for name in missing)
    names = ", ".join((*parameters.names, RESULT))
    return ConfigurationError(
        f"it is not known which result of {operations.name} is meant: nothing is mapped to {' and '.join(missing)}. Say it "
        f"with map={{{example}}}, where a value is one of {names} or leads into it; or end all its results with all_of=",
        setting="map",
        given=None,
    )
