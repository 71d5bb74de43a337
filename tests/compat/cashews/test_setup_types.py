"""How values are stored: picklers, compression, registered types, raw values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

import stillroom.compat.cashews as facade
from stillroom.compat.cashews.serialize import DecodeError, register_type

if TYPE_CHECKING:
    from tests.servers.server import Server

pytestmark = pytest.mark.asyncio_only


class Custom:
    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Custom) and other.name == self.name

    __hash__ = None  # type: ignore[assignment]


class Shown:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


async def test_json_makes_of_values_what_it_can(seen_by_both: Callable[..., Any], url: str) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set("key", {"a": (1, 2)})
        return await cache.get("key")

    seen = await seen_by_both(program, pickle_type="json")
    assert seen.original == {"a": [1, 2]}
    assert seen.facade == ({"a": (1, 2)} if url == "mem://" else {"a": [1, 2]})  # in memory, a copy of the value itself


@pytest.mark.parametrize("compress_type", ["null", "gzip", "zlib"])
async def test_compressed_values_come_back(same: Callable[..., Any], compress_type: str) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set("key", ["a" * 10_000])
        return await cache.get("key")

    assert await same(program, compress_type=compress_type, pickle_type="default") == ["a" * 10_000]


async def test_pickled_values_in_memory_are_copies() -> None:
    cache = facade.Cache()
    cache.setup("mem://", pickle_type="default")
    await cache.set("key", [[1]])
    (await cache.get("key"))[0].append(2)
    assert await cache.get("key") == [[1]]


async def test_bytes_are_stored_as_they_are_without_a_pickler(redis_server: Server) -> None:
    cache = facade.Cache()
    cache.setup(redis_server.url, pickle_type="null")
    await cache.set_many({"a": b"\x00\xff", "b": "text", "c": [1], "d": 5})
    assert await cache.get_many("a", "b", "c", "d") == (b"\x00\xff", "text", [1], 5)
    await cache.close()


async def test_registered_types_are_encoded_and_decoded(same: Callable[..., Any]) -> None:
    async def encode(value: Any, backend: Any, key: str, expire: float | None) -> bytes:
        return f"{key}:{expire:g}:{value.name}".encode()

    async def decode(value: bytes, backend: Any, key: str) -> Any:
        if value.endswith(b"broken"):
            raise DecodeError
        return Custom(value.decode())

    async def program(library: Any, cache: Any) -> Any:
        if library is not facade:
            from cashews.serialize import DecodeError as TheirDecodeError
            from cashews.serialize import register_type as their_register_type

            async def their_decode(value: bytes, backend: Any, key: str) -> Any:
                try:
                    return await decode(value, backend, key)
                except DecodeError:
                    raise TheirDecodeError from None

            their_register_type(Custom, encode, their_decode)
        else:
            register_type(Custom, encode, decode)
        await cache.set("key", Custom("Ada"), expire=10)
        await cache.set("other", Custom("broken"), expire=10)
        return (await cache.get("key")).name, await cache.get("other", "nothing"), len(await cache.get_many("key"))

    assert await same(program) == ("key:10:Ada", "nothing", 1)


async def test_a_value_of_another_version_of_its_class_is_a_miss(redis_server: Server) -> None:
    cache, value = facade.Cache(), Shown("Ada")
    cache.setup(redis_server.url)
    del value.name  # as if it had been stored before there was such an attribute
    await cache.set("key", value)
    assert await cache.get("key", "nothing") == "nothing"
    await cache.close()


async def test_values_past_the_serializer(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set_raw("bytes", b"\x00\x01")
        await cache.set_raw("number", b"7")
        return await cache.get_raw("bytes"), await cache.get_raw("none"), await cache.exists("number")

    assert await same(program) == (b"\x00\x01", None, True)


async def test_raw_text_on_a_server_is_bytes(redis_server: Server) -> None:
    cache = facade.Cache()
    cache.setup(redis_server.url)
    await cache.set_raw("text", "value", ex=10)
    await cache.set("number", 5)
    assert await cache.get_raw("text") == b"value"
    assert await cache.get_expire("text") == 10
    assert await cache.get_raw("number") == b"5"
    assert await cache.set_raw("text", "other", nx=True) is None
    await cache.close()
