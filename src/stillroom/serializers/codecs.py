"""How each known type is written and read: all that keys know, apart from records.

A codec writes the content of an extension and reads it again. Its code is part of what is stored, so it never changes its
meaning; new types are given new ones.
"""

from __future__ import annotations

import operator
import re
import struct
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from uuid import UUID, SafeUUID
from zoneinfo import ZoneInfo

from .refusals import Refused

if TYPE_CHECKING:
    from .packing import Packing
    from .unpacking import Unpacking

__all__ = ["BIG", "BY_CODE", "BY_TYPE", "CLASS", "KNOWN_CLASSES", "PAIRS", "RECORD", "SURROGATES", "Codec"]

BIG: Final = 1  # an int beyond 64 bits
SURROGATES: Final = 2  # text that UTF-8 cannot hold
PAIRS: Final = 3  # a dict with keys other than text
RECORD: Final = 4  # an instance of an allowed class
CLASS: Final = 5  # an allowed class


class Codec(NamedTuple):
    """Writes and reads values of one type."""

    code: int
    pack: Callable[[Any, Packing], bytes]
    unpack: Callable[[memoryview, Unpacking], Any]


def _sequence(code: int, make: Callable[[list[Any]], Any]) -> Codec:
    def unpack(data: memoryview, unpacking: Unpacking) -> Any:
        return make(unpacking.members(data))

    return Codec(code, _pack_sequence, unpack)


def _pack_sequence(value: Any, packing: Packing) -> bytes:
    return packing.content(value, value)


def _set(code: int, make: Callable[[list[Any]], set[Any] | frozenset[Any]]) -> Codec:
    def unpack(data: memoryview, unpacking: Unpacking) -> set[Any] | frozenset[Any]:
        members = unpacking.members(data)
        made = make(members)
        if len(made) != len(members):
            raise ValueError("a set has a member twice")
        return made

    return Codec(code, _pack_set, unpack)


def _pack_set(value: Any, packing: Packing) -> bytes:
    return packing.content(value, value, lambda _: "{...}")


def _parts(
    code: int, take: Callable[[Any], Iterable[Any]], make: Callable[..., Any], count: int, of: tuple[type[Any], ...] = ()
) -> Codec:
    """Return the codec of a type whose constructor takes the parts that it can be taken apart into.

    Args:
        code: the code of the extension.
        take: takes a value apart.
        make: puts it together.
        count: how many parts there are.
        of: what each of them must be, for types that could be made to work for ever by something else.
    """

    def pack(value: Any, packing: Packing) -> bytes:
        return packing.content(value, take(value))

    def unpack(data: memoryview, unpacking: Unpacking) -> Any:
        members = unpacking.members(data, count)
        if of and not all(type(one) in (kind, NoneType) for one, kind in zip(members, of, strict=True)):
            raise ValueError("it has parts of other types")
        return make(*members)

    return Codec(code, pack, unpack)


def _raw(code: int, dump: Callable[[Any], bytes], load: Callable[[bytes], Any]) -> Codec:
    def pack(value: Any, _: Packing) -> bytes:
        return dump(value)

    def unpack(data: memoryview, _: Unpacking) -> Any:
        return load(bytes(data))

    return Codec(code, pack, unpack)


def _ordered(value: OrderedDict[Any, Any], packing: Packing) -> bytes:
    if vars(value):
        raise Refused(OrderedDict, "it has attributes besides its items")
    return packing.pairs(value)


def _from_pairs(data: memoryview, unpacking: Unpacking) -> OrderedDict[Any, Any]:
    return OrderedDict(unpacking.pairs(data))


def _uuid(data: bytes) -> UUID:
    return UUID(bytes=data[:16], is_safe=_SAFETY[data[16:]])


_SAFETY = {b"": SafeUUID.unknown, b"s": SafeUUID.safe, b"u": SafeUUID.unsafe}
_SAFETY_MARKS = {safety: mark for mark, safety in _SAFETY.items()}


def _datetime(text: str, fold: int, zone: Any) -> datetime:
    return datetime.fromisoformat(text).replace(fold=fold, tzinfo=zone)


