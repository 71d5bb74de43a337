"""MessagePack as msgspec reads and writes it. The one module that imports msgspec, and only once a serializer needs it.

Lists, dicts with text keys and scalars are written as they are, all other types as extensions, whose content is MessagePack
again. So msgspec alone reads what is plain, and calls back for nothing but extensions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import ConfigurationError

__all__ = ["Hook", "Wire", "wire"]

Hook = Callable[[int, memoryview], Any]
"""Builds the value of an extension from its code and content."""


class Wire(NamedTuple):
    """What msgspec does for us.

    Attributes:
        encode: from a tree of plain values and extensions to bytes.
        extension: makes an extension from its code and content.
        decoder: makes the way back, given what builds the values of extensions.
    """

    encode: Callable[[Any], bytes]
    extension: Callable[[int, bytes], Any]
    decoder: Callable[[Hook], Callable[[bytes | memoryview], Any]]


def wire() -> Wire:
    """Return the functions of msgspec.

    Raises:
        ConfigurationError: msgspec is not installed.
    """
    try:
        from msgspec import msgpack
    except ImportError as error:
        message = "serializer needs msgspec for this: pip install 'stillroom[redis]'"
        raise ConfigurationError(message, setting="serializer") from error

    def decoder(hook: Hook) -> Callable[[bytes | memoryview], Any]:
        return msgpack.Decoder(ext_hook=hook).decode

    return Wire(msgpack.Encoder().encode, msgpack.Ext, decoder)
