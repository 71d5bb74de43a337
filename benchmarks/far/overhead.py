"""How many bytes the server stores for an entry beyond its payload, which is what the serializer has made of the value.

That is what a value stored by hand would take too, under a key of one's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stillroom.serializers import serializer_for

from .hits import TAGS
from .peers import TTL, load, stillroom
from .servers import Server

__all__ = ["measure"]


def measure(server: Server) -> dict[str, int]:
    """Return the bytes for each sort of entry."""
    value = load(1, 2)
    payload = len(serializer_for("auto").dump(value))
    cache = stillroom(server.url)
    template: dict[str, Any] = {"key": "user:{a}"}
    stored: dict[str, Callable[[], object]] = {
        "by arguments": lambda: cache(ttl=TTL)(load)(1, 2),
        "by a template": lambda: cache(ttl=TTL, **template)(load)(1, 2),
        "by name": lambda: cache.set("user:1", value, TTL),
        "by arguments, two tags": lambda: cache(ttl=TTL, name="tagged", tags=TAGS)(load)(1, 2),
    }
    return {sort: _longest(server, store) - payload for sort, store in stored.items()}


def _longest(server: Server, store: Callable[[], object]) -> int:
    """Return the size of an entry that is stored; all else that goes with it is short."""
    server.flush()
    store()
    client = server.client()
    sizes: list[int] = [client.strlen(key) for key in client.scan_iter() if client.type(key) == b"string"]
    return max(sizes)
