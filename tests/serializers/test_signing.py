from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.errors import ConfigurationError
from stillroom.serializers import serializer_for
from stillroom.serializers.signing import Signer

OLD, NEW = "an old secret, long since known", b"a new secret that nobody knows yet"


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_what_was_sealed_opens_in_its_context(data: bytes, context: bytes) -> None:
    signer = Signer(NEW)
    assert signer.open(signer.seal(data, context), context) == data


def test_any_changed_byte_is_noticed() -> None:
    """Rule 43."""
    signer = Signer(NEW)
    sealed = signer.seal(b"some data", b"user:5")
    for position in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[position] ^= 1 << bit
            with pytest.raises(ValueError, match=r"the seal does not hold|another serializer"):
                signer.open(bytes(changed), b"user:5")
    for length in range(len(sealed)):
        with pytest.raises(ValueError, match=r"the seal does not hold|another serializer"):
            signer.open(sealed[:length], b"user:5")


def test_an_entry_copied_to_another_key_is_refused() -> None:
    """Rule 43."""
    signer = Signer(NEW)
    with pytest.raises(ValueError, match="the seal does not hold"):
        signer.open(signer.seal(b"data", b"user:5"), b"user:6")


def test_the_border_between_context_and_data_cannot_be_moved() -> None:
    signer = Signer(NEW)
    sealed = signer.seal(b"bcd", b"a")
    with pytest.raises(ValueError, match="the seal does not hold"):
        signer.open(sealed[:22] + b"cd", b"ab")


def test_secrets_rotate() -> None:
    before, both, after = Signer(OLD), Signer([NEW, OLD]), Signer(NEW)
    sealed = before.seal(b"data", b"k")
    assert both.open(sealed, b"k") == b"data"
    assert after.open(both.seal(b"data", b"k"), b"k") == b"data"
    for wrong, bytes_ in ((after, sealed), (before, both.seal(b"data", b"k"))):
        with pytest.raises(ValueError, match="the seal does not hold"):
            wrong.open(bytes_, b"k")


def test_text_and_bytes_of_the_same_secret_are_alike() -> None:
    assert Signer(OLD.encode()).open(Signer(OLD).seal(b"data", b"k"), b"k") == b"data"


@pytest.mark.parametrize("secret", ["", "too short", b"x" * 15, [], [NEW, "too short"], None, 5, [5], {"a": 1}])
def test_a_bad_secret_is_refused_and_not_shown(secret: object) -> None:
    """Rule 45."""
    with pytest.raises(ConfigurationError) as caught:
        Signer(secret)  # type: ignore[arg-type]
    assert caught.value.setting == "secret"
    assert caught.value.given is None
    assert "too short" not in str(caught.value)


def test_nothing_shows_the_secret() -> None:
    """Rule 45."""
    signer = Signer([NEW, OLD])
    assert repr(signer) == str(signer) == "Signer(...)"
    with pytest.raises(TypeError):
        pickle.dumps(signer)


@pytest.mark.parametrize("setting", ["auto", "json", "msgpack", "pickle", (bytes, bytes)])
def test_what_is_sealed_means_nothing_to_a_reader_without_the_secret(setting: object) -> None:
    sealed = Signer(NEW).seal(b"\x01", b"k")
    with pytest.raises(ValueError, match="these bytes"):
        serializer_for(setting, has_secret=True).load(sealed)
