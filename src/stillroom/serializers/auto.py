"""``serializer="auto"``: known types exactly, classes that were named as allowed, and nothing else.

A value of lists, dicts with text keys and scalars is plain MessagePack, written and read by msgspec alone. Everything else is
an extension: a code, and content that the type's codec has made.

Reading builds known types by their own constructors and instances of allowed classes without any; it looks classes up among
those that the function's annotation and `register_type` name, and imports nothing.
"""

from __future__ import annotations

from typing import Any

from .classes import Classes
from .packing import Packing
from .plain import is_plain
from .refusals import Refused
from .unpacking import Unpacking
from .wire import wire

__all__ = ["AutoSerializer"]


class AutoSerializer:
    """Stores known types and the given classes.

    Args:
        classes: which classes may be rebuilt.
    """

    def __init__(self, classes: Classes) -> None:
        self._wire = wire()
        self._classes = classes
        self._decode = Unpacking(self._wire, classes).decode

    def __repr__(self) -> str:
        return "AutoSerializer()"

    def dump(self, value: Any) -> bytes:
        try:
            if is_plain(value):
                try:
                    return self._wire.encode(value)
                except (OverflowError, UnicodeEncodeError):
                    pass  # an int beyond 64 bits, a lone surrogate: those are extensions
            return self._wire.encode(Packing(self._wire, self._classes).tree(value))
        except Refused as refused:
            raise refused.error() from refused.__cause__
        except (RuntimeError, ValueError, OverflowError) as error:  # changed while it was read, no stack left, too large
            raise Refused(type(value), f"it could not be read ({error})").error() from error

    def load(self, data: bytes) -> Any:
        try:
            return self._decode(data)
        except Exception as error:
            raise ValueError(f"these bytes give no value that may be built here: {error}") from error
