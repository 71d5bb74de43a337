"""From a function and its settings to a cached one: everything that can be done once is done here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

from . import generators
from .compile import Bound, Shape, compiled
from .errors import ConfigurationError
from .function import Operations
from .keying import ByArguments, ByRule, ByTemplate, Keying, rule
from .keys import Template
from .kinds import Kind
from .methods import BoundFunction, descriptor

if TYPE_CHECKING:
    from .core import Core
    from .policy import Policy

__all__ = ["Identity", "decorate"]

HELPERS = ("bypass", "invalidate", "invalidate_all", "key", "many", "peek", "put", "refresh", "stats")


@dataclass(frozen=True)
class Identity:
    """The settings of ``@cache(...)`` that say which entries a function has.

    Attributes:
        key: a template, a callable of the arguments, or ``None`` for all arguments.
        name: what the function is called in keys; ``None`` for module and qualified name.
        namespace: the namespace of its entries.
        version: a new one forgets what was loaded under the old one.
        ignore: the parameters that do not change the result.
        tags: the templates of its tags.
    """

    key: str | Callable[..., str] | None
    name: str | None
    namespace: str
    version: str | int | None
    ignore: tuple[str, ...]
    tags: tuple[str, ...]


def decorate(core: Core, target: Any, identity: Identity, policy_for: Callable[[inspect.Signature], Policy]) -> Any:
    """Return the cached form of a function, method, class method or static method."""
    if isinstance(target, staticmethod):
        return staticmethod(_cached(core, target.__func__, identity, policy_for).caller)
    if isinstance(target, classmethod):
        return _cached(core, target.__func__, identity, policy_for).descriptor(of_class=True)
    if not callable(target):
        raise ConfigurationError(f"only something callable can be cached, not {target!r}", setting="function", given=target)
    made = _cached(core, target, identity, policy_for)
    return made.descriptor(of_class=False) if _stands_in_class(target) else made.caller


@dataclass(frozen=True)
class _Cached:
    """A cached function in the making."""

    function: Callable[..., Any]
    shape: Shape
    operations: Operations
    caller: Callable[..., Any]

    def descriptor(self, *, of_class: bool) -> Any:
        """Return what stands in the body of a class."""
        names = list(self.shape.signature.parameters)
        first = next(iter(self.shape.signature.parameters.values()), None)
        if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
            return self.caller  # nothing to bind to
        bound_shape = Shape(self.shape.name, self.shape.signature.replace(parameters=[*self.shape.signature.parameters.values()][1:]))
        owner = f"    {names[0]} = _stillroom_bound.__self__\n"
        header = ", ".join(part for part in ("_stillroom_bound, /", bound_shape.parameters) if part)
        call = _caller(self.function, self.operations, self.shape, header=header, prelude=owner, defaults=bound_shape.defaults)
        body = {"__slots__": (), "__call__": call, "__func__": self.caller, "operations": self.operations}
        body["__doc__"] = self.function.__doc__
        return descriptor(self.caller, type("BoundFunction", (BoundFunction,), body), of_class=of_class)


def _cached(
    core: Core, function: Callable[..., Any], identity: Identity, policy_for: Callable[[inspect.Signature], Policy]
) -> _Cached:
    signature = inspect.signature(function)
    name = _name(function, identity)
    shape = Shape(function.__name__ if _is_plain_name(function) else "call", signature)
    parameters = tuple(signature.parameters)
    keying, template = _keying(core, signature, name, identity)
    operations = Operations(
        core,
        function,
        Kind.of(function),
        name,
        compiled(function, shape, f"    return _stillroom_Bound({shape.bound})\n", {"_stillroom_Bound": Bound}),
        keying,
        tuple(Template(tag, parameters, "tags") for tag in identity.tags),
        policy_for(signature),
    )
    core.register(operations, template)
    return _Cached(function, shape, operations, _dressed(function, operations, _caller(function, operations, shape)))


def _caller(
    function: Callable[..., Any],
    operations: Operations,
    shape: Shape,
    *,
    header: str | None = None,
    prelude: str = "",
    defaults: dict[str, Any] | None = None,
) -> Callable[..., Any]:
    """Compile what users call: the plain hit path, then the general one."""
    kind = operations.kind
    if kind.is_generator:
        play = generators.play_async if kind is Kind.ASYNC_GENERATOR else generators.play
        body = f"{prelude}    return _stillroom_play(_stillroom_operations, ({shape.bound}))\n"
        variables: dict[str, Any] = {"_stillroom_play": play, "_stillroom_operations": operations}
    else:
        path = operations.plain_path()
        general = "await _stillroom_slow" if kind.is_async else "_stillroom_slow"
        body = f"{prelude}{path.source()}    return {general}({shape.bound})\n"
        slow = operations.slow_async if kind.is_async else operations.slow
        variables = {
            **path.variables,
            "_stillroom_gate": operations.gate,
            "_stillroom_now": operations.core.clock.now,
            "_stillroom_slow": slow,
        }
    return compiled(
        function, shape, body, {**variables, **(defaults or {})}, awaits=kind is Kind.COROUTINE, parameters=header
    )


def _dressed(function: Callable[..., Any], operations: Operations, caller: Callable[..., Any]) -> Callable[..., Any]:
    """Give a compiled caller the look of the function, and the helpers."""
    update_wrapper(caller, function)
    caller.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    for helper in HELPERS:
        setattr(caller, helper, getattr(operations, helper))
    return caller


def _keying(
    core: Core, signature: inspect.Signature, name: str, identity: Identity
) -> tuple[Keying, tuple[str, str] | None]:
    names = core.names(identity.namespace)
    _check_ignored(signature, identity)
    if identity.key is None:
        return ByArguments(signature, identity.ignore, name, identity.namespace), None
    if isinstance(identity.key, str):
        template = Template(identity.key, tuple(signature.parameters))
        return ByTemplate(signature, template, names), (identity.namespace, template.skeleton)
    return ByRule(signature, identity.key, names), None


def _check_ignored(signature: inspect.Signature, identity: Identity) -> None:
    unknown = [name for name in identity.ignore if name not in signature.parameters]
    if unknown:
        raise ConfigurationError(
            f"ignore names {unknown[0]!r}, which is no parameter of {signature}", setting="ignore", given=identity.ignore
        )
    if identity.ignore and identity.key is not None:
        raise ConfigurationError(
            "ignore has no effect beside key, which says by itself what the key is made of", setting="ignore", given=identity.ignore
        )


def _name(function: Callable[..., Any], identity: Identity) -> str:
    name = identity.name
    if name is None:
        qualified = getattr(function, "__qualname__", None)
        if qualified is None:
            raise ConfigurationError(f"{function!r} has no name of its own; give it one with name=", setting="name")
        name = f"{function.__module__}.{qualified}"
    return name if identity.version is None else f"{name}@{identity.version}"


def _is_plain_name(function: Callable[..., Any]) -> bool:
    return str(getattr(function, "__name__", "")).isidentifier()


def _stands_in_class(function: Callable[..., Any]) -> bool:
    around, _, _ = str(getattr(function, "__qualname__", "")).rpartition(".")
    return bool(around) and not around.endswith("<locals>")


def ttl_rule(given: Callable[..., Any], signature: inspect.Signature) -> Callable[..., Any]:
    """Return a rule for the ttl as a policy wants it."""
    return rule(given, signature, "ttl", further=("value",))


def texts(given: Sequence[str] | str, setting: str) -> tuple[str, ...]:
    """Return the texts of a setting that takes several.

    Raises:
        ConfigurationError: it is a single text, or something in it is none.
    """
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(one, str) for one in given):
        raise ConfigurationError(f'{setting} must be a list of texts such as ["a", "b"], not {given!r}', setting=setting, given=given)
    return tuple(given)
