"""How an entry is written: a versioned header, then the value as the serializer made it.

======================  =====  ====================================================================================
version                 1      what a later release reads, it must know by this
flags                   1      which of the optional fields there are; whether the value is an error to raise
length of the header    2      so that a script can return the header alone
number of tokens        1
stamp                   8      when it was loaded, in microseconds, and 13 random bits: no two entries share it
fresh until             8      seconds since 1970 on the server's clock; ``inf`` until invalidated
grace                   4      how many seconds longer it is of use to somebody
cost                    2      how many seconds the load took
checksum                4      CRC-32 of the key, the header and the value, so that what was damaged on its way is not served
retry at                8      optional, see `Entry`
plain until             8      optional: ``fresh until`` unless given
tokens                  8 n    of everything, of the namespace, of the function, of the tags
owner                   0, 9   of an entry under a name: a sign and eight bytes that stand for the function that made it
tags                    m      the names of the others
======================  =====  ====================================================================================

Times are the server's, so that clients whose clocks differ agree. What does not look like this is no entry.
"""

from __future__ import annotations

import math
from struct import Struct
from typing import Any, Final, NamedTuple
from zlib import crc32

from ..._engine.generations import is_owner, owner_digest, owner_name, shared_name
from ..._runtime.chance import bits
from ...entry import Entry
from ...protocols import Keyspace

__all__ = [
    "CHECKSUM_AT",
    "FIXED",
    "VERSION",
    "Damaged",
    "Header",
    "checksum",
    "closed",
    "names_of",
    "pack",
    "packed_names",
    "signed_part",
    "unpack",
]

VERSION: Final = 1
_IS_ERROR, _HAS_RETRY, _HAS_PLAIN, _NEVER_PLAIN = 1, 2, 4, 8
FIXED: Final = Struct("<BBHBQdfeI")
CHECKSUM_AT: Final = FIXED.size - 4
_DOUBLE: Final = Struct("<d")
STAMP_AT: Final = 5
"""Where the stamp begins; ``swap.lua`` and ``fill.lua`` know it too."""

_SEPARATOR: Final = b"\xff"  # stands in no UTF-8; at the beginning, it announces an owner
_OWNER_SIZE: Final = 9
_RANDOM_BITS: Final = 13
_HIGHEST_COST: Final = 65_000.0
_HIGHEST_GRACE: Final = 3.4e38


class Header(NamedTuple):
    """What is known of an entry without its value.

    Attributes:
        stamp: tells it from all other entries.
        fresh_until: as in `Entry`, on the server's clock; so are the other times.
        tokens: the tokens it was loaded under, one after the other.
        names: the names of those that its keyspace does not imply, as `packed_names` writes them.
        size: how long the header is.
    """

    stamp: int
    loaded_at: float
    fresh_until: float
    expires_at: float
    cost: float
    is_error: bool
    retry_at: float
    plain_until: float
    tokens: bytes
    names: bytes
    size: int

    def entry(self, value: Any, ahead: float) -> Entry[Any]:
        """Return the entry with its value, and its times on the clock of this process.

        Args:
            value: the value.
            ahead: by how many seconds the server's clock is ahead of that of this process.
        """
        return Entry(
            value,
            self.loaded_at - ahead,
            self.fresh_until - ahead,
            self.expires_at - ahead,
            self.cost,
            (),
            self.is_error,
            self.retry_at - ahead if self.retry_at else 0.0,
            self.plain_until - ahead,
        )


class Damaged(ValueError):
    """What was read is not what had been stored."""


def checksum(key: bytes, data: bytes) -> int:
    """Return the checksum of an entry, the one that stands in it left out."""
    return crc32(data[FIXED.size :], crc32(data[:CHECKSUM_AT], crc32(key)))


def closed(key: bytes, header: bytes, payload: bytes) -> bytes:
    """Return an entry as it is stored: header and value, with their checksum."""
    data = header + payload
    return data[:CHECKSUM_AT] + checksum(key, data).to_bytes(4, "little") + data[FIXED.size :]


def signed_part(key: bytes, header: bytes) -> bytes:
    """Return what a signature covers besides the value: all but the checksum, which is made last."""
    return len(key).to_bytes(4, "little") + key + header[:CHECKSUM_AT] + header[FIXED.size :]


