"""Transactions of SQLAlchemy sessions, with those of a cache in step.

From `bind_transactions` on, each transaction of a session is one of the cache as well: it opens with it, applies what was
changed in the cache once the database has committed, and drops it if that rolls back. A savepoint of one is a savepoint of
the other, whichever transactions of other sessions are open.
"""

from __future__ import annotations

import weakref
from typing import Any, TypeAlias, cast

from .. import Cache, ConfigurationError
from .following import RolledBack, check

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
        ConfigurationError: the target is nothing that has sessions, or a session that is in a transaction already; or one of
            the other arguments makes no sense.

    Example:
        >>> Session = sessionmaker(engine)
        >>> bind_transactions(Session, cache)
        >>> with Session.begin() as session:
        ...     session.execute(update(User).where(User.id == 5).values(name="Ada"))
        ...     get_user.invalidate(5)
    """
    check(cache, keep_loads)
    is_async = isinstance(target, (AsyncSession, async_sessionmaker))
    bound = _Bound(cache, keep_loads, is_async)
    sessions = _sessions(target)
    event.listen(sessions, "after_transaction_create", bound.begun)
    event.listen(sessions, "after_commit", bound.committed)
    event.listen(sessions, "after_transaction_end", bound.ended)


def _sessions(target: object) -> Any:
    """Return what has the events."""
    if isinstance(target, (Session, AsyncSession)) and target.in_transaction():
        raise ConfigurationError(
            "target is in a transaction, of which the cache has not seen the beginning; bind the session before it is used",
            setting="target",
            given=target,
        )
    if isinstance(target, AsyncSession):
        return target.sync_session
    if isinstance(target, async_sessionmaker):
        return _class_of_its_own(cast(Any, target))
    is_class = isinstance(target, type) and Session in target.__mro__
    if is_class or isinstance(target, (Session, sessionmaker)):
        return cast(Any, target)
    raise ConfigurationError(
        f"target must be a session, a sessionmaker or a class of sessions, not {target!r}", setting="target", given=target
    )


def _class_of_its_own(maker: async_sessionmaker[Any]) -> type[Session]:
    """Return the class of the sessions behind those that a maker makes, and have it be one that nobody else uses."""
    known = maker.kw.get("sync_session_class", maker.class_.sync_session_class)
    own = type(known.__name__, (known,), {})
    maker.configure(sync_session_class=own)
    return own


class _Open:
    """A transaction of the cache that is open, and the one of the session that it is for.

    Attributes:
        transaction: returns the one of the session.
        opened: the one of the cache.
        is_over: it has ended, with the commit.
        error: what went wrong then.
    """

    def __init__(self, transaction: SessionTransaction, opened: Any) -> None:
        self.transaction = weakref.ref(transaction)
        self.opened = opened
        self.is_over = False
        self.error: BaseException | None = None


class _Bound:
    """What hears of the transactions of sessions."""

    def __init__(self, cache: Cache, keep_loads: bool, is_async: bool) -> None:
        self._cache = cache
        self._keep_loads = keep_loads
        self._is_async = is_async
        self._stacks: weakref.WeakKeyDictionary[Session, list[_Open]] = weakref.WeakKeyDictionary()

    def begun(self, session: Session, transaction: SessionTransaction) -> None:
        """Open a transaction, or a savepoint; what a session does for itself, as when it flushes, is neither."""
        if transaction.nested:
            if stack := self._stacks.get(session):  # or its transaction is older than the binding
                self._open(stack, transaction, stack[-1].opened.savepoint())
        elif transaction.parent is None:
            stack = self._stacks.get(session)
            if stack is None:
                stack = self._stacks[session] = []
                weakref.finalize(session, _abandon, stack).atexit = False
            _abandon(stack)  # what has ended without a word, as when its connection was lost
            self._open(stack, transaction, self._cache.transaction(keep_loads=self._keep_loads, independent=True))

    def _open(self, stack: list[_Open], transaction: SessionTransaction, opened: Any) -> None:
        opened.__enter__()
        stack.append(_Open(transaction, opened))

    def committed(self, session: Session) -> None:
        """Apply what was changed in the innermost transaction; if that fails, its end says so."""
        one = self._innermost(session, session.get_nested_transaction() or session.get_transaction())
        if one is not None:
            one.is_over = True
            try:
                self._close(one.opened, None)
            except BaseException as error:
                one.error = error

    def ended(self, session: Session, transaction: SessionTransaction) -> None:
        """Drop what was changed in a transaction, unless it has been committed."""
        one = self._innermost(session, transaction)
        if one is None:
            return
        self._stacks[session].pop()
        if not one.is_over:
            self._close(one.opened, RolledBack)
        if one.error is not None:
            raise one.error

    def _innermost(self, session: Session, transaction: SessionTransaction | None) -> _Open | None:
        """Return what is open for a transaction, and drop what is left of savepoints inside; ``None`` if nothing is."""
        stack = self._stacks.get(session, [])
        at = next((at for at, one in enumerate(stack) if one.transaction() is transaction), None)
        if at is None:
            return None
        inside, stack[at + 1 :] = stack[at + 1 :], []
        _abandon(inside)
        return stack[at]

    def _close(self, opened: Any, kind: type[Exception] | None) -> None:
        if self._is_async:
            try:
                await_only(opened.__aexit__(kind, None, None))
                return
            except MissingGreenlet:  # the session was ended by somebody who cannot wait
                pass
        opened.__exit__(kind, None, None)


def _abandon(stack: list[_Open]) -> None:
    """Drop what was changed in transactions that have ended, or are gone with their session, without having been closed."""
    while stack:
        one = stack.pop()
        if not one.is_over:
            one.opened.__exit__(RolledBack, None, None)
