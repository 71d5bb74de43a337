"""The parameters of a function, read once, and written as source for the callers that are compiled for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from inspect import Parameter

from .errors import ConfigurationError
from .keys import alternatives

__all__ = ["Parameters"]

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Parameters:
    """The parameters of a function.

    Attributes:
        signature: the function's signature.
        names: the names of all parameters, in their order.
        prefix: what no parameter's name begins with; compiled code begins the names with it that it uses for itself.
        source: the parameters as they stand between the brackets of ``def``.
        defaults: the names that the source uses for default values, with these values.
    """

    __slots__ = ("_all", "defaults", "names", "prefix", "signature", "source")

    def __init__(self, signature: inspect.Signature) -> None:
        self.signature = signature
        self._all = tuple(signature.parameters.values())
        self.names = tuple(signature.parameters)
        self.prefix = _unused_prefix(self.names)
        named = {one.name: f"{self.prefix}default_{one.name}" for one in self._all if one.default is not Parameter.empty}
        self.defaults: dict[str, object] = {named[one.name]: one.default for one in self._all if one.name in named}
        self.source = _declaration(self._all, named)

    @classmethod
    def of(cls, function: Callable[..., object]) -> Parameters:
        """Read the parameters of a function.

        Raises:
            ConfigurationError: it has no signature that can be read.
        """
        try:
            return cls(_signature(function))
        except (TypeError, ValueError) as error:
            name = getattr(function, "__qualname__", None) or repr(function)
            message = f"{name} has no signature that can be read, so it cannot be cached; write a function around it"
            raise ConfigurationError(message, setting="function", given=function) from error

    def without(self, ignore: Collection[str]) -> tuple[str, ...]:
        """Return the names of all parameters but those that are to be ignored.

        Raises:
            ConfigurationError: one of those is no parameter.
        """
        unknown = next((name for name in ignore if name not in self.names), None)
        if unknown is not None:
            message = f"ignore names {unknown!r}, which is no parameter: {alternatives(unknown, self.names)}"
            raise ConfigurationError(message, setting="ignore", given=ignore)
        return tuple([name for name in self.names if name not in ignore])

    @property
    def extra(self) -> frozenset[str]:
        """The names of ``*args`` and ``**kwargs``, whose values are a tuple and a dict of further arguments."""
        return frozenset(self._of_kinds(Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD))

    @property
    def are_positional(self) -> bool:
        """Whether a call by position can give all of them, and nothing else."""
        return all(one.kind in _POSITIONAL for one in self._all)

    @property
    def bound(self) -> str:
        """The arguments in the three forms of `stillroom.compile.Bound`, as source: values, args and kwargs."""
        return f"{_tuple(self.names)}, {self.passed}"

    @property
    def passed(self) -> str:
        """The arguments as they are passed on, as source: args and kwargs."""
        further = ["*" + name for name in self._of_kinds(Parameter.VAR_POSITIONAL)]
        named = [f"{name!r}: {name}" for name in self._of_kinds(Parameter.KEYWORD_ONLY)]
        named += ["**" + name for name in self._of_kinds(Parameter.VAR_KEYWORD)]
        args = [*self._of_kinds(*_POSITIONAL), *further]
        return f"{_tuple(args)}, {{{', '.join(named)}}}"

    @property
    def unbinding(self) -> str | None:
        """The statement that puts the object that a method is bound to in the place of the bound method, which came first.

        ``None`` if there is no place for it: nothing can be given to the function by position.
        """
        first = self._all[0] if self._all else None
        if first is not None and first.kind in _POSITIONAL:
            return f"{first.name} = {first.name}.__self__"
        if first is not None and first.kind is Parameter.VAR_POSITIONAL:
            return f"{first.name} = ({first.name}[0].__self__, *{first.name}[1:])"
        return None

    def _of_kinds(self, *kinds: object) -> list[str]:
        return [one.name for one in self._all if one.kind in kinds]


def _unused_prefix(names: Iterable[str]) -> str:
    prefix = "_stillroom_"
    while any(name.startswith(prefix) for name in names):
        prefix += "_"
    return prefix


def _declaration(parameters: Iterable[Parameter], defaults: dict[str, str]) -> str:
    # Where which stars and slashes stand is known to `inspect`: it prints the signature, with names in place of the defaults.
    plain = [one.replace(annotation=Parameter.empty) for one in parameters]
    named = [one.replace(default=_Name(defaults[one.name])) if one.name in defaults else one for one in plain]
    return str(inspect.Signature(named))[1:-1]


class _Name:
    """A default that `inspect` prints as a name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


def _tuple(parts: Iterable[str]) -> str:
    return "(" + "".join(f"{part}, " for part in parts) + ")"


def _signature(function: Callable[..., object]) -> inspect.Signature:
    """Return the signature that calls have to fit: a wrapper's own, unless it takes whatever it is given and hands it on."""
    own = inspect.signature(function, follow_wrapped=False)
    hands_on = {one.kind for one in own.parameters.values()} == {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}
    return inspect.signature(function) if hands_on else own
