"""`BcastClientSide`, where cashews has it."""

from __future__ import annotations

from . import BcastClientSide

__all__ = ["BcastClientSide"]
