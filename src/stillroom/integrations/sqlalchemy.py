"""Transactions of SQLAlchemy sessions, with those of a cache in step.

From `bind_transactions` on, each transaction of a session is one of the cache as well: it opens with it, applies what was
changed in the cache once the database has committed, and drops it if that rolls back. A savepoint of one is a savepoint of
the other.
"""

from __future__ import annotations

import weakref
from typing import Any, TypeAlias, cast

from .. import Cache, ConfigurationError

try:
    from sqlalchemy import event
    from sqlalchemy.exc import MissingGreenlet
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
    from sqlalchemy.orm import Session, SessionTransaction, sessionmaker
    from sqlalchemy.util import await_only
except ImportError as error:  # pragma: no cover - the tests have it
    raise ImportError("stillroom.integrations.sqlalchemy needs SQLAlchemy 2: pip install 'stillroom[sqlalchemy]'") from error

__all__ = ["bind_transactions"]

Target: TypeAlias = "Session | type[Session] | sessionmaker[Any] | AsyncSession | async_sessionmaker[Any]"


def bind_transactions(target: Target, cache: Cache, *, keep_loads: bool = True) -> None:
    """Keep the transactions of a cache in step with those of sessions, for as long as these live.

    A transaction belongs to the thread or task in which the session begins its own: at its first use, or with ``begin()``.

    Args:
        target: a session, or what makes sessions: a ``sessionmaker``, an ``async_sessionmaker``, a class of sessions.
        cache: the cache.
        keep_loads: as for `Cache.transaction`.

    Raises:
        ConfigurationError: the target is nothing that has sessions.

    Example:
        >>> Session = sessionmaker(engine)
        >>> bind_transactions(Session, cache)
        >>> with Session.begin() as session:
        ...     session.execute(update(User).where(User.id == 5).values(name="Ada"))
        ...     get_user.invalidate(5)
    """
    is_async = isinstance(target, (AsyncSession, async_sessionmaker))
    bound = _Bound(cache, keep_loads, is_async)
    sessions = _sessions(target)
    event.listen(sessions, "after_transaction_create", bound.begun)
    event.listen(sessions, "after_commit", bound.committed)
    event.listen(sessions, "after_transaction_end", bound.ended)


def _sessions(target: object) -> Any:
    """Return what has the events."""
    if isinstance(target, AsyncSession):
        return target.sync_session
    if isinstance(target, async_sessionmaker):
        if "sync_session_class" not in target.kw:  # or all sessions there are would be bound
            target.configure(sync_session_class=type("Session", (Session,), {}))
        return target.kw["sync_session_class"]
    is_class = isinstance(target, type) and Session in target.__mro__
    if is_class or isinstance(target, (Session, sessionmaker)):
        return cast(Any, target)
    raise ConfigurationError(
        f"target must be a session, a sessionmaker or a class of sessions, not {target!r}", setting="target", given=target
    )


class _Open:
    """A transaction of the cache that is open, and the one of the session that it is for."""

    def __init__(self, transaction: SessionTransaction, opened: Any) -> None:
        self.transaction = weakref.ref(transaction)
        self.opened = opened
        self.is_committed = False


class _Bound:
    """What hears of the transactions of sessions."""

    def __init__(self, cache: Cache, keep_loads: bool, is_async: bool) -> None:
        self._cache = cache
        self._keep_loads = keep_loads
        self._is_async = is_async
        self._stacks: weakref.WeakKeyDictionary[Session, list[_Open]] = weakref.WeakKeyDictionary()

    def begun(self, session: Session, transaction: SessionTransaction) -> None:
        """Open a transaction, or a savepoint; what a session does for itself, as when it flushes, is neither."""
        if not transaction.nested and transaction.parent is not None:
            return
        opened = self._cache.transaction(keep_loads=self._keep_loads, independent=not transaction.nested)
        stack = self._stacks.get(session)
        if stack is None:
            stack = self._stacks[session] = []
            weakref.finalize(session, _abandon, stack).atexit = False
        opened.__enter__()
        stack.append(_Open(transaction, opened))

    def committed(self, session: Session) -> None:
        """Note that the innermost transaction has been committed."""
        self._stacks[session][-1].is_committed = True

    def ended(self, session: Session, transaction: SessionTransaction) -> None:
        """Apply, or drop, what was changed in a transaction."""
        stack = self._stacks.get(session, [])
        if stack and stack[-1].transaction() is transaction:
            self._end(stack.pop())

    def _end(self, ended: _Open) -> None:
        outcome = (None, None, None) if ended.is_committed else (_RolledBack, None, None)
        if self._is_async:
            try:
                await_only(ended.opened.__aexit__(*outcome))
                return
            except MissingGreenlet:  # the session was ended by somebody who cannot wait
                pass
        ended.opened.__exit__(*outcome)


class _RolledBack(Exception):
    """What a block of the cache is left with if the database did not commit."""


def _abandon(stack: list[_Open]) -> None:
    """Drop what belonged to a session that is gone without having been closed."""
    while stack:
        stack.pop().opened.__exit__(_RolledBack, None, None)
