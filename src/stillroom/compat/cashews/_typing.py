"""Names for annotations, where cashews has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias, TypeVar

from ._middleware import Middleware
from .ttl import TTL

__all__ = [
    "TTL",
    "AsyncCallable_T",
    "CacheCondition",
    "CallableCacheCondition",
    "Callable_T",
    "Callback",
    "DecoratedFunc",
    "Default",
    "Exceptions",
    "Key",
    "KeyOrTemplate",
    "KeyTemplate",
    "Middleware",
    "Result_T",
    "ShortCallback",
    "Tag",
    "Tags",
    "Value",
]

Default = TypeVar("Default")
Result_T = TypeVar("Result_T")

Key: TypeAlias = str
KeyTemplate: TypeAlias = str
KeyOrTemplate: TypeAlias = str
Tag: TypeAlias = str
Tags: TypeAlias = "Iterable[str]"
Value: TypeAlias = Any
Exceptions: TypeAlias = "type[Exception] | Iterable[type[Exception]] | None"
AsyncCallable_T = Callable[..., Awaitable[Result_T]]
Callable_T = Callable[..., Result_T]
CallableCacheCondition: TypeAlias = "Callable[..., bool | Exception]"
CacheCondition: TypeAlias = "CallableCacheCondition | str | None"
Callback: TypeAlias = "Callable[..., Awaitable[None]]"
ShortCallback: TypeAlias = "Callable[..., None]"
DecoratedFunc = TypeVar("DecoratedFunc", bound=Callable[..., Awaitable[Any]])
