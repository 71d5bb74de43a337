"""Holds `cache`, where cachify has it."""

from .decorating import cache

__all__ = ["cache"]
