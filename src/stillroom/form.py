"""In what form the values of one function are stored outside of this process."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

from .entry import MISSING, Missing
from .serializers.setting import check

if TYPE_CHECKING:
    from .capabilities import TwoSided
    from .protocols import Serializer

__all__ = ["Compression", "Form", "Secret", "SerializerSetting"]

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
        return store.serializer_for(self.serializer, self.compress, _returned(function), errors)


def _returned(function: Callable[..., Any]) -> Any:
    """Return the annotation of what a function returns, with names resolved where that is possible."""
    plain: Any = inspect.unwrap(function)
    if not hasattr(plain, "__annotations__"):
        plain = getattr(cast("Any", type(plain)), "__call__", plain)  # noqa: B004 - an object that can be called
    annotation = getattr(plain, "__annotations__", {}).get("return", MISSING)
    if isinstance(annotation, str):
        module = sys.modules.get(getattr(plain, "__module__", ""), None)
        cells: Mapping[str, Any] = inspect.getclosurevars(plain).nonlocals if inspect.isfunction(plain) else {}
        try:
            return eval(annotation, getattr(module, "__dict__", {}), {**cells})  # noqa: S307 - the author of the function wrote it
        except Exception:  # a name that only type checkers see, or that is local to where the function was made
            return MISSING
    return annotation
