"""Serializers that users bring, and what lets remembered errors pass by serializers that know none.

Whatever a user's serializer raises is told apart only by when: a value that cannot be stored, or bytes that cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import UncacheableValue
from ..protocols import Serializer
from .marks import CUSTOM_BYTES, CUSTOM_TEXT, ERROR, unmarked
from .refusals import Refused

__all__ = ["CustomSerializer", "ErrorsApart"]


class CustomSerializer:
    """A pair of functions.

    Args:
        encode: returns a value as bytes or text.
        decode: returns the value, given what ``encode`` returned: bytes for bytes, text for text.
    """

    def __init__(self, encode: Callable[[Any], Any], decode: Callable[[Any], Any]) -> None:
        self._encode = encode
        self._decode = decode

    def __repr__(self) -> str:
        return f"CustomSerializer({self._encode!r}, {self._decode!r})"

    def dump(self, value: Any) -> bytes:
        try:
            made = self._encode(value)
            if isinstance(made, str):
                return CUSTOM_TEXT + made.encode()
        except UncacheableValue:
            raise
        except Exception as error:
            refused = Refused(type(value), f"the encoder failed with {type(error).__name__}: {error}")
            raise refused.error() from error
        if isinstance(made, bytes | bytearray | memoryview):
            return CUSTOM_BYTES + made
        raise Refused(type(value), f"the encoder gave neither bytes nor text, but a {type(made).__name__}").error()

    def load(self, data: bytes) -> Any:
        is_text = data[:2] == CUSTOM_TEXT
        content = unmarked(data, CUSTOM_TEXT if is_text else CUSTOM_BYTES)
        try:
            return self._decode(content.decode() if is_text else content)
        except Exception as error:
            raise ValueError(f"the decoder failed with {type(error).__name__}") from error


class ErrorsApart:
    """Stores remembered errors by another serializer than values.

    Args:
        values: the serializer of values.
        errors: the serializer of errors.
        kinds: the errors that are remembered.
    """

    def __init__(self, values: Serializer, errors: Serializer, kinds: tuple[type[BaseException], ...]) -> None:
        self._values = values
        self._errors = errors
        self._kinds = kinds

    def __repr__(self) -> str:
        return f"ErrorsApart({self._values!r})"

    def dump(self, value: Any) -> bytes:
        return ERROR + self._errors.dump(value) if isinstance(value, self._kinds) else self._values.dump(value)

    def load(self, data: bytes) -> Any:
        return self._errors.load(data[2:]) if data[:2] == ERROR else self._values.load(data)
