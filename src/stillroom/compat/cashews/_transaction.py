"""Transactions: what is changed in a block is applied at its end, or dropped on an error.

The work is the native caches': each has a transaction of its own for the length of the block. What is added here is who may
change what at the same time, by locks that are held until the end: `TransactionMode`.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextvars import ContextVar, Token
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from stillroom import LockTimeout, StoreError

from .commands import Command
from .exceptions import CacheBackendInteractionError, LockedError

if TYPE_CHECKING:
    from .backends.interface import Backend

__all__ = ["Transaction", "TransactionContextDecorator", "TransactionMode"]

P = ParamSpec("P")
T = TypeVar("T")

_CHANGES: Final = frozenset(
    {
        Command.SET,
        Command.SET_MANY,
        Command.INCR,
        Command.DELETE,
        Command.DELETE_MANY,
        Command.DELETE_MATCH,
        Command.EXPIRE,
    }
)
_AT_ONCE: Final = frozenset(
    {
        Command.SET_LOCK,
        Command.UNLOCK,
        Command.IS_LOCKED,
        Command.GET_BITS,
        Command.INCR_BITS,
        Command.SLICE_INCR,
        Command.SET_ADD,
        Command.SET_REMOVE,
        Command.SET_POP,
        Command.SET_RAW,
        Command.GET_RAW,
    }
)
"""Commands that are no part of transactions."""


class TransactionMode(Enum):
    """Who may change what while a transaction is open.

    FAST: anybody anything. LOCKED: what one transaction has changed, no other one changes until it ends. SERIALIZABLE: one
    transaction at a time changes something.
    """

    FAST = "fast"
    LOCKED = "locked"
    SERIALIZABLE = "serializable"


class Transaction:
    """An open transaction.

    Args:
        backends: what it extends to.
        mode: who may change what meanwhile.
        timeout: how many seconds to wait for whoever is at the same.
    """

    def __init__(self, backends: Iterable[Backend], mode: TransactionMode, timeout: float) -> None:
        self._backends = [backend for backend in backends if backend.is_native]
        self._mode = mode
        self._timeout = timeout
        self._open: list[Any] = []
        self._locks: dict[tuple[Backend, str], Any] = {}
        self._locking = asyncio.Lock()
        self._begin()

    def _begin(self) -> None:
        for backend in self._backends:
            opened = backend.native.transaction()
            opened.__enter__()  # which waits for nothing
            self._open.append(opened)

    async def commit(self) -> None:
        """Apply what was changed so far; what is changed afterwards is applied at the end."""
        await self.end(None)
        self._begin()

    async def rollback(self) -> None:
        """Drop what was changed so far; what is changed afterwards is applied at the end."""
        await self.end(RuntimeError)
        self._begin()

    async def end(self, error: type[BaseException] | None) -> None:
        """Apply what was changed, or drop it if there was an error, and let others at it.

        Raises:
            CacheBackendInteractionError: a server could not be told.
        """
        opened, self._open = self._open, []
        locks, self._locks = self._locks, {}
        failures: list[StoreError] = []
        try:
            await _leave(reversed(opened), error, failures)
        finally:
            await _leave(locks.values(), None, failures)
        if failures:
            raise CacheBackendInteractionError(str(failures[0])) from failures[0]

    async def run(self, call: Callable[..., Awaitable[Any]], cmd: Command, backend: Backend, *args: Any, **kwargs: Any) -> Any:
        """Run a command inside."""
        if cmd in _AT_ONCE:
            return await _outside(call, *args, **kwargs)
        if cmd in _CHANGES and self._mode is not TransactionMode.FAST and backend in self._backends:
            for key in await _touched(cmd, backend, args, kwargs):
                await self._lock(backend, key)
        if cmd is Command.SET and kwargs.get(
            "exist"
        ):  # natively that is a load, which is not part of transactions as a value is
            if not await backend.exists(kwargs["key"]):
                return False
            kwargs["exist"] = None
        return await call(*args, **kwargs)

    async def _lock(self, backend: Backend, key: str) -> None:
        name = "transaction" if self._mode is TransactionMode.SERIALIZABLE else f"transaction:{key}"
        async with self._locking:  # tasks of one transaction share its locks
            if (backend, name) in self._locks:
                return
            lock = backend.native.lock(name, self._timeout, wait=self._timeout)
            try:
                await lock.__aenter__()
            except LockTimeout as error:
                raise LockedError("another transaction has been at it for long, or waits for this one") from error
            except StoreError as error:
                raise CacheBackendInteractionError(str(error)) from error
            self._locks[backend, name] = lock


async def _leave(blocks: Iterable[Any], error: type[BaseException] | None, failures: list[StoreError]) -> None:
    for one in blocks:
        try:
            await one.__aexit__(error, None, None)
        except StoreError as raised:  # the others are to be left all the same
            failures.append(raised)


async def _touched(cmd: Command, backend: Backend, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """Return the keys that a command changes."""
    if cmd is Command.DELETE_MATCH:
        return [key async for key in backend.scan(kwargs["pattern"])]
    if cmd is Command.SET_MANY:
        return sorted(kwargs["pairs"])  # so that two that change the same do not wait for each other
    return sorted(args) if cmd is Command.DELETE_MANY else [kwargs["key"]]


async def _outside(call: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
    """Run a command as if no transaction were open."""

    async def run() -> Any:
        return await call(*args, **kwargs)

    return await contextvars.Context().run(asyncio.get_running_loop().create_task, run())


class TransactionContextDecorator:
    """A transaction for the length of a block, or of each call of a function that it decorates.

    Args:
        current: the transaction that a task is in.
        begin: begins one.
    """

    def __init__(self, current: ContextVar[Transaction | None], begin: Callable[[], Transaction]) -> None:
        self._current = current
        self._begin = begin
        self._own: tuple[Transaction, Token[Transaction | None]] | None = None

    @property
    def current_tx(self) -> Transaction | None:
        """The transaction that the caller is in."""
        return self._current.get()

    async def __aenter__(self) -> Transaction:
        return self.current_tx or self.start()

    def start(self) -> Transaction:
        """Begin a transaction."""
        opened = self._begin()
        self._own = opened, self._current.set(opened)
        return opened

    def close(self) -> None:
        """Be in it no more."""
        if self._own is not None:
            self._current.reset(self._own[1])
            self._own = None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own is None:  # it is part of the transaction around it
            return
        opened, _ = self._own
        self.close()
        await opened.end(kind)

    def __call__(self, func: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @functools.wraps(func)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            async with TransactionContextDecorator(self._current, self._begin):  # one for each call
                return await func(*args, **kwargs)

        return run

    async def commit(self) -> None:
        """Apply what was changed so far."""
        if self.current_tx:
            await self.current_tx.commit()

    async def rollback(self) -> None:
        """Drop what was changed so far."""
        if self.current_tx:
            await self.current_tx.rollback()
