"""Callers compiled for one signature.

As `dataclasses` does for ``__init__``, stillroom writes the source of a function with the very parameters of the decorated one and
compiles it once. Python's own calling machinery then binds the arguments, fills in defaults and reports wrong ones, and the body can
look the entry up without any of that work:

    def exchange_rate(base, quote='EUR'):
        try:
            node = gate.entries[base, quote, type(base), type(quote)]
            if now() < node.plain_until:
                node.hits += 1
                return node.value
        except Exception:
            pass
        return slow((base, quote), (base, quote), {})

This is the *plain hit path*: no coroutine, no lock, no engine. It may answer whenever the entry found needs no decision, which is
what ``plain_until`` says, and it is closed by an empty ``gate.entries`` while somebody wants to hear of every call. Arguments that are
unhashable or unusual find nothing here, raise at worst, and take the general path to the same entry.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .keys import INSTANCE

__all__ = ["Bound", "Shape", "compiled"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_P = "_stillroom_"
"""What the names start with that the compiled code uses for itself; no parameter may."""


@dataclass(frozen=True)
class Bound:
    """The arguments of one call, bound to the signature with defaults applied.

    Attributes:
        values: one value for each parameter, in the order of the signature.
        args: how to pass them on positionally.
        kwargs: how to pass on the rest.
    """

    values: tuple[Any, ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """A signature as source code.

    Attributes:
        name: what the compiled function is called; an identifier.
        signature: the decorated function's signature.
        defaults: the names that the source uses for default values, with these values.
    """

    name: str
    signature: inspect.Signature
    defaults: dict[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> str:
        """The parameters as they stand between the brackets of ``def``."""
        parts: list[str] = []
        kinds = [parameter.kind for parameter in self.signature.parameters.values()]
        for index, (name, parameter) in enumerate(self.signature.parameters.items()):
            if parameter.kind is parameter.KEYWORD_ONLY and "*" not in "".join(parts):
                parts.append("*")
            parts.append(self._parameter(name, parameter))
            if parameter.kind is parameter.POSITIONAL_ONLY and parameter.kind not in kinds[index + 1 :]:
                parts.append("/")
        return ", ".join(parts)

    def _parameter(self, name: str, parameter: inspect.Parameter) -> str:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return "*" + name
        if parameter.kind is parameter.VAR_KEYWORD:
            return "**" + name
        if parameter.default is parameter.empty:
            return name
        default = _P + "default_" + name
        self.defaults[default] = parameter.default
        return f"{name}={default}"

    @property
    def values(self) -> str:
        """A tuple of all arguments, in the order of the signature."""
        return _tuple(self.signature.parameters)

    @property
    def args(self) -> str:
        """A tuple of the arguments that are passed on positionally."""
        names = [name for name, parameter in self.signature.parameters.items() if parameter.kind in _POSITIONAL]
        names += ["*" + name for name, one in self.signature.parameters.items() if one.kind is one.VAR_POSITIONAL]
        return _tuple(names)

    @property
    def kwargs(self) -> str:
        """A dict of the arguments that are passed on by name."""
        parameters = self.signature.parameters
        parts = [f"{name!r}: {name}" for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY]
        parts += ["**" + name for name, one in parameters.items() if one.kind is one.VAR_KEYWORD]
        return "{" + ", ".join(parts) + "}"

    @property
    def bound(self) -> str:
        """The three forms of the arguments that the general path wants, as arguments of a call."""
        return f"{self.values}, {self.args}, {self.kwargs}"


@dataclass(frozen=True)
class PlainPath:
    """How the plain hit path of one function finds its entry.

    Attributes:
        key: an expression over the parameters for the local key; ``None`` if there is no plain path.
        variables: the names that the expression uses besides the parameters.
        shared: the entries are shared with other functions and with verbs, so hits are counted at the gate.
        checked: entries may carry tags, so they count only if they were verified since the last invalidation.
        noted: the time of each hit is noted, for keys that are kept warm.
    """

    key: str | None
    variables: Mapping[str, Any] = field(default_factory=dict)
    shared: bool = False
    checked: bool = False
    noted: bool = False

    def source(self) -> str:
        """Return the lines that look for an entry and return its value."""
        if self.key is None:
            return ""
        return _PLAIN.format(
            p=_P,
            key=self.key,
            now=f"({_P}read_at := {_P}now())" if self.noted else f"{_P}now()",
            verified=f" and {_P}node.epoch is {_P}gate.store.epoch" if self.checked else "",
            count=f"{_P}gate.hits += 1" if self.shared else "pass",
            note=f"{_P}node.read_at = {_P}read_at" if self.noted else "pass",
        )


_PLAIN = """\
    try:
        {p}node = {p}gate.entries[{key}]
        if {now} < {p}node.plain_until{verified}:
            {p}node.hits += 1
            {count}
            {note}
            return {p}node.value
    except {p}Exception:
        pass
"""


def plain_key(
    parameters: Mapping[str, inspect.Parameter], keyed: list[str], instance: str | None, numbers: Mapping[int, int]
) -> PlainPath:
    """Return the plain path of a function that is keyed by its arguments.

    Args:
        parameters: the parameters of its signature.
        keyed: the names of those that the key is made of.
        instance: the name of the parameter that is keyed by instance, if any.
        numbers: from the identity of a living instance to its number.
    """
    if any(parameters[name].kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD) for name in keyed):
        return PlainPath(None)  # a tuple or dict of further arguments is never a flat part of a key
    values = [f"{_P}numbers[{_P}id({name})]" if name == instance else name for name in keyed]
    types = [f"{_P}INSTANCE" if name == instance else f"{_P}type({name})" for name in keyed]
    return PlainPath(", ".join(values + types) or "()", {f"{_P}INSTANCE": INSTANCE, f"{_P}numbers": numbers})


def compiled(
    function: Callable[..., Any],
    shape: Shape,
    body: str,
    variables: Mapping[str, Any],
    *,
    awaits: bool = False,
    parameters: str | None = None,
) -> Callable[..., Any]:
    """Return a function of the given shape and body, dressed as the decorated function.

    Args:
        function: the decorated function, which lends its name and documentation.
        shape: its signature.
        body: the source of the body, indented by four spaces.
        variables: the names that the body uses besides the parameters.
        awaits: make it a coroutine function.
        parameters: the parameters, if they are not those of the shape.
    """
    header = shape.parameters if parameters is None else parameters
    names = {**variables, **shape.defaults, f"{_P}type": type, f"{_P}id": id, f"{_P}Exception": Exception}
    definition = f"{'async ' if awaits else ''}def {shape.name}({header}):\n{body}"
    indented = "".join(f"    {line}\n" for line in definition.splitlines())
    source = f"def {_P}make({', '.join(names)}):\n{indented}    return {shape.name}\n"
    namespace: dict[str, Any] = {}
    exec(compile(source, f"<stillroom caller of {function.__qualname__}>", "exec"), namespace)
    made: Callable[..., Any] = namespace[f"{_P}make"](**names)
    return made


def _tuple(names: Any) -> str:
    return "(" + "".join(f"{name}, " for name in names) + ")"
