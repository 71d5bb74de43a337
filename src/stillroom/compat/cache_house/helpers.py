"""Defaults, the key builder, the encoder and the decoder.

The default key builder makes names of the form ``prefix:namespace:hash``. For few and plain arguments the hash is the one that
cache-house has always shown; whatever that could confuse is written out exactly and hashed by BLAKE2.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import blake2b, md5
from typing import Any, Final

from ... import UncacheableArgument
from ._identity import exactly, stand_in

__all__ = ["DEFAULT_EXPIRE_TIME", "DEFAULT_NAMESPACE", "DEFAULT_PREFIX", "key_builder", "pickle_decoder", "pickle_encoder"]

DEFAULT_EXPIRE_TIME: Final = timedelta(seconds=180)
DEFAULT_NAMESPACE: Final = "main"
DEFAULT_PREFIX: Final = "cachehouse"

_PLAIN: Final = {str, bytes, int, bool, float, type(None)}
_ONE_BLOCK: Final = 55
"""Bytes up to which MD5 has a single block to work on; nobody knows how to make such texts collide."""


def key_builder(
    module: str,
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    prefix: str = DEFAULT_PREFIX,
    namespace: str = DEFAULT_NAMESPACE,
) -> str:
    """Return the key of a call.

    Args:
        module: the function's module.
        name: the function's name.
        args: the arguments given by position. The first one may be an object that has no value: without attributes it stands
            for its class, with some for itself.
        kwargs: the arguments given by name, in any order.
        prefix: the first part of the key.
        namespace: the second part.

    Raises:
        UncacheableArgument: an argument has no value that could tell it from others.
    """
    args, kwargs = tuple(args), dict(sorted(kwargs.items()))
    text = f"{module}:{name}:{args}:{kwargs}" if _are_plain(module, name, args, kwargs) else ""
    data = text.encode("utf-8", "surrogatepass")
    if 0 < len(data) <= _ONE_BLOCK:
        return f"{prefix}:{namespace}:{md5(data, usedforsecurity=False).hexdigest()}"
    data = _exactly(module, name, args, kwargs).encode("utf-8", "surrogatepass")
    return f"{prefix}:{namespace}:{blake2b(data, digest_size=16).hexdigest()}"


def _are_plain(module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Tell whether how Python shows the arguments tells them from all others, since it does not for every type."""
    return ":" not in module + name and _PLAIN.issuperset(map(type, (*args, *kwargs.values())))


def _exactly(module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    try:
        return exactly(module, name, args, kwargs)
    except UncacheableArgument:
        if not args:
            raise
        stands_for = stand_in(args[0])
        if stands_for is None:
            raise
        return exactly(module, name, stands_for, args[1:], kwargs)


def pickle_encoder(data: Any) -> bytes:
    """Return a value as pickle writes it."""
    return pickle.dumps(data)


def pickle_decoder(data: bytes) -> Any:
    """Return what pickle reads. It runs whatever code the bytes name: see ``secret`` of `RedisFactory.init`."""
    return pickle.loads(data)  # noqa: S301 - the documented default, and signed if there is a secret
