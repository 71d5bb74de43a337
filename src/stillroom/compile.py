"""Callers compiled for one signature.

As `dataclasses` does for ``__init__``, stillroom writes the source of a function with the very parameters of the decorated
one and compiles it once. Python's own calling machinery then binds the arguments, fills in defaults and reports wrong ones,
and the body can look the entry up without any of that work:

    def exchange_rate(base, quote='EUR'):
        try:
            node = gate.entries[base, quote, type(base), type(quote)]
            if now() < node.plain_until:
                node.hits += 1
                return node.value
        except (LookupError, TypeError):
            pass
        return slow((base, quote, type(base), type(quote)), (base, quote), (base, quote), {})

This is the *plain hit path*: no coroutine, no lock, no engine. It may answer whenever the entry found needs no decision,
which is what ``plain_until`` says, and it is closed by an empty ``gate.entries`` while somebody wants to hear of every call.
Arguments that are unhashable or unusual find nothing here, raise at worst, and take the general path to the same entry.

All names here but those of the function and its parameters really begin with a prefix that no parameter begins with.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .keys import INSTANCE
from .parameters import Parameters

__all__ = ["Bound", "PlainPath", "binder", "compiled", "plain_key"]


class Bound(NamedTuple):
    """The arguments of one call, bound to the signature with defaults applied.

    Attributes:
        values: one value for each parameter, in the order of the signature.
        args: how to pass them on positionally.
        kwargs: how to pass on the rest.
    """

    values: tuple[Any, ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class PlainPath(NamedTuple):
    """How the plain hit path of one function finds its entry.

    Attributes:
        key: an expression over the parameters for the local key; ``None`` if there is no plain path.
        variables: the names that the expression uses besides the parameters.
        shared: the entries are shared with other functions and with verbs, so hits are counted at the gate.
        checked: entries may carry tags, so they count only if they were verified since the last invalidation.
        noted: the time of each hit is noted, for keys that are kept warm.
        again: the same expression where it can be evaluated once more, which cannot fail; ``"None"`` where it could.
    """

    key: str | None
    variables: Mapping[str, Any] = {}
    shared: bool = False
    checked: bool = False
    noted: bool = False
    again: str = "None"

    def source(self, prefix: str) -> str:
        """Return the lines that look for an entry and return its value."""
        if self.key is None:
            return ""
        return _PLAIN.format(
            p=prefix,
            key=self.key,
            now=f"({prefix}read_at := {prefix}now())" if self.noted else f"{prefix}now()",
            verified=(f" and {prefix}node.epoch is {prefix}gate.store.epoch" if self.checked else "")
            + (f" and {prefix}node.owner is {prefix}gate.owner" if self.shared else ""),
            count=f"{prefix}gate.hits += 1" if self.shared else "pass",
            note=f"{prefix}node.read_at = {prefix}read_at" if self.noted else "pass",
        )


_PLAIN = """\
    try:
        {p}node = {p}gate.entries[{key}]
        if {now} < {p}node.plain_until{verified}:
            {p}node.hits += 1
            {count}
            {note}
            return {p}node.value
    except {p}missed:
        pass
"""


def plain_key(parameters: Parameters, keyed: tuple[str, ...], instance: str | None, numbers: Mapping[int, int]) -> PlainPath:
    """Return the plain path of a function that is keyed by its arguments.

    Args:
        parameters: its parameters.
        keyed: the names of those that the key is made of.
        instance: the name of the parameter that is keyed by instance, if any.
        numbers: from the identity of a living instance to its number.
    """
    if not parameters.extra.isdisjoint(keyed):
        return PlainPath(None)  # a tuple or dict of further arguments is never a flat part of a key
    p = parameters.prefix
    values = [f"{p}numbers[{p}id({name})]" if name == instance else name for name in keyed]
    types = [f"{p}INSTANCE" if name == instance else f"{p}type({name})" for name in keyed]
    helpers = {f"{p}type": type, f"{p}id": id, f"{p}INSTANCE": INSTANCE, f"{p}numbers": numbers}
    key = ", ".join(values + types) or "()"
    return PlainPath(key, helpers, again=f"({key})" if instance is None else "None")


def binder(function: Callable[..., Any], parameters: Parameters) -> Callable[..., Bound]:
    """Return a function that binds the arguments of a call, and refuses wrong ones in the words of the decorated function."""
    name = f"{parameters.prefix}Bound"
    return compiled(function, parameters, f"    return {name}({parameters.bound})\n", {name: Bound})


def compiled(
    function: Callable[..., Any], parameters: Parameters, body: str, variables: Mapping[str, Any], *, awaits: bool = False
) -> Callable[..., Any]:
    """Return a function with the parameters and the name of the decorated one.

    Args:
        function: the decorated function.
        parameters: its parameters.
        body: the source of the body, indented by four spaces.
        variables: the names that the body uses besides the parameters.
        awaits: make it a coroutine function.
    """
    p = parameters.prefix
    given = str(getattr(function, "__name__", ""))
    name = given if _may_be_defined(given, p) else f"{p}call"
    qualified = getattr(function, "__qualname__", name)
    names = {**variables, **parameters.defaults, f"{p}missed": (LookupError, TypeError)}
    definition = f"{'async ' if awaits else ''}def {name}({parameters.source}):\n{body}"
    indented = "".join(f"    {line}\n" for line in definition.splitlines())
    source = f"def {p}make({', '.join(names)}):\n{indented}    return {name}\n"
    namespace: dict[str, Any] = {}
    exec(compile(source, f"<stillroom caller of {qualified}>", "exec"), namespace)  # noqa: S102 - written above
    made: Callable[..., Any] = namespace[f"{p}make"](**names)
    made.__qualname__ = qualified  # Python names the function by this when it reports wrong arguments
    return made


def _may_be_defined(name: str, prefix: str) -> bool:
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and not name.startswith(prefix)
