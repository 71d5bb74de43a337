"""Seals on stored bytes, which only holders of a secret can make.

A seal is the id of a secret and a BLAKE2b digest, keyed with the secret, of the context and the bytes. The context is the
entry's key, so bytes that were copied from one key to another do not verify. The id says which secret to verify with, so that
secrets can be replaced while older entries live on.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from ..errors import ConfigurationError
from .marks import SEALED, unmarked

__all__ = ["Signer"]

_SHORTEST: Final = 16
_ID: Final = 4
_MAC: Final = 16


class Signer:
    """Seals bytes and verifies seals.

    Args:
        secret: at least 16 bytes that nobody can guess, such as ``secrets.token_hex()`` gives; several of them, newest first,
            to seal with the newest and accept all.

    Raises:
        ConfigurationError: there is none, or one is too short; the message does not show it.

    Example:
        >>> signer = Signer([new, old])
        >>> signer.open(signer.seal(b"data", b"user:5"), b"user:5")
        b'data'
    """

    __slots__ = ("_id", "_key", "_keys")

    def __init__(self, secret: str | bytes | Sequence[str | bytes]) -> None:
        given = [secret] if isinstance(secret, str | bytes) else secret
        if not isinstance(given, Sequence) or not given:
            raise ConfigurationError("secret must be text, bytes, or several of these, newest first", setting="secret")
        secrets = [_bytes(one) for one in given]
        self._id, self._key = _id(secrets[0]), _key(secrets[0])
        self._keys: dict[bytes, tuple[bytes, ...]] = {}
        for one in secrets:  # ids are short: two secrets may share one
            self._keys[_id(one)] = (*self._keys.get(_id(one), ()), _key(one))

    def __repr__(self) -> str:
        return "Signer(...)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a Signer is not pickled: what it knows is secret")

    def seal(self, data: bytes, context: bytes) -> bytes:
        """Return bytes with a seal that holds in a context only."""
        return b"".join((SEALED, self._id, _mac(self._key, data, context), data))

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return the bytes under a seal.

        Raises:
            ValueError: they have no seal, or it does not hold for them in this context.
        """
        content = unmarked(sealed, SEALED)
        mac, data = content[_ID : _ID + _MAC], content[_ID + _MAC :]
        for key in self._keys.get(content[:_ID], ()):
            if compare_digest(mac, _mac(key, data, context)):
                return data
        raise ValueError("the seal does not hold")


def _bytes(secret: object) -> bytes:
    if not isinstance(secret, str | bytes):
        raise ConfigurationError(f"secret must be text or bytes, not a {type(secret).__name__}", setting="secret")
    data = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
    if len(data) < _SHORTEST:
        message = f"secret must have {_SHORTEST} bytes or more, not {len(data)}: secrets.token_hex() makes a good one"
        raise ConfigurationError(message, setting="secret")
    return data


def _id(secret: bytes) -> bytes:
    return blake2b(secret, digest_size=_ID, person=b"stillroom/kid/v1").digest()


def _key(secret: bytes) -> bytes:
    return blake2b(secret, digest_size=32, person=b"stillroom/mac/v1").digest()


def _mac(key: bytes, data: bytes, context: bytes) -> bytes:
    mac = blake2b(len(context).to_bytes(8, "big"), digest_size=_MAC, key=key)  # the length tells where the context ends
    mac.update(context)
    mac.update(data)
    return mac.digest()
