"""`register_backend`, where cashews has it."""

from __future__ import annotations

from .._settings import register_backend

__all__ = ["register_backend"]
