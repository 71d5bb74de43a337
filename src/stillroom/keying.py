"""From the arguments of a call to its key: by the arguments themselves, by a template, or by the user's own function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from .compile import PlainPath, plain_key
from .errors import ConfigurationError
from .keys import LONGEST, Template, instances, local_key, shorten, text_of
from .parameters import Parameters
from .protocols import Keyspace

__all__ = ["ByArguments", "ByRule", "ByTemplate", "Keying", "rule"]


class Keying(Protocol):
    """Makes the keys of one function.

    Attributes:
        space: the keyspace that they are in.
        generation: the name of the generation that the function's entries go by.
        shared: whether others, functions or verbs, may use the same keys.
        is_partial: whether calls whose arguments differ may have the same key.
        flat: how many arguments there are, if all can be given by position, and they and their types are the local key wherever
            it has no marks; -1 otherwise.
        needs: the names of the parameters that the keys depend on.
        context: the names of the values of the key context that they depend on.
    """

    space: Keyspace
    generation: str
    shared: bool
    is_partial: bool
    flat: int
    needs: tuple[str, ...]
    context: tuple[str, ...]

    def local(self, values: tuple[Any, ...]) -> Hashable:
        """Return the local key for the values of all parameters."""
        ...

    def plain(self) -> PlainPath:
        """Return how the plain hit path finds an entry; its names begin with the prefix of the function's parameters."""
        ...

    def arguments(self, values: tuple[Any, ...]) -> Mapping[str, object]:
        """Return the arguments by name."""
        ...


class _Named:
    context: tuple[str, ...] = ()
    flat = -1

    def __init__(self, parameters: Parameters, generation: str) -> None:
        self.parameters = parameters
        self.generation = generation

    def arguments(self, values: tuple[Any, ...]) -> Mapping[str, object]:
        return dict(zip(self.parameters.names, values, strict=True))


class ByArguments(_Named):
    """Keys made of all arguments but those that are ignored.

    An argument for ``self`` stands for itself, not for its address: by value where its class says what its value is, else by a
    number that is given to each instance and never to another one. On a shared store, ``around`` stands before the arguments:
    it tells a function from others that were made like it in other surroundings.
    """

    shared = False

    def __init__(
        self, parameters: Parameters, keyed: tuple[str, ...], name: str, namespace: str, generation: str, around: str = ""
    ) -> None:
        super().__init__(parameters, generation)
        names = parameters.names
        self._keyed = self.needs = keyed
        self._positions = [names.index(one) for one in keyed]
        self.is_partial = keyed != names
        self._owner = next((one for one in keyed[:1] if one in ("self", "cls") and one == names[0]), None)
        if keyed == names and self._owner is None and parameters.are_positional:
            self.flat = len(names)
        self.space = Keyspace(namespace, name, partial(_text, keyed), generation, partial(_shared_text, keyed, around))

    def local(self, values: tuple[Any, ...]) -> Hashable:
        if self.is_partial:
            values = tuple([values[index] for index in self._positions])
        if self._owner is not None:
            values = (instances.identity(values[0], self._owner), *values[1:])
        return local_key(self._keyed, values)

    def plain(self) -> PlainPath:
        return plain_key(self.parameters, self._keyed, self._owner, instances.numbers)


def _text(keyed: Sequence[str], local: Any) -> str:
    return shorten(f"({text_of(keyed, local, shared=False)})")


def _shared_text(keyed: Sequence[str], around: str, local: Any) -> str:
    return around + shorten(f"({text_of(keyed, local, shared=True)})")


class ByTemplate(_Named):
    """Keys rendered from a template: names that are shared with the cache's verbs."""

    shared = True
    is_partial = True

    def __init__(self, parameters: Parameters, template: Template, space: Keyspace, generation: str) -> None:
        super().__init__(parameters, generation)
        self.space = space
        self.needs, self.context = template.fields, template.context
        self._template = template

    def local(self, values: tuple[Any, ...]) -> Hashable:
        return self._template.render(self.arguments(values))

    def plain(self) -> PlainPath:
        expression, variables = self._template.expression(
            {name: name for name in self.parameters.names}, self.parameters.prefix
        )
        return PlainPath(expression, variables, shared=True)


