"""Holds `MemoryStorage`, where cachify has it."""

from .memory_storage import MemoryStorage

__all__ = ["MemoryStorage"]
