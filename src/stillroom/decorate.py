"""From a function and its settings to a cached one: everything that can be done once is done here."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from . import generators
from ._engine.generations import function_generation
from .compile import binder, compiled
from .errors import ConfigurationError
from .form import Form
from .function import Operations
from .guarding import LAYERS, layers, unguarded
from .keying import ByArguments, ByRule, ByTemplate, Keying, rule
from .keys import Template
from .kinds import Kind
from .labels import Label
from .methods import BoundFunction, GuardedMethod, descriptor, stands_in_class
from .parameters import Parameters
from .policy import Policy
from .settings import text

if TYPE_CHECKING:
    import inspect

    from .core import Core
    from .policy import Ttl

__all__ = ["Cached", "Identity", "Settings", "cached", "decorate"]

HELPERS = ("bypass", "invalidate", "invalidate_all", "key", "many", "peek", "put", "refresh", "stats")


class Identity(NamedTuple):
    """The settings of ``@cache(...)`` that say which entries a function has.

    Attributes:
        key: a template, a callable of the arguments, or ``None`` for all arguments.
        name: what the function is called in keys, without an ``@``; ``None`` for module and qualified name.
        namespace: the namespace of its entries.
        version: stands behind the name, after an ``@``; with a new one, values of the old code are no longer found.
        ignore: the parameters that do not change the result.
        tags: the templates of its tags.
    """

    key: str | Callable[..., str] | None
    name: str | None
    namespace: str
    version: str | int | None
    ignore: tuple[str, ...]
    tags: tuple[str, ...]


class Settings(NamedTuple):
    """What a decorator says of functions.

    Attributes:
        identity: which entries they have.
        form: in what form their values are stored.
        policy: their freshness rules, but for a rule for the ttl.
        ttl: how long their values are fresh, or a rule for it.
    """

    identity: Identity
    form: Form
    policy: Policy
    ttl: Ttl | None

    @classmethod
    def checked(cls, identity: Identity, *, serializer: Any, compress: Any, ttl: Ttl | None, **freshness: Any) -> Settings:
        """Return settings that make sense, as far as that can be told without a function.

        Args:
            identity: which entries the functions have.
            serializer: see `Form`.
            compress: see `Form`.
            ttl: how long their values are fresh, or a callable of their arguments.
            **freshness: all else that `Policy.checked` takes.

        Raises:
            ConfigurationError: one of them makes no sense, by itself or beside the others.
        """
        policy = Policy.checked(ttl=(lambda arguments, more: None) if callable(ttl) else ttl, **freshness)
        return cls(_checked(identity), Form.checked(serializer, compress), policy, ttl)

    def policy_for(self, signature: inspect.Signature) -> Policy:
        """Return the freshness rules of a function with a signature."""
        if not callable(self.ttl):
            return self.policy
        return self.policy.with_rule(rule(self.ttl, signature, "ttl", further=("value",)))


def decorate(core: Core, target: Any, settings: Settings) -> Any:
    """Return the cached form of a function, method, class method or static method."""
    if isinstance(target, GuardedMethod):
        return cached(core, target.function, settings).descriptor(of_class=target.is_of_class)
    if isinstance(target, staticmethod):
        return staticmethod(cached(core, cast("staticmethod[..., Any]", target).__func__, settings).caller)
    if isinstance(target, classmethod):
        return cached(core, cast("classmethod[Any, ..., Any]", target).__func__, settings).descriptor(of_class=True)
    if not callable(target):
        raise ConfigurationError(f"only something callable can be cached, not {target!r}", setting="function", given=target)
    made = cached(core, target, settings)
    return made.descriptor(of_class=False) if stands_in_class(target) else made.caller


class Cached:
    """A cached function in the making.

    Attributes:
        operations: everything that it does.
        caller: what users call.
    """

    def __init__(self, function: Callable[..., Any], parameters: Parameters, operations: Operations) -> None:
        self._function = function
        self._parameters = parameters
        self.operations = operations
        self.caller = _dressed(function, operations, _caller(function, parameters, operations))

    def descriptor(self, *, of_class: bool) -> Any:
        """Return what stands in the body of a class."""
        unbinding = self._parameters.unbinding
        if unbinding is None:
            return self.caller  # nothing to bind to
        call = _caller(self._function, self._parameters, self.operations, prelude=f"    {unbinding}\n")
        body = {"__slots__": (), "__call__": call, "__func__": staticmethod(self.caller), "operations": self.operations}
        body |= {"__doc__": self._function.__doc__, "__module__": self.caller.__module__}
        return descriptor(self.caller, type("BoundFunction", (BoundFunction,), body), of_class=of_class)


def cached(
    core: Core,
    function: Callable[..., Any],
    settings: Settings,
    written: Callable[..., Any] | None = None,
    of_type: type[Operations] = Operations,
) -> Cached:
    """Return the cached form of a function.

    Args:
        core: the cache's parts.
        function: the function.
        settings: what its decorator says of it.
        written: the function as the user wrote it, if this one stands for it.
        of_type: what runs it.
    """
    identity, parameters = settings.identity, Parameters.of(function)
    name = _name(function, identity)
    label = core.labels.claim(name, unguarded(written or function)) if identity.name is None else Label()
    keying, template = _keying(core, parameters, name, identity, label)
    operations = of_type(
        core,
        function,
        Kind.of(function),
        name,
        identity.name is not None,
        binder(function, parameters),
        keying,
        tuple(Template(tag, parameters.names, "tags") for tag in identity.tags),
        settings.policy_for(parameters.signature),
        settings.form,
        label.is_shareable,
    )
    core.register(operations, template)
    return Cached(function, parameters, operations)


def _caller(
    function: Callable[..., Any], parameters: Parameters, operations: Operations, prelude: str = ""
) -> Callable[..., Any]:
    """Compile what users call: the plain hit path, then the general one."""
    kind, p = operations.kind, parameters.prefix
    variables: dict[str, Any]
    if kind.is_generator:
        play = generators.play_async if kind is Kind.ASYNC_GENERATOR else generators.play
        body = f"    return {p}play({p}operations, ({parameters.bound}))\n"
        variables = {f"{p}play": play, f"{p}operations": operations}
    else:
        path = operations.plain_path()
        general = f"await {p}slow" if kind.is_async else f"{p}slow"
        body = f"{path.source(p)}    return {general}({path.again}, {parameters.bound})\n"
        slow = operations.slow_async if kind.is_async else operations.slow
        variables = {
            **path.variables,
            f"{p}gate": operations.gate,
            f"{p}now": operations.core.clock.now,
            f"{p}slow": slow,
        }
    return kind.of_made(compiled(function, parameters, prelude + body, variables, awaits=kind is Kind.COROUTINE))


def _dressed(function: Callable[..., Any], operations: Operations, caller: Callable[..., Any]) -> Callable[..., Any]:
    """Give a compiled caller the look of the function, and the helpers."""
    update_wrapper(caller, function)
    for helper in HELPERS:
        setattr(caller, helper, getattr(operations, helper))
    setattr(caller, LAYERS, ("cache", *layers(function)))
    return caller


def _keying(
    core: Core, parameters: Parameters, name: str, identity: Identity, label: Label
) -> tuple[Keying, tuple[str, str] | None]:
    names = core.names(identity.namespace)
    keyed = parameters.without(identity.ignore)
    # Of lambdas and local functions there may be several of one name, and to invalidate one is not to invalidate another.
    generation = function_generation(name, label.number if "<" in name else 1)
    if identity.key is None:
        return ByArguments(parameters, keyed, name, identity.namespace, generation, label.around), None
    if identity.ignore:
        raise ConfigurationError(
            "ignore has no effect beside key, which says by itself what the key is made of",
            setting="ignore",
            given=identity.ignore,
        )
    if isinstance(identity.key, str):
        template = Template(identity.key, parameters.names)
        return ByTemplate(parameters, template, names, generation), (identity.namespace, template.skeleton)
    return ByRule(parameters, identity.key, names, generation), None


def _name(function: Callable[..., Any], identity: Identity) -> str:
    name = identity.name
    if name is None:
        qualified = getattr(function, "__qualname__", None)
        if qualified is None:
            raise ConfigurationError(f"{function!r} has no name of its own; give it one with name=", setting="name")
        name = f"{function.__module__}.{qualified}"
    return name if identity.version is None else f"{name}@{identity.version}"


def _checked(identity: Identity) -> Identity:
    """Return an identity whose settings make sense.

    Raises:
        ConfigurationError: one of them does not.
    """
    if identity.key is not None and not callable(identity.key):
        text(identity.key, "key")
    text(identity.namespace, "namespace")
    if identity.name is not None and "@" in text(identity.name, "name"):
        raise ConfigurationError(
            f"name must not hold an @, which stands before the version, as {identity.name!r} does; use version=",
            setting="name",
            given=identity.name,
        )
    version = identity.version
    if version is not None and (isinstance(version, bool) or not isinstance(version, (int, str)) or version == ""):
        raise ConfigurationError(f"version must be a whole number or a text, not {version!r}", setting="version", given=version)
    return identity
