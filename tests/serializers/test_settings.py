from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.serializers.samples import KNOWN, Failure, Point

from stillroom.errors import ConfigurationError, UncacheableValue
from stillroom.serializers import serializer_for
from stillroom.serializers.compression import LARGEST


@pytest.mark.parametrize(
    ("settings", "parameter"),
    [
        ({"setting": "yaml"}, "serializer"),
        ({"setting": None}, "serializer"),
        ({"setting": (json.dumps,)}, "serializer"),
        ({"setting": (json.dumps, "loads")}, "serializer"),
        ({"setting": object()}, "serializer"),
        ({"setting": "auto", "compress": "gzip"}, "compress"),
        ({"setting": "auto", "compress": True}, "compress"),
        ({"setting": "pickle"}, "secret"),
    ],
)
def test_a_bad_setting_is_refused_at_once(settings: dict[str, Any], parameter: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        serializer_for(**settings)
    assert caught.value.setting == parameter
    assert str(caught.value).startswith(parameter) or parameter in str(caught.value)


def test_the_package_needs_nothing_from_outside_the_standard_library() -> None:
    code = """
import sys
sys.modules["msgspec"] = sys.modules["zstandard"] = None
from stillroom.serializers import register_type, serializer_for
from stillroom.serializers.signing import Signer
assert serializer_for("json", compress="zlib").load(serializer_for("json").dump([1])) == [1]
for settings in ({"setting": "auto"}, {"setting": "msgpack"}, {"setting": "json", "compress": "zstd"}):
    try:
        serializer_for(**settings)
    except ValueError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [("stillroom[redis]" in line, "stillroom[zstd]" in line) for line in lines[:2]] == [(True, False)] * 2
    assert sys.version_info >= (3, 14) or "stillroom[zstd]" in lines[2]


@pytest.mark.parametrize("value", [(1,), {1}, {1: 2}, b"", math.nan, math.inf, Decimal(1), Point(1), "\ud800", "\ud800\udc00"])
def test_json_refuses_what_it_would_change(value: object) -> None:
    with pytest.raises(UncacheableValue, match=r"cannot be stored: serializer='json'"):
        serializer_for("json", returns=Point).dump({"a": [value]})


@pytest.mark.parametrize("value", [(1,), {1}, {1: 2}, 2**64, Decimal(1), Point(1), "\ud800", bytearray()])
def test_messagepack_refuses_what_it_would_change(value: object) -> None:
    with pytest.raises(UncacheableValue, match=r"cannot be stored: serializer='msgpack'"):
        serializer_for("msgpack", returns=Point).dump({"a": [value]})


def test_refusals_tell_the_path_and_the_ways_out() -> None:
    with pytest.raises(UncacheableValue) as caught:
        serializer_for("json").dump({"a": [0, {"b": (1,)}]})
    assert caught.value.path == "value['a'][1]['b']"
    assert caught.value.type is tuple
    for way in ("annotate", "register_type", 'serializer="pickle" with a secret'):
        assert way in str(caught.value)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "1 2", "[" * 100_000, "", "\ufeff1", "{1: 2}", "1" * 5000])
def test_json_reads_json_only(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        serializer_for("json").load(b"\xc1j" + text.encode())


def test_no_serializer_takes_the_bytes_of_another_for_its_own() -> None:
    def made(name: str) -> Any:
        return serializer_for(json_pair if name == "pair" else name, has_secret=True)

    json_pair: tuple[Callable[..., Any], Callable[..., Any]] = (json.dumps, json.loads)
    names = ["auto", "json", "pickle", "pair"]
    for writer in names:
        for reader in names:
            data = made(writer).dump(1)
            if reader == writer:
                assert made(reader).load(data) == 1
            else:
                with pytest.raises(ValueError, match="these bytes"):
                    made(reader).load(data)


def test_pickle_refuses_what_it_cannot_store_and_reads_nothing_else() -> None:
    pickled = serializer_for("pickle", has_secret=True)
    with pytest.raises(UncacheableValue, match="pickle refuses it"):
        pickled.dump(lambda: 1)
    for data in (b"\xc1p", b"\xc1pgarbage", b"\xc1pcno.such\nmodule\n."):
        with pytest.raises(ValueError, match="cannot be unpickled"):
            pickled.load(data)


def test_a_pair_may_give_bytes_or_text_and_is_given_the_same() -> None:
    assert serializer_for((str, lambda text: (text, type(text)))).load(serializer_for((str, str)).dump(5)) == ("5", str)
    as_bytes = serializer_for((lambda text: text.encode(), lambda data: (data, type(data))))
    assert as_bytes.load(as_bytes.dump("5")) == (b"5", bytes)


def test_errors_of_a_pair_are_contained() -> None:
    pair = serializer_for((lambda value: value or 1 / 0, json.loads))
    with pytest.raises(UncacheableValue, match="the encoder failed with ZeroDivisionError"):
        pair.dump(0)
    with pytest.raises(UncacheableValue, match="gave neither bytes nor text, but a list"):
        pair.dump([1])
    with pytest.raises(ValueError, match="the decoder failed"):
        pair.load(pair.dump("{"))


@pytest.mark.parametrize("setting", ["auto", "json", "msgpack", (json.dumps, json.loads)])
def test_remembered_errors_pass_by_every_serializer(setting: Any) -> None:
    serializer = serializer_for(setting, errors=(LookupError, OSError, Failure))
    failure = Failure(5, "no")
    found = serializer.load(serializer.dump(failure))
    assert (type(found), found.args, found.code) == (Failure, ("5: no",), 5)
    missing = serializer.load(serializer.dump(FileNotFoundError(2, "no such file", "a.txt")))
    assert (type(missing), missing.errno, missing.filename) == (FileNotFoundError, 2, "a.txt")
    assert repr(serializer.load(serializer.dump(KeyError("k")))) == "KeyError('k')"
    assert serializer.load(serializer.dump({"a": 1})) == {"a": 1}


def test_other_errors_are_refused() -> None:
    serializer = serializer_for("auto", errors=(LookupError,))
    with pytest.raises(UncacheableValue):
        serializer.dump(ValueError("no"))
    with pytest.raises(ValueError, match="may not be rebuilt"):
        serializer.load(serializer_for("auto", errors=(ValueError,)).dump(ValueError("no")))


def test_an_error_that_holds_what_cannot_be_stored_is_refused() -> None:
    error = KeyError("k")
    error.response = object()  # type: ignore[attr-defined]
    with pytest.raises(UncacheableValue):
        serializer_for("auto", errors=(LookupError,)).dump(error)


@pytest.mark.parametrize("compress", ["zlib", "zstd"])
class TestCompression:
    def test_only_what_is_large_is_compressed(self, compress: str) -> None:
        plain, small = serializer_for("auto"), serializer_for("auto", compress=compress)
        assert small.dump("a" * 1000) == plain.dump("a" * 1000)
        assert len(small.dump("a" * 2000)) < 100
        assert small.load(small.dump("a" * 2000)) == "a" * 2000

    def test_what_does_not_get_smaller_is_kept_as_it_is(self, compress: str) -> None:
        noise = zlib.compress(bytes(index * index % 251 for index in range(20_000)), 9)
        plain, small = serializer_for("auto"), serializer_for("auto", compress=compress)
        assert len(small.dump(noise * 1)) <= len(plain.dump(noise * 1))
        assert small.load(small.dump(noise)) == noise

    def test_any_serializer_can_be_compressed(self, compress: str) -> None:
        for setting in ("auto", "json", "msgpack", "pickle", (json.dumps, json.loads)):
            serializer = serializer_for(setting, compress=compress, has_secret=True)
            assert serializer.load(serializer.dump(["b" * 3000])) == ["b" * 3000]

    def test_what_was_stored_uncompressed_is_still_read(self, compress: str) -> None:
        value = "a" * 5000
        assert serializer_for("auto", compress=compress).load(serializer_for("auto").dump(value)) == value
        with pytest.raises(ValueError, match="these bytes"):
            serializer_for("auto").load(serializer_for("auto", compress=compress).dump(value))

    def test_damaged_bytes_are_refused(self, compress: str) -> None:
        serializer = serializer_for("auto", compress=compress)
        data = serializer.dump(["a" * 2000, "b" * 2000])
        for position in range(len(data)):
            changed = bytearray(data)
            changed[position] ^= 0x15
            for damaged in (bytes(changed), data[:position]):
                try:
                    serializer.load(damaged)
                except ValueError:
                    continue
                assert damaged[:6] == data[:6], "only what the algorithm does not check may pass"

    def test_bytes_that_grow_beyond_what_they_say_are_refused(self, compress: str) -> None:
        serializer = serializer_for("auto", compress=compress)
        bomb = serializer.dump("a" * 10_000_000)
        for size in (0, 1, 100, 9_999_999, LARGEST, LARGEST + 1, 2**32 - 1):
            with pytest.raises(ValueError, match="these bytes"):
                serializer.load(bomb[:2] + size.to_bytes(4, "big") + bomb[6:])


def test_a_zstd_frame_that_announces_too_much_is_refused() -> None:
    serializer = serializer_for("auto", compress="zstd")
    frame = b"\x28\xb5\x2f\xfd\xe0" + (2**40).to_bytes(8, "little") + b"\x01\x00\x00"
    with pytest.raises(ValueError, match="these bytes"):
        serializer.load(b"\xc1Z" + (100).to_bytes(4, "big") + frame)


def test_the_default_reads_what_messagepack_wrote_and_the_other_way_round() -> None:
    value = {"a": [1, "b", None]}
    auto, plain = serializer_for("auto", returns=KNOWN), serializer_for("msgpack")
    assert auto.load(plain.dump(value)) == plain.load(auto.dump(value)) == value
    with pytest.raises(ValueError, match="these bytes"):
        plain.load(auto.dump((1,)))
    assert msgspec.msgpack.decode(plain.dump(value)) == value


def test_what_a_built_in_error_keeps_of_its_own_comes_back() -> None:
    serializer = serializer_for("auto", errors=(ImportError, UnicodeError))
    missing = serializer.load(serializer.dump(ModuleNotFoundError("no", name="yaml", path="/x")))
    assert (missing.msg, missing.name, missing.path) == ("no", "yaml", "/x")
    wrong = serializer.load(serializer.dump(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")))
    assert (wrong.object, wrong.reason) == (b"\xff", "bad")


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: tuple[int, ...]


def test_an_error_that_is_a_frozen_dataclass_comes_back() -> None:
    serializer = serializer_for("auto", errors=(Frozen,))
    found = serializer.load(serializer.dump(Frozen((5,))))
    assert type(found) is Frozen
    assert found.code == (5,)


def test_importing_the_package_brings_in_no_cryptography_and_no_codecs() -> None:
    code = "import sys; before = set(sys.modules); import stillroom.serializers; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    new = set(done.stdout.split())
    assert "stillroom.serializers.setting" in new
    assert new.isdisjoint({"hashlib", "decimal", "zlib", "msgspec", "json", "pickle"})
