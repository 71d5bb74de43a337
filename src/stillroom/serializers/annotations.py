"""What annotations name: the classes in them, and their text.

Both look through unions, generics, `Annotated` and the like. What cannot be resolved, such as the name of something that is
imported for type checkers only, names no class.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, ForwardRef, cast

__all__ = ["annotations_of", "named_in", "resolved", "text_of"]


def named_in(annotation: Any) -> Iterator[type[Any]]:
    """Yield the classes that an annotation names, without looking into them."""
    waiting, seen = [annotation], list[Any]()
    while waiting:
        one = waiting.pop()
        if any(one is other for other in seen):
            continue
        seen.append(one)
        if isinstance(one, type) and typing.get_origin(one) is None:
            yield one
        waiting.extend(_parts_of(one))


def _parts_of(one: Any) -> Iterable[Any]:
    if isinstance(one, list | tuple):  # the parameters of a Callable
        return cast("list[Any]", one)
    if isinstance(one, Enum):  # in a Literal
        return [type(one)]
    if isinstance(one, typing.TypeVar):
        return [one.__bound__, *one.__constraints__]
    if isinstance(one, type) and typing.get_origin(one) is None:
        generic: Any = getattr(one, "__pydantic_generic_metadata__", None) or {}
        args: tuple[Any, ...] = generic.get("args", ())
        return args
    alias = getattr(one, "__supertype__", None) or getattr(one, "__value__", None)  # NewType; `type X = ...`
    metadata = getattr(one, "__metadata__", None)
    given = typing.get_args(one)
    return [typing.get_origin(one), alias, *(given[:1] if metadata else given)]


def annotations_of(kind: type[Any]) -> dict[str, Any]:
    """Return the annotations of a class and its bases as they are written."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        found |= _own(base)
    return found


def _own(kind: type[Any]) -> dict[str, Any]:
    try:
        if sys.version_info >= (3, 14):
            lib: Any = importlib.import_module("annotationlib")
            return cast("dict[str, Any]", lib.get_annotations(kind, format=lib.Format.FORWARDREF))
        return inspect.get_annotations(kind)
    except Exception:  # annotations are code of the user's
        return {}


def resolved(kind: type[Any]) -> Iterator[Any]:
    """Yield the annotations of a class and its bases, each resolved if it can be."""
    for base in kind.__mro__:
        module = sys.modules.get(base.__module__)
        names = {**vars(base), base.__name__: base}
        for annotation in _own(base).values():
            holder = types.SimpleNamespace(__annotations__={"it": annotation})
            try:
                hints = typing.get_type_hints(holder, vars(module) if module else {}, names, include_extras=True)
            except Exception:  # whatever evaluating a text may raise
                hints = {}
            yield from hints.values()


def text_of(annotation: Any) -> str:
    """Return the text of an annotation, the same in every process: no address, no ``repr`` of what libraries attach."""
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    if isinstance(annotation, list | tuple):
        return f"[{_texts(cast('list[Any]', annotation))}]"
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return f"Literal[{', '.join(_literal(arg) for arg in args)}]"
    if getattr(annotation, "__metadata__", None):
        return text_of(args[0])
    if origin is not None:
        return f"{text_of(origin)}[{_texts(args)}]"
    if isinstance(annotation, type):
        kind: type[Any] = annotation
        return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    name: Any = getattr(annotation, "__name__", None) or getattr(annotation, "_name", None)
    return name if isinstance(name, str) else type(annotation).__qualname__


def _texts(annotations: Iterable[Any]) -> str:
    return ", ".join(text_of(one) for one in annotations)


def _literal(value: object) -> str:
    return f"{text_of(type(value))}.{value._name_}" if isinstance(value, Enum) else ascii(value)
