"""From a call of a decorated function to one of stillroom's, by the key that its key builder makes.

What is stored is the encoded result. Whoever has loaded it gets the result itself, all others what the decoder makes of it; a
result that cannot be encoded, or read again, is loaded by each caller.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple

from ._foreign import foreign
from ._identity import identity
from ._stored import as_stored, name_of, unpacked
from .backends.redis_backend import RedisCache
from .helpers import key_builder as default_key_builder

__all__ = ["LOG_LEVEL", "Call", "Calls", "Settings", "log"]

log = logging.getLogger("cache_house.cache")
LOG_LEVEL: Final = os.getenv("CACHE_HOUSE_LOG_LEVEL", logging.INFO)
log.setLevel(LOG_LEVEL)

_POSITIONAL: Final = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
_NOTHING: Final = object()
"""Stands for a result that could not be encoded."""

_REMEMBERED: Final = 4096
"""For how many calls of a function their keys are remembered."""
_SHORT: Final = 200
_TELLING: Final = {str, bytes, int, bool, type(None)}
"""Types whose values are written alike if they are equal. Zero and minus zero are not."""


class Settings(NamedTuple):
    """The settings of one decorator; ``None`` for those of the backend."""

    expire: timedelta | float | None
    namespace: str | None
    key_prefix: str | None
    key_builder: Callable[..., str] | None
    encoder: Callable[[Any], Any] | None
    decoder: Callable[[Any], Any] | None


class Call:
    """One call.

    Attributes:
        cached: the function of stillroom that answers it.
        key: its key.
        result: what the caller gets, once it is there.
    """

    __slots__ = ("_args", "_bound", "_has_loaded", "_kwargs", "cached", "key", "result")

    def __init__(self, bound: Bound, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.cached = bound.cached
        self.key = key
        self.result: Any = None
        self._bound = bound
        self._args = args
        self._kwargs = kwargs
        self._has_loaded = False

    def run(self) -> Any:
        """Run the function and return what it returns: a coroutine if it is a coroutine function."""
        return self._bound.function(*self._args, **self._kwargs)

    def encoded(self, result: Any) -> Any:
        """Return what is to be stored, and note the result for the caller."""
        self.result, self._has_loaded = result, True
        try:
            encoded = self._bound.encoder(result)
            if encoded is None or (isinstance(encoded, str | bytes) and not encoded):
                return _NOTHING  # an encoder that makes nothing of a result has nothing to keep
            return as_stored(encoded, self._bound.backend.encoder) if self._bound.is_ours else encoded
        except Exception as error:
            log.warning("Error setting cache: %s. Result returned without caching.", error)
            return _NOTHING

    def takes(self, stored: Any) -> bool:
        """Take what was stored, and tell whether there is a result now."""
        if self._has_loaded:
            return True
        if stored is _NOTHING:
            return False
        try:
            encoded = unpacked(stored, self._bound.backend.decoder) if self._bound.is_ours else stored
            self.result = self._bound.decoder(encoded)
        except Exception as error:
            log.warning("Error retrieving from cache: %s. Proceeding without cache.", error)
            return False
        return True


class Bound:
    """A decorated function on one backend."""

    def __init__(self, function: Callable[..., Any], named: tuple[str, str], settings: Settings, backend: RedisCache) -> None:
        self.function = function
        self.backend = backend
        self.encoder = settings.encoder or backend.encoder
        self.decoder = settings.decoder or backend.decoder
        self._key_builder = settings.key_builder or backend.key_builder
        self._names = {
            "namespace": settings.namespace or backend.namespace,
            "prefix": settings.key_prefix or backend.key_prefix,
        }
        self._module, self._name = named
        load = _load_async if inspect.iscoroutinefunction(function) else _load
        self.is_ours = _is_ours(backend)
        self.cached: Any = self._own(load, settings) if self.is_ours else foreign(load, backend, settings.expire, _NOTHING)
        self._signature = inspect.signature(function)
        self._is_canonical = self._key_builder is default_key_builder
        kinds = {one.kind for one in self._signature.parameters.values()}
        self._arity = len(self._signature.parameters) if kinds <= _POSITIONAL else -1
        defaults = [one.default for one in self._signature.parameters.values() if one.default is not one.empty]
        self._is_steady = _TELLING.issuperset(map(type, defaults))  # what can change may be another value next time
        self._known: dict[tuple[Any, ...], str] = {}

    def _own(self, load: Callable[[Call], Any], settings: Settings) -> Any:
        return self.backend.store(
            ttl=settings.expire,
            key=_key,
            name=f"{self._module}.{self._name}".replace("@", "~"),
            store_if=lambda value: value is not _NOTHING,
        )(load)

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Return a call."""
        if not self._is_canonical:
            name = getattr(self.function, "__name__", self._name)
            return Call(self, name_of(self._key_builder(self._module, name, args, kwargs, **self._names)), args, kwargs)
        values = (*args, *kwargs.values())
        types = tuple(map(type, values))
        if not self._is_steady or not _TELLING.issuperset(types):
            return Call(self, self._key(args, kwargs), args, kwargs)
        mark = (values, types, *kwargs)
        return Call(self, self._known.get(mark) or self._remembered(mark, args, kwargs), args, kwargs)

    def _remembered(self, mark: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        key = self._key(args, kwargs)
        if len(repr(mark[0])) <= _SHORT:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[mark] = key
        return key

    def _key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        key: str = self._key_builder(self._module, self._name, *self._wherever(args, kwargs), **self._names)
        return key

    def _wherever(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments in one form, wherever they were given, or left to their defaults."""
        if len(args) == self._arity and not kwargs:
            return args, kwargs
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args, bound.kwargs


class Calls:
    """The calls of one decorated function, on whichever backend there is."""

    def __init__(self, function: Callable[..., Any], settings: Settings) -> None:
        self._function = function
        self._settings = settings
        self._named = identity(function)
        self._bound: Bound | None = None

    def prepared(self, backend: RedisCache | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """Return a call, or ``None`` if the function is to be run uncached."""
        if backend is None:
            return None
        try:
            bound = self._bound
            if bound is None or bound.backend is not backend:
                bound = self._bound = Bound(self._function, self._named, self._settings, backend)
            return bound.call(args, kwargs)
        except Exception as error:
            log.warning("Error building the key: %s. Proceeding without cache.", error)
            return None


def _is_ours(backend: object) -> bool:
    """Tell whether a backend keeps things as stillroom does, rather than in ways that a user has given it."""
    kind: Any = type(backend)
    return isinstance(backend, RedisCache) and (kind.get_key, kind.set_key) == (RedisCache.get_key, RedisCache.set_key)


def _key(call: Call) -> str:
    return call.key


def _load(call: Call) -> Any:
    return call.encoded(call.run())


async def _load_async(call: Call) -> Any:
    return call.encoded(await call.run())
