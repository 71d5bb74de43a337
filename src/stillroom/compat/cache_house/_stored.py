"""What is stored under which name, whoever stores it.

Bytes and text that the encoder of a decorated function made are stored as they are. All else goes through the encoder of the
backend and stands in a tuple: other things that such an encoder made, and what `set_key` was given. So `get_key` gives what it
was given, and no object in memory is shared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ... import UncacheableValue

__all__ = ["as_stored", "name_of", "packed", "unpacked"]

_AS_THEY_ARE: Final = (bytes, str)


def name_of(key: Any) -> Any:
    """Return the name that a key stands for, as a client of redis-py would send it."""
    if isinstance(key, bytes):
        return key.decode("utf-8", "surrogateescape")
    return str(key) if type(key) in (int, float) else key


def as_stored(encoded: Any, encoder: Callable[[Any], Any]) -> Any:
    """Return how that which the encoder of a function made is stored.

    Args:
        encoded: what it made.
        encoder: the backend's.
    """
    return encoded if type(encoded) in _AS_THEY_ARE else packed(encoded, encoder)


def packed(value: Any, encoder: Callable[[Any], Any], *, as_text: bool = False) -> tuple[bytes | str]:
    """Return how a value is stored that the encoder of the backend is for.

    Args:
        value: the value.
        encoder: the backend's.
        as_text: whether its decoder takes text; as clients of redis-py do, it is given bytes otherwise.

    Raises:
        UncacheableValue: the encoder returns what no server could store.
    """
    encoded: object = encoder(value)
    if type(encoded) in (int, float):
        encoded = repr(encoded)
    if not isinstance(encoded, _AS_THEY_ARE):
        kind = type(encoded)
        raise UncacheableValue(f"an encoder must return bytes, text or a number, not {kind.__name__}", type=kind)
    return (encoded.encode() if isinstance(encoded, str) and not as_text else encoded,)


def unpacked(stored: Any, decoder: Callable[[Any], Any]) -> Any:
    """Return what the encoder of a function made, or else what the decoder of the backend makes of what is stored."""
    return decoder(stored[0]) if type(stored) is tuple else stored
