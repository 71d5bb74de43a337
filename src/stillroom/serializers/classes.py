"""Which classes a serializer may rebuild: those that a function's annotation names, registered ones, remembered errors."""

from __future__ import annotations

from typing import Any

from ..keys.names import is_named
from ..keys.refusals import type_name
from .exceptions import ErrorShape, named_subclasses
from .records import is_record, records_in, shape_for
from .refusals import Refused, unnamed
from .registration import registry
from .shapes import Shape

__all__ = ["Classes"]


class Classes:
    """The classes that a serializer may rebuild.

    Args:
        annotation: what the function returns.
        errors: exceptions that are remembered, along with their subclasses.
    """

    def __init__(self, annotation: Any, errors: tuple[type[BaseException], ...] = ()) -> None:
        self._annotation = annotation
        self._errors = errors
        self._table: _Table | None = None

    def shape_of(self, kind: type[Any]) -> Shape:
        """Return the shape of a class.

        Raises:
            Refused: nobody has said that it may be rebuilt, or it cannot be.
        """
        shape = registry.shape_of(kind) or self._annotated.shape_of(kind)
        if shape is None:
            if issubclass(kind, self._errors) and is_named(kind):
                return ErrorShape(kind)
            raise unnamed(kind) if is_record(kind) else _unknown(kind)
        if self._known(shape.identity) is not kind:
            raise Refused(kind, f"another class named {type_name(kind)} may be rebuilt, too, and nothing tells them apart")
        return shape

    def shape_by(self, identity: bytes) -> Shape:
        """Return the shape with an identity.

        Raises:
            ValueError: there is none.
        """
        found = self._annotated.by_identity.get(identity) or registry.shape_by(identity) or self._error(identity)
        if found is None:
            raise ValueError("they name a class that may not be rebuilt, or whose fields have changed")
        return found

    def _known(self, identity: bytes) -> type[Any] | None:
        found = self._annotated.by_identity.get(identity) or registry.shape_by(identity)
        return found.kind if found else None

    def _error(self, identity: bytes) -> Shape | None:
        for kind in named_subclasses(self._errors):
            try:
                shape = ErrorShape(kind)
            except Refused:
                continue
            if shape.identity == identity:
                return shape
        return None

    @property
    def _annotated(self) -> _Table:
        # Read as late as possible, when the names in annotations have come to mean something.
        if self._table is None:
            self._table = _Table(self._annotation)
        return self._table


class _Table:
    """The shapes of the records that an annotation names."""

    def __init__(self, annotation: Any) -> None:
        self._found: dict[type[Any], Shape | Refused] = {kind: _shape(kind) for kind in records_in(annotation)}
        self.by_identity = {shape.identity: shape for shape in self._found.values() if isinstance(shape, Shape)}

    def shape_of(self, kind: type[Any]) -> Shape | None:
        found = self._found.get(kind)
        if isinstance(found, Refused):
            raise Refused(found.kind, found.reason)  # a new one: they gather paths
        return found


def _shape(kind: type[Any]) -> Shape | Refused:
    try:
        return shape_for(kind)
    except Refused as refused:
        return refused


def _unknown(kind: type[Any]) -> Refused:
    return Refused(kind, f"stillroom does not know how to rebuild a {type_name(kind)}")
