"""`Cache` and what goes with it, where cashews has them."""

from __future__ import annotations

from .._cache import Cache
from .._settings import register_backend
from .._transaction import TransactionMode

__all__ = ["Cache", "TransactionMode", "register_backend"]
