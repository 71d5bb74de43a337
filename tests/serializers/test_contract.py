from __future__ import annotations

import json
import pickle

from stillroom.protocols import Serializer
from stillroom.serializers import serializer_for
from stillroom.testing import SerializerContract


class TestAuto(SerializerContract):
    def make_serializer(self) -> Serializer:
        return serializer_for("auto")


class TestJson(SerializerContract):
    def make_serializer(self) -> Serializer:
        return serializer_for("json")


class TestMessagePack(SerializerContract):
    def make_serializer(self) -> Serializer:
        return serializer_for("msgpack")


class TestPickle(SerializerContract):
    def make_serializer(self) -> Serializer:
        return serializer_for("pickle", has_secret=True)


def _strict(value: object) -> str:
    text = json.dumps(value)
    if repr(json.loads(text)) != repr(value):
        raise TypeError("JSON would change it")
    return text


class TestPair(SerializerContract):
    def make_serializer(self) -> Serializer:
        return serializer_for((_strict, json.loads))


class Own:
    def dump(self, value: object) -> bytes:
        return pickle.dumps(value)

    def load(self, data: bytes) -> object:
        return pickle.loads(data)


class TestObject(SerializerContract):
    def make_serializer(self) -> Serializer:
        return serializer_for(Own())


class TestZlib(SerializerContract):
    def make_serializer(self) -> Serializer:
        return serializer_for("auto", compress="zlib")


class TestZstd(SerializerContract):
    def make_serializer(self) -> Serializer:
        return serializer_for("json", compress="zstd")


class TestWithErrors(SerializerContract):
    def make_serializer(self) -> Serializer:
        return serializer_for("msgpack", errors=(LookupError,))
