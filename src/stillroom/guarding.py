"""From a function and a guard to a guarded function: what `stillroom.decorate` is for caching, for guards.

The result keeps name, signature and kind, and whatever the function had already: the helpers of a cached function below the
guard stay within reach. What users reach the guard by, such as ``f.limiter``, is an attribute of the result; on a method it
knows its object.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from ._runtime.runtime import drive
from .compile import compiled
from .errors import ConfigurationError, Refused
from .guards.guard import Guard, Handle, Instead, Reach
from .keying import ByArguments, rule
from .keys import Template
from .kinds import Kind
from .methods import CachedMethod, GuardedMethod, stands_in_class
from .parameters import Parameters
from .settings import text

if TYPE_CHECKING:
    from .core import Core

__all__ = ["LAYERS", "Making", "Plan", "fitted", "guarded", "layers", "unguarded"]

LAYERS = "__stillroom_layers__"
"""The attribute that tells what a function consists of, from the outside in: guards, and ``"cache"``."""

Making: TypeAlias = "Callable[[str, Reach], tuple[Guard, Handle | None]]"
"""From what a function is called, and how its users reach it, to the guard and its handle."""


class Plan(NamedTuple):
    """What a guard is made of.

    Attributes:
        word: the name of the decorator.
        attribute: the name under which users find the handle; ``None`` if there is none.
        name: what the function is called where its calls are counted; its module and qualified name if ``None``.
        key: a template or a callable of the arguments: what has the same key is counted together; all calls if ``None``.
        make: makes the guard.
        further: methods of the handle that the function has as well.
        is_by_arguments: without a ``key``, it is the arguments that tell calls apart, as for ``@cache(...)``.
        is_for_predicates: it answers calls by itself, with False.
        is_for_loads: it makes sense only below ``@cache(...)``, where calls that are answered from the cache do not get to.
    """

    word: str
    attribute: str | None
    name: str | None
    key: str | Callable[..., str] | None
    make: Making
    further: tuple[str, ...] = ()
    is_by_arguments: bool = False
    is_for_predicates: bool = False
    is_for_loads: bool = False


def layers(function: object) -> tuple[str, ...]:
    """Return what a function consists of, from the outside in."""
    found: tuple[str, ...] = getattr(function, LAYERS, ())
    return found


def guarded(core: Core, target: Any, plan: Plan) -> Any:
    """Return the guarded form of a function, method, class method or static method.

    Raises:
        ConfigurationError: it cannot be called, or a setting makes no sense for it.
    """
    return fitted(target, lambda function: _caller(core, function, plan))


def fitted(target: Any, caller: Callable[[Any], Any]) -> Any:
    """Return what stands in the place of a function, method, class method or static method.

    Args:
        target: that.
        caller: makes of a plain function what is called instead of it.

    Raises:
        ConfigurationError: it cannot be called.
    """
    if isinstance(target, staticmethod):
        plain: Any = cast("staticmethod[..., Any]", target).__func__
        return staticmethod(caller(plain))
    if isinstance(target, classmethod):
        return GuardedMethod(caller(cast("classmethod[Any, ..., Any]", target).__func__), target)
    if not callable(target):
        raise ConfigurationError(f"only something callable can be decorated, not {target!r}", setting="function", given=target)
    plain = target.function if isinstance(target, (CachedMethod, GuardedMethod)) else target
    made = caller(plain)
    return GuardedMethod(made, target) if plain is not target or stands_in_class(target) else made


def unguarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that guards stand before, as it was written."""
    written: Callable[..., Any] = inspect.unwrap(function, stop=lambda one: not layers(one))
    return written


def _caller(core: Core, function: Any, plan: Plan) -> Any:
    if plan.is_for_loads and "cache" in layers(function):
        raise ConfigurationError(
            f"@cache.{plan.word}(...) must stand below @cache(...): above it, it would see calls that the cache answers, which "
            f"tell nothing of the function",
            setting=plan.word,
            given=function,
        )
    parameters, kind = Parameters.of(function), Kind.of(function)
    if plan.is_for_predicates and kind.is_generator:
        raise ConfigurationError(
            f"@cache.{plan.word}(...) is for predicates, which return True or False, not for generators",
            setting=plan.word,
            given=function,
        )
    name = text(plan.name, "name") if plan.name is not None else _name(function, plan.word)
    expression, variables = _key_expression(parameters, plan.key, name if plan.is_by_arguments else None)
    key_of: Callable[..., str] = compiled(function, parameters, f"    return {expression}\n", variables)
    side = (lambda: core.tasks) if kind.is_async else (lambda: core.blocking)
    is_one = plan.key is None and not plan.is_by_arguments
    guard, handle = plan.make(name, Reach(side, kind.is_async, None if is_one else key_of))
    p, awaits = parameters.prefix, kind is Kind.COROUTINE
    body = f"    return {'await ' if awaits else ''}{p}through({expression}, {parameters.passed})\n"
    variables[f"{p}through"] = _Passage(core, function, guard, name).of_kind(kind)
    caller: Any = kind.of_made(update_wrapper(compiled(function, parameters, body, variables, awaits=awaits), function))
    setattr(caller, LAYERS, (plan.word, *layers(function)))
    if plan.attribute is not None:
        setattr(caller, plan.attribute, handle)
    for further in plan.further:
        setattr(caller, further, getattr(handle, further))
    return caller


