"""Transactions, where cashews has them."""

from __future__ import annotations

from .._transaction import Transaction, TransactionContextDecorator, TransactionMode

__all__ = ["Transaction", "TransactionContextDecorator", "TransactionMode"]
