"""``serializer="pickle"``: all that pickle can store. Reading it can run any code, so only what is signed may get here."""

from __future__ import annotations

import pickle
from typing import Any

from .marks import PICKLE, unmarked
from .refusals import Refused

__all__ = ["PickleSerializer"]

_PROTOCOL = 5  # all supported versions of Python read it


class PickleSerializer:
    """Everything, by pickle."""

    def __repr__(self) -> str:
        return "PickleSerializer()"

    def dump(self, value: Any) -> bytes:
        try:
            return PICKLE + pickle.dumps(value, protocol=_PROTOCOL)
        except Exception as error:  # classes have their say in it
            refused = Refused(type(value), f"pickle refuses it ({error})", _WAYS)
            raise refused.error() from error

    def load(self, data: bytes) -> Any:
        content = unmarked(data, PICKLE)
        try:
            return pickle.loads(content)  # noqa: S301 - signed
        except Exception as error:
            raise ValueError(f"these bytes cannot be unpickled: {type(error).__name__}") from error


_WAYS = (
    'use serializer="auto" and annotate the function with the classes it returns',
    "make the type known to that with register_type(...)",
    "return something that pickle can store, such as an instance of a class at the top level of a module",
)
