"""``@cache.invalidates(...)``: functions that change data, and say what that ends. `stillroom.Cache` has this method."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from ._runtime.runtime import drive
from .changes import Named, Naming
from .compile import compiled
from .errors import ConfigurationError
from .guarding import LAYERS, fitted, layers
from .keys import Template
from .kinds import Kind
from .mapping import RESULT, Result, cached, check_map
from .parameters import Parameters
from .settings import text, texts

if TYPE_CHECKING:
    from .core import Core
    from .decorated import AnyCached
    from .function import Operations
    from .side import Side

__all__ = ["Invalidating"]

F = TypeVar("F")
"""A function, whose type stays as it is."""


class Invalidating:
    """What a `Cache` has for functions that change data."""

    _core: Core

    def invalidates(
        self,
        *,
        tags: Sequence[str] = (),
        keys: Sequence[str] = (),
        of: AnyCached | Sequence[AnyCached] = (),
        map: Mapping[str, str] | None = None,
        all_of: AnyCached | Sequence[AnyCached] = (),
        namespace: str | None = None,
    ) -> Callable[[F], F]:
        """Return a decorator for functions that change data: each time one has succeeded, what it names is invalidated.

        Templates are over the arguments, as they are when the function is called, and its result: ``{user_id}``,
        ``{user.team_id}``, ``{return.id}``. If the function raises, nothing is invalidated.

        Args:
            tags: templates of tags.
            keys: templates of names.
            of: cached functions, whose result for the same arguments is meant.
            map: from parameters of these functions to what stands for them here, ``{"user_id": "user.id"}``; the others are
                mapped to parameters of the same names, or else are as by default.
            all_of: cached functions all of whose results are meant.
            namespace: a namespace all of which is meant.

        Raises:
            ConfigurationError: a setting makes no sense, by itself or, once decorated, for the function.

        Example:
            >>> @cache.invalidates(of=get_user, map={"user_id": "id"}, tags=["team:{team_id}"])
            ... def rename(id: int, team_id: int, name: str) -> None: ...
        """
        meant = tuple([cached(one, "of") for one in _several(of)])
        chosen = _Settings(
            texts(tags, "tags"),
            texts(keys, "keys"),
            meant,
            check_map(map, tuple([operations for operations, _ in meant])),
            tuple([cached(one, "all_of")[0] for one in _several(all_of)]),
            None if namespace is None else text(namespace, "namespace"),
        )
        if not (chosen.tags or chosen.keys or meant or chosen.all_of or namespace):
            raise ConfigurationError(
                "invalidates needs something to invalidate: tags, keys, of, all_of or namespace", setting="tags"
            )
        return lambda function: fitted(function, lambda plain: _caller(self._core, plain, chosen))


class _Settings(NamedTuple):
    """The settings of ``invalidates``, which make sense by themselves."""

    tags: tuple[str, ...]
    keys: tuple[str, ...]
    of: tuple[tuple[Operations, object], ...]
    map: Mapping[str, str]
    all_of: tuple[Operations, ...]
    namespace: str | None

    def naming(self, core: Core, function: Callable[..., Any], parameters: Parameters) -> Naming:
        """Return what these settings name in terms of one function."""
        names = (*parameters.names, RESULT)
        return Naming(
            core,
            tuple([Template(one, names, "tags") for one in self.tags]),
            tuple([Template(one, names, "keys") for one in self.keys]),
            tuple([Result.of(one, function, parameters, self.map) for one in self.of]),
            self.all_of,
            self.namespace,
        )


def _several(given: object) -> tuple[object, ...]:
    return tuple(cast("Sequence[object]", given)) if isinstance(given, (list, tuple)) else (given,)


def _caller(core: Core, function: Any, settings: _Settings) -> Any:
    parameters, kind = Parameters.of(function), Kind.of(function)
    if kind.is_generator:
        raise ConfigurationError(
            "@cache.invalidates(...) is not for generators, of which nobody knows when they have made their change; decorate "
            "the function that goes through it",
            setting="function",
            given=function,
        )
    change = _Change(function, parameters.names, settings.naming(core, function, parameters))
    p, awaits = parameters.prefix, kind is Kind.COROUTINE
    body = f"    return {'await ' if awaits else ''}{p}change({parameters.bound})\n"
    variables = {f"{p}change": change.make_async if awaits else change.make}
    caller: Any = update_wrapper(compiled(function, parameters, body, variables, awaits=awaits), function)
    setattr(caller, LAYERS, ("invalidates", *layers(function)))
    return caller


class _Change:
    """The way through a function that changes data to what that ends."""

    def __init__(self, function: Callable[..., Any], names: tuple[str, ...], naming: Naming) -> None:
        self._function = function
        self._names = names
        self._naming = naming

    def make(self, values: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function, then end what it names."""
        arguments = dict(zip(self._names, values, strict=True))
        named = self._naming.before(arguments)
        result = self._function(*args, **kwargs)
        if inspect.isawaitable(result):  # of a function that does not say that it is to be awaited
            return self._follow(result, named, arguments)
        drive(self._naming.end(named, arguments | {RESULT: result}, _blocking))
        return result

    async def make_async(self, values: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Do what `make` does."""
        arguments = dict(zip(self._names, values, strict=True))
        named = self._naming.before(arguments)
        return await self._follow(self._function(*args, **kwargs), named, arguments)

    async def _follow(self, change: Awaitable[Any], named: Named, arguments: dict[str, Any]) -> Any:
        result = await change
        runtime = _tasks(self._naming.core).runtime
        await runtime.to_the_end(self._naming.end(named, arguments | {RESULT: result}, _tasks))
        return result


def _blocking(core: Core) -> Side:
    return core.blocking


def _tasks(core: Core) -> Side:
    return core.tasks
