"""Room for code that is nested deeply, which whoever walks through its tree must be as well."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

__all__ = ["DEEPEST", "roomy"]

Run: TypeAlias = "Callable[..., Any]"

DEEPEST: Final = 1000
"""How many levels of a syntax tree there is room for. It takes about a second to go that deep."""

_STACK: Final = 256 * 2**20
_LIMIT: Final = 20 * DEEPEST


@contextmanager
def roomy() -> Generator[Run]:
    """Give what calls a function with room; whoever is interrupted meanwhile need not wait for more than one call."""
    limit, stack = sys.getrecursionlimit(), threading.stack_size(_STACK)
    sys.setrecursionlimit(_LIMIT)
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(int).result()  # the thread is there from now on
            threading.stack_size(stack)

            def run(function: Callable[..., Any], *args: Any) -> Any:
                return pool.submit(function, *args).result()

            yield run
    finally:
        threading.stack_size(stack)
        sys.setrecursionlimit(limit)
