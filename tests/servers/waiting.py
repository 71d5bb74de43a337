"""Waiting for what other processes do: the one place of this folder that looks again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import RedisError

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds after which something hangs."""
PAUSE = 0.01
"""Seconds between two looks: each one asks servers, which need the processor for what is waited for."""


def eventually(condition: Callable[[], T], within: float = PATIENCE, otherwise: Callable[[], str] = lambda: "") -> T:
    """Return what a condition returns as soon as that is true; a server that does not answer, or refuses, says "not yet"."""
    deadline = time.monotonic() + within
    while True:
        problem: Exception | None = None
        try:
            if result := condition():
                return result
        except (RedisError, OSError) as error:
            problem = error
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not happen within {within:g} s. {otherwise()}") from problem
        time.sleep(PAUSE)


def holds(condition: Callable[[], bool]) -> bool:
    """Tell whether a condition holds now; servers that do not answer, or know too little, make it false."""
    try:
        return condition()
    except (RedisError, OSError, LookupError, StopIteration):
        return False
