"""Replies that make no sense, such as a number where a text should be: they count as no reply.

A byte that was changed on its way can make anything of a reply. Rather than that each part looks at each reply for what it
should never be, whatever comes of it is caught here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from ...errors import StillroomError, StoreError

__all__ = ["SENSELESS", "NotAnInt", "senseless", "sensibly"]

P = ParamSpec("P")
T = TypeVar("T")

SENSELESS: Final = (TypeError, ValueError, LookupError, AttributeError, AssertionError, struct.error)
"""What the parts of the store raise when a reply is not what it should be."""


class NotAnInt(TypeError):
    """What is to be added to is no number: meant for the caller."""


def senseless(error: Exception) -> StoreError:
    """Return the error for a reply that makes no sense."""
    return StoreError(f"a reply makes no sense: {type(error).__name__}: {error}", store="redis", operation="reply")


def sensibly(operation: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Have an operation of a store raise `StoreError` for replies that make no sense."""

    @wraps(operation)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await operation(*args, **kwargs)
        except (StillroomError, NotAnInt):
            raise
        except SENSELESS as error:
            raise senseless(error) from error

    return wrapped
