"""Holds `clear_never_die_registry`, where cachify has it."""

from ..decorating import clear_never_die_registry

__all__ = ["clear_never_die_registry"]
