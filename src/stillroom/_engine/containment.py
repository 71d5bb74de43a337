"""What becomes of a store's failures: a broken cache is not a broken application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import StillroomError, StoreError

if TYPE_CHECKING:
    from ..protocols import Store
    from .fetch import Reporter

__all__ = ["Containment"]


class Containment:
    """Reports what a store raised, so that the call is answered without it.

    Args:
        store: the store.
        reporter: hears of it.
        raises: callers want to see the failures of the store.
    """

    def __init__(self, store: Store, reporter: Reporter, raises: bool) -> None:
        self._store = store
        self._reporter = reporter
        self._raises = raises

    def __call__(self, operation: str, error: Exception) -> None:
        """Report an error, or raise it if it is meant for the caller: a call that cannot be keyed, a setting that is wrong."""
        if isinstance(error, StillroomError) and (self._raises or not isinstance(error, StoreError)):
            raise error
        self._reporter.store_failed(self._store, operation, error)
