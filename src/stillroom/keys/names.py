"""Names of types and functions, written only where the name really leads back to the thing.

A name is its module, a dot, and the path within the module with ``$`` for dots: ``app.models.Order$Line``. So module and path
cannot be confused. A name that leads nowhere, or to something else, could belong to two things at once and is refused.
"""

from __future__ import annotations

import re
import sys
from functools import reduce
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

from .refusals import Refused

if TYPE_CHECKING:
    from .walk import Encoder, Walk

__all__ = ["ENCODERS", "claimed_name", "encode_named", "is_named", "name_of"]

Named: TypeAlias = "type[Any] | FunctionType | BuiltinFunctionType"

_UNSAFE = re.compile(r"[\s'\"()\[\]{}<>,:=$]")


def name_of(thing: Named) -> str:
    """Return the name that leads to a type or function in every process.

    Raises:
        Refused: no name does.
    """
    fault = _fault(thing)
    if fault:
        raise _refused(thing, fault)
    return _spelled(thing.__module__, thing.__qualname__)


def is_named(thing: Named) -> bool:
    """Tell whether a name leads to a type or function in every process."""
    return not _fault(thing)


def claimed_name(kind: type[Any]) -> str | None:
    """Return the name that a type claims, whether or not it leads there; ``None`` if it could be mistaken for other text."""
    parts = kind.__qualname__.split(".")
    if _UNSAFE.search(kind.__module__) or not all(part.isidentifier() or part == "<locals>" for part in parts):
        return None
    return _spelled(kind.__module__, kind.__qualname__)


def encode_named(thing: Named, _: Walk) -> str:
    """Encode a type or function as its name."""
    return f"<{name_of(thing)}>"


def _fault(thing: Named) -> str:
    module, path = thing.__module__, thing.__qualname__
    if "<lambda>" in path:
        return "is a lambda, which no other process can find by name"
    if "<locals>" in path:
        return "is local to a function, where no other process can find it by name"
    if not isinstance(module, str) or _UNSAFE.search(module) or not all(map(str.isidentifier, path.split("."))):
        return "has no name by which it could be found"
    return "" if _found(module, path) is thing else "is not what its name leads to"


def _found(module: str, path: str) -> object:
    try:
        return reduce(getattr, path.split("."), sys.modules[module])
    except (KeyError, AttributeError):
        return None


def _spelled(module: str, path: str) -> str:
    return f"{module}.{path.replace('.', '$')}"


def _refused(thing: Named, fault: str) -> Refused:
    reason = f"{thing.__module__}.{thing.__qualname__} {fault}"
    if isinstance(thing, type):
        return Refused.unknown(thing, reason)
    return Refused(type(thing), reason, "use a function that is defined at the top level of a module")


ENCODERS: dict[type[Any], Encoder] = {type: encode_named, FunctionType: encode_named, BuiltinFunctionType: encode_named}
"""The encoders of what is known by its name, by exact type. Classes with a metaclass are found by `encode`."""
