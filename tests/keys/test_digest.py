from __future__ import annotations

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.keys import digest, shorten


@pytest.mark.parametrize("length", [0, 1, 199, 200])
def test_short_texts_stay_as_they_are(length: int) -> None:
    assert shorten("x" * length) == "x" * length


@pytest.mark.parametrize("length", [201, 202, 10_000])
def test_long_texts_are_shortened_to_a_length_of_their_own(length: int) -> None:
    """Rule 11: by a collision-resistant hash of 128 bits."""
    text = "x" * length
    assert shorten(text) == "x" * 168 + "~" + blake2b(text.encode(), digest_size=16).hexdigest()
    assert len(shorten(text)) == 201


@given(st.text("ab", min_size=195, max_size=205), st.text("ab", min_size=195, max_size=205))
def test_shortened_texts_are_equal_exactly_if_the_texts_are(a: str, b: str) -> None:
    """Rule 5: keys stay injective."""
    assert (shorten(a) == shorten(b)) is (a == b)
    assert (shorten(shorten(a)) == shorten(a)) is (len(a) <= 200)


@given(st.text(st.characters()))
def test_every_text_has_a_digest(text: str) -> None:
    assert len(digest(text)) == 32
    assert set(digest(text)) <= set("0123456789abcdef")


def test_texts_that_cannot_be_encoded_have_one_too() -> None:
    assert digest("\ud800") != digest("\udfff")