def pack(entry: Entry[Any], tokens: bytes, names: bytes, ahead: float) -> bytes:
    """Return the header for an entry, still without a checksum.

    Args:
        entry: the entry, its times on the clock of this process.
        tokens: the tokens it was loaded under.
        names: the names of those that its keyspace does not imply.
        ahead: by how many seconds the server's clock is ahead.
    """
    flags, optional = int(entry.is_error), b""
    if entry.retry_at:
        flags |= _HAS_RETRY
        optional = _DOUBLE.pack(entry.retry_at + ahead)
    if entry.plain_until == -math.inf:
        flags |= _NEVER_PLAIN
    elif entry.plain_until != entry.fresh_until:
        flags |= _HAS_PLAIN
        optional += _DOUBLE.pack(entry.plain_until + ahead)
    grace = 0.0 if entry.fresh_until == math.inf else min(entry.expires_at - entry.fresh_until, _HIGHEST_GRACE)
    micro = int((entry.loaded_at + ahead) * 1_000_000)
    stamp = (micro << _RANDOM_BITS | bits(_RANDOM_BITS)) & 0xFFFFFFFFFFFFFFFF
    size = FIXED.size + len(optional) + len(tokens) + len(names)
    cost = min(entry.cost, _HIGHEST_COST)
    fixed = FIXED.pack(VERSION, flags, size, len(tokens) // 8, stamp, entry.fresh_until + ahead, grace, cost, 0)
    return fixed + optional + tokens + names


def unpack(data: bytes) -> Header:
    """Return the header that stored bytes begin with.

    Raises:
        ValueError: they begin with none, or with one of another version.
        Damaged: they begin with one that makes no sense.
    """
    if len(data) < FIXED.size or data[0] != VERSION:
        raise ValueError("no entry of this version")
    _, flags, size, count, stamp, fresh_until, grace, cost, _ = FIXED.unpack_from(data)
    at, retry_at = FIXED.size, 0.0
    plain_until = -math.inf if flags & _NEVER_PLAIN else fresh_until
    if flags & _HAS_RETRY:
        retry_at, at = _double(data, at), at + 8
    if flags & _HAS_PLAIN:
        plain_until, at = _double(data, at), at + 8
    end = at + 8 * count
    if not end <= size <= len(data) or fresh_until != fresh_until or not grace >= 0:
        raise Damaged("the header of an entry is damaged")
    loaded_at = (stamp >> _RANDOM_BITS) / 1_000_000
    return Header(
        stamp,
        loaded_at,
        fresh_until,
        fresh_until + grace,
        cost,
        bool(flags & _IS_ERROR),
        retry_at,
        plain_until,
        data[at:end],
        data[end:size],
        size,
    )


def _double(data: bytes, at: int) -> float:
    if len(data) < at + 8:
        raise Damaged("the header of an entry is damaged")
    number: float = _DOUBLE.unpack_from(data, at)[0]
    return number


def packed_names(space: Keyspace, names: tuple[str, ...]) -> bytes:
    """Return the names of generations that a keyspace does not imply, as an entry keeps them.

    Raises:
        ValueError: there are more than an entry can keep.
    """
    if space.function is not None and names[:1] == (space.function,):
        names = names[1:]
    shared = list(map(shared_name, names))
    owner = b""
    if shared and is_owner(shared[0]):
        owner = _SEPARATOR + owner_digest(shared.pop(0))
    packed = owner + _SEPARATOR.join([name.encode("utf-8", "surrogatepass") for name in shared])
    if len(packed) > 60_000 or len(names) > 250:
        raise ValueError("an entry cannot carry so many tags")
    return packed


def names_of(space: Keyspace, packed: bytes) -> tuple[str, ...]:
    """Return the names of all generations that an entry of a keyspace carries, besides those of everything and namespace.

    Raises:
        ValueError: they are damaged.
    """
    implied: tuple[str, ...] = () if space.function is None else (shared_name(space.function),)
    if packed[:1] == _SEPARATOR:
        implied += (owner_name(packed[1:_OWNER_SIZE]),)
        packed = packed[_OWNER_SIZE:]
    if not packed:
        return implied
    return implied + tuple([part.decode("utf-8", "surrogatepass") for part in packed.split(_SEPARATOR)])
