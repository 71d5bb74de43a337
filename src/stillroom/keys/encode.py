"""From a value to its text, which two values share exactly if they are of the same type and equal.

The text is canonical: it depends on nothing but the value, so every process and every run arrives at the same one. Values that
compare equal but that a function can tell apart (``0.0`` and ``-0.0``, ``Decimal("1.0")`` and ``Decimal("1.00")``, one instant
in two time zones) have texts of their own, because a miss is cheap and a wrong answer is not. All NaNs of a type share one
text.

Types are known exactly: an instance of a subclass of ``int`` may behave like no ``int`` does, and is refused. So is every type
that is not known, since neither ``repr`` nor ``hash`` nor the address says which values are equal.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from ..errors import ConfigurationError
from . import containers, names, scalars
from .records import encoder_of_record, is_value_record
from .refusals import Refused, type_name
from .walk import Encoder, Walk

__all__ = ["add_key_type", "encode", "has_value_identity"]

T = TypeVar("T")

_BUILT_IN: dict[type[Any], Encoder] = scalars.ENCODERS | containers.ENCODERS | names.ENCODERS


def _join_late(kind: type[Any]) -> Encoder | None:
    """Return the encoder of a type of the standard library whose module was not imported for its sake."""
    # Whoever has a value of the type has imported its module. Other types may claim the name, but it does not lead to them.
    encoder = scalars.LATE_ENCODERS.get(f"{kind.__module__}.{kind.__qualname__}")
    if encoder is None or not names.is_named(kind):
        return None
    _BUILT_IN[kind] = encoder
    return encoder


def encode(value: object, parameter: str) -> str:
    """Return the text of a value: the same for equal values of the same type, different for all others.

    Args:
        value: the value.
        parameter: what users call it, for the error.

    Raises:
        UncacheableArgument: the value, or something in it, is of a type that is not known.

    Example:
        >>> encode({"b": [1, 2.0], "a": None}, "filters")
        "{'a':None,'b':[1,2.0]}"
    """
    try:
        return Walk(_encoder_of).text(value)
    except Refused as refused:
        error = refused.error(parameter)
    raise error


def add_key_type(type: type[T], function: Callable[[T], object]) -> None:
    """Make a type known; see `register_key_type`."""
    _registry.add(type, function)


def is_built_in(kind: type[Any]) -> bool:
    """Tell whether a type is one that stillroom knows by itself, apart from records."""
    return kind in _BUILT_IN or _join_late(kind) is not None


def has_value_identity(kind: type[Any]) -> bool:
    """Tell whether a type's instances are told apart by value when they are ``self``; all others are told apart one by one.

    These are registered types, enums, named tuples and hashable records such as frozen dataclasses, unless no name leads to
    them.
    """
    if is_built_in(kind) or _registry.knows(kind):
        return True
    return is_value_record(kind) and names.is_named(kind)


class _Registry:
    """The types that users have made known, and the encoders found so far for all that are not built in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._functions: dict[type[Any], Callable[[Any], object]] = {}
        self._found: WeakKeyDictionary[type[Any], Encoder] = WeakKeyDictionary()

    def add(self, kind: type[Any], function: Callable[[Any], object]) -> None:
        name = _checked(kind, function)
        with self._lock:
            # One type per name: of a class that is defined anew, only the last one stays known.
            others = {known: given for known, given in self._functions.items() if names.claimed_name(known) != name}
            self._functions = others | {kind: function}
            self._found = WeakKeyDictionary()

    def knows(self, kind: type[Any]) -> bool:
        return kind in self._functions or (self._function_for(kind) is not None and names.is_named(kind))

    def encoder_of(self, kind: type[Any]) -> Encoder:
        return self._found.get(kind) or self._find(kind)

    def _find(self, kind: type[Any]) -> Encoder:
        found = self._found  # what is found now must not outlive a registration that happens meanwhile
        encoder = _join_late(kind) or self._by_function(kind) or encoder_of_record(kind)
        if encoder is None and issubclass(kind, type):
            encoder = names.encode_named
        if encoder is None:
            raise Refused.unknown(kind)
        found[kind] = encoder
        return encoder

    def _by_function(self, kind: type[Any]) -> Encoder | None:
        function = self._function_for(kind)
        if function is None:
            return None
        name = names.claimed_name(kind) if kind in self._functions else names.name_of(kind)
        return lambda value, walk: f"{name}({walk.texts(value, [function(value)], ' (as registered)')[0]})"

    def _function_for(self, kind: type[Any]) -> Callable[[Any], object] | None:
        functions = self._functions
        return next((functions[base] for base in kind.__mro__ if base in functions), None)


def _checked(kind: type[Any], function: Callable[[Any], object]) -> str:
    if not isinstance(kind, type):
        raise ConfigurationError(f"type must be a class, not {kind!r}", setting="type", given=kind)
    if is_built_in(kind) or kind is object:
        raise ConfigurationError(
            f"type must be a class of your own or of a library: what {kind.__name__} means in keys is fixed",
            setting="type",
            given=kind,
        )
    if not callable(function):
        raise ConfigurationError(
            f"function must be callable with a {kind.__name__}, not {function!r}", setting="function", given=function
        )
    name = names.claimed_name(kind)
    if name is None:
        raise ConfigurationError(f"type must have a plain name, not {type_name(kind)!r}", setting="type", given=kind)
    return name


_registry = _Registry()


def _encoder_of(kind: type[Any]) -> Encoder:
    return _BUILT_IN.get(kind) or _registry.encoder_of(kind)