def _time(text: str, fold: int, zone: Any) -> time:
    return time.fromisoformat(text).replace(fold=fold, tzinfo=zone)


def _moment(value: datetime | time) -> tuple[Any, ...]:
    return value.replace(tzinfo=None, fold=0).isoformat(), value.fold, value.tzinfo


def _offset(value: timezone) -> tuple[Any, ...]:
    # Not tzname(): whether a name was given makes a difference to repr and to pickle.
    offset, *name = cast("Any", value).__getinitargs__()
    return _span(offset) + (*name, None)[:1]


def _timezone(days: int, seconds: int, microseconds: int, name: str | None) -> timezone:
    offset = timedelta(days, seconds, microseconds)
    return timezone(offset) if name is None else timezone(offset, name)


def _span(value: timedelta) -> tuple[int, int, int]:
    return value.days, value.seconds, value.microseconds


def _zone(value: ZoneInfo) -> tuple[str]:
    key = cast("str | None", value.key)  # typeshed does not know of zones without a key
    if key is None:
        raise Refused(ZoneInfo, "a ZoneInfo that was read from a file has no key")
    return (key,)


def _pattern(value: re.Pattern[Any]) -> tuple[Any, int]:
    return value.pattern, value.flags & ~_DEBUG


def _compiled(pattern: str | bytes, flags: int) -> re.Pattern[Any]:
    return re.compile(pattern, flags & ~_DEBUG)  # with it, compiling would print


def _path(kind: type[PurePath], code: int) -> Codec:
    return _parts(code, lambda value: (str(value),), kind, 1)


_DEBUG = int(re.DEBUG)
_COMPLEX = struct.Struct("!dd")
_slice_parts = operator.attrgetter("start", "stop", "step")

BY_TYPE: dict[type[Any], Codec] = {
    tuple: _sequence(10, tuple),
    set: _set(11, set),
    frozenset: _set(12, frozenset),
    OrderedDict: Codec(13, _ordered, _from_pairs),
    deque: _parts(14, lambda value: (list(value), value.maxlen), deque, 2, (list, int)),
    bytearray: _raw(15, bytes, bytearray),
    complex: _raw(16, lambda value: _COMPLEX.pack(value.real, value.imag), lambda data: complex(*_COMPLEX.unpack(data))),
    Decimal: _raw(17, lambda value: str(value).encode(), lambda data: Decimal(data.decode())),
    Fraction: _parts(18, lambda value: (value.numerator, value.denominator), Fraction, 2, (int, int)),
    UUID: _raw(19, lambda value: value.bytes + _SAFETY_MARKS[value.is_safe], _uuid),
    date: _parts(20, lambda value: (value.toordinal(),), date.fromordinal, 1, (int,)),
    datetime: _parts(21, _moment, _datetime, 3),
    time: _parts(22, _moment, _time, 3),
    timedelta: _parts(23, _span, timedelta, 3, (int, int, int)),
    timezone: _parts(24, _offset, _timezone, 4),
    ZoneInfo: _parts(25, _zone, ZoneInfo, 1),
    range: _parts(26, _slice_parts, range, 3),
    slice: _parts(27, _slice_parts, slice, 3),
    re.Pattern: _parts(28, _pattern, _compiled, 2),
    PurePosixPath: _path(PurePosixPath, 29),
    PureWindowsPath: _path(PureWindowsPath, 30),
    PosixPath: _path(PosixPath, 31),
    WindowsPath: _path(WindowsPath, 32),
}
"""The codecs of types that have one, by exact type."""

BY_CODE: dict[int, Codec] = {codec.code: codec for codec in BY_TYPE.values()}

_SIMPLE: tuple[type[Any], ...] = (NoneType, bool, int, float, str, bytes, list, dict, object)
KNOWN_CLASSES: dict[type[Any], str] = {kind: kind.__qualname__ for kind in (*_SIMPLE, *BY_TYPE)}
"""The names of the classes that are known as values without being allowed by anyone."""
