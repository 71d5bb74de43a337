"""`CacheDecorator`: what a decorated function does, and has as its ``instance``.

What is kept is what ``serializer`` makes of a result, under what it, or ``key_serializer``, makes of the arguments. JSON cannot
tell some arguments apart; so what does is kept beside the result, which is served to no others.
"""

from __future__ import annotations

import inspect
import secrets
import weakref
from collections.abc import Callable, Sequence
from copy import copy
from functools import wraps
from json import dumps, loads
from threading import Lock
from typing import Any, Final, NamedTuple, TypeAlias

from ... import Cache, ConfigurationError, StoreError
from .._clients import as_redis_error, decodes, place_of, prefix_of, redis_errors
from .._keyed import Keyed, plain
from .arguments import closes_over_values, compact_dump, encoded, get_args, mark, named
from .calls import Call, Failed, Found

__all__ = ["CacheDecorator", "Handler", "Secret"]

Handler: TypeAlias = "Callable[[Exception, Callable[..., Any], Any, Any], Any]"

Secret: TypeAlias = "str | bytes | Sequence[str | bytes] | None"  # noqa: S105 - a type

_PATIENCE: Final = 1.0
"""For how many seconds an answer of Redis is waited for if the client sets no limit: callers see failures."""

_OURS: Final = "@"
"""Ends all names, so that a process that runs the original on the same server does not take an entry for one of its own."""

_caches: weakref.WeakKeyDictionary[Any, dict[Any, Cache]] = weakref.WeakKeyDictionary()


class _Place(NamedTuple):
    """Where a client leads.

    Attributes:
        client: the client.
        cache: what keeps results there.
        answer: the function as it is cached there.
        line: what the line is called in which results stand there, those that were stored first in front.
        claim: what is refused if there is another function of the same name; ``None`` if they are to share a namespace.
    """

    client: Any
    cache: Cache
    answer: Any
    line: str
    claim: Any = None


