"""`thunder_protection`: whoever calls alike at the same time shares one run of a function, and nothing is stored."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar

from stillroom import Cache, current_load

from ._guarding import exactly
from ._identities import identity_of
from ._loading import run
from ._naming import Called, Naming
from .key import get_cache_key_template

__all__ = ["thunder_protection"]

_FLIGHTS: Final = Cache()


F = TypeVar("F", bound=Callable[..., Any])


def thunder_protection(key: str | None = None) -> Callable[[F], F]:
    """Return a decorator that lets concurrent calls share one run.

    Args:
        key: a template: what has the same key exactly is called alike. All arguments unless given.
    """

    def decorator(function: Any) -> Any:
        naming = Naming(function, get_cache_key_template(function, key))

        @_FLIGHTS(key=exactly, name=f"thunder:{identity_of(function)}:{id(naming)}")
        async def shared(called: Called, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG001 - the key
            current_load().skip()
            return await run(function, args, kwargs)

        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await shared(naming.called(args, kwargs), args, kwargs)

        call.__dict__["_naming"] = naming  # keeps its number from going to another one
        return call

    return decorator
