"""The wire protocol of Redis, as hiredis reads and writes it. The one module that imports hiredis."""

from __future__ import annotations

from typing import Any, Final, cast

from ..errors import ConfigurationError

try:
    import hiredis as _hiredis
except ImportError as _error:
    raise ConfigurationError("a cache on Redis needs hiredis: pip install 'stillroom[redis]'", setting="url") from _error

__all__ = ["NOT_YET", "ReplyError", "is_push", "new_reader", "pack"]

hiredis: Final = cast("Any", _hiredis)  # its types are not complete

NOT_YET: Final = object()
"""What a reader returns until the next reply is complete."""

ReplyError: Final[type[Exception]] = hiredis.ReplyError
"""How a reader returns an error that the server replied."""


def new_reader() -> Any:
    """Return a parser of replies; errors among them are returned, not raised."""
    return hiredis.Reader(notEnoughData=NOT_YET)


def is_push(reply: object) -> bool:
    """Tell whether what was read is no reply, but what the server says by itself."""
    return isinstance(reply, hiredis.PushNotification)


def pack(*args: bytes | int | str) -> bytes:
    """Return a command as it is sent."""
    packed: bytes = hiredis.pack_command(args)
    return packed