class CacheDecorator:
    """A decorator; its parameters are those of `RedisCache` and `RedisCache.cache`.

    Attributes:
        original_fn: the function as it was written.
        keys_key: what the original calls the order in which results were stored.
    """

    original_fn: Any = None
    keys_key: str | None = None
    _apart: str | None = None
    _place: _Place | None = None

    def __init__(
        self,
        redis_client: Any,
        prefix: str = "rc",
        serializer: Callable[[Any], Any] = compact_dump,
        deserializer: Callable[[Any], Any] = loads,
        key_serializer: Callable[[Any], Any] | None = None,
        ttl: float = 0,
        limit: int = 0,
        namespace: str | None = None,
        support_cluster: bool = True,
        exception_handler: Handler | None = None,
        active: bool = True,
        *,
        secret: Secret = None,
    ) -> None:
        self.client = redis_client
        self.prefix = prefix
        self.serializer = serializer
        self.deserializer = deserializer
        self.key_serializer = key_serializer
        self.ttl = ttl
        self.limit = limit
        self.namespace = namespace
        self.support_cluster = support_cluster
        self.exception_handler = exception_handler
        self.active = active
        self._secret: Secret = secret
        self._lock = Lock()
        self._places: dict[Cache, _Place] = {}

    def __call__(self, fn: Any) -> Any:
        """Return the function as it is cached."""
        if isinstance(fn, staticmethod):
            return staticmethod(self(fn.__func__))
        if self.original_fn is not None:  # a decorator may have several functions, and each is to run itself
            return self._twin()(fn)
        self._shared = self.namespace
        self._name = self.namespace.replace("%", "%25").replace("@", "%40") if self.namespace else None
        self.namespace = self.namespace or f"{fn.__module__}.{fn.__qualname__}"
        self.original_fn = fn
        self.keys_key = f"{self.get_full_prefix()}:keys"
        self._signature = inspect.signature(fn)
        if self.active and self.client is not None:
            _opened(self.client, self.prefix, self._secret)  # so that a client that is none is told at once

        @wraps(fn)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return self._asked(args, kwargs) if self.active else fn(*args, **kwargs)

        shown: Any = inner
        shown.invalidate, shown.invalidate_all = self.invalidate, self.invalidate_all
        shown.get_full_prefix, shown.instance = self.get_full_prefix, self
        return inner

    def get_full_prefix(self) -> str:
        """Return what the keys of the namespace begin with."""
        full = f"{self.prefix}:{self.namespace}"
        return f"{{{full}}}" if self.support_cluster else full

    def get_key(self, args: Any, kwargs: Any) -> str:
        """Return the name of the result of a call, which is that of the original with a sign behind it."""
        try:
            return self._key_of(self._named(args, kwargs))
        except TypeError:
            return self._key_of(get_args(self.original_fn, args, kwargs))

    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        """Forget the result of a call.

        Raises:
            TypeError: the function takes no such call, so nobody knows what is to be forgotten.
        """
        key = self._key_of(self._named(args, kwargs))
        with redis_errors():
            here = self._here()
            if self._limit > 0:  # first, so that what is stored meanwhile has its place
                here.cache.line(here.line, limit=self._limit).drop(key)
            here.answer.invalidate(key, None)

    def invalidate_all(self, *_: Any, **__: Any) -> None:
        """Forget all results of the namespace."""
        with redis_errors():
            here = self._here()
            if self._limit > 0:
                here.cache.line(here.line, limit=self._limit).clear()
            here.answer.invalidate_all()

    def many(self, calls: list[tuple[tuple[Any, ...], dict[str, Any]]]) -> list[Any]:
        """Return the results of several calls, given by their arguments; one round trip for all that are there."""
        if not self.active:
            return [self.original_fn(*args, **kwargs) for args, kwargs in calls]
        try:
            made = [self._call_of(args, kwargs) for args, kwargs in calls]
            found: list[Found] = self._here().answer.many([(call.key, call) for call in made])
            self._note([call.key for call in made if call.loaded])
            return [
                self._given(call, one) if call.is_answered_by(one) else self._asked(call.args, call.kwargs)
                for call, one in zip(made, found, strict=True)
            ]
        except (ConfigurationError, Failed, StoreError):  # one by one, each has its own error
            return [self._asked(args, kwargs) for args, kwargs in calls]

    def _twin(self) -> CacheDecorator:
        """Return what decorates a further function with the same settings."""
        twin = copy(self)
        twin.namespace, twin.original_fn, twin._apart, twin._place, twin._places = self._shared, None, None, None, {}
        return twin

    def _here(self) -> _Place:
        """Return where the client of the moment leads.

        Raises:
            ConfigurationError: it is no client of redis-py.
        """
        place = self._place
        if place is None or place.client is not self.client:
            with self._lock:
                place = self._place = self._found()
        return place

    def _found(self) -> _Place:
        cache = _opened(self.client, self.prefix, self._secret)
        place = self._places.get(cache)
        if place is None:  # once, since whoever claims a name twice is taken for two
            place = self._places[cache] = self._decorated(cache)
        try:
            if place.claim is not None:
                place.claim.peek("", None)
        except ConfigurationError:  # there is another function of this name, whose results are not its own
            if self._apart:
                raise
            self._apart = secrets.token_hex(8)
            self._places.clear()
            return self._found()
        return place

    def _decorated(self, cache: Cache) -> _Place:
        keyed, line = Keyed(self.original_fn), f"{self.keys_key}"
        if self._name is not None:
            return _Place(self.client, cache, plain(cache(ttl=self._seconds, name=self._name, key=_bare)(keyed)), line)
        claim = plain(cache(ttl=self._seconds, version=self._apart, ignore=("call",))(keyed))
        if self._apart or closes_over_values(self.original_fn):  # then its name says more than the namespace does
            return _Place(self.client, cache, claim, f"{line}@{self._apart}" if self._apart else line, claim)
        return _Place(self.client, cache, plain(cache(ttl=self._seconds, key=_bare)(keyed)), line, claim)

    def _seconds(self, *_: object) -> float | None:
        ttl = float(self.ttl or 0)
        return ttl if ttl > 0 else None

    @property
    def _limit(self) -> int:
        return int(self.limit or 0)

    def _named(self, args: Any, kwargs: Any) -> dict[str, Any]:
        try:
            return named(self._signature, args, kwargs)
        except TypeError:  # what shows through a decorated function may take other arguments than that does
            if not hasattr(self.original_fn, "__wrapped__"):
                raise
            return {"*": list(args), "**": dict(sorted(kwargs.items()))}

    def _key_of(self, arguments: dict[str, Any]) -> str:
        return f"{self.get_full_prefix()}:{encoded((self.key_serializer or self.serializer)(arguments))}{_OURS}"

    def _call_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        try:
            arguments = self._named(args, kwargs)
            key = self._key_of(arguments)
        except Exception as error:
            raise Failed from error
        is_json = self.key_serializer is None and self.serializer in (compact_dump, dumps)
        return Call(self.original_fn, self.serializer, args, kwargs, key, mark(arguments) if is_json else None)

    def _asked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            call = self._call_of(args, kwargs)
            answer = self._here().answer
            found: Found = answer(call.key, call)
            if not call.is_answered_by(found):
                found = answer.refresh(call.key, call)
            self._note([call.key] if call.loaded else [])
            return self._given(call, found)
        except ConfigurationError as error:
            if error.setting != "client":
                raise
            return self._handled(error, args, kwargs)
        except Failed as error:
            return self._handled(error.__cause__, args, kwargs)
        except StoreError as error:
            return self._handled(as_redis_error(error), args, kwargs)

    def _given(self, call: Call, found: Found) -> Any:
        if call.loaded:
            return call.loaded[0]
        stored = found[1]
        try:
            return self.deserializer(stored.encode() if isinstance(stored, str) and not decodes(self.client) else stored)
        except Exception as error:
            raise Failed from error

    def _note(self, keys: list[str]) -> None:
        """Put results that were stored at the end, and forget the first ones of more than ``limit``."""
        if keys and self._limit > 0:
            here = self._here()
            for surplus in here.cache.line(here.line, limit=self._limit).add(*keys):
                here.answer.invalidate(surplus, None)

    def _handled(self, error: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.exception_handler is None:
            raise error
        return self.exception_handler(error, self.original_fn, args, kwargs)


def _bare(key: str, _: object) -> str:
    """Return what the result of a call is called on the server, too."""
    return key


def _opened(client: Any, prefix: str, secret: Secret) -> Cache:
    """Return the cache for a client, a prefix and a secret, which all that are given the same have in common."""
    url, options = place_of(client)
    caches = _caches.setdefault(client, {})
    wanted = prefix, secret if isinstance(secret, (str, bytes, type(None))) else tuple(secret)
    if wanted not in caches:
        options.setdefault("timeout", _PATIENCE)
        own = f"{prefix_of(prefix)}@"  # so that no name begins as what stillroom needs besides
        caches[wanted] = Cache(url, prefix=own, secret=secret, on_error="raise", bare_names=True, **options)
    return caches[wanted]
