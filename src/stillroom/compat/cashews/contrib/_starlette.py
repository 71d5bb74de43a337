"""Streams as cached values: a `StreamingResponse` is stored piece by piece while it is sent, and served once it is whole.

Each stream has pieces of its own, so that no two are ever mixed, and one that was not sent to its end is never served.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

from ..backends.interface import Backend
from ..serialize import DecodeError

__all__ = ["decode", "encode"]


async def encode(value: Any, backend: Backend, key: str, expire: float | None, **_: Any) -> bytes:
    """Return what is stored of a response at once, and have its body stored while it is sent."""
    stream = uuid.uuid4().hex
    value.body_iterator = _kept(backend, f"{key}:{stream}", value.body_iterator, expire)
    headers = [[name.decode("latin-1"), text.decode("latin-1")] for name, text in value.raw_headers]
    return json.dumps([stream, value.status_code, headers]).encode()


async def decode(value: bytes, backend: Backend, key: str, **_: Any) -> Any:
    """Return a response with the body that was stored.

    Raises:
        DecodeError: it is not there as a whole.
    """
    from starlette.responses import StreamingResponse  # only now: this is known to every cache, and needed by few

    stream, status, headers = json.loads(value)
    count = await backend.get(f"{key}:{stream}:done")
    if count is None:
        raise DecodeError
    pieces = await backend.get_many(*[f"{key}:{stream}:chunk:{number}" for number in range(count)])
    if None in pieces:
        raise DecodeError
    response = StreamingResponse(content=_each(pieces), status_code=status)
    response.raw_headers = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers]
    return response


async def _kept(backend: Backend, key: str, body: AsyncIterator[Any], expire: float | None) -> AsyncIterator[Any]:
    count = 0
    async for piece in body:
        await backend.set(f"{key}:chunk:{count}", piece, expire=expire)
        yield piece
        count += 1
    await backend.set(f"{key}:done", count, expire=expire)


async def _each(pieces: tuple[Any, ...]) -> AsyncIterator[Any]:
    for piece in pieces:
        yield piece
