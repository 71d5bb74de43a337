"""Telling where a result comes from: from the cache, if it is listed here.

`context_cache_detect` listens to all calls in its block, whatever they call in turn; blocks may be within each other. A
`CacheDetect` that is handed to a call as ``_from_cache`` listens to that one.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import Token
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, cast

from ._surroundings import NOW, Surroundings, surroundings

__all__ = ["CacheDetect", "Served", "context_cache_detect", "listening"]


class Served(list[Any]):
    """What is known of the results that came from the cache under one key; looked into by name, it is the last of them."""

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, str):
            return self[-1][item]
        return cast("Any", super()).__getitem__(item)

    def __contains__(self, item: object) -> bool:
        return item in self[-1] if isinstance(item, str) and self else super().__contains__(item)


class CacheDetect:
    """Lists results that came from the cache.

    Args:
        previous_level: who listens besides.
    """

    __slots__ = ("_calls", "_previous_level", "_token")

    def __init__(self, previous_level: Any = 0, unset_token: Any = None) -> None:
        self._calls: list[tuple[str, dict[str, Any], str]] = []
        self._previous_level = previous_level
        self._token: Token[Surroundings | None] | None = unset_token

    def _set(self, key: str, backend: str = "", **known: Any) -> None:
        """Take note of a result."""
        self._calls.append((key, known, backend))
        if isinstance(self._previous_level, CacheDetect):
            self._previous_level.heard(key, backend, known)

    def heard(self, key: str, backend: str, known: dict[str, Any]) -> None:
        """Take note of a result, and let whoever listens besides do so."""
        self._set(key, backend, **known)

    @property
    def calls(self) -> dict[str, dict[str, Any]]:
        """What is known of the last result under each key."""
        return {key: known for key, known, _ in self._calls}

    @property
    def calls_list(self) -> list[tuple[str, dict[str, Any]]]:
        """The keys, in the order of calls, with what is known of each result."""
        return [(key, known) for key, known, _ in self._calls]

    @property
    def keys(self) -> dict[str, Served]:
        """What is known of the results under each key, with the backend that they came from."""
        found: dict[str, Served] = {}
        for key, known, backend in self._calls:
            found.setdefault(key, Served()).append({**known, "backend": backend})
        return found

    def get(self) -> dict[str, Served]:
        """Return `keys`."""
        return self.keys

    def clear(self) -> None:
        """Forget what was heard so far."""
        self._calls = []

    def enter(self) -> None:
        """Listen to what is called in this context."""
        self._previous_level = surroundings().detector or 0
        self._token = NOW.set(replace(surroundings(), detector=self))

    def leave(self) -> None:
        """Listen no more."""
        if self._token is not None:
            try:
                NOW.reset(self._token)
            except ValueError:  # left in another context than entered, as blocks in generators may be
                NOW.set(None)
            self._token = None


class _ContextCacheDetect:
    """Listens in a block: ``with context_cache_detect as detector``."""

    def _start(self) -> CacheDetect:
        detector = CacheDetect()
        detector.enter()
        return detector

    def _stop(self) -> None:
        detector = surroundings().detector
        if detector is not None:
            detector.leave()

    def __enter__(self) -> CacheDetect:
        return self._start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()


context_cache_detect: Final = _ContextCacheDetect()


@contextmanager
def listening(detector: CacheDetect) -> Generator[None]:
    """Let a detector listen in the block, besides those that do already."""
    detector.enter()
    try:
        yield
    finally:
        detector.leave()
