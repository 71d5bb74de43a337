"""Classes that every serializer of the process may rebuild."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ConfigurationError
from ..keys.names import claimed_name

if TYPE_CHECKING:
    from .shapes import Shape

__all__ = ["register_type", "registry"]

T = TypeVar("T")


def register_type(
    type: type[T], *, encode: Callable[[T], Any] | None = None, decode: Callable[[Any], T] | None = None
) -> type[T]:
    """Allow a class to be rebuilt from what a store outside of this process holds.

    Classes that the return annotation of a decorated function names are allowed for that function without this. Dataclasses,
    named tuples, enumerations, exceptions, pydantic models, attrs classes and msgspec structs need nothing else, and the
    classes that their fields name are allowed with them. For all others, say what an instance becomes and how to get back.
    Subclasses are classes of their own.

    Args:
        type: the class.
        encode: returns what an instance consists of, as any value that can be stored, such as a text or a tuple.
        decode: returns the instance, given what ``encode`` returned. It sees what the store holds: it must check it as far as
            mistakes would do harm.

    Returns:
        The class, so that this may be used as a decorator.

    Raises:
        ConfigurationError: ``type`` is no class that can be allowed, or one of the two functions is missing.

    Example:
        >>> @register_type
        ... @dataclass
        ... class Point:
        ...     x: int
        >>> register_type(Money, encode=str, decode=Money.parse)
    """
    registry.add(type, encode, decode)
    return type


class _Registry:
    """The classes that users have registered, read once they are asked for: their fields may name classes defined later."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given: dict[str, tuple[type[Any], Callable[[Any], Any] | None, Callable[[Any], Any] | None]] = {}
        self._table: tuple[dict[type[Any], Shape], dict[bytes, Shape]] | None = None

    def add(self, kind: type[Any], encode: Callable[[Any], Any] | None, decode: Callable[[Any], Any] | None) -> None:
        _check(kind, encode, decode)
        name = claimed_name(kind) or f"{kind.__module__}.{kind.__qualname__}"
        with self._lock:
            # One class per name: of a class that is defined anew, only the last one stays known.
            self._given = self._given | {name: (kind, encode, decode)}
            self._table = None

    def shape_of(self, kind: type[Any]) -> Shape | None:
        return (self._table or self._read())[0].get(kind)

    def shape_by(self, identity: bytes) -> Shape | None:
        return (self._table or self._read())[1].get(identity)

    def _read(self) -> tuple[dict[type[Any], Shape], dict[bytes, Shape]]:
        from ..kinds import Recording  # what a generator gave, which is stored like any other value

        given = self._given
        found = _shapes([*given.values(), (Recording, None, None)])
        table = found, {shape.identity: shape for shape in found.values()}
        with self._lock:
            if given is self._given:
                self._table = table
        return table


def _shapes(given: Any) -> dict[type[Any], Shape]:
    from .records import records_in, shape_for  # only now: not every program stores anything outside of itself
    from .refusals import Refused
    from .shapes import RegisteredShape

    found: dict[type[Any], Shape] = {}
    for kind in records_in(*(kind for kind, encode, _ in given if encode is None)):
        try:
            found[kind] = shape_for(kind)
        except Refused:  # a class that is merely named in a field; `_check` has seen the registered ones
            continue
    return found | {kind: RegisteredShape(kind, encode, decode) for kind, encode, decode in given if encode is not None}


def _check(kind: type[Any], encode: Callable[[Any], Any] | None, decode: Callable[[Any], Any] | None) -> None:
    from .records import is_record, shape_for
    from .refusals import Refused

    if not isinstance(kind, type):
        raise ConfigurationError(f"type must be a class, not {kind!r}", setting="type", given=kind)
    if _is_built_in(kind):
        message = f"type must be a class of your own or of a library: how {kind.__name__} is stored is fixed"
        raise ConfigurationError(message, setting="type", given=kind)
    for name, function in (("encode", encode), ("decode", decode)):
        if function is not None and not callable(function):
            raise ConfigurationError(f"{name} must be callable, not {function!r}", setting=name, given=function)
    if (encode is None) is not (decode is None):
        missing = "encode" if encode is None else "decode"
        raise ConfigurationError(f"{missing} is missing: encode and decode belong together", setting=missing)
    if encode is not None:
        return
    try:
        if is_record(kind):
            shape_for(kind)
            return
        reason = "it is none of the sorts of classes that can be rebuilt as they are"
    except Refused as refused:
        reason = refused.reason
    message = f"encode and decode are needed to store a {kind.__name__}: {reason}"
    raise ConfigurationError(message, setting="encode", given=kind)


def _is_built_in(kind: type[Any]) -> bool:
    from .codecs import KNOWN_CLASSES

    return kind in KNOWN_CLASSES


registry = _Registry()
"""The classes registered in this process."""
