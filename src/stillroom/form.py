"""In what form the values of one function are stored outside of this process."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast, get_origin

from .entry import MISSING, Missing
from .serializers.setting import check

if TYPE_CHECKING:
    from .capabilities import TwoSided
    from .protocols import Serializer

__all__ = ["Compression", "Form", "Secret", "SerializerSetting", "returned", "returned_origin"]

SerializerSetting: TypeAlias = (
    "Literal['auto', 'json', 'msgpack', 'pickle'] | Serializer | tuple[Callable[[Any], bytes], Callable[[bytes], Any]]"
)
"""What turns values into bytes: by name, as an object, or as a pair of functions, there and back."""
Compression: TypeAlias = Literal["zlib", "zstd"]
Secret: TypeAlias = "str | bytes | Sequence[str | bytes]"  # noqa: S105 - a type
"""What signs stored values: one, or several of which the first signs and all are accepted."""


class Form(NamedTuple):
    """What a function says of the form of its values.

    Attributes:
        serializer: its own choice; ``None`` for that of the cache.
        compress: its own choice; ``MISSING`` for that of the cache.
    """

    serializer: SerializerSetting | None = None
    compress: Compression | Missing | None = MISSING

    @classmethod
    def checked(cls, serializer: Any, compress: Any) -> Form:
        """Return a form that makes sense on some store at least.

        Raises:
            ConfigurationError: it makes none.
        """
        check("auto" if serializer is None else serializer, None if compress is MISSING else compress)
        return cls(serializer, compress)

    def on(self, store: TwoSided, function: Callable[..., Any], errors: tuple[type[Exception], ...]) -> Serializer:
        """Return what turns the values of a function into bytes for a store.

        Raises:
            ConfigurationError: a setting makes no sense there.
        """
        return store.serializer_for(self.serializer, self.compress, returned(function), errors)


def returned(function: Callable[..., Any]) -> Any:
    """Return the annotation of what a function returns, with names resolved where that is possible."""
    annotation = _plain(function).__annotations__.get("return", MISSING)
    return resolved(annotation, function) if isinstance(annotation, str) else annotation


def returned_origin(function: Callable[..., Any]) -> Any:
    """Return the same without what stands in brackets, so that names in there need not be known yet."""
    annotation = _plain(function).__annotations__.get("return", MISSING)
    if isinstance(annotation, str):
        return resolved(annotation.partition("[")[0], function)
    return get_origin(annotation) or annotation


def resolved(annotation: str, function: Callable[..., Any]) -> Any:
    """Return what an annotation of a function stands for; ``MISSING`` if that is not known here, or not yet."""
    plain = _plain(function)
    module = sys.modules.get(getattr(plain, "__module__", ""), None)
    try:
        return eval(annotation, getattr(module, "__dict__", {}), _cells(plain))  # noqa: S307 - the author of the function wrote it
    except Exception:  # a name that only type checkers see, or that is local to where the function was made
        return MISSING


def _plain(function: Callable[..., Any]) -> Any:
    plain: Any = inspect.unwrap(function)
    if not hasattr(plain, "__annotations__"):
        plain = getattr(cast("Any", type(plain)), "__call__", plain)  # noqa: B004 - an object that can be called
    return plain if hasattr(plain, "__annotations__") else _untold


def _untold():  # type: ignore[no-untyped-def]
    """Stand for functions without annotations."""


def _cells(function: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # still empty, as that of a function's own name is while it is being decorated
            continue
    return found
