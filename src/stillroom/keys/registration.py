"""Types of users' own as parts of keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .encode import add_key_type
from .instances import instances

__all__ = ["register_key_type"]

T = TypeVar("T")


def register_key_type(type: type[T], function: Callable[[T], object]) -> None:
    """Make a type known as part of keys, along with its subclasses.

    Two values then count as equal if they are of the same type and ``function`` gives equal results for them.

    Args:
        type: a class of your own or of a library; what stillroom knows by itself cannot be changed.
        function: returns what tells two values apart, as any value that can be part of a key, such as a tuple of ids.

    Raises:
        ConfigurationError: ``type`` is no class, one that is known already, or ``function`` cannot be called.

    Example:
        >>> register_key_type(Money, lambda money: (money.amount, money.currency))
    """
    add_key_type(type, function)
    instances.drop_all_of(type)  # from now on they are told apart by value
