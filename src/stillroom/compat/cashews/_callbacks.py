"""Callbacks: told of the key and the result of each command that has any."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from .commands import PATTERN_CMDS, Command

if TYPE_CHECKING:
    from .backends.interface import Backend

__all__ = ["Callbacks"]

Callback: TypeAlias = "Callable[..., Awaitable[None]]"


class Callbacks:
    """A middleware that tells callbacks of what it sees.

    Args:
        on_change: called when callbacks come and go.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._callbacks: dict[str, Callback] = {}
        self._on_change = on_change

    @property
    def any(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._callbacks)

    async def __call__(
        self, call: Callable[..., Awaitable[Any]], cmd: Command, backend: Backend, *args: Any, **kwargs: Any
    ) -> Any:
        result = await call(*args, **kwargs)
        key = kwargs.get("pattern" if cmd in PATTERN_CMDS else "key")
        if key is not None and result is not None:
            await self.tell(cmd, key, result, backend)
        return result

    async def tell(self, cmd: Command, key: str, result: Any, backend: Backend) -> None:
        """Tell all callbacks."""
        for callback in list(self._callbacks.values()):
            await callback(cmd, key=key, result=result, backend=backend)

    def add_callback(self, callback: Callback, name: str) -> None:
        """Have a coroutine function called with command, ``key``, ``result`` and ``backend``."""
        self._callbacks[name] = callback
        self._on_change()

    def remove_callback(self, name: str) -> None:
        """Call it no more."""
        del self._callbacks[name]
        self._on_change()

    @contextmanager
    def callback(self, callback: Callback) -> Generator[None]:
        """Have a coroutine function called in a block."""
        name = uuid.uuid4().hex
        self.add_callback(callback, name)
        try:
            yield
        finally:
            self.remove_callback(name)

    def only(self, callback: Callable[..., Any], cmd: Command) -> AbstractContextManager[None]:
        """Have a plain function called with key and ``result`` of one command, in a block."""

        async def filtered(called: Command, key: str, result: Any, **_: Any) -> None:
            if called is cmd:
                callback(key, result=result)

        return self.callback(filtered)
