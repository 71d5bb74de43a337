"""Transactions of Django, with those of a cache in step.

`atomic` is Django's own, and a transaction of a cache besides. That one ends when Django runs the hooks of `on_commit`: so
also where the block stands inside another ``atomic``, as with ``ATOMIC_REQUESTS``, and only the end of that one commits. What
Django discards such a hook for, a rollback of the whole or of a savepoint, drops what was changed in the cache. Where it is not
known whether the database has committed, what was changed is invalidated.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from contextlib import ContextDecorator
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

from .. import Cache, ConfigurationError
from .following import RolledBack, check

try:
    from django.db import transaction as _transaction  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
except ImportError as error:  # pragma: no cover - the tests have it
    raise ImportError("stillroom.integrations.django needs Django: pip install 'stillroom[django]'") from error

__all__ = ["atomic"]

Connection: TypeAlias = Any
F = TypeVar("F", bound=Callable[..., Any])
"""A function, whose type stays as it is."""

transaction: Any = _transaction
"""Django's own, which has no types."""


class atomic(ContextDecorator):  # noqa: N801 - as Django calls it
    """A database transaction, or a savepoint of one, and one of a cache; a context manager and a decorator.

    Args:
        cache: the cache.
        using: the database; the default one if ``None``.
        savepoint: as for Django's ``atomic``.
        durable: as for Django's ``atomic``.
        robust: log an error of the cache at the end, and do not raise it, as for Django's ``on_commit``.
        keep_loads: as for `Cache.transaction`.

    Raises:
        ConfigurationError: an argument makes no sense, or what is decorated is asynchronous or a generator: its body would run
            when the block is over.

    Example:
        >>> with atomic(cache):
        ...     user.save()
        ...     get_user.invalidate(user.pk)
    """

    def __init__(
        self,
        cache: Cache,
        using: str | None = None,
        savepoint: bool = True,
        durable: bool = False,
        *,
        robust: bool = False,
        keep_loads: bool = True,
    ) -> None:
        check(cache, keep_loads)
        self._cache = cache
        self._using = using
        self._settings = (using, savepoint, durable)
        self._robust = robust
        self._keep_loads = keep_loads
        self._blocks: list[tuple[Any, Any]] = []

    def __call__(self, func: F) -> F:
        if inspect.iscoroutinefunction(func) or inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
            raise ConfigurationError(
                f"atomic is over when {func.__qualname__} has begun; use it as a block, in a plain function", setting="function"
            )
        return super().__call__(func)

    def _recreate_cm(self) -> atomic:
        return type(self)(self._cache, *self._settings, robust=self._robust, keep_loads=self._keep_loads)

    def __enter__(self) -> None:
        database = transaction.Atomic(*self._settings)
        database.__enter__()
        try:
            self._blocks.append((database, self._open()))
        except BaseException as error:
            database.__exit__(type(error), error, error.__traceback__)
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        database, savepoint = self._blocks.pop()
        failed = kind is not None or transaction.get_connection(self._using).needs_rollback
        try:
            database.__exit__(kind, error, trace)
        except BaseException:
            failed = True
            raise
        finally:
            if savepoint is not None:
                savepoint.__exit__(RolledBack if failed else None, None, None)

    def _open(self) -> Any:
        """Open a transaction of the cache, which ends with that of the database, or return a savepoint to be ended here."""
        connection = transaction.get_connection(self._using)
        around = _end(connection, self._cache)
        if around is not None and around.is_due:
            savepoint = around.opened.savepoint()
            savepoint.__enter__()
            return savepoint
        if around is not None:
            around.settle()
        opened = self._cache.transaction(keep_loads=self._keep_loads, independent=True)
        opened.__enter__()
        end = _End(connection, opened)
        _ends.setdefault(connection, weakref.WeakKeyDictionary())[self._cache] = weakref.ref(end)
        transaction.on_commit(end.apply, self._using, self._robust)
        return None


class _End:
    """What Django calls after a commit, and lets go of without a call after a rollback.

    After a commit it may let go of it, too: if a hook that was registered earlier has failed. Then the database is not in a
    transaction any more, which it still is while a rollback lets go of hooks.

    Args:
        connection: the database.
        opened: the transaction of the cache.

    Attributes:
        opened: as given; ``None`` once it has ended.
    """

    opened: Any

    def __init__(self, connection: Connection, opened: Any) -> None:
        self._connection = connection
        self.opened = opened

    @property
    def is_due(self) -> bool:
        """Whether it is still to come."""
        return self.opened is not None and any(hook[1] == self.apply for hook in self._connection.run_on_commit)

    def apply(self) -> None:
        """Apply what was changed in the cache; Django holds on to this until it calls it."""
        opened, self.opened = self.opened, None
        if opened is None:
            return
        try:
            opened.__exit__(None, None, None)
        except Exception:
            for end in [one() for one in _ends[self._connection].values()]:  # Django calls no further hooks
                if end is not None:
                    end.apply()
            raise

    def settle(self) -> None:
        """End what Django has let go of without saying why."""
        opened, self.opened = self.opened, None
        if opened is not None:
            opened.outdate()

    def __del__(self) -> None:
        opened, connection = self.opened, self._connection
        if opened is not None and (connection.in_atomic_block or not connection.autocommit):
            self.opened = None
            opened.__exit__(RolledBack, None, None)
        self.settle()


def _end(connection: Connection, cache: Cache) -> _End | None:
    """Return how the transaction of a cache ends that was opened last."""
    ends = _ends.get(connection)
    known = None if ends is None else ends.get(cache)
    return None if known is None else known()


_ends: weakref.WeakKeyDictionary[Connection, weakref.WeakKeyDictionary[Cache, weakref.ref[_End]]]
_ends = weakref.WeakKeyDictionary()
"""How the transactions of caches end that are open, by the connection to the database: a thread has its own."""
