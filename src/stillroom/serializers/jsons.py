"""``serializer="json"``: what JSON can hold without a change of type, everything else refused.

The standard library's ``json`` reads and writes it: its numbers come back exactly.
"""

from __future__ import annotations

from json import JSONDecoder, JSONEncoder
from typing import Any, NoReturn

from .marks import JSON, unmarked
from .plain import JSON_SCALARS, is_plain, refusal, unwritable

__all__ = ["JsonSerializer"]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class JsonSerializer:
    """Plain values without bytes, NaN and infinities, as JSON."""

    def __init__(self) -> None:
        self._encode = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
        self._decode = JSONDecoder(parse_constant=_no_constant).decode

    def __repr__(self) -> str:
        return "JsonSerializer()"

    def dump(self, value: Any) -> bytes:
        try:
            if is_plain(value, JSON_SCALARS):
                return JSON + self._encode(value).encode()
            refused = refusal(value, JSON_SCALARS, "json")
        except (ValueError, RuntimeError) as error:  # NaN, a lone surrogate, a huge int; changed while it was read
            refused = unwritable(value, "json", error)
        raise refused.error()

    def load(self, data: bytes) -> Any:
        text = unmarked(data, JSON).decode()
        try:
            return self._decode(text)
        except RecursionError as error:
            raise ValueError("these bytes are nested too deeply") from error
