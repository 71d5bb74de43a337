"""From values to bytes and back, as ``pickle_type``, ``secret``, ``digestmod`` and ``compress_type`` say, and `register_type`.

A value is a letter that says of what sort it is, and what that sort makes of it: whole numbers and bytes need no pickle. What
is signed, and with which digest, is the native cache's to say: keyed BLAKE2b over key and value, whatever ``digestmod`` asks
for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final

from ._marks import Kept, KeptOddly
from .compresors import CompressType
from .exceptions import UnsupportedCompressorError, UnsupportedDigestmod
from .picklers import PicklerType, get_pickler

__all__ = ["Bits", "DecodeError", "Encoded", "Members", "Scores", "Serializer", "get_serializer", "register_type"]

_DIGESTS: Final = frozenset({"sha1", "md5", "sha256", "sum", "xxh32", "xxh64", "xxh3_64", "xxh3_128"})


class DecodeError(Exception):
    """A decoder says that its value is not there."""


class Encoded:
    """A value of a type that was registered, as its encoder has made it.

    Attributes:
        name: the name of the type.
        data: what the encoder has made of it.
        origin: the value itself, for whoever has loaded it, once: a stream can be decoded only after it was sent.
    """

    __slots__ = ("data", "name", "origin")

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        self.origin: Any = None

    def __reduce__(self) -> tuple[type[Encoded], tuple[str, bytes]]:
        return Encoded, (self.name, self.data)


class Bits(int):
    """What `incr_bits` keeps."""


class Members(frozenset[str]):
    """What `set_add` keeps."""


class Scores(tuple[float, ...]):
    """What `slice_incr` keeps."""

    __slots__ = ()


class Serializer:
    """What values become outside of this process.

    Args:
        pickle_type: what turns values into bytes that are no numbers or bytes.
        check_repr: whether a value whose ``repr`` misses an attribute counts as one of another version of its class.
        secret: signs what is stored; any length, as it was in cashews.
        is_compressed: whether large values are compressed.
    """

    _types: ClassVar[dict[str, tuple[Callable[..., Awaitable[bytes]], Callable[..., Awaitable[Any]]]]] = {}

    def __init__(
        self,
        pickle_type: PicklerType,
        *,
        check_repr: bool = True,
        secret: str | bytes | None = None,
        is_compressed: bool = False,
    ) -> None:
        self._pickler = get_pickler(pickle_type)
        self._checks_repr = check_repr
        self.keeps_objects = pickle_type is PicklerType.NULL
        self.options: dict[str, Any] = {"serializer": self, "compress": "zlib" if is_compressed else None}
        if secret:
            self.options["secret"] = _stretched(secret)

    def dump(self, value: Any) -> bytes:
        """Return a value as bytes."""
        known = _DUMPS.get(value.__class__)
        if known is not None:
            letter, dump = known
            return letter + dump(value)
        if isinstance(value, Kept):
            mark = value.mark.encode("utf-8", "surrogatepass")
            return b"%s%d:%s%s" % (b"o" if isinstance(value, KeptOddly) else b"k", len(mark), mark, self.dump(value.value))
        return b"p" + self._pickler.dumps(value)

    def load(self, data: bytes) -> Any:
        """Return the value that became these bytes."""
        try:
            return self._loaded(data[:1], data[1:])
        except Exception as error:  # unpickling may raise anything
            raise ValueError(f"what is stored cannot be read: {error}") from error

    def raw(self, value: Any) -> bytes | None:
        """Return what a server would hold of a value, without the letter."""
        return None if value is None else self.dump(value)[1:]

    def _loaded(self, kind: bytes, data: bytes) -> Any:
        if kind == b"p":
            value = self._pickler.loads(data)
            if self._checks_repr:
                repr(value)
            return value
        if kind in (b"k", b"o"):
            length, _, rest = data.partition(b":")
            mark, value = rest[: int(length)], self.load(rest[int(length) :])
            return (Kept if kind == b"k" else KeptOddly)(mark.decode("utf-8", "surrogatepass"), value)
        return _LOADS[kind](data)

    # Registered types

    @classmethod
    def register_type(
        cls, klass: type, encoder: Callable[..., Awaitable[bytes]], decoder: Callable[..., Awaitable[Any]]
    ) -> None:
        """Have two coroutine functions turn instances of a class into bytes, and back."""
        cls.register_name(klass.__name__, encoder, decoder)

    @classmethod
    def register_name(cls, name: str, encoder: Callable[..., Awaitable[bytes]], decoder: Callable[..., Awaitable[Any]]) -> None:
        """Do the same for a class that need not be imported for that."""
        cls._types[name] = (encoder, decoder)

    @classmethod
    def is_registered(cls, value: object) -> bool:
        """Tell whether a type was registered for a value."""
        return type(value).__name__ in cls._types

    async def encoded(self, backend: Any, key: str, value: Any, expire: float | None) -> Any:
        """Return what the encoder of a value's type makes of it, or the value if it has none."""
        if type(value).__name__ not in self._types:
            return value
        encoder, _ = self._types[type(value).__name__]
        return Encoded(type(value).__name__, await encoder(value, backend, key, expire))

    async def decoded(self, backend: Any, key: str, value: Any, default: Any) -> Any:
        """Return what a decoder makes of a value, or ``default`` if it cannot."""
        if type(value) is not Encoded:
            return value
        if value.name not in self._types:
            return default
        _, decoder = self._types[value.name]
        try:
            return await decoder(value.data, backend, key)
        except DecodeError:
            return default


