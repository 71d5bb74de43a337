"""What is particular to ``mem://``: how many values there may be, and what users do with the backend itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio_only


@pytest.fixture
def url() -> str:
    return "mem://"


async def test_what_was_not_used_for_longest_leaves_first(same: Callable[..., Any]) -> None:
    async def program(_: Any, cache: Any) -> Any:
        await cache.set_many({"a": 1, "b": 2, "c": 3})
        await cache.get("a")
        await cache.set("d", 4)
        first = [await cache.get(key) for key in "bcda"]
        await cache.set("c", 5)
        await cache.set("e", 6)
        return first, await cache.get_many("a", "b", "c", "d", "e"), await cache.get_keys_count()

    assert await same(program, size=3) == ([None, 3, 4, 1], (1, None, 5, None, 6), 3)
