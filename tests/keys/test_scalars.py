from __future__ import annotations

import ast
import math
import re
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.errors import UncacheableArgument
from stillroom.keys import encode

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (5, "5"),
        (5.0, "5.0"),
        (-0.0, "-0.0"),
        (-math.nan, "nan"),
        (1 + 2j, "complex(1.0,2.0)"),
        ("Berlin", "'Berlin'"),
        ("Zürich", "'Zürich'"),
        ("é'\\\n", "'é\\'\\\\\\n'"),
        (b"x", "b'x'"),
        (bytearray(b"x"), "bytearray(b'x')"),
        (Decimal("1.00"), "Decimal('1.00')"),
        (Decimal("-nan12"), "Decimal('NAN')"),
        (Fraction(2, 4), "Fraction(1,2)"),
        (UUID(int=1), "UUID('00000000-0000-0000-0000-000000000001')"),
        (date(2024, 1, 2), "date(2024-01-02)"),
        (datetime(2024, 1, 2, 3, 4), "datetime(2024-01-02T03:04:00)"),
        (datetime(2024, 1, 2, fold=1), "datetime(2024-01-02T00:00:00,fold=1)"),
        (datetime(2024, 1, 2, tzinfo=timezone.utc), "datetime(2024-01-02T00:00:00,timezone(timedelta(0,0,0),'UTC'))"),
        (time(3, tzinfo=BERLIN), "time(03:00:00,ZoneInfo('Europe/Berlin'))"),
        (timedelta(hours=-1), "timedelta(-1,82800,0)"),
        (PurePosixPath("/a//b"), "PurePosixPath('/a/b')"),
        (re.compile("a+", re.ASCII), "Pattern('a+',256)"),
        (re.compile(b"a+"), "Pattern(b'a+',0)"),
    ],
)
def test_texts_read_like_python(value: object, text: str) -> None:
    assert encode(value, "x") == text


@given(st.text(st.characters()) | st.binary() | st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_literal_evaluates_to_it(value: object) -> None:
    """Rule 5: no value can imitate a separator, because it stays within its own quotes."""
    result = ast.literal_eval(encode(value, "x"))
    assert (type(result), repr(result)) == (type(value), repr(value))


@given(st.text())
def test_the_text_of_a_string_can_be_sent_and_printed(value: str) -> None:
    text = encode(value, "x")
    assert text.encode("utf-8")
    assert not re.search("[\x00-\x1f\x7f-\x9f]", text)


def test_integers_of_any_length_have_a_text() -> None:
    assert encode(-(10**10_000), "x") == hex(-(10**10_000))


@given(st.decimals(), st.decimals())
def test_decimals_are_told_apart_by_their_digits(a: Decimal, b: Decimal) -> None:
    alike = (a.is_qnan() and b.is_qnan()) or a.as_tuple() == b.as_tuple()
    assert (encode(a, "x") == encode(b, "x")) is alike


def test_the_text_of_a_decimal_does_not_depend_on_the_context() -> None:
    """Rule 7: the same in every process."""
    expected = encode(Decimal("1E+5"), "x")
    with localcontext() as context:
        context.capitals = 0
        assert encode(Decimal("1E+5"), "x") == expected


@given(st.fractions(), st.fractions())
def test_fractions_have_equal_texts_exactly_if_they_are_equal(a: Fraction, b: Fraction) -> None:
    assert (encode(a, "x") == encode(b, "x")) is (a == b)


@given(st.timedeltas(), st.timedeltas())
def test_lengths_of_time_have_equal_texts_exactly_if_they_are_equal(a: timedelta, b: timedelta) -> None:
    assert (encode(a, "x") == encode(b, "x")) is (a == b)


@given(st.datetimes(), st.sampled_from([None, timezone.utc, BERLIN, ZoneInfo("UTC")]))
def test_moments_are_told_apart_by_zone_and_fold(moment: datetime, zone: tzinfo | None) -> None:
    moments = [moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    others = [moment.replace(tzinfo=ZoneInfo("Europe/Paris")), moment.replace(tzinfo=timezone(timedelta(hours=1), "here"))]
    texts = {encode(m, "x") for m in [*moments, *others, *(m.timetz() for m in moments)]}
    assert len(texts) == 6


def test_one_instant_in_two_zones_is_told_apart() -> None:
    utc = datetime(2024, 6, 1, tzinfo=timezone.utc)
    berlin = utc.astimezone(BERLIN)
    assert utc == berlin
    assert encode(utc, "x") != encode(berlin, "x") != encode(berlin.replace(tzinfo=timezone(timedelta(hours=2))), "x")


def test_zones_of_other_libraries_are_refused_until_they_are_registered() -> None:
    class Zone(tzinfo):
        def utcoffset(self, moment: datetime | None) -> timedelta:
            return timedelta(0)

        def tzname(self, moment: datetime | None) -> str:
            return "here"

        dst = utcoffset

    with pytest.raises(UncacheableArgument) as caught:
        encode(datetime(2024, 1, 2, tzinfo=Zone()), "when")
    assert caught.value.parameter == "when.tzinfo"


def test_paths_of_different_flavours_are_told_apart() -> None:
    assert encode(PurePosixPath("a"), "x") != encode(PureWindowsPath("a"), "x")


@given(st.text(), st.text())
def test_patterns_are_told_apart_by_text_and_flags(a: str, b: str) -> None:
    one, other = re.compile(re.escape(a)), re.compile(re.escape(b))
    assert (encode(one, "x") == encode(other, "x")) is (one == other)
    assert encode(one, "x") != encode(re.compile(re.escape(a), re.IGNORECASE), "x")
