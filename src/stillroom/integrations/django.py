"""Transactions of Django, with those of a cache in step.

`atomic` is Django's own, and a transaction of a cache besides. That one ends when Django runs the hooks of `on_commit`: so
also where the block stands inside another ``atomic``, as with ``ATOMIC_REQUESTS``, and only the end of that one commits. What
Django discards such a hook for, a rollback of the whole or of a savepoint, drops what was changed in the cache.
"""

from __future__ import annotations

import weakref
from contextlib import ContextDecorator
from types import TracebackType
from typing import Any, TypeAlias

from .. import Cache

try:
    from django.db import transaction as _transaction  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
except ImportError as error:  # pragma: no cover - the tests have it
    raise ImportError("stillroom.integrations.django needs Django: pip install 'stillroom[django]'") from error

__all__ = ["atomic"]

Connection: TypeAlias = Any

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
        self._cache = cache
        self._using = using
        self._settings = (using, savepoint, durable)
        self._robust = robust
        self._keep_loads = keep_loads
        self._blocks: list[tuple[Any, Any]] = []

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
                savepoint.__exit__(_RolledBack if failed else None, None, None)

    def _open(self) -> Any:
        """Open a transaction of the cache, which ends with that of the database, or return a savepoint to be ended here."""
        ends = _ends.setdefault(transaction.get_connection(self._using), weakref.WeakKeyDictionary())
        known = ends.get(self._cache)
        around = None if known is None else known()
        is_first = around is None or not around.is_due
        opened = self._cache.transaction(keep_loads=self._keep_loads, independent=is_first)
        opened.__enter__()
        if not is_first:
            return opened
        end = _End(opened)
        ends[self._cache] = weakref.ref(end)
        transaction.on_commit(end.apply, self._using, self._robust)
        return None


class _End:
    """What Django calls after a commit, and lets go of without a call after a rollback."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened

    @property
    def is_due(self) -> bool:
        """Whether it has not come yet."""
        return self._opened is not None

    def apply(self) -> None:
        """Apply what was changed in the cache; Django holds on to this until it calls it."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.__exit__(None, None, None)

    def __del__(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.__exit__(_RolledBack, None, None)


class _RolledBack(Exception):
    """What a block of the cache is left with if the database did not commit."""


_ends: weakref.WeakKeyDictionary[Connection, weakref.WeakKeyDictionary[Cache, weakref.ref[_End]]]
_ends = weakref.WeakKeyDictionary()
"""How the transactions of caches end that are open, by the connection to the database: a thread has its own."""
