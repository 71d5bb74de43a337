"""From the words of cashews to those of native verbs, and from native errors to cashews'."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from stillroom import StoreError, UncacheableValue

from ._naming import tag_of
from .exceptions import CacheBackendInteractionError

__all__ = ["forgetting", "life", "named", "translated"]

P = ParamSpec("P")
T = TypeVar("T")
B = TypeVar("B")


def translated(
    command: Callable[Concatenate[B, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[B, P], Coroutine[Any, Any, T]]:
    """Let a command raise what callers of cashews know."""

    @functools.wraps(command)
    async def run(self: B, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await command(self, *args, **kwargs)
        except StoreError as error:
            raise CacheBackendInteractionError(str(error)) from error
        except UncacheableValue as error:
            if isinstance(error.__cause__, Exception):
                raise error.__cause__ from None
            raise

    return run


class _Forgets(Protocol):
    deletions: int


F = TypeVar("F", bound=_Forgets)


def forgetting(
    command: Callable[Concatenate[F, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[F, P], Coroutine[Any, Any, T]]:
    """Let a command be counted that forgets something."""

    @functools.wraps(command)
    async def run(self: F, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await command(self, *args, **kwargs)
        finally:
            self.deletions += 1

    return run


def named(tags: Sequence[str]) -> list[str]:
    """Return tags as entries carry them, which have no empty ones."""
    return [tag_of(tag) for tag in tags]


def life(expire: float | None) -> float | None:
    """Return a length of life as native verbs take it: none and zero are without end."""
    return None if not expire or expire == float("inf") else expire
