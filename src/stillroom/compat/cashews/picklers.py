"""What turns the values of a cache into bytes on Redis: pickle unless something else is chosen, as in cashews.

Pickle runs whatever code the bytes name. Without a ``secret``, whoever can write to the Redis server owns the processes that
read from it; with one, what does not bear its signature is a miss and is never unpickled. ``pickle_type="json"`` runs nothing.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from enum import Enum
from importlib import import_module
from typing import Any, Final, Protocol, cast

from .exceptions import UnsupportedPicklerError

__all__ = ["DEFAULT_PICKLER", "JsonPickler", "NonPickler", "Pickler", "PicklerType", "get_pickler"]


class PicklerType(Enum):
    """What ``pickle_type`` may be."""

    DEFAULT = "default"
    NULL = "null"
    JSON = "json"
    DILL = "dill"
    SQLALCHEMY = "sqlalchemy"


class _Picklers(Protocol):
    @staticmethod
    def loads(value: bytes) -> Any: ...
    @staticmethod
    def dumps(value: Any) -> bytes: ...


class Pickler:
    """The standard library's pickle."""

    @staticmethod
    def loads(value: bytes) -> Any:
        """Return what became these bytes."""
        return pickle.loads(value, fix_imports=False, encoding="bytes")  # noqa: S301 - what the users of cashews rely on

    @staticmethod
    def dumps(value: Any) -> bytes:
        """Return a value as bytes."""
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL, fix_imports=False)


class JsonPickler:
    """JSON; what it has no word for comes back as what it made of it, such as a tuple as a list."""

    json_serial: Callable[[Any], Any] | None = None

    @staticmethod
    def loads(value: bytes) -> Any:
        """Return what became these bytes."""
        return json.loads(value)

    @classmethod
    def dumps(cls, value: Any) -> bytes:
        """Return a value as bytes."""
        return json.dumps(value, default=cls.json_serial).encode()


class NonPickler(JsonPickler):
    """No pickle. In memory values stay what they are; on Redis, which holds bytes, they become JSON."""


def get_pickler(pickler_type: PicklerType) -> type[_Picklers]:
    """Return the pickler of a type.

    Raises:
        UnsupportedPicklerError: there is none, or its package is not installed.
    """
    known: dict[PicklerType, type[_Picklers]] = {
        PicklerType.DEFAULT: Pickler,
        PicklerType.JSON: JsonPickler,
        PicklerType.NULL: NonPickler,
    }
    if pickler_type in known:
        return known[pickler_type]
    return _foreign(_FOREIGN.get(pickler_type))


_FOREIGN: Final = {PicklerType.DILL: "dill", PicklerType.SQLALCHEMY: "sqlalchemy.ext.serializer"}


def _foreign(module: str | None) -> type[_Picklers]:
    if module is None:
        raise UnsupportedPicklerError
    try:
        return cast("type[_Picklers]", import_module(module))  # it has loads and dumps, and nothing else is asked of it
    except ImportError as error:
        raise UnsupportedPicklerError(f"pickle_type needs the package {module.partition('.')[0]}") from error


DEFAULT_PICKLER: Final = get_pickler(PicklerType.DEFAULT)
