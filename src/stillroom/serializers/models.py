"""How instances of pydantic models are taken apart and put together again, without importing pydantic.

Besides its fields, a model holds which of them were given, extra ones, and private attributes. All of that comes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .annotations import annotations_of
from .refusals import Refused
from .shapes import Shape, blank, identity_of, require_plain_new, slots_of

__all__ = ["ModelShape", "is_model"]

_OWN_SLOTS = ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")


def is_model(kind: type[Any]) -> bool:
    """Tell whether a class is a pydantic model, by the attributes that pydantic leaves on it."""
    return hasattr(kind, "__pydantic_validator__") and hasattr(kind, "__pydantic_fields_set__")


class ModelShape(Shape):
    """A pydantic model."""

    def __init__(self, kind: type[Any]) -> None:
        names: Iterable[str] = getattr(kind, "__pydantic_fields__", None) or kind.model_fields
        self._names = tuple(names)
        annotations = annotations_of(kind)  # as written: what pydantic makes of them changes once all names are known
        identity = identity_of(kind, "model", [(name, annotations.get(name)) for name in self._names])
        super().__init__(
            kind, identity, [*(f".{name}" for name in self._names), ".__dict__", *(f".{name}" for name in _OWN_SLOTS)]
        )
        require_plain_new(kind)
        if not slots_of(kind).keys() <= {*_OWN_SLOTS}:
            raise Refused(kind, "it has slots besides its fields")

    def take(self, value: Any) -> Iterable[Any]:
        state: dict[str, Any] = dict(value.__dict__)
        try:
            fields = [state.pop(name) for name in self._names]
            return *fields, state, *(getattr(value, name) for name in _OWN_SLOTS)
        except (KeyError, AttributeError) as error:  # made by model_construct
            raise Refused(self.kind, f"it lacks {error}") from None

    def make(self, members: list[Any]) -> Any:
        *fields, state, given, extra, private = members
        if type(given) is not set or type(state) is not dict:
            raise ValueError("a model holds something else than it should")
        made = blank(self.kind)
        object.__setattr__(made, "__dict__", dict(zip(self._names, fields, strict=True)) | state)
        slots: Any = (given, extra, private)
        for name, held in zip(_OWN_SLOTS, slots, strict=True):
            object.__setattr__(made, name, held)
        return made
