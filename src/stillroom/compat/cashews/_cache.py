"""`Cache`: the object that users of cashews hold."""

from __future__ import annotations

from ._decorators import Decorators
from ._tags import Tags
from ._transaction import Transaction, TransactionContextDecorator, TransactionMode
from .backends.interface import Backend

__all__ = ["Cache"]


class Cache(Decorators, Tags):
    """A cache as cashews has it, with native caches underneath.

    Args:
        name: what it is called.
    """

    transaction_mode = TransactionMode.LOCKED
    transaction_timeout: float = 10

    @classmethod
    def of_backend(cls, backend: Backend) -> Cache:
        """Return a cache with nothing but a backend."""
        cache = cls()
        cache._add_backend(backend)
        return cache

    def set_transaction_timeout(self, timeout: float) -> None:
        """Say how many seconds a transaction waits for another one, unless it is told otherwise."""
        self.transaction_timeout = timeout

    def set_transaction_mode(self, mode: TransactionMode) -> None:
        """Say who may change what while a transaction is open, unless it is told otherwise."""
        self.transaction_mode = mode

    def transaction(self, mode: TransactionMode | None = None, timeout: float | None = None) -> TransactionContextDecorator:
        """Apply what is changed in a block, or in a call of a function, at its end, or drop it on an error.

        Args:
            mode: who may change what meanwhile.
            timeout: how many seconds to wait for another transaction.

        Raises:
            LockedError: in the block, if another transaction is at the same for longer than that.
        """
        chosen, limit = mode or self.transaction_mode, timeout or self.transaction_timeout

        def begin() -> Transaction:
            return Transaction(self._backends.values(), chosen, limit)

        return TransactionContextDecorator(self._transaction, begin)