def _name(function: Any, word: str) -> str:
    """Return what a function is called unless its user says; a guard above others of its kind is not to share their counts."""
    name = getattr(function, "__qualname__", None)
    if name is None:
        raise ConfigurationError(f"{function!r} has no name of its own; give it one with name=", setting="name")
    below = layers(function).count(word)
    return f"{function.__module__}.{name}" + (f"#{below + 1}" if below else "")


def _key_expression(
    parameters: Parameters, key: str | Callable[..., str] | None, by_arguments_of: str | None
) -> tuple[str, dict[str, object]]:
    """Return the source that makes a key of the parameters, and the names that it uses besides them."""
    p = parameters.prefix
    called = f"{p}key_of({', '.join(parameters.names)})"
    if key is None and by_arguments_of is None:
        return "''", {}
    if key is None:
        keying = ByArguments(parameters, parameters.names, by_arguments_of or "", "", "")

        def by_arguments(*values: object) -> str:
            return keying.space.shared_text(keying.local(values))

        return called, {f"{p}key_of": by_arguments}
    if isinstance(key, str) or not callable(key):
        template = Template(text(key, "key"), parameters.names)
        return template.expression({name: name for name in parameters.names}, p)
    made = rule(key, parameters.signature, "key")

    def key_of(*values: object) -> str:
        return text(made(dict(zip(parameters.names, values, strict=True)), {}), "key")

    return called, {f"{p}key_of": key_of}


class _Passage:
    """The way through a guard to a function, for each kind of function."""

    def __init__(self, core: Core, function: Callable[..., Any], guard: Guard, name: str) -> None:
        self._core = core
        self._function = function
        self._guard = guard
        self._name = name

    def of_kind(self, kind: Kind) -> Callable[..., Any]:
        """Return what takes the key of a call, and its arguments by position and by name."""
        if kind is Kind.PLAIN:
            return self._call if self._guard.looks_back else self._call_ahead
        if kind is Kind.COROUTINE:
            return self._call_async
        return self._iterate if kind is Kind.GENERATOR else self._iterate_async

    def _call_ahead(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        ticket = self._enter(key)
        return self._function(*args, **kwargs) if type(ticket) is not Instead else ticket.value

    def _call(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        ticket = self._enter(key)
        try:
            result = self._function(*args, **kwargs)
        except BaseException as error:
            self._leave(key, ticket, error)
            raise
        self._leave(key, ticket, None)
        return result

    async def _call_async(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        ticket = await self._aenter(key)
        if type(ticket) is Instead:
            return ticket.value
        try:
            result = await self._function(*args, **kwargs)
        except BaseException as error:
            await self._aleave(key, ticket, error)
            raise
        await self._aleave(key, ticket, None)
        return result

    def _iterate(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Generator[Any, Any, Any]:
        ticket = self._enter(key)
        try:
            source: Generator[Any, Any, Any] = self._function(*args, **kwargs)
            result: Any = yield from source
        except BaseException as error:
            self._leave(key, ticket, error)
            raise
        self._leave(key, ticket, None)
        return result

    async def _iterate_async(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncGenerator[Any, Any]:
        ticket = await self._aenter(key)
        closed: GeneratorExit | None = None
        try:
            source: AsyncGenerator[Any, Any] = self._function(*args, **kwargs)
            step = source.__anext__()
            while True:
                try:
                    item = await step
                except StopAsyncIteration:
                    break
                try:
                    sent = yield item
                except GeneratorExit as error:
                    closed = error
                    await source.aclose()
                    raise
                except BaseException as error:
                    step = source.athrow(error)
                else:
                    step = source.__anext__() if sent is None else source.asend(sent)
        except BaseException as error:
            await self._aleave(key, ticket, closed or error)
            raise
        await self._aleave(key, ticket, None)

    def _enter(self, key: str) -> Any:
        try:
            return drive(self._guard.enter(self._core.blocking, key))
        except Refused as error:
            self._tell(key, error)
            raise

    async def _aenter(self, key: str) -> Any:
        try:
            return await self._guard.enter(self._core.tasks, key)
        except Refused as error:
            self._tell(key, error)
            raise

    def _leave(self, key: str, ticket: Any, error: BaseException | None) -> None:
        drive(self._guard.leave(self._core.blocking, key, ticket, error))

    async def _aleave(self, key: str, ticket: Any, error: BaseException | None) -> None:
        if self._guard.looks_back:
            await self._guard.leave(self._core.tasks, key, ticket, error)

    def _tell(self, key: str, error: Refused) -> None:
        if self._core.hub.has_listeners:
            self._core.hub.announcer.call_refused(self._guard.word, key, self._name, error)
