"""Middlewares for FastAPI and Starlette: ``Cache-Control``, ``ETag`` and ``Clear-Site-Data``."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from hashlib import blake2s
from typing import TYPE_CHECKING, Any, Final

try:
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import Response
except ImportError as _error:
    raise ImportError("the middlewares for FastAPI need starlette: pip install fastapi") from _error

from .. import Cache, cache, invalidate_further
from ..commands import Command
from ..picklers import DEFAULT_PICKLER
from ..ttl import TTL, ttl_to_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.middleware.base import RequestResponseEndpoint
    from starlette.requests import Request
    from starlette.types import ASGIApp

__all__ = ["CacheDeleteMiddleware", "CacheEtagMiddleware", "CacheRequestControlMiddleware", "cache_control_ttl"]

PREFIX: Final = "fastapi"
_EMPTY: Final = object()
_MAX_AGE: ContextVar[int | None] = ContextVar("stillroom_cashews_max_age", default=None)
_STORED: ContextVar[list[str] | None] = ContextVar("stillroom_cashews_stored", default=None)
"""The keys that were stored while this request was answered, and not those that others store at the same time."""


def cache_control_ttl(default: TTL) -> Callable[..., Any]:
    """Return a ttl for decorators: the ``max-age`` that the request asks for, or ``default``."""

    def ttl(*_: Any, **__: Any) -> Any:
        asked = _MAX_AGE.get()
        return ttl_to_seconds(default) if asked is None else asked

    return ttl


class CacheRequestControlMiddleware(BaseHTTPMiddleware):
    """Does what a request's ``Cache-Control`` asks for, and tells in the response's how long it may be kept.

    ``no-cache`` reads nothing from the cache, ``no-store`` and ``max-age=0`` neither read nor store; a larger one is the ttl
    where `cache_control_ttl` is.

    Args:
        app: the application.
        cache_instance: the cache.
        methods: the methods of requests that this is for.
        private: whether only the client itself may keep responses.
        prefix_to_disable: the keys that a request turns off begin with it.
    """

    def __init__(
        self,
        app: ASGIApp,
        cache_instance: Cache = cache,
        methods: Sequence[str] = ("get",),
        private: bool = True,
        prefix_to_disable: str = "",
    ) -> None:
        self._cache = cache_instance
        self._methods = frozenset(method.lower() for method in methods)
        self._scope = "private" if private else "public"
        self._prefix_to_disable = prefix_to_disable
        super().__init__(app)

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answer a request."""
        if request.method.lower() not in self._methods:
            return await call_next(request)
        asked = _directives(request.headers.get("Cache-Control"))
        with self._without(_disabled_by(asked)), _max_age(asked), self._cache.detect as detector:
            response = await call_next(request)
            await self._tell(response, [key for key, _ in detector.calls_list])
            return response

    def _without(self, commands: Sequence[Command]) -> AbstractContextManager[None]:
        return self._cache.disabling(*commands, prefix=self._prefix_to_disable) if commands else nullcontext()

    async def _tell(self, response: Response, keys: Sequence[str]) -> None:
        if not keys:
            response.headers["Cache-Control"] = "no-cache"
            return
        left = await self._cache.get_expire(keys[0])
        if left and left > 0:
            response.headers["Cache-Control"] = f"{self._scope}, max-age={left}"
            response.headers["Age"] = str(left)


class CacheEtagMiddleware(BaseHTTPMiddleware):
    """Gives responses whose content is cached an ``ETag``, and answers 304 to clients that have that content.

    Args:
        app: the application.
        cache_instance: the cache.
        prefix: what the keys begin with under which tags are remembered.
    """

    def __init__(self, app: ASGIApp, cache_instance: Cache = cache, prefix: str = PREFIX) -> None:
        self._cache = cache_instance
        self._prefix = prefix
        super().__init__(app)

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answer a request."""
        has = request.headers.get("If-None-Match", "").replace('"', "").removeprefix("W/")
        if has and await self._is_current(has, request):
            return Response(status_code=304)
        stored: list[str] = []
        token = _STORED.set(stored)
        try:
            with self._cache.detect as detector, self._cache.callback(_note, cmd=Command.SET):
                response = await call_next(request)
                served = [key for key, _ in detector.calls_list]
        finally:
            _STORED.reset(token)
        etag = await self._etag(request, stored[-1:] or served[:1])
        if etag is not None and etag == has:
            return Response(status_code=304)
        if etag is not None:
            response.headers["ETag"] = f'"{etag}"'
        return response

    async def _is_current(self, etag: str, request: Request) -> bool:
        """Tell whether a tag is that of what is cached now for the request, and not of what was."""
        known = await self._cache.get(self._name(etag))
        if not known or known[0] != str(request.url):
            return False
        value = await self._cache.get(known[1], default=_EMPTY)
        return value is not _EMPTY and _digest(value) == etag

    async def _etag(self, request: Request, keys: Sequence[str]) -> str | None:
        for key in keys:
            value, left = await self._cache.get(key, default=_EMPTY), await self._cache.get_expire(key)
            if value is not _EMPTY and left and left > 0:
                etag = _digest(value)
                await self._cache.set(self._name(etag), [str(request.url), key], expire=left)
                return etag
        return None

    def _name(self, etag: str) -> str:
        return f"{self._prefix}:etag:{etag}"


class CacheDeleteMiddleware(BaseHTTPMiddleware):
    """Lets a request with ``Clear-Site-Data: cache`` forget whatever it would be answered with, so that it is made anew."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answer a request."""
        if request.headers.get("Clear-Site-Data", "").replace('"', "") != "cache":
            return await call_next(request)
        with invalidate_further():
            return await call_next(request)


def _note(key: str, result: Any) -> None:
    stored = _STORED.get()
    if stored is not None and result and not key.endswith(":lock"):
        stored.append(key)


def _digest(value: Any) -> str:
    data = value.body if isinstance(value, Response) else value
    return blake2s(data if isinstance(data, bytes) else DEFAULT_PICKLER.dumps(data)).hexdigest()


def _directives(header: str | None) -> dict[str, str]:
    parts = [part.strip().lower().partition("=") for part in (header or "").split(",")]
    return {name: value.strip('"') for name, _, value in parts if name}


def _disabled_by(asked: dict[str, str]) -> tuple[Command, ...]:
    if "no-store" in asked or _age(asked) == 0:
        return Command.GET, Command.SET
    return (Command.GET,) if "no-cache" in asked else ()


def _age(asked: dict[str, str]) -> int | None:
    age = asked.get("max-age", "")
    return int(age) if age.isdigit() else None


@contextmanager
def _max_age(asked: dict[str, str]) -> Generator[None]:
    token = _MAX_AGE.set(_age(asked) or None)
    try:
        yield
    finally:
        _MAX_AGE.reset(token)