class ByRule(_Named):
    """Keys that a function of the user's makes from the arguments: names that are shared with the cache's verbs."""

    shared = True
    is_partial = True

    def __init__(self, parameters: Parameters, function: Callable[..., Any], space: Keyspace, generation: str) -> None:
        super().__init__(parameters, generation)
        self.space = space
        self.needs = parameters.names
        self._rule = rule(function, parameters.signature, "key")
        self._function = function
        self._wanted = _wanted_by_name(function, parameters.signature)

    def local(self, values: tuple[Any, ...]) -> Hashable:
        name = self._rule(self.arguments(values), {})
        if not isinstance(name, str) or not name:
            raise ConfigurationError(
                f"key must return a text that is not empty, not {name!r}; use a template for other types",
                setting="key",
                given=name,
            )
        return shorten(name)

    def plain(self) -> PlainPath:
        """Return a path that calls the user's rule itself; the general path calls it again, and judges what comes of it."""
        if self._wanted is None:
            return PlainPath(None, shared=True)
        p = self.parameters.prefix
        call = f"{p}rule({', '.join(f'{name}={name}' for name in self._wanted)})"
        key = f"({p}text if {p}len({p}text := {call}) <= {LONGEST} else {p}shorten({p}text))"
        return PlainPath(key, {f"{p}rule": self._function, f"{p}len": len, f"{p}shorten": shorten}, shared=True)


def rule(
    function: Callable[..., Any], signature: inspect.Signature, setting: str, further: Sequence[str] = ()
) -> Callable[[Mapping[str, object], Mapping[str, object]], Any]:
    """Return a function that calls the user's rule with the arguments of a call.

    A rule names the parameters it wants, and gets those. If its parameters bear other names, it is called as the decorated
    function is.

    Args:
        function: the user's rule.
        signature: the decorated function's.
        setting: the parameter's name, for the error.
        further: what else the rule may ask for by name.

    Raises:
        ConfigurationError: the rule can be called in neither way.
    """
    names = _wanted_by_name(function, signature, further)
    if names is not None:
        return lambda arguments, more: function(**{name: more[name] if name in more else arguments[name] for name in names})
    wanted = _signature(function)
    extra = [name for name in further if name in wanted.parameters]
    _check_binds(wanted, signature, setting, function, extra)

    def as_called(arguments: Mapping[str, object], more: Mapping[str, object]) -> Any:
        bound = inspect.BoundArguments(signature, dict(arguments))
        return function(*bound.args, **bound.kwargs, **{name: more[name] for name in extra})

    return as_called


def _wanted_by_name(
    function: Callable[..., Any], signature: inspect.Signature, further: Sequence[str] = ()
) -> list[str] | None:
    """Return the names of what a rule wants; ``None`` if its parameters bear other names, so that it is called as a whole."""
    parameters = _signature(function).parameters
    names = [name for name, one in parameters.items() if one.kind in _NAMED]
    is_by_name = names and len(names) == len(parameters) and {*names} <= {*signature.parameters, *further}
    return names if is_by_name else None


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # a builtin that does not tell
        return _ANYTHING


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_ANYTHING = inspect.signature(lambda *args, **kwargs: None)


def _check_binds(
    wanted: inspect.Signature, signature: inspect.Signature, setting: str, function: object, extra: Sequence[str]
) -> None:
    args = [name for name, one in signature.parameters.items() if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    kwargs = [name for name, one in signature.parameters.items() if one.kind is one.KEYWORD_ONLY]
    try:
        wanted.bind(*args, **dict.fromkeys([*kwargs, *extra]))
    except TypeError as error:
        raise ConfigurationError(
            f"{setting} must be a callable that names parameters of {signature}, or takes the same arguments; "
            f"{wanted} does neither: {error}",
            setting=setting,
            given=function,
        ) from error
