r"""The texts of values that have no members: numbers, strings, dates and the like.

Numbers and strings are written as Python would, so the text of a string is a literal that evaluates to it. Which characters are
escaped must not depend on the version of Python, as `repr` does for newly assigned characters; only the ASCII part of it is
used.
"""

from __future__ import annotations

import re
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

from .refusals import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime, time, timedelta, timezone
    from decimal import Decimal
    from fractions import Fraction
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from .walk import Encoder, Walk

__all__ = ["ENCODERS", "LATE_ENCODERS", "WORDS"]

WORDS = frozenset({"None", "True", "False", "nan", "inf"})
"""The texts that consist of letters alone."""

_LONG = 1 << 2048  # Python can be told to refuse decimal digits of larger numbers (sys.set_int_max_str_digits)
_ESCAPED = re.compile("[\x00-\x1f\x7f-\x9f\\\\'\ud800-\udfff]")


def _literal(value: object, _: Walk) -> str:
    return repr(value)


def _int(value: int, _: Walk) -> str:
    return repr(value) if -_LONG < value < _LONG else hex(value)


def _str(value: str, _: Walk) -> str:
    return repr(value) if value.isascii() else f"'{_ESCAPED.sub(_escape, value)}'"


def _escape(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1] if found[0] != "'" else "\\'"


def _complex(value: complex, _: Walk) -> str:
    return f"complex({value.real!r},{value.imag!r})"


def _decimal(value: Decimal, _: Walk) -> str:
    # The case of what str() gives depends on the decimal context. A signalling NaN behaves unlike a quiet one, whose sign and
    # payload hardly anybody can see.
    return f"Decimal('{'NAN' if value.is_qnan() else str(value).upper()}')"


def _fraction(value: Fraction, walk: Walk) -> str:
    return f"Fraction({_int(value.numerator, walk)},{_int(value.denominator, walk)})"


def _uuid(value: UUID, _: Walk) -> str:
    return f"UUID('{value}')"


def _date(value: date, _: Walk) -> str:
    return f"date({value.isoformat()})"


def _datetime(value: datetime, walk: Walk) -> str:
    return f"datetime({value.replace(tzinfo=None, fold=0).isoformat()}{_rest(value, walk)})"


def _time(value: time, walk: Walk) -> str:
    return f"time({value.replace(tzinfo=None, fold=0).isoformat()}{_rest(value, walk)})"


def _rest(value: datetime | time, walk: Walk) -> str:
    # The zone itself, not just its offset: adding half a year may give different results under the same offset.
    fold = ",fold=1" if value.fold else ""
    return fold if value.tzinfo is None else f"{fold},{walk.texts(value, [value.tzinfo], '.tzinfo')[0]}"


def _timedelta(value: timedelta, _: Walk) -> str:
    return f"timedelta({value.days},{value.seconds},{value.microseconds})"


def _timezone(value: timezone, walk: Walk) -> str:
    return f"timezone({_timedelta(value.utcoffset(None), walk)},{_str(value.tzname(None), walk)})"


def _zone(value: ZoneInfo, walk: Walk) -> str:
    key = cast("str | None", value.key)  # typeshed does not know of zones without a key
    if key is None:
        raise Refused(type(value), "a ZoneInfo that was read from a file has no key", "use ZoneInfo(key)")
    return f"ZoneInfo({_str(key, walk)})"


def _path_as(name: str) -> Callable[[Any, Walk], str]:
    return lambda value, walk: f"{name}({_str(str(value), walk)})"


def _pattern(value: re.Pattern[Any], walk: Walk) -> str:
    text = _str(value.pattern, walk) if isinstance(value.pattern, str) else repr(value.pattern)
    return f"Pattern({text},{value.flags})"


ENCODERS: dict[type[Any], Encoder] = {
    NoneType: _literal,
    bool: _literal,
    int: _int,
    float: _literal,
    complex: _complex,
    str: _str,
    bytes: _literal,
    bytearray: _literal,
    re.Pattern: _pattern,
}
"""The encoders of values without members, by exact type."""

LATE_ENCODERS: dict[str, Encoder] = {
    "datetime.date": _date,
    "datetime.datetime": _datetime,
    "datetime.time": _time,
    "datetime.timedelta": _timedelta,
    "datetime.timezone": _timezone,
    "decimal.Decimal": _decimal,
    "fractions.Fraction": _fraction,
    "uuid.UUID": _uuid,
    "zoneinfo.ZoneInfo": _zone,
    # pathlib has been a package in Python 3.13 only.
    **{
        f"{module}.{path}": _path_as(path)
        for module in ("pathlib", "pathlib._local")
        for path in ("PurePosixPath", "PureWindowsPath", "PosixPath", "WindowsPath")
    },
}
"""More of them, by the names of types whose modules would take too long to import for programs that never use them."""