def _encoded(data: bytes) -> Encoded:
    name, _, rest = data.partition(b":")
    return Encoded(name.decode(), rest)


_DUMPS: Final[dict[type[Any], tuple[bytes, Callable[[Any], bytes]]]] = {
    int: (b"i", lambda value: b"%d" % value),
    bytes: (b"b", bytes),
    Encoded: (b"t", lambda value: value.name.encode() + b":" + value.data),
    Bits: (b"B", lambda value: b"%d" % value),
    Members: (b"m", lambda value: json.dumps(sorted(value)).encode()),
    Scores: (b"s", lambda value: json.dumps(value).encode()),
}
_LOADS: Final[dict[bytes, Callable[[bytes], Any]]] = {
    b"i": int,
    b"b": bytes,
    b"t": _encoded,
    b"B": Bits,
    b"m": lambda data: Members(json.loads(data)),
    b"s": lambda data: Scores(json.loads(data)),
}


def get_serializer(
    secret: str | bytes | None = None,
    digestmod: str | bytes = b"md5",
    check_repr: bool = True,
    pickle_type: PicklerType | str | None = None,
    compress_type: CompressType | str | None = None,
) -> Serializer:
    """Return the serializer that settings ask for.

    Raises:
        UnsupportedDigestmod: there is no such digest.
        UnsupportedCompressorError: there is no such compression.
        UnsupportedPicklerError: there is no such pickler.
    """
    digest = digestmod.decode() if isinstance(digestmod, bytes) else digestmod
    if digest not in _DIGESTS:
        raise UnsupportedDigestmod(f"digestmod must be one of {', '.join(sorted(_DIGESTS))}, not {digestmod!r}")
    chosen = PicklerType(pickle_type or PicklerType.NULL)
    if chosen is PicklerType.NULL and secret:
        chosen = PicklerType.DEFAULT
    return Serializer(
        chosen,
        check_repr=check_repr,
        secret=secret,
        is_compressed=_compression(compress_type) is not CompressType.NULL,
    )


def _compression(given: CompressType | str | None) -> CompressType:
    if isinstance(given, str):
        return CompressType(given)
    if given is not None and not isinstance(given, CompressType):
        raise UnsupportedCompressorError
    return given or CompressType.NULL


def _stretched(secret: str | bytes) -> str:
    """Return a secret of the length that signing wants; it is as hard to guess as what was given, and no harder."""
    given = secret.encode() if isinstance(secret, str) else secret
    return hashlib.blake2b(given, person=b"cashews").hexdigest()


register_type = Serializer.register_type


async def _encode_stream(value: Any, backend: Any, key: str, expire: float | None) -> bytes:
    from .contrib._starlette import encode

    return await encode(value, backend, key, expire)


async def _decode_stream(value: bytes, backend: Any, key: str) -> Any:
    from .contrib._starlette import decode

    return await decode(value, backend, key)


Serializer.register_name("StreamingResponse", _encode_stream, _decode_stream)
